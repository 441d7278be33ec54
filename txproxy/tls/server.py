"""The server's end of TLS: the ClientHello is read first, and decides which certificate and policy there is.

Rule: OpenSSL sees nothing of a connection before a context has been chosen for it, so nothing that a context
holds (least version, client certificates, ticket keys) can be carried from one host to another. Whoever is
not let in gets an alert that says why, and the connection ends before the deadline of the handshake, always.
"""

from __future__ import annotations

from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from txproxy.reactor.deadlines import NEVER, Deadlines
from txproxy.reactor.transport import receive_with

from .hello import ClientHello, HelloError, client_hello
from .openssl import Scratch
from .transport import TlsTransport
from .words import in_words

# RFC 8446, section 6: a fatal alert in a record of its own; what comes before a ServerHello is of version 3.3.
_HANDSHAKE = b"\x16"
_FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02%c"


class Refused(Exception):
    """A client is not let in.

    :ivar alert: the number of the alert that it gets (RFC 8446, section 6). :ivar detail: why, for the log.
    """

    def __init__(self, alert: int, detail: str) -> None:
        super().__init__(detail)
        self.alert = alert
        self.detail = detail


class Doorkeeper(Protocol):
    """What a listener decides about the clients of a `TlsServer`."""

    def admit(self, hello: ClientHello, server: TlsServer) -> SSL.Connection:
        """Make the connection for a client, in accept state.

        :raises Refused: it is not let in.
        """

    def plain(self, server: TlsServer, data: bytes) -> bool:
        """Take the connection of a client that does not speak TLS, with what it sent; False: it is ended."""

    def secured(self, server: TlsServer) -> Any:
        """Make the protocol: the handshake is complete."""

    def turned_away(self, server: TlsServer, reason: str) -> None:
        """Note that the connection ended before it was secured. Called once, unless `secured` or `plain` was."""


class TlsServer(TlsTransport):
    """One client's connection, from its first byte on.

    :param scratch: of the reactor.
    :param doorkeeper: of the listener.
    :param deadlines: the wheel. :param timeout: seconds for the handshake.
    :param peer: whatever the listener knows of the client; not looked at here.
    :ivar answering: no request is under way before there is a protocol (what a listener's connections are asked).
    """

    answering = False
    __slots__ = ("_doorkeeper", "_heard", "_timeout", "_wheel", "deadline", "deadline_slot", "hello", "peer", "spoken")

    def __init__(
        self, scratch: Scratch, doorkeeper: Doorkeeper, deadlines: Deadlines, timeout: float, peer: Any
    ) -> None:
        super().__init__(scratch, None, None)
        self.dataReceived = self._hello_received
        self._doorkeeper: Doorkeeper | None = doorkeeper
        self._wheel = deadlines
        self._timeout = timeout
        self._heard = b""
        self.deadline = NEVER
        self.deadline_slot = 0
        self.peer = peer
        self.hello: ClientHello | None = None
        #: what came looks like TLS: somebody meant to talk to us
        self.spoken = False

    def _begin(self) -> None:
        self._wheel.arm(self, self._timeout)

    def _hello_received(self, data: bytes) -> None:
        self._heard = heard = self._heard + data if self._heard else data
        self.spoken = heard[:1] == _HANDSHAKE
        try:
            hello = client_hello(heard)
            if hello is None:
                return
            self._heard = b""
            self.hello = hello
            assert self._doorkeeper is not None
            tls = self._doorkeeper.admit(hello, self)
        except HelloError as error:
            self._not_tls(heard, error)
            return
        except Refused as refused:
            self._refuse(refused.alert, refused.detail)
            return
        self._use(tls)
        receive_with(self, self._shaking_received)
        self._shaking_received(heard)

    def _not_tls(self, heard: bytes, error: HelloError) -> None:
        self._heard = b""
        if error.plain and self._doorkeeper is not None:
            self._wheel.forget(self)
            doorkeeper, self._doorkeeper = self._doorkeeper, None
            if doorkeeper.plain(self, heard):
                return
            self._doorkeeper = doorkeeper
        self._refuse(error.alert, error.detail)

    def _refuse(self, alert: int, detail: str) -> None:
        self._send(_FATAL_ALERT % alert)
        self._over(Failure(ConnectionLost(detail)))
        self.transport.loseConnection()

    def _secured(self) -> None:
        self._wheel.forget(self)
        assert self._doorkeeper is not None
        # Still the doorkeeper's if this raises: it is told of the end.
        self.inner = self._doorkeeper.secured(self)
        self._doorkeeper = None
        self.inner.makeConnection(self)

    def _lost(self, inner: Any, reason: Failure) -> None:
        self._wheel.forget(self)
        doorkeeper, self._doorkeeper = self._doorkeeper, None
        if doorkeeper is not None:
            doorkeeper.turned_away(self, in_words(reason.value or ConnectionLost()))
        if inner is not None:
            inner.connectionLost(reason)

    def _to_inner(self, data: bytes) -> None:
        if self.inner is not None:
            self.inner.dataReceived(data)

    # What a listener's connections are asked.

    def deadline_passed(self) -> None:
        """The handshake has taken too long."""
        self._abort(Failure(ConnectionLost("the handshake took longer than timeouts.handshake")))

    def abort(self) -> None:
        """End it now."""
        self.abortConnection()

    def cut(self, error: Any) -> None:
        """End it now: nobody waits for an answer yet."""
        self.abortConnection()

    def close_when_idle(self) -> None:
        """End it now: nothing has been asked yet."""
        self.abortConnection()
