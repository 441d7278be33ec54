"""The proxy that comes with Twisted, as its documentation starts it, with the access log on.

Rule: stock means stock. The one thing added is X-Forwarded-For, because all others add it.
Run as ``stock.py PORT BACKEND LOG [KEY CERTIFICATE INTERMEDIATE]``; with a key it listens for TLS.
"""

from __future__ import annotations

import sys

from twisted.internet import endpoints, task
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.web.proxy import ReverseProxyResource
from twisted.web.server import Request, Site


class ForwardedRequest(Request):
    """A request that tells the backend whom it came from."""

    def process(self) -> None:
        """Add the client's address, then go on as usual."""
        self.requestHeaders.addRawHeader(b"x-forwarded-for", self.getClientIP().encode("ascii"))
        super().process()  # type: ignore[no-untyped-call]


async def serve(reactor: IReactorCore, port: str, backend: str, log: str, *files: str) -> None:
    """Serve until a signal comes."""
    root = ReverseProxyResource("127.0.0.1", int(backend), b"")
    site = Site(root, requestFactory=ForwardedRequest, logPath=log)
    listener = "ssl:{}:privateKey={}:certKey={}:extraCertChain={}".format(port, *files) if files else f"tcp:{port}"
    await endpoints.serverFromString(reactor, f"{listener}:interface=127.0.0.1:backlog=1024").listen(site)
    await Deferred()


def main(*arguments: str) -> None:
    """Run the reactor, and end with what was wrong if the port cannot be had."""
    task.react(lambda *given: Deferred.fromCoroutine(serve(*given)), arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
