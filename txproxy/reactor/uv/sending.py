"""The way out of a connection, for what is written and for those who produce it.

Rule: what is written within one turn of the loop leaves in one call at its end, in order, and behind it what
was asked for meanwhile: more of a producer's bytes, the end of our half, or the end of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import interfaces

from .life import Life

# Pieces of more than this are not joined before they are sent: copying them costs more than a longer system call.
JOINED_BYTES = 16 * 1024


class Sending(Life):
    """The consumer that a connection is."""

    __slots__ = ()

    def stopReading(self) -> None:
        """Stop reading."""
        raise NotImplementedError

    # Called by uvloop.

    def pause_writing(self) -> None:
        """The kernel does not take what uvloop has."""
        try:
            self._pause_producer()
        except Exception:  # noqa: BLE001 - a producer is the user's
            self._failed()

    def resume_writing(self) -> None:
        """The kernel has taken it."""
        self._drained()

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
            self.turn.add(self)
        self._pending.append(data)
        self._pending_size = size = self._pending_size + len(data)
        if size > self.bufferSize:
            self._pause_producer()

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
        if pending and self._uv is not None:
            if self._pending_size <= JOINED_BYTES or len(pending) == 1:
                self._uv.write(b"".join(pending))
            else:
                self._uv.writelines(pending)
            pending.clear()
            self._pending_size = 0

    def sender(self) -> Callable[[bytes], None]:
        """Give what sends at once: uvloop's own; for whoever alone writes here, until it is lost."""
        send: Callable[[bytes], None] = self._uv.write
        return send

    def end_turn(self) -> None:
        """Called once at the end of a turn in which something was written, or the end was asked for."""
        self._dirty = False
        uv = self._uv
        if uv is None:
            return
        pending = self._pending
        if pending:
            # `flush` without its frame.
            if len(pending) == 1:
                uv.write(pending[0])
            elif self._pending_size <= JOINED_BYTES:
                uv.write(b"".join(pending))
            else:
                uv.writelines(pending)  # which keeps the pieces, not the list
            pending.clear()
            self._pending_size = 0
        if self.disconnecting or self._write_ending or self.producerPaused or self._pulling:
            self._drained_if_empty()

    def _pause_producer(self) -> None:
        """Let a push producer wait; what it raises is for whoever writes, as with Twisted's transports."""
        if self.producer is not None and self.streamingProducer:
            self.producerPaused = True
            self.producer.pauseProducing()

    def _drained_if_empty(self) -> None:
        uv = self._uv
        if uv is None or self._reason is not None:
            return  # a producer has ended it meanwhile
        if not uv.get_write_buffer_size():
            self._drained()
        else:
            # With no room at all uvloop pauses us now and tells when it has sent everything.
            uv.set_write_buffer_limits(0)

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
            self.turn.add(self)

    @property
    def _tempDataBuffer(self) -> list[bytes]:
        """What was written in this turn: Twisted's own tests, and others, look at it by this name."""
        return self._pending

    @property
    def _writeDisconnected(self) -> bool:
        """Whether our half has ended, by the same token."""
        return self._write_ended

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

    def stopConsuming(self) -> None:
        """The producer is lost."""
        self.unregisterProducer()
        self.loseConnection()
