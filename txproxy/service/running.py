"""The daemon in the foreground: what `twistd -n txproxy` does, without twistd's command line.

Rule: the reactor is chosen by `install_reactor` before anything imports one, so this module imports
nothing of Twisted's that would, and nothing of txproxy's that touches the network, at its top.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from txproxy.config.loading import load
from txproxy.config.model import Config

if TYPE_CHECKING:
    from .daemon import ProxyService


class CannotRun(Exception):
    """Why nothing is served, as text for a terminal."""


def install_reactor(name: str | None = None) -> None:
    """Choose the reactor, where none is installed yet.

    :param name: as twistd's --reactor has it; None: uvloop's where uvloop is there, else Twisted's default.
    :raises CannotRun: there is no such reactor, or what it needs is missing.
    """
    if "twisted.internet.reactor" in sys.modules:
        return  # whoever embeds us, or --reactor, has chosen
    if name is None:
        if find_spec("uvloop") is None:
            return  # the first import installs the default
        name = "uvloop"
    from twisted.application.reactors import NoSuchReactor, getReactorTypes, installReactor

    try:
        installReactor(name)
    except NoSuchReactor as error:
        known = ", ".join(sorted(each.shortName for each in getReactorTypes()))
        raise CannotRun(f"there is no reactor {name!r}; there are {known}") from error
    except ImportError as error:
        raise CannotRun(f"the reactor {name!r} cannot be had here: {error}") from error


def load_or_complain(file: str, environ: Mapping[str, str], complain: Callable[[str], object]) -> Config:
    """Read a route map, warnings told.

    :raises CannotRun: it has errors, which are the text.
    """
    loaded = load(file, environ)
    problems = "\n".join(problem.render() for problem in loaded.problems)
    if loaded.config is None:
        raise CannotRun(problems)
    if problems:
        complain(problems)
    return loaded.config


def make_service(config: Config, reactor: Any) -> ProxyService:
    """Make the service for a route map, after the checks that take more than the config.

    :raises CannotRun: a route can never be reached, or a log or code that the map names cannot be had.
    """
    from .checking import Sources, unreachable_routes
    from .compose import ComposeError
    from .daemon import ProxyService

    # As `python -m` has it: applications beside the map are found where the command is given.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        service = ProxyService(config, reactor)
    except (ComposeError, OSError) as error:
        raise CannotRun(str(error)) from error
    if unused := list(unreachable_routes(service.frontend.generation.table.routes, Sources())):
        raise CannotRun("\n".join(finding.render() for finding in unused))
    return service


def run(config: Config, *, started: Callable[[], None] | None = None, reactor_name: str | None = None) -> None:
    """Serve until the process is told to stop.

    :param started: called once all addresses are bound.
    :param reactor_name: see `install_reactor`.
    :raises CannotRun: an address, a log or code that the map names cannot be had.
    """
    install_reactor(reactor_name)
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError
    from twisted.logger import globalLogBeginner

    from txproxy.observability.app_log import text_observer

    service = make_service(config, reactor)
    try:
        globalLogBeginner.beginLoggingTo([text_observer(sys.stderr, config.log.level)], redirectStandardIO=False)
        service.privilegedStartService()
        service.startService()
    except (CannotListenError, OSError) as error:
        raise CannotRun(str(error)) from error
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    if started is not None:
        started()
    reactor.run()
