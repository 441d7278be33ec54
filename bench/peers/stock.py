"""The proxy that comes with Twisted, as its documentation starts it, with the access log on.

Rule: stock means stock. The one thing added is X-Forwarded-For, because all others add it.
Run as ``stock.py PORT BACKEND LOG``.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.web.proxy import ReverseProxyResource
from twisted.web.server import Request, Site


class ForwardedRequest(Request):
    """A request that tells the backend whom it came from."""

    def process(self) -> None:
        """Add the client's address, then go on as usual."""
        self.requestHeaders.addRawHeader(b"x-forwarded-for", self.getClientIP().encode("ascii"))
        super().process()  # type: ignore[no-untyped-call]


def main(port: str, backend: str, log: str) -> None:
    """Serve until a signal comes."""
    root = ReverseProxyResource("127.0.0.1", int(backend), b"")  # type: ignore[no-untyped-call]
    site = Site(root, requestFactory=ForwardedRequest, logPath=log)  # type: ignore[no-untyped-call]
    reactor.listenTCP(int(port), site, backlog=1024, interface="127.0.0.1")  # type: ignore[arg-type]
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
