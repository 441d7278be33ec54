"""The open connections to one backend.

Rule: a connection is in exactly one place: dialing, with an exchange, or idle in here. Taking one is
synchronous; only dialing gives a Deferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from txproxy.protocols.http1.client import ClientConnection
from txproxy.reactor.deadlines import NEVER, Deadlines
from txproxy.reactor.tcp import Turn
from txproxy.tls.backends import BackendTls

from .dial import Address, Dial


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """How many idle connections are kept to one backend, and for how long (seconds)."""

    max_idle: int = 64
    idle_timeout: float = 90.0


class Pool:
    """Lends connections to one backend.

    :param reactor: Twisted's.
    :param deadlines: the wheel.
    :param address: where the backend is.
    :param keepalive: its limits; may be replaced on reload.
    :param tls: secures the connections; None: they are plain.
    """

    __slots__ = ("_address", "_closed", "_deadlines", "_idle", "_reactor", "_tls", "_turn", "in_use", "keepalive")

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        address: Address,
        keepalive: KeepAlive,
        tls: BackendTls | None = None,
    ) -> None:
        self._reactor = reactor
        self._turn = Turn(reactor)
        self._deadlines = deadlines
        self._address = address
        self._tls = tls
        self._closed = False
        self.keepalive = keepalive
        #: most recently used last: that one is the least likely to be closed by the backend just now
        self._idle: list[ClientConnection] = []
        #: connections that carry a request
        self.in_use = 0

    def __repr__(self) -> str:
        return f"<Pool in use {self.in_use}, idle {len(self._idle)}>"

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def take(self) -> ClientConnection | None:
        """Give an idle connection, or None."""
        if not self._idle:
            return None
        connection = self._idle.pop()
        connection.deadline = NEVER
        self.in_use += 1
        return connection

    def dial(self, timeout: float | None) -> Deferred[ClientConnection]:
        """Open a connection; it belongs to the caller.

        :param timeout: seconds, None: for ever.
        :returns: fires with the connection or fails with a `ProxyError`.
        """
        secure = None if self._tls is None else self._tls.secure
        dial = Dial(self._reactor, self._address, timeout, self._build, self._turn, secure)
        return dial.result.addCallback(self._count)

    def close(self) -> None:
        """End what is idle, and what becomes idle."""
        self._closed = True
        for connection in tuple(self._idle):
            connection.discard()

    def _build(self, connected: Callable[[Any], None]) -> IProtocol:
        return ClientConnection(self._deadlines, connected, self._became_idle, self._lost)

    def _count(self, connection: ClientConnection) -> ClientConnection:
        self.in_use += 1
        return connection

    def _became_idle(self, connection: ClientConnection) -> None:
        if self._tls is not None and connection.requests == 1:
            self._tls.remember(connection.transport)  # once, and not for each request: it is not free
        keepalive = self.keepalive
        if self._closed or len(self._idle) >= keepalive.max_idle:
            connection.discard()
            return
        self.in_use -= 1
        self._idle.append(connection)
        self._deadlines.arm(connection, keepalive.idle_timeout)

    def _lost(self, connection: ClientConnection) -> None:
        if self._tls is not None and connection.requests == 1 and connection.answered:
            self._tls.remember(connection.transport)
        # Where it was is not asked of the connection, whose state has ended already.
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self.in_use -= 1
