"""epoll, with our TCP transports wherever Twisted's would be."""

from __future__ import annotations

from typing import Any

from twisted.internet.epollreactor import EPollReactor

from txproxy.reactor.tcp import Turn, connect_tcp, listen_tcp


class BatchingReactor(EPollReactor):
    """A reactor for tests."""

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: Any = "") -> Any:
        """Listen."""
        if isinstance(port, int):
            return listen_tcp(self, port, factory, backlog, interface)
        return super().listenTCP(port, factory, backlog, interface)

    def connectTCP(self, host: Any, port: Any, factory: Any, timeout: Any = 30, bindAddress: Any = None) -> Any:
        """Connect."""
        if bindAddress is None and timeout == 30 and isinstance(port, int):
            return connect_tcp(self, host, port, factory, Turn(self))
        return super().connectTCP(host, port, factory, timeout, bindAddress)
