"""The life of one connection: from the socket that uvloop has, to the protocol's `connectionLost`.

Rule: uvloop reads, writes and closes; this object only translates. A connection ends in `_lost`, once.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from twisted.internet import error, interfaces, main
from twisted.logger import Logger
from twisted.python.failure import Failure

from .socket_view import SocketView

# What may wait in user space before producers are paused: that of `twisted.internet.abstract.FileDescriptor`.
BUFFER_SIZE = 64 * 1024

_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a reset instead of an orderly end
DONE = Failure(main.CONNECTION_DONE)
_LOST = Failure(main.CONNECTION_LOST)


class Life:
    """What begins, ends and describes a connection; what goes through it is in the classes above.

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
        "_bound",
        "_dirty",
        "_eof_held",
        "_fresh",
        "_held",
        "_kind",
        "_no_delay",
        "_peer",
        "_pending",
        "_pending_size",
        "_pulling",
        "_read_over",
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
        "turn",
    )

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        #: where those who write to it may add themselves, as it does itself
        self.turn = reactor.turn
        #: whether there is a producer that is asked for each piece
        self._pulling = False
        self.protocol: Any = None
        #: the protocol's class, once the protocol is forgotten
        self._kind: type = type(None)
        self.data_received: Any = self._deliver
        #: what `data_received` is to be whenever nothing is held
        self._bound: Any = None
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
        #: whether what the protocol wanted to be done soon, when it was connected, may still have to be done
        self._fresh = False
        #: whether the end of what arrives has been told
        self._read_over = False
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

    def not_adopted(self, reason: Exception) -> None:
        """The socket did not become uvloop's; nothing has begun yet."""

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
        """Do what uvloop does by itself and Twisted does not, unless the protocol has asked for it.

        uvloop begins to read behind this, whatever was asked for; `_deliver` keeps what comes too soon.
        """
        if self._uv is None:
            return
        if not self._reading:
            self._receive_with(self._deliver)
        elif self._bound is None:
            # Calls that it wants to be made soon come before its first data, as with Twisted's reactors.
            self._fresh = True
            self.reactor.loop.call_soon(self._begin)

    def _begin(self) -> None:
        raise NotImplementedError

    def _receive_with(self, receiver: Any) -> None:
        raise NotImplementedError

    def _deliver(self, data: bytes) -> None:
        raise NotImplementedError

    def connection_lost(self, exception: Exception | None) -> None:
        """The connection is over: uvloop closes the socket behind this."""
        reason = _LOST
        if isinstance(exception, OSError) and exception.__traceback__ is None:  # libuv says so
            if self._reason is None and self.connected:
                self._read_rest()
        elif exception is None:
            reason = DONE
        else:
            reason = Failure(exception)  # of a receiver that was bound directly, which raised it
            if self._reason is None and isinstance(exception, OSError):
                # uvloop takes it for one of libuv's, and says nothing of it.
                self._log.failure("a receiver of {transport!r} failed", reason, transport=self)
        if self._reason is not None:
            reason = self._reason
        # Not sooner: the other end must not hear of it long before our protocol does.
        if self.connected and reason is not _LOST and not self._aborting and not self._read_over:
            self._shut_down()
        self._lost(reason)

    def _read_rest(self) -> None:
        """Deliver what had come before a write found the reset that followed it, as reactors do that read first.

        An early answer, or the alert that says why, is worth more than that the rest was not taken.
        """
        descriptor = self._uv.get_extra_info("socket").fileno()
        while self._reading and not (self._fresh or self._read_over) and self._reason is None:
            try:
                data = os.read(descriptor, BUFFER_SIZE)
            except OSError:
                return  # there was nothing, or the reset itself
            if not data:
                return
            self._deliver(data)

    # Inside.

    def turn_failed(self, error: Exception) -> None:
        """End the connection for an exception of whoever was told that it was sent; it is being handled."""
        self._failed()

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

    def _shut_down(self) -> None:
        """Let the other end see an orderly end, where closing alone does not do so."""

    def _drop_pending(self) -> None:
        self._write_ended = True
        self._pending = []
        self._pending_size = 0

    def _lost(self, reason: Failure) -> None:
        self.reactor.streams.discard(self)
        self._uv = None
        self.data_received = self._bound = None
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
        # With the protocol's reference to us this would be a circle, which waits for the garbage collector.
        self._kind = type(protocol)
        self.protocol = None
        self.ended(reason)

    def connectionLost(self, reason: Failure) -> None:
        """End now, as a reactor does that stops (part of Twisted's descriptors)."""
        uv = self._uv
        if uv is not None:
            self._reason = reason
            if not self._aborting:
                self._shut_down()
            uv.abort()
            self._lost(reason)

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

    # What is asked of the socket.

    @property
    def socket(self) -> Any:
        """The socket as uvloop shows it: its options and its descriptor.

        :raises AttributeError: it is gone.
        """
        if self._uv is None:
            raise AttributeError("the connection is closed")
        return SocketView(self, self._uv.get_extra_info("socket"))

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
        if protocol is None:
            return self._kind.__name__
        if interfaces.ILoggingContext.providedBy(protocol):
            return str(protocol.logPrefix())
        return type(protocol).__name__

    @property
    def _protocol_name(self) -> str:
        return (self._kind if self.protocol is None else type(self.protocol)).__name__

    @property
    def logstr(self) -> str:
        """The same, as Twisted's transports have it."""
        return self.logPrefix()

    def __repr__(self) -> str:
        state = "connected" if self.connected else "lost" if self.disconnected else "new"
        return f"<{type(self).__name__} {self._protocol_name} {self._peer} {state}>"
