"""What the decoders of both halves share: a buffer, holds, and the loop over the states.

Rule: the sink is told of one thing at a time, and may feed, hold, end or abandon the decoder from
within: the loop looks at buffer, holds and state anew before each step, and never runs inside of itself.
"""

from __future__ import annotations

from typing import Any

from txproxy.model.errors import ProxyError

from .codec_body import BodyReader, LengthReader

# Resting: between messages (a client's request is complete, a backend has nothing to answer).
# Switching: a 101 came, what follows waits for `detach`. Raw: bytes as they are. Dead: nothing more is told.
RESTING, HEAD, BODY, SWITCHING, RAW, DEAD = range(6)


class Decoder:
    """Decode one side of one connection; the halves add how they read a head.

    :param sink: who is told.
    :param state: the first one.
    """

    __slots__ = ("_buffer", "_holds", "_reader", "_running", "_sink", "_state", "keep_alive")

    def __init__(self, sink: Any, state: int) -> None:
        self._sink = sink
        self._buffer = b""
        self._state = state
        self._reader: BodyReader | None = None
        self._holds = 0
        self._running = False
        #: whether the connection may carry another message, as far as the last head says
        self.keep_alive = True

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; the sink is told what they mean before this returns."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._running:
            self._run()

    def hold(self) -> None:
        """Stop telling the sink anything; what arrives is kept."""
        self._holds += 1

    def release(self) -> None:
        """Take back one `hold`; the last one goes on with what was kept."""
        self._holds -= 1
        if not self._holds:
            if self._state == BODY and self.body_remaining == 0:
                self.skipped_all()  # it was on hold when the last one arrived
            self._go_on()

    @property
    def held_back(self) -> bool:
        """Whether bytes wait for a release, or for more."""
        return bool(self._buffer)

    @property
    def body_remaining(self) -> int | None:
        """Octets of the body still to come, None where that is not known."""
        return None if self._reader is None else self._reader.remaining

    def skipped(self, octets: int) -> None:
        """So many octets of a body of known length went another way."""
        assert isinstance(self._reader, LengthReader)
        self._reader.skip(octets)

    def skipped_all(self) -> None:
        """The last of them has arrived where it went: the body has ended."""
        if not self._holds and not self._running and self._state == BODY and self._reader is not None:
            self._running = True
            try:
                self._reader.end()  # type: ignore[union-attr]  # of known length, or nothing could be skipped
            except ProxyError as error:
                self._fail(error)
            finally:
                self._running = False
            self._go_on()

    def detach(self) -> None:
        """Pass everything on as it is from here, through `body`."""
        self._state = RAW
        self._go_on()

    def abandon(self) -> None:
        """Forget everything; nothing more is told."""
        self._state = DEAD
        self._buffer = b""

    # For the halves.

    def _go_on(self) -> None:
        if self._buffer and not self._running:
            self._run()

    def _read_head(self) -> bool:
        """Read a head from the buffer; give False if more must come first."""
        raise NotImplementedError

    def _rest(self, state: int) -> bool:
        """Bytes are there while resting or switching; give whether to look again."""
        raise NotImplementedError

    def _fail(self, error: ProxyError) -> None:
        self.abandon()
        self.keep_alive = False
        self._sink.malformed(error)

    def _run(self) -> None:
        self._running = True
        try:
            while self._buffer and not self._holds:
                state = self._state
                if state == HEAD:
                    if not self._read_head():
                        break
                elif state == BODY:
                    if not self._read_body():
                        break
                elif state == RAW:
                    data, self._buffer = self._buffer, b""
                    self._sink.body(data)
                elif state == DEAD:
                    self._buffer = b""
                elif not self._rest(state):
                    break
        except ProxyError as error:
            self._fail(error)
        finally:
            self._running = False

    def _read_body(self) -> bool:
        # The buffer is handed over before the sink is told: it may feed, hold or end us meanwhile.
        data, self._buffer = self._buffer, b""
        reader = self._reader
        assert reader is not None
        rest = reader.feed(data)
        if rest is None:
            self._buffer = data + self._buffer
            return False
        if self._state != DEAD:
            self._buffer = rest + self._buffer if self._buffer else rest
        return True


class Completing:
    """The sink of a body's reader: puts the decoder to rest when the body has ended."""

    __slots__ = ("_decoder", "body")

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.body = decoder._sink.body

    def body_end(self, trailers: bytes, rest: bytes) -> None:
        """Give the rest back first: the sink may start the next message, which begins with it."""
        decoder = self._decoder
        if decoder._state == DEAD:
            return
        decoder._buffer = rest + decoder._buffer
        if decoder._state == BODY:
            decoder._state = RESTING
            decoder._reader = None
            decoder._sink.body_end(trailers)
