"""One connection: Twisted's transport on one side, uvloop's protocol on the other.

Rule: uvloop reads, writes and closes; this object only translates. What is written within one turn of the
loop leaves in one call at its end. A connection ends in `_lost`, once.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Any

from twisted.internet import error, interfaces, main
from twisted.internet._newtls import startTLS
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.log import callWithContext
from zope.interface import implementer

# What may wait in user space before producers are paused: that of `twisted.internet.abstract.FileDescriptor`.
BUFFER_SIZE = 64 * 1024

_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a reset instead of an orderly end
_DONE = Failure(main.CONNECTION_DONE)
_LOST = Failure(main.CONNECTION_LOST)


@implementer(
    interfaces.ITransport,
    interfaces.IConsumer,
    interfaces.IPushProducer,
    interfaces.ISystemHandle,
    interfaces.ILoggingContext,
)
class StreamTransport:
    """What both ends of a connection have in common, whatever its family.

    :param reactor: whose `Turn` and loop are used.
    :ivar data_received: where uvloop puts what it has read; see `bindReceiver`.
    """

    _log = Logger()
    _tlsClientDefault = False
    TLS = False
    bufferSize = BUFFER_SIZE

    # `__dict__` is for what Twisted sets when TLS is started, and for those who keep something at a transport;
    # as long as nobody does, it takes no memory.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_aborting",
        "_dirty",
        "_eof_held",
        "_held",
        "_no_delay",
        "_peer",
        "_pulling",
        "_turn",
        "_pending",
        "_pending_size",
        "_reading",
        "_reason",
        "_uv",
        "_write_ended",
        "_write_ending",
        "connected",
        "data_received",
        "disconnected",
        "disconnecting",
        "producer",
        "producerPaused",
        "protocol",
        "reactor",
        "streamingProducer",
    )

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._turn = reactor.turn
        #: whether there is a producer that is asked for each piece
        self._pulling = False
        self.protocol: Any = None
        self.data_received: Any = self._deliver
        self.connected = self.disconnected = self.disconnecting = False
        self.producer: Any = None
        self.producerPaused = self.streamingProducer = False
        self._uv: Any = None
        self._peer: Any = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        #: whether `end_turn` will be called at the end of this turn
        self._dirty = False
        self._reading = True
        #: what uvloop read although nobody wanted it: it starts to read behind `connection_made` by itself
        self._held: bytes = b""
        self._eof_held = False
        self._write_ending = self._write_ended = self._aborting = False
        self._no_delay: bool | None = None
        #: why the connection ends, where that is known before uvloop says so
        self._reason: Failure | None = None

    # For whoever makes one: `build` gives the protocol, once the peer is known.

    def build(self) -> Any:
        """Make the protocol; None: nobody wants this connection."""
        raise NotImplementedError

    def ended(self, reason: Failure) -> None:
        """The protocol has been told that it is over."""

    # Called by uvloop.

    def connection_made(self, uv: Any) -> None:
        """The socket is connected."""
        self._uv = uv
        self.reactor.streams.add(self)
        try:
            protocol = self.build()
        except Exception:  # noqa: BLE001 - a factory is the user's
            self._log.failure("a protocol could not be made")
            protocol = None
        if protocol is None:
            self._refused()
            return
        self.protocol = protocol
        self.connected = True
        try:
            protocol.makeConnection(self)
        except Exception:  # noqa: BLE001 - and so is a protocol
            self._failed()
        self._settle()

    def _refused(self) -> None:
        self._uv.abort()

    def _settle(self) -> None:
        """Do what uvloop does by itself and Twisted does not, unless the protocol has asked for it."""
        if not self._reading and self.data_received != self._deliver:
            self._receive_with(self._deliver)  # uvloop begins to read now; `_deliver` keeps what comes

    def _deliver(self, data: bytes) -> None:
        """Take what uvloop has read."""
        if not self._reading:
            self._uv.pause_reading()
            self._held += data
            return
        try:
            # Lines that are logged meanwhile begin with the protocol's name, as with every reactor.
            callWithContext({"system": self.logPrefix()}, self.protocol.dataReceived, data)
        except Exception:  # noqa: BLE001 - as in every reactor, it ends the connection
            self._failed()

    def eof_received(self) -> bool:
        """The other end sends nothing more.

        :returns: True: uvloop is to leave the rest to us.
        """
        if not self._reading and not self.disconnecting:
            self._eof_held = True
        else:
            self._read_ended()
        return True

    def _read_ended(self) -> None:
        half_closeable: Any = interfaces.IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is None:
            # Twisted drops what was not sent by then; what was written in this turn gets its one call.
            self.flush()
            self._end(_DONE)
            return
        try:
            half_closeable.readConnectionLost()
        except Exception:  # noqa: BLE001 - as above
            self._failed()

    def pause_writing(self) -> None:
        """The kernel does not take what uvloop has."""
        if self.producer is not None and self.streamingProducer:
            self.producerPaused = True
            try:
                self.producer.pauseProducing()
            except Exception:  # noqa: BLE001 - as above
                self._failed()

    def resume_writing(self) -> None:
        """The kernel has taken it."""
        self._drained()

    def connection_lost(self, exception: Exception | None) -> None:
        """The connection is over: uvloop closes the socket behind this."""
        if self._reason is not None:
            reason = self._reason
        elif exception is None:
            reason = _DONE
        elif isinstance(exception, OSError):
            reason = _LOST
        else:
            reason = Failure(exception)  # of a receiver that was bound directly
        self._lost(reason)

    # Inside.

    def _failed(self) -> None:
        """End the connection for an exception of its protocol or producer, which is being handled."""
        failure = Failure()
        self._log.failure("a protocol of {transport!r} failed", failure, transport=self)
        self._end(failure)

    def _end(self, reason: Failure) -> None:
        """End the connection without sending anything more."""
        if self._uv is not None and self._reason is None:
            self._reason = reason
            self._drop_pending()
            self._uv.abort()

    def _drop_pending(self) -> None:
        self._write_ended = True
        self._pending = []
        self._pending_size = 0

    def _lost(self, reason: Failure) -> None:
        self.reactor.streams.discard(self)
        self._uv = None
        self.data_received = None
        if not self.connected:
            self.disconnected = True
            return
        self.connected = False
        self.disconnected = True
        self._drop_pending()
        producer, self.producer = self.producer, None
        protocol = self.protocol
        try:
            if producer is not None:
                producer.stopProducing()
        except Exception:  # noqa: BLE001 - as above; the protocol is told all the same
            self._log.failure("a producer of {transport!r} failed", transport=self)
        try:
            protocol.connectionLost(reason)
        except Exception:  # noqa: BLE001 - as above
            self._log.failure("a protocol of {transport!r} failed at its end", transport=self)
        self.ended(reason)

    def connectionLost(self, reason: Failure) -> None:
        """End now, as a reactor does that stops (part of Twisted's descriptors)."""
        uv = self._uv
        if uv is not None:
            self._reason = reason
            uv.abort()
            self._lost(reason)

    # ITransport.

    def write(self, data: bytes) -> None:
        """Write, as `ITransport.write` has it.

        :raises TypeError: it is not bytes.
        """
        if not isinstance(data, bytes):
            raise TypeError("Data must be bytes")
        if self._write_ended or not self.connected:
            return
        if not self._dirty:
            self._dirty = True
            self._turn.add(self)
        self._pending.append(data)
        self._pending_size = size = self._pending_size + len(data)
        if size > self.bufferSize:
            self.pause_writing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write all of these, in order.

        :raises TypeError: one is not bytes.
        """
        iovec = list(iovec)
        if not all(isinstance(data, bytes) for data in iovec):
            raise TypeError("Data must be bytes")
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """Send what was written, as far as the kernel takes it; uvloop keeps the rest."""
        pending = self._pending
        if pending:
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            self._pending_size = 0
            self._uv.write(data)

    def end_turn(self) -> None:
        """Called once at the end of a turn in which something was written, or the end was asked for."""
        self._dirty = False
        uv = self._uv
        if uv is None:
            return
        pending = self._pending
        if pending:
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            self._pending_size = 0
            uv.write(data)
        if self.disconnecting or self._write_ending or self.producerPaused or self._pulling:
            self._drained_if_empty()

    def _drained_if_empty(self) -> None:
        if not self._uv.get_write_buffer_size():
            self._drained()
        else:
            # With no room at all uvloop pauses us now and tells when it has sent everything.
            self._uv.set_write_buffer_limits(0)

    def _drained(self) -> None:
        """Do what comes next once everything has been sent, in the order of `FileDescriptor.doWrite`."""
        if self._pending or self._reason is not None or not self.connected:
            return
        producer = self.producer
        if producer is not None and (self.producerPaused or not self.streamingProducer):
            self.producerPaused = False
            try:
                producer.resumeProducing()
            except Exception:  # noqa: BLE001 - as above
                self._failed()
        elif self.disconnecting:
            self._uv.close()
        elif self._write_ending and not self._write_ended:
            self._write_ended = True
            self._uv.write_eof()
            self._tell_write_ended()

    def _tell_write_ended(self) -> None:
        half_closeable: Any = interfaces.IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is not None:
            try:
                half_closeable.writeConnectionLost()
            except Exception:  # noqa: BLE001 - as above
                self._failed()

    def loseConnection(self) -> None:
        """End the connection behind what was written."""
        if self.connected and not self.disconnecting:
            self.stopReading()
            self.disconnecting = True
            if self._write_ended:
                self._uv.close()
            else:
                self._await_end_of_turn()

    def loseWriteConnection(self) -> None:
        """End our half behind what was written."""
        if self.connected:
            self._write_ending = True
            self._await_end_of_turn()

    def _await_end_of_turn(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._turn.add(self)

    def abortConnection(self) -> None:
        """End the connection with a reset; what was not sent is dropped."""
        if self._aborting or self._uv is None or not self.connected:
            return
        self._aborting = True
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        except OSError:
            pass  # it is gone already, which is what was asked for
        self._reason = Failure(error.ConnectionAborted())
        self._drop_pending()
        self._uv.abort()

    def unsent_bytes(self) -> int:
        """Give how many bytes wait in user space."""
        uv = self._uv
        return self._pending_size + (0 if uv is None else int(uv.get_write_buffer_size()))

    # IConsumer.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take this producer's bytes.

        :raises RuntimeError: there is one.
        """
        if self.producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer}, because producer {self.producer} was never unregistered."
            )
        if self.disconnected:
            producer.stopProducing()
            return
        self.producer = producer
        self.producerPaused = False
        self.streamingProducer = bool(streaming)
        self._pulling = not streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """Take no more of the producer's bytes."""
        self.producer = None
        self.producerPaused = self._pulling = False
        if self.connected and self.disconnecting:
            self._await_end_of_turn()

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
        if self._held or self._eof_held:
            self.reactor.loop.call_soon(self._deliver_held)
        else:
            self._uv.resume_reading()

    def _deliver_held(self) -> None:
        if not self._reading or self._uv is None:
            return
        held, self._held = self._held, b""
        if held:
            self._deliver(held)
        # The protocol may have paused or ended all of it.
        if self.reading and self._uv is not None:
            if self._eof_held:
                self._eof_held = False
                self._read_ended()
            else:
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

    def stopConsuming(self) -> None:
        """The producer is lost."""
        self.unregisterProducer()
        self.loseConnection()

    def bindReceiver(self, receiver: Any) -> None:
        """Let uvloop call this with what it reads, with nothing in between.

        Otherwise `protocol.dataReceived` is looked up for each read, because protocols may replace it. One
        that binds it has to bind the new one as well. What a bound receiver raises ends the connection.
        """
        if self._uv is not None:
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
        self._receive_with(self._deliver)
        startTLS(self, contextFactory, normal, StreamTransport)
        # They stand in front of the class's own, by which TLS itself writes.
        self.__dict__.update(_through_tls(self))
        if producer is not None:
            self.registerProducer(producer, streaming)

    # What is asked of the socket.

    @property
    def socket(self) -> Any:
        """The socket as uvloop shows it: its options and its descriptor.

        :raises AttributeError: it is gone.
        """
        if self._uv is None:
            raise AttributeError("the connection is closed")
        return _Socket(self, self._uv.get_extra_info("socket"))

    def getHandle(self) -> Any:
        """Give the socket."""
        return self.socket

    def fileno(self) -> int:
        """Give its descriptor, -1 if it is closed."""
        return -1 if self._uv is None else int(self.socket.fileno())

    def getPeer(self) -> Any:
        """Give the other end's address."""
        return self._peer

    def getHost(self) -> Any:
        """Give this end's address."""
        raise NotImplementedError

    def logPrefix(self) -> str:
        """Name the protocol, as lines of the old log begin."""
        protocol = self.protocol
        if interfaces.ILoggingContext.providedBy(protocol):
            return str(protocol.logPrefix())
        return type(protocol).__name__

    @property
    def logstr(self) -> str:
        """The same, as Twisted's transports have it."""
        return self.logPrefix()

    def __repr__(self) -> str:
        state = "connected" if self.connected else "lost" if self.disconnected else "new"
        return f"<{type(self).__name__} {type(self.protocol).__name__} {self._peer} {state}>"


class _Socket:
    """uvloop's view of a socket, and `close` for those who have a duplicate and want this one to be gone."""

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: StreamTransport, sock: Any) -> None:
        self._transport = transport
        self._socket = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def close(self) -> None:
        """Let go of the socket; as with Twisted's transports, nobody tells the protocol."""
        transport = self._transport
        transport.connected = False
        transport._uv.abort()


def _through_tls(transport: StreamTransport) -> dict[str, Any]:
    """Give the methods of a transport that TLS was started on: they go to TLS, which is its protocol now."""
    tls = transport.protocol

    def write(data: bytes) -> None:
        if transport.connected:
            tls.write(data)

    def write_sequence(iovec: Iterable[bytes]) -> None:
        if transport.connected:
            tls.writeSequence(iovec)

    def lose_connection() -> None:
        if transport.connected and not transport.disconnecting:
            tls.loseConnection()

    return {
        "write": write,
        "writeSequence": write_sequence,
        "loseConnection": lose_connection,
        "registerProducer": tls.registerProducer,
        "unregisterProducer": tls.unregisterProducer,
    }
