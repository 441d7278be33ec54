"""One connection: Twisted's transport on one side, uvloop's protocol on the other; and the way into it.

Rule: what uvloop reads goes to the protocol, straight where it may be bound, and nothing goes there that was
not asked for.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import interfaces
from twisted.internet._newtls import startTLS
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.log import callWithContext
from zope.interface import implementer

from .life import DONE
from .sending import Sending
from .through_tls import through_tls


@implementer(
    interfaces.ITransport,
    interfaces.IConsumer,
    interfaces.IPushProducer,
    interfaces.ISystemHandle,
    interfaces.ILoggingContext,
)
class StreamTransport(Sending):
    """What both ends of a connection have in common, whatever its family."""

    __slots__ = ()

    # Called by uvloop.

    def _deliver(self, data: bytes) -> None:
        """Take what uvloop has read."""
        if not self._reading or self._fresh:
            self._uv.pause_reading()
            self._held += data
            return
        try:
            if self._bound is not None:
                self._bound(data)
                return
            # Lines that are logged meanwhile begin with the protocol's name, as with every reactor.
            callWithContext({"system": self.logPrefix()}, self.protocol.dataReceived, data)
        except Exception:  # noqa: BLE001 - as in every reactor, it ends the connection
            self._failed()

    def eof_received(self) -> bool:
        """The other end sends nothing more.

        :returns: True: uvloop is to leave the rest to us.
        """
        if self.disconnecting:
            return True  # who ends a connection reads no more; what was written is still sent
        if not self._reading or self._fresh:
            self._eof_held = True
        else:
            self._read_ended()
        return True

    def _begin(self) -> None:
        """Deliver from here on, and what came too soon."""
        self._fresh = False
        self._deliver_held()

    def _read_ended(self) -> None:
        self._read_over = True
        half_closeable: Any = interfaces.IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is None:
            # Twisted drops what was not sent by then; what was written in this turn gets its one call.
            self.flush()
            self._end(DONE)
            return
        try:
            half_closeable.readConnectionLost()
        except Exception:  # noqa: BLE001 - as above
            self._failed()

    # IPushProducer: of what arrives.

    def pauseProducing(self) -> None:
        """Stop reading."""
        self._reading = False
        if self._uv is not None:
            self._uv.pause_reading()

    def resumeProducing(self) -> None:
        """Go on reading."""
        if self._reading or not self.connected or self.disconnecting:
            return
        self._reading = True
        if self._held or self._eof_held or self._read_over:
            self.reactor.loop.call_soon(self._deliver_held)
        else:
            self._receive_with(self._bound or self._deliver)
            self._uv.resume_reading()

    def _deliver_held(self) -> None:
        if not self._reading or self._fresh or self._uv is None:
            return
        held, self._held = self._held, b""
        if held:
            self._deliver(held)
        # The protocol may have paused or ended all of it.
        if self.reading and self._uv is not None:
            if self._eof_held:
                self._eof_held = False
                self._read_ended()
            elif not self._read_over:
                self._receive_with(self._bound or self._deliver)
                self._uv.resume_reading()

    @property
    def reading(self) -> bool:
        """Whether what arrives is wanted."""
        return self._reading and self.connected

    def stopProducing(self) -> None:
        """Nobody wants what arrives."""
        self.loseConnection()

    stopReading = pauseProducing
    startReading = resumeProducing

    def bindReceiver(self, receiver: Any) -> None:
        """Let uvloop call this with what it reads, with nothing in between.

        Otherwise `protocol.dataReceived` is looked up for each read, because protocols may replace it. One
        that binds it has to bind the new one as well. What a bound receiver raises ends the connection.

        Nothing is bound where something stands between the protocol and this transport, such as TLS: what uvloop
        reads is not for the protocol then, and it is given what is by calls of its `dataReceived`.
        """
        if self._uv is None or self.TLS or isinstance(self.protocol, ProtocolWrapper):
            return
        self._bound = receiver
        if self._reading and not (self._held or self._eof_held or self._fresh):
            self._receive_with(receiver)

    def _receive_with(self, receiver: Any) -> None:
        if self.data_received != receiver:
            self.data_received = receiver
            self._uv.set_protocol(self)

    # ITLSTransport.

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """Put TLS between this transport and its protocol."""
        producer, streaming = self.producer, self.streamingProducer
        if producer is not None:
            self.unregisterProducer()
        self._bound = None
        self._receive_with(self._deliver)
        # Ours sends at once, so before what was written in clear by now, and for others past TLS.
        self.__dict__["sender"] = None
        startTLS(self, contextFactory, normal, StreamTransport)
        # They stand in front of the class's own, by which TLS itself writes.
        self.__dict__.update(through_tls(self))
        if producer is not None:
            self.registerProducer(producer, streaming)
