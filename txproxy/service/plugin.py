"""`twistd txproxy` and `twist txproxy`.

Rule: the route map is read and everything is made of it before twistd daemonizes, so that whatever is
wrong is said on the terminal, with exit status 1.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.python import usage

from txproxy.config.loading import load


class Options(usage.Options):  # type: ignore[misc]  # usage.Options is not typed
    """What may stand behind `twistd txproxy`."""

    synopsis = "[options]"
    optParameters = [["config", "c", "routes.yaml", "The route map."]]  # noqa: RUF012 - Twisted's way
    longdesc = "Serves a YAML route map. `txproxy check FILE` says what is wrong with one, `txproxy explain` how a request would go."

    def postOptions(self) -> None:
        """Nothing is checked here: the route map speaks for itself."""


def makeService(options: Any) -> IService:
    """Make the service for a parsed command line.

    :raises SystemExit: 1, the route map has errors, which are on standard error by then.
    """
    from twisted.internet import reactor  # by now it is chosen

    loaded = load(os.path.abspath(options["config"]), os.environ)
    for problem in loaded.problems:
        sys.stderr.write(problem.render() + "\n")
    if loaded.config is None:
        raise SystemExit(1)
    from .compose import ComposeError
    from .daemon import ProxyService

    try:
        return ProxyService(loaded.config, reactor)  # type: ignore[return-value]  # zope.interface is not typed
    except (ComposeError, OSError, CannotListenError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
