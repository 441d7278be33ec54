"""`twistd txproxy` and `twist txproxy`.

Rule: the route map is read and everything is made of it before twistd daemonizes, so that whatever is
wrong is said on the terminal, with exit status 1. The reactor is chosen before anything imports one, so
nothing is imported here, at the top, that would.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from .running import CannotRun, install_reactor, load_or_complain, make_service


class Options(usage.Options):
    """What may stand behind `twistd txproxy`."""

    synopsis = "[options]"
    optParameters = [["config", "c", "routes.yaml", "The route map."]]  # noqa: RUF012 - Twisted's way
    longdesc = (
        "Serves a YAML route map. `txproxy check FILE` says what is wrong with one, "
        "`txproxy explain` how a request would go."
    )

    def postOptions(self) -> None:
        """Choose the reactor, now that --reactor would have; the route map speaks for itself later."""
        try:
            install_reactor()
        except CannotRun as error:
            raise usage.UsageError(str(error)) from error


def makeService(options: Any) -> IService:
    """Make the service for a parsed command line.

    :raises SystemExit: 1, the route map cannot be served; why is on standard error by then.
    """
    from twisted.internet import reactor  # by now it is chosen

    from .daemon import warn_of_lost_log  # and what this imports may ask for it

    try:
        config = load_or_complain(os.path.abspath(options["config"]), os.environ, _complain)
        if lost := warn_of_lost_log(config, daemonized=not options.parent.get("nodaemon", True)):
            _complain(lost)
        return make_service(config, reactor)
    except CannotRun as error:
        _complain(error)
        raise SystemExit(1) from error


def _complain(what: object) -> None:
    sys.stderr.write(f"{what}\n")
