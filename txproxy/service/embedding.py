"""`txproxy.resource_tree`: a route map as a resource of somebody else's program.

Rule: what is embedded binds nothing, installs nothing and takes no signals; it uses the reactor that
is there, and looks at the clock only while one of its connections has a deadline.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from txproxy.config.loading import Loaded, load, load_value
from txproxy.config.problem import Problem
from txproxy.forwarding.frontend import Frontend
from txproxy.forwarding.tree import VirtualHostRoot
from txproxy.observability.access_log import AccessLog
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.reactor.deadlines import Deadlines
from txproxy.upstream.upstream import Backends

from .checking import Sources, unreachable_routes
from .compose import Composer


class RouteMapError(ValueError):
    """The route map has errors; the text has all of them, each with its place.

    :ivar problems: the same, one by one.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = problems


def resource_tree(
    route_map: str | os.PathLike[str] | Mapping[str, Any],
    reactor: Any = None,
    *,
    access_log: AccessLog | None = None,
    environ: Mapping[str, str] | None = None,
) -> VirtualHostRoot:
    """Make a `twisted.web` resource of a route map: ``Site(resource_tree("routes.yaml"))``.

    :param route_map: a file's path, or the map as a mapping. Its `listen`, `log`, certificates and the limits and
        timeouts of client connections are not used: those are the Site's. A host that requires client
        certificates is not served.
    :param reactor: None: the one that is installed.
    :param access_log: takes the record of each request, if given.
    :param environ: what `${NAME}` is taken from; None: the process's environment.
    :raises RouteMapError: the route map has errors, or a route that is never reached.
    :raises txproxy.service.compose.ComposeError: code that it names cannot be imported.
    """
    if reactor is None:
        from twisted.internet import reactor  # not at the top: importing it chooses the reactor
    values = os.environ if environ is None else environ
    loaded: Loaded
    if isinstance(route_map, Mapping):
        loaded = load_value(dict(route_map), os.getcwd(), values)
    else:
        loaded = load(os.fspath(route_map), values)
    if loaded.config is None:
        raise RouteMapError(loaded.problems)
    deadlines = Deadlines(reactor, on_demand=True)
    composer = Composer(loaded.config, reactor, deadlines, Backends(reactor, deadlines))
    generation = composer.generation()
    if unused := tuple(unreachable_routes(generation.table.routes, Sources())):
        raise RouteMapError(tuple(finding.problem for finding in unused))
    frontend = Frontend(
        reactor,
        generation,
        Counters(),
        access_log,
        RequestIds(os.urandom),
        level=loaded.config.log.level,
    )
    return VirtualHostRoot(frontend, composer.trust.is_trusted)
