"""TLS between a transport of Twisted's and a protocol: what is written becomes records, what arrives bytes.

Rule: one read and one write of the transport below for a turn, whatever the protocol does in it, and nothing
is kept that need not be. It has four states: shaking hands, open, closed for one direction, over. What
arrives after the peer's close_notify is dropped; an end without one is no end but a loss (RFC 8446, section
6.1), because whoever cuts the wire can make one. A close_notify of ours is not waited for by us.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import interfaces
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.reactor.transport import receive_with, sender_of, untaken_bytes

from .openssl import Scratch
from .reading import Reading
from .writing import BUFFER_SIZE, NOTHING_UNREAD

_OF_THE_SOCKET = frozenset(
    ("getPeer", "getHost", "getTcpNoDelay", "setTcpNoDelay", "getTcpKeepAlive", "setTcpKeepAlive", "reactor")
)


@implementer(
    interfaces.ISSLTransport,
    interfaces.ITCPTransport,
    interfaces.INegotiated,
    interfaces.ISystemHandle,
    interfaces.IPushProducer,
    interfaces.IConsumer,
    interfaces.IProtocol,
    interfaces.IHalfCloseableProtocol,
)
class TlsTransport(Reading):
    """The protocol of a transport, and the transport of a protocol.

    :param scratch: of the reactor.
    :param tls: with memory BIOs, in accept or connect state; None: `_begin` of a class below makes one.
    :param inner: the protocol; it is connected at once, and what it writes waits for the handshake.
    """

    __slots__ = ()

    def __init__(self, scratch: Scratch, tls: SSL.Connection | None, inner: Any) -> None:
        super().__init__(scratch, tls, inner)
        self.dataReceived = self._shaking_received
        self._receiver = self._to_inner

    def __repr__(self) -> str:
        state = "shaking" if self.shaking else "open" if self.connected else "over"
        return f"<{type(self).__name__} {state} {self.inner!r}>"

    # As the protocol of the transport below.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport; the handshake begins."""
        self.transport = transport
        self._send = sender_of(transport)
        self._turn = getattr(transport, "turn", None)
        self.connected = True
        receive_with(self, self.dataReceived)
        self._begin()

    def _begin(self) -> None:
        self.inner.makeConnection(self)
        if self.connected and not self._write_over:
            self._shake()  # also for who has ended it already: what was written still leaves

    def connectionMade(self) -> None:
        """Part of IProtocol, for those who call it by themselves; `makeConnection` does all."""

    def _shaking_received(self, data: bytes) -> None:
        self._keep(data)
        while self.shaking and self._feed():
            self._shake()

    def _shake(self) -> None:
        """Go on with the handshake, with what has arrived."""
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            self._flush_records()
            return
        except SSL.Error as error:
            self._fail(Failure(error.with_traceback(None)))  # as in `problem`
            return
        except Exception:  # noqa: BLE001 - whatever a callback of a context has raised
            self._fail(Failure())
            return
        if self._reason is not None:
            self._fail(self._reason)
            return
        self.shaking = False
        receive_with(self, self._received)
        self._secured()
        if self._pending or self.disconnecting or self._write_ending:
            self.end_turn()
        if not self._write_over:
            # Our last flight has left with what the protocol had to say at once, if it had: in one packet, so that
            # a peer that does not like it has nothing unread when it closes, and its alert is not lost in a reset.
            self._flush_records()
        self._deliver()  # what came with the last flight

    def _secured(self) -> None:
        """The handshake is complete."""
        if self._producer is not None and self.connected:
            self.transport.registerProducer(self._producer, True)
            if self._pending_size > BUFFER_SIZE:
                # First: what has waited is sent behind this, and the transport below pauses who fills it.
                self._producer.resumeProducing()
        if interfaces.IHandshakeListener.providedBy(self.inner):
            self.inner.handshakeCompleted()

    def _cut(self) -> Failure:
        when = "during the handshake" if self.shaking else "without close_notify"
        return Failure(ConnectionLost(f"the connection was closed {when}"))

    def writeConnectionLost(self) -> None:
        """Our half has ended below as well."""
        half_closeable: Any = interfaces.IHalfCloseableProtocol(self.inner, None)
        if half_closeable is not None:
            half_closeable.writeConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        """The transport below is gone."""
        if self._reason is not None:
            reason = self._reason
        elif not self._read_over and not self.disconnecting and reason.check(ConnectionDone):
            reason = self._cut()  # an end, for a transport that tells nobody of halves; the peer has not said so
        self.connected = self._writable = False
        self._read_over = self._write_over = True
        self._unread = NOTHING_UNREAD
        self._pending.clear()
        self._pending_size = 0
        producer, self._producer = self._producer, None
        if producer is not None and self.shaking:
            producer.stopProducing()  # it was never registered below
        inner = self.inner
        # With what refers back to us this would be a circle, which waits for the garbage collector.
        self._receiver = self._send = self.dataReceived = self._nobody
        self._lost(inner, reason)

    def _lost(self, inner: Any, reason: Failure) -> None:
        """Tell the protocol."""
        inner.connectionLost(reason)

    @staticmethod
    def _nobody(data: bytes) -> None:
        """Nobody is there any more."""

    # Ends.

    def loseConnection(self) -> None:
        """End the connection behind what was written, with a close_notify."""
        if self.disconnecting or not self.connected:
            return
        self.disconnecting = True
        if self.shaking and not self._pending:
            self._abort(None)
        elif self._producer is None:
            self._end_now()

    def loseWriteConnection(self) -> None:
        """End our half behind what was written (RFC 8446, section 6.1)."""
        if self.connected and not self._write_ending:
            self._write_ending = True
            self._writable = False
            self.end_turn()

    def _finish(self) -> None:
        """Say that nothing more will come, once nothing waits and nobody produces."""
        if self._pending or (self._producer is not None and not self._write_ending) or not self.connected:
            return
        if not self._write_over:
            self._write_over = True
            try:
                self.tls.shutdown()
            except SSL.Error:
                pass  # it is over already, by an error that was told then
            if self.disconnecting:
                # With the end of the transport below, not before: a peer that is gone already answers with a reset,
                # which would come in between, and a clean end would look like a loss.
                self._send = self.transport.write
            self._flush_records()
            if not self.disconnecting and hasattr(self.transport, "loseWriteConnection"):
                self.transport.loseWriteConnection()  # once: twice is an error on epoll
                self._send = self._nobody  # not even an alert comes behind that
        if self.disconnecting:
            self.transport.loseConnection()

    def abortConnection(self) -> None:
        """End now; what was not sent is dropped."""
        if self.connected:
            self._abort(Failure(ConnectionAborted()))

    def failVerification(self, reason: Failure) -> None:
        """Let the handshake fail for this reason; called within it by those who check the peer's certificate."""
        self._reason = reason

    def _fail(self, failure: Failure) -> None:
        """End for an error of TLS; the peer is told by an alert.

        Unless it does not even take what was sent before: then nothing would end behind that, and it is cut.
        """
        stuck = not self.shaking and untaken_bytes(self.transport) > 0
        self._over(failure)
        if stuck:
            self._send = self._nobody
            self.transport.abortConnection()
        else:
            self._flush_records()
            self.transport.loseConnection()

    def _abort(self, reason: Failure | None) -> None:
        self._over(reason)
        self._send = self._nobody
        self.transport.abortConnection()

    def _over(self, reason: Failure | None) -> None:
        self._writable = False
        self.disconnecting = self._read_over = self._write_over = True
        if self._reason is None:
            self._reason = reason
        self._unread = NOTHING_UNREAD
        self._pending.clear()
        self._pending_size = 0
        self._producer_gone()

    def _producer_gone(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            if not self.shaking:
                self.transport.unregisterProducer()
            producer.stopProducing()

    # What is asked of the connection.

    def getPeerCertificate(self) -> Any:
        """Give the peer's certificate as pyOpenSSL has it, or None."""
        return self.tls.get_peer_certificate()

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What ALPN has agreed on, or None."""
        return None if self.tls is None else self.tls.get_alpn_proto_negotiated() or None

    def getHandle(self) -> Any:
        """Give the `SSL.Connection`: Twisted's certificates are asked of it."""
        return self.tls

    def fileno(self) -> int:
        """Give the descriptor below, -1 if there is none."""
        fileno = getattr(self.transport, "fileno", None)
        return -1 if fileno is None else int(fileno())

    def __getattr__(self, name: str) -> Any:
        """Give what only the transport below knows: its addresses, the options of its socket."""
        if name in _OF_THE_SOCKET:
            return getattr(self.transport, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
