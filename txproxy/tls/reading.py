"""The way in of a TLS connection: what arrives and is decrypted, and who wants it.

Rule: one read of the transport below is one delivery, if it holds no more than the scratch; what nobody wants
stays encrypted, and its end behind it. Nobody is called within a call of his own: what waits comes in a later turn.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import interfaces
from twisted.python.failure import Failure

from .openssl import (
    CLOSE_NOTIFY,
    RECORD_BYTES,
    SCRATCH_BYTES,
    WANTS_READ,
    bio_read,
    bio_write,
    octets_of,
    problem,
    ssl_get_error,
    ssl_read,
)
from .writing import NOTHING_UNREAD, Writing

# What a record of TLS 1.3 has beside its data; more of it is something else, which may want an answer. Not a byte more
# than that: behind the shortest record the shortest KeyUpdate (27) would not be noticed. Records of 1.2 have up to 29.
_FRAMING = 22
# What may be said to a peer that asks for answers by itself, in a connection's whole life: some 600 KeyUpdates, where
# others send one for many gigabytes. One that reads none of them would fill our memory.
_MOST_ANSWERS = 16 * 1024
# Read on while one more record fits into the scratch.
_ROOM = SCRATCH_BYTES - RECORD_BYTES
_NOTHING = 0
# What the library is given at a time: it keeps the room that it once needed for as long as the connection lives.
_PIECE = RECORD_BYTES + 64


class Reading(Writing):
    """The producer that a connection is."""

    __slots__ = ()

    # As the protocol of the transport below.

    def _received(self, data: bytes) -> None:
        """Take what has arrived, and give the protocol what can be decrypted of it."""
        if self._left or self._paused or self._delivering or self._read_over or len(data) > _PIECE:
            self._keep(data)
            self._deliver()
            return
        bio_write(self._into, data, len(data))
        scratch, ssl = self._scratch, self._ssl
        size = ssl_read(ssl, scratch.buffer, RECORD_BYTES)
        if size > 0:
            got = ssl_read(ssl, scratch.buffer + size, RECORD_BYTES)
            if got < 0 and ssl_get_error(ssl, got) == WANTS_READ:
                # Nearly always: one record, and no more. `_deliver` without its frame and loops.
                self._delivering = True
                try:
                    self._receiver(scratch.view[:size])
                finally:
                    self._delivering = False
                if self._left:
                    self._deliver()  # more has come within the call
                elif len(data) - size > _FRAMING:
                    self._answer()
                return
            size += max(got, 0)
        self._deliver(max(size, 0))

    def _keep(self, data: bytes) -> None:
        """Keep what the library does not get yet, behind what is kept; nothing, behind the peer's end."""
        if not self._read_over:
            self._unread = memoryview(bytes(self._unread) + data if self._unread else data)

    def _feed(self) -> bool:
        """Give the library the next piece of what is kept; False: nothing is."""
        unread = self._unread
        if not unread:
            return False
        piece = unread[:_PIECE]
        # An empty view would hold all that it was a part of.
        self._unread = unread[_PIECE:] if len(unread) > _PIECE else NOTHING_UNREAD
        bio_write(self._into, octets_of(piece), len(piece))
        return True

    def _deliver(self, size: int = 0) -> None:
        """Give the protocol what can be decrypted, until it wants no more; `size` octets are in the scratch already."""
        if self._paused or self._delivering or self._read_over:
            self._left = not self._read_over
            return
        self._delivering = True
        scratch = self._scratch
        buffer, ssl = scratch.buffer, self._ssl
        end = _NOTHING
        why: Exception | None = None
        try:
            while end == _NOTHING:
                while size <= _ROOM:
                    got = ssl_read(ssl, buffer + size, RECORD_BYTES)
                    if got > 0:
                        size += got
                        continue
                    end = ssl_get_error(ssl, got)
                    if end != WANTS_READ:
                        # Asked at once: the library keeps its errors for all connections in one queue.
                        why = None if end == CLOSE_NOTIFY else problem(self.tls, got)
                        break
                    if not self._feed():
                        break
                    end = _NOTHING
                if size:
                    self._receiver(scratch.view[:size])
                    size = 0
                    if self._is_read_over():
                        return  # aborted meanwhile
                    if end == WANTS_READ and self._unread:
                        end = _NOTHING  # more has come within the call
                    if why is None and not self._wanted():
                        self._left = end != WANTS_READ
                        return
        finally:
            self._delivering = False
        if end == WANTS_READ:
            self._left = False
            self._answer()
        else:
            self._read_ended(why)

    def _answer(self) -> None:
        """Send what the library has to say to what it has read: to a KeyUpdate, or a wish to renegotiate."""
        scratch = self._scratch
        while (size := bio_read(self._from, scratch.buffer, SCRATCH_BYTES)) > 0:
            self._answered += size
            self._send(scratch.view[:size])
        if self._answered > _MOST_ANSWERS and not self._read_over:
            self._fail(Failure(SSL.Error([("SSL routines", "", "too many key updates or wishes to renegotiate")])))

    def _to_inner(self, data: bytes) -> None:
        self.inner.dataReceived(data)

    def _read_ended(self, why: Exception | None) -> None:
        """No more bytes will come: the peer says so, or it has sent what is no TLS."""
        if not self.connected or self._read_over:
            return
        if why is not None:
            self._fail(Failure(why))
            return
        self._read_over = True
        self._unread = NOTHING_UNREAD
        half_closeable: Any = interfaces.IHalfCloseableProtocol(self.inner, None)
        if half_closeable is not None:
            half_closeable.readConnectionLost()
        else:
            self._producer_gone()
            if self.disconnecting:
                self._end_now()  # it has waited for who produced
            else:
                self.loseConnection()

    def readConnectionLost(self) -> None:
        """The transport below reads no more: an end, if the peer has said that it would come."""
        if self._left and not self._paused and not self._delivering:
            self._deliver()  # its turn has not come yet
        if self._left and self._paused:
            self._end = True  # it comes behind what waits
        elif self._read_over:
            if self._write_over:
                self.transport.loseConnection()
        elif self.connected:
            self._abort(self._cut())

    # IPushProducer: of what arrives.

    def bindReceiver(self, receiver: Any) -> None:
        """Call this with what arrives, with nothing in between; see `reactor.transport.receive_with`."""
        if self.connected:
            self._receiver = receiver

    def pauseProducing(self) -> None:
        """Stop reading; what has been decrypted by then is all that was delivered."""
        self._paused = True
        if self.connected:
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on reading, with what waits here, in a later turn."""
        if not self._paused:
            return
        self._paused = False
        if not self.connected:
            return
        if self._left and not self._delivering:
            self._scratch.reactor.callLater(0, self._deliver_left)
        else:
            self.transport.resumeProducing()

    def _wanted(self) -> bool:
        return self.connected and not self._paused

    def _deliver_left(self) -> None:
        if not self._wanted():
            return
        try:
            self._deliver()
        except Exception as error:  # noqa: BLE001 - a protocol's: it ends its connection, as in what a reactor calls
            self._protocol_failed(error)
            return
        if not self._wanted():
            return
        if self._end:
            self._end = False
            self.readConnectionLost()
        else:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody wants what arrives."""
        self.loseConnection()

    # Of the class that ends connections.

    def _is_read_over(self) -> bool:
        return self._read_over

    def _producer_gone(self) -> None:
        raise NotImplementedError

    def _cut(self) -> Failure:
        raise NotImplementedError
