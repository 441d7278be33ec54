"""How a client's connection waits and ends: the half of `server` that is about time and about the last bytes.

Rule: whatever was written arrives before the end, or is cut so that nobody takes it for whole; and every
wait has a deadline, which the state chooses. The connection ends in `_close`, `abort` or `_gone`, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from txproxy.model.errors import (
    REQUEST_BODY_TIMEOUT,
    REQUEST_HEADER_TIMEOUT,
    RESPONSE_WRITE_TIMEOUT,
    ProxyError,
)
from txproxy.model.head import RequestHead
from txproxy.model.seams import Receiver
from txproxy.reactor.deadlines import NEVER, Deadlines
from txproxy.reactor.transport import receive_with, untaken_bytes

from .codec_request import RequestDecoder
from .nobody import NOBODY
from .splicing import Splicing

# After a final answer what still comes of the request is read and dropped, so that a client which
# writes first and reads later gets the answer instead of a reset (RFC 9112, section 9.6): for so long
# in all, and while something comes. nginx lingers as long.
LINGER_SECONDS = 30.0
LINGER_PAUSE_SECONDS = 5.0
# A connection that ends is looked at after this long for the first time; from then on `timeouts.write` counts.
FIRST_LOOK_SECONDS = 1.0
# A rest of a body that is not longer than this is worth reading to keep the connection.
LINGER_KEEP_BYTES = 256 * 1024


@dataclass(slots=True)
class ServerSettings:
    """What a listener tells its connections. Times are in seconds; replaced whole on reload."""

    deadlines: Deadlines
    header_bytes: int = 16 * 1024
    header_fields: int = 100
    requests_per_connection: int = 10000
    header_timeout: float = 60.0
    keepalive_timeout: float = 75.0
    body_timeout: float = 60.0
    write_timeout: float = 60.0
    #: no connection takes another request: each answer says so
    draining: bool = False


# What the response of the current request has come to.
AWAITED, BODY, CHUNKED, SENT, TUNNEL = range(5)


class Ending(Splicing):
    """What a `ServerConnection` is while nothing is sent: it waits, lingers, or ends."""

    __slots__ = (
        "_in_head",
        "_linger_until",
        "_on_lost",
        "_response",
        "_stalled_at",
        "closing",
        "dataReceived",
        "deadline",
        "deadline_slot",
        "receiver",
        "settings",
        "waits_for_continue",
    )
    _decoder: RequestDecoder
    _in_head: bool
    _linger_until: float
    _on_lost: Callable[[Any], None]
    _response: int
    _stalled_at: int
    closing: bool
    dataReceived: Callable[[bytes], None]
    deadline: float
    deadline_slot: int
    receiver: Receiver[RequestHead]
    settings: ServerSettings
    waits_for_continue: bool

    def malformed(self, error: ProxyError) -> None:
        """What the client sent is not HTTP, or not in time."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut the connection now, with a reset."""
        if not self.lost:
            transport = self.transport
            self._gone(None)
            transport.unregisterProducer()
            transport.abortConnection()

    def cut(self, error: ProxyError) -> None:
        """End the connection for a reason of ours: who waits gets an answer that says so, all else is reset."""
        if self.lost:
            return
        self.closing = True
        waits = self._response == AWAITED
        receiver, self.receiver = self.receiver, NOBODY
        receiver.stream_lost(error)
        if not (waits and self._response == SENT):
            self.abort()

    def close(self) -> None:
        """End a tunnel once what was written is out."""
        if not self.lost:
            self._response = SENT
            self._end_gently()

    def close_when_idle(self) -> None:
        """End at once if no request is under way, else with its answer."""
        self.closing = True
        if self._response == SENT and self._decoder.between_messages:
            self._close()

    def _cannot_stay_open(self, answered: bool) -> bool:
        """Tell whether an answer that comes before the request is complete has to end the connection."""
        if self.waits_for_continue or not self._decoder.keep_alive:
            return True  # the body may or may not come now: nobody can tell where the next request begins
        remaining = self._decoder.body_remaining
        return answered and (remaining is None or remaining > LINGER_KEEP_BYTES)

    def _both_complete(self) -> None:
        self.receiver = NOBODY
        self._linger_until = 0.0
        settings = self.settings
        if self.closing or settings.draining:
            self._close()
            return
        if self._stalled_at >= 0:
            return  # nobody would tell the next Receiver that writing is paused: it has to wait
        settings.deadlines.arm(self, settings.keepalive_timeout)
        # In this order: a decoder that is let go behind a message would ask for "read-ahead" again.
        self._decoder.next_message()
        if self._holds and self._response == SENT:
            self._let_go()

    def _let_go(self) -> None:
        """Forget the reasons of an exchange that is over."""
        for reason in self._holds:
            self.release(reason)

    def _await_rest(self) -> None:
        """The answer is out and the request is not in: read and drop the rest, within limits."""
        if self.lost:
            return
        self.receiver = NOBODY
        self._linger_until = self.settings.deadlines.now + LINGER_SECONDS
        if not self.closing:
            self._linger_on()
            self._let_go()
            # Reading goes on in there, and may end all of it.
            if self.lost or self.closing or not self._linger_until:  # type: ignore[redundant-expr]
                return
            remaining = self._decoder.body_remaining
            if remaining is not None and remaining <= LINGER_KEEP_BYTES:
                if not remaining:
                    self._decoder.skipped_all()  # the last of it was in a pipe that nobody empties any more
                return
        self._close()

    def _linger_on(self) -> None:
        if self._stalled_at >= 0:
            return  # what was written is still on its way, with a deadline of its own
        deadlines = self.settings.deadlines
        left = self._linger_until - deadlines.now
        if left > 0:
            deadlines.arm(self, min(left, LINGER_PAUSE_SECONDS))
        else:
            self.abort()

    def _close(self) -> None:
        """End the connection so that what was written arrives (RFC 9112, section 9.6)."""
        if self.lost:
            return
        if self._decoder.between_messages:
            self._end_gently()
            return
        # Unread bytes would turn our close into a reset that destroys the answer on its way.
        self.closing = True
        self.receiver = NOBODY
        transport = self.transport
        transport.unregisterProducer()
        self._decoder.abandon()
        receive_with(self, self._discard)
        self._response = SENT
        self._linger_until = self.settings.deadlines.now + LINGER_SECONDS
        self._let_go()
        self._stalled_at = -1  # nobody tells any more when what was written is out: we look after each pause
        self._linger_on()
        transport.loseWriteConnection()

    def _end_gently(self) -> None:
        self.closing = True
        self.receiver = NOBODY
        self._decoder.abandon()
        transport = self.transport
        transport.unregisterProducer()
        # Nearly all are gone in a moment, so how much the client has not taken is asked behind it, not now.
        self._stalled_at = sys.maxsize
        self.settings.deadlines.arm(self, min(FIRST_LOOK_SECONDS, self.settings.write_timeout / 2))
        transport.loseConnection()

    def _discard(self, data: bytes) -> None:
        self._linger_on()

    def _gone(self, error: ProxyError | None) -> None:
        if self.lost:
            return
        self.lost = True
        self.settings.deadlines.forget(self)
        self._decoder.abandon()
        self._stop_splicing()
        receiver, self.receiver = self.receiver, NOBODY
        if error is not None:
            receiver.stream_lost(error)
        self._on_lost(self)

    def _rearm(self) -> None:
        """Set the deadline that fits the state, after one for writing or a hold is off."""
        settings = self.settings
        if self._stalled_at >= 0 and self._response != TUNNEL:
            return  # the deadline for writing stands
        if self._response == TUNNEL or self.lost:
            self.deadline = NEVER
        elif self._response == SENT:
            settings.deadlines.arm(self, settings.keepalive_timeout)
        elif self._decoder.complete:
            self.deadline = NEVER
        else:
            settings.deadlines.arm(self, settings.body_timeout)

    def deadline_passed(self) -> None:
        """Something took too long: which, the state tells."""
        if self.lost:
            return
        if self._stalled_at >= 0:
            untaken = untaken_bytes(self.transport)
            if untaken >= self._stalled_at:
                self._lose(ProxyError(RESPONSE_WRITE_TIMEOUT, "the client took nothing for timeouts.write"))
            elif untaken or not self._linger_until:  # slow is not stalled
                self._stalled_at = untaken
                self.settings.deadlines.arm(self, self.settings.write_timeout)
            else:
                self._stalled_at = -1
                self._linger_on()
        elif self._response == SENT:
            self._idle_too_long()
        elif self._holds:
            self.settings.deadlines.arm(self, self.settings.body_timeout)  # it is we who do not read
        else:
            error = ProxyError(REQUEST_BODY_TIMEOUT, "the request's body stalled for timeouts.body")
            self.closing = True
            receiver, self.receiver = self.receiver, NOBODY
            receiver.stream_lost(error)

    def _idle_too_long(self) -> None:
        if self.closing:
            self._stalled_at = untaken_bytes(self.transport) or -1
            if self._stalled_at < 0:
                self.abort()
            else:  # the answer is still on its way
                self.settings.deadlines.arm(self, self.settings.write_timeout)
        elif self._in_head:
            self.malformed(ProxyError(REQUEST_HEADER_TIMEOUT, "the head took longer than timeouts.header"))
        else:
            self._close()

    def _lose(self, error: ProxyError) -> None:
        transport = self.transport
        self._gone(error)
        transport.unregisterProducer()
        transport.abortConnection()

    def _released(self) -> None:
        if not self.lost:
            self.reading.resumeProducing()
        self._rearm()
        self._decoder.release()
