"""The sound routes of a route map that has errors, so that what takes whole routes to find is told at once.

Rule: nobody is accused because of somebody else's error. A route with an error anywhere in its text is
left out: what is left of it may mean something that its author never wrote.
"""

from __future__ import annotations

from .language import RouteMap
from .model import Config, HostConfig
from .problem import Report, Where


def sound_part(config: Config, written: RouteMap, report: Report) -> Config:
    """Give the config without the routes that have an error in them; it is there to be looked at, not to be served."""
    wrong = {
        Where(problem.file, problem.line, problem.column)
        for problem in report.problems()
        if problem.severity == "error"
    }

    def sound(host: HostConfig) -> HostConfig:
        pairs = zip(host.routes, written.hosts[host.pattern].routes, strict=True)
        routes = tuple(route for route, entry in pairs if wrong.isdisjoint(entry.places()))
        return host.model_copy(update={"routes": routes})

    return config.model_copy(update={"hosts": {name: sound(host) for name, host in config.hosts.items()}})
