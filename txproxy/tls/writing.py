"""The way out of a TLS connection: what a protocol writes, and who produces it.

Rule: what is written within one turn becomes as few records as can be, full ones, and one write of the
transport below. Nothing is encrypted before the handshake is complete, or behind our close_notify.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from OpenSSL import SSL
from twisted.logger import Logger
from twisted.python.failure import Failure

from txproxy.reactor.transport import unsent_bytes

from .openssl import (
    RECORD_BYTES,
    SCRATCH_BYTES,
    Scratch,
    bio_read,
    inside,
    octets_of,
    problem,
    ssl_write,
)
from .pulling import Pulled

# What may wait in here before it is encrypted: as much as transports of Twisted's keep.
BUFFER_SIZE = 64 * 1024
# Encrypt on while one more record fits into the scratch.
_ROOM = SCRATCH_BYTES - 2 * RECORD_BYTES
NOTHING_UNREAD = memoryview(b"")


class Writing:
    """The state of a connection, and the consumer that it is.

    :param scratch: of the reactor.
    :param tls: with memory BIOs, in accept or connect state; None: it is made later.
    :param inner: the protocol.
    """

    TLS = True
    _log = Logger()
    __slots__ = (
        "__weakref__",
        "_answered",
        "_delivering",
        "_dirty",
        "_end",
        "_from",
        "_into",
        "_left",
        "_paused",
        "_pending",
        "_pending_size",
        "_producer",
        "_read_over",
        "_reason",
        "_receiver",
        "_scratch",
        "_send",
        "_ssl",
        "_turn",
        "_unread",
        "_writable",
        "_write_ending",
        "_write_over",
        "connected",
        "dataReceived",
        "disconnecting",
        "inner",
        "shaking",
        "tls",
        "transport",
    )

    def __init__(self, scratch: Scratch, tls: SSL.Connection | None, inner: Any) -> None:
        self._scratch = scratch
        self.inner = inner
        self.transport: Any = None
        self.tls: Any = None
        self._ssl = self._into = self._from = None
        if tls is not None:
            self._use(tls)
        self.dataReceived: Any = None
        self._receiver: Any = None
        self._send: Any = None
        self._turn: Any = None
        #: written and not encrypted yet
        self._pending: list[bytes] = []
        self._pending_size = 0
        #: whether `end_turn` will be called
        self._dirty = False
        self.shaking = True
        self.connected = False
        self.disconnecting = False
        self._paused = self._delivering = False
        #: something has arrived that nobody was there to read, and the end of the transport below behind it
        self._left: Any = False
        self._end = False
        #: arrived, and not given to the library yet
        self._unread = NOTHING_UNREAD
        self._read_over = self._write_ending = self._write_over = False
        #: what is written is still wanted
        self._writable = True
        #: bytes that left because the peer wanted an answer of the library
        self._answered = 0
        self._producer: Any = None
        self._reason: Failure | None = None

    def _use(self, tls: SSL.Connection) -> None:
        self.tls = tls
        self._ssl, self._into, self._from = inside(tls)

    # ITransport.

    def write(self, data: bytes) -> None:
        """Write, as `ITransport.write` has it.

        :raises TypeError: it is not bytes.
        """
        if not isinstance(data, bytes):
            raise TypeError("Data must be bytes")
        if not self._writable or not data:
            return
        self._pending.append(data)
        self._pending_size = size = self._pending_size + len(data)
        if not self._dirty:
            self._dirty = True
            if self._turn is not None:
                self._turn.add(self)
            else:
                self._scratch.reactor.callLater(0, self.end_turn)
        if size > BUFFER_SIZE:
            if not self.shaking:
                self._encrypt()
            elif self._producer is not None:
                self._producer.pauseProducing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write all of these, in order."""
        self.write(b"".join(iovec))

    def end_turn(self) -> None:
        """Called at the end of a turn in which something was written."""
        self._dirty = False
        if self.shaking:
            return
        pending = self._pending
        if pending:
            size = self._pending_size
            if size <= RECORD_BYTES:
                # `_encrypt` without its frame.
                data = pending[0] if len(pending) == 1 else b"".join(pending)
                pending.clear()
                self._pending_size = 0
                scratch = self._scratch
                if ssl_write(self._ssl, data, size) == size:
                    self._send(scratch.view[: bio_read(self._from, scratch.buffer, SCRATCH_BYTES)])
                else:
                    self._fail(Failure(problem(self.tls, -1)))
            else:
                self._encrypt()
        if self._write_ending or self.disconnecting:
            self._finish()

    flush = end_turn

    def turn_failed(self, error: Exception) -> None:
        """As the transport below has it."""
        self.transport.turn_failed(error)

    def _encrypt(self) -> None:
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self._encrypt_long(data)

    def _encrypt_long(self, data: bytes) -> None:
        """Encrypt in full records, and send some of them at a time."""
        scratch, ssl, out = self._scratch, self._ssl, self._from
        start = octets_of(data)
        size = 0
        for at in range(0, len(data), RECORD_BYTES):
            wanted = min(RECORD_BYTES, len(data) - at)
            written = ssl_write(ssl, start + at, wanted)
            if written != wanted:
                self._fail(Failure(problem(self.tls, written)))
                return
            # Each at once: the library keeps the room that it once needed. Behind each other: nothing is joined.
            size += bio_read(out, scratch.buffer + size, SCRATCH_BYTES - size)
            if size > _ROOM:
                self._send(scratch.view[:size])
                size = 0
        if size:
            self._send(scratch.view[:size])

    def _flush_records(self) -> None:
        """Send what the library has to say by itself."""
        scratch = self._scratch
        while (size := bio_read(self._from, scratch.buffer, SCRATCH_BYTES)) > 0:
            self._send(scratch.view[:size])

    def unsent_bytes(self) -> int:
        """Give how many bytes wait in user space, here and below."""
        return self._pending_size + unsent_bytes(self.transport)

    def _finish(self) -> None:
        raise NotImplementedError

    def _fail(self, failure: Failure) -> None:
        raise NotImplementedError

    def _abort(self, reason: Failure | None) -> None:
        raise NotImplementedError

    def _protocol_failed(self, error: Exception) -> None:
        """End for what a protocol or a producer has raised where no transport of a reactor's would see it."""
        self._log.failure("a protocol or producer of {transport!r} failed", Failure(error), transport=self)
        self._abort(Failure(error))

    # IConsumer.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take this producer's bytes; it is paused when the transport below is full.

        :raises RuntimeError: there is one.
        """
        if self._producer is not None:
            raise RuntimeError(f"cannot register {producer!r}: {self._producer!r} was not unregistered")
        if self._write_over or not self.connected:
            producer.stopProducing()
            return
        pulled = None if streaming else Pulled(producer, self._scratch.reactor, self._protocol_failed)
        self._producer = producer if pulled is None else pulled
        if not self.shaking:
            # Nothing stays in here for longer than a turn: who is full is the transport below.
            self.transport.registerProducer(self._producer, True)
        if pulled is not None:
            pulled.ask_on()

    def unregisterProducer(self) -> None:
        """Take no more of the producer's bytes."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if isinstance(producer, Pulled):
            producer.ask_no_more()
        if not self.shaking:
            self.transport.unregisterProducer()
        if self.disconnecting:
            self._end_now()

    def _end_now(self) -> None:
        """Behind what was written nothing more comes."""
        self._writable = False
        self.end_turn()

    def stopConsuming(self) -> None:
        """The producer is lost."""
        self.unregisterProducer()
        self.loseConnection()

    def loseConnection(self) -> None:
        """End the connection behind what was written."""
        raise NotImplementedError
