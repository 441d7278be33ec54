"""The bodies of HTTP/1 messages: by length, chunked, or up to the connection's end (RFC 9112, section 6.3).

Rule: a reader is fed a buffer, tells its sink what it found, and gives back what it did not use. It
never keeps bytes of its own, so a reader that is held has nothing to lose; and what lies behind the
body is handed over before its end is told, for whoever is told may start the next message.
"""

from __future__ import annotations

from typing import Protocol

from txproxy.model.errors import Cause, ProxyError

from .codec_grammar import CHUNK_LINE, TRAILERS, clean_trailers

# A chunk's line may be this long with its extensions; Node takes 16 KiB for all of them.
MAX_CHUNK_LINE = 1024
# What chunk lines may cost over what they carry, in all: a sender of one-byte chunks with long
# extensions makes us read far more than the body's limit counts (Go allows the same 16 KiB).
MAX_CHUNK_OVERHEAD = 16 * 1024
MAX_TRAILERS = 16 * 1024


class BodySink(Protocol):
    """Who is told of the body's bytes and its end."""

    def body(self, data: bytes) -> None:
        """Take a piece, never empty."""

    def body_end(self, trailers: bytes, rest: bytes) -> None:
        """The body is complete; `rest` lies behind it."""


class LengthReader:
    """A body of known length."""

    __slots__ = ("_remaining", "_sink")

    def __init__(self, sink: BodySink, length: int) -> None:
        self._sink = sink
        self._remaining = length

    def feed(self, data: bytes) -> bytes:
        """Take from `data` what belongs to the body; give back the rest, or b""."""
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            self._sink.body(data)
            return b""
        rest = data[self._remaining :]
        piece = data[: self._remaining] if rest else data
        self._remaining = 0
        self._sink.body(piece)
        self._sink.body_end(b"", rest)
        return b""

    @property
    def remaining(self) -> int | None:
        """Octets still to come."""
        return self._remaining

    def skip(self, octets: int) -> None:
        """So many octets of the body went another way."""
        self._remaining -= octets

    def end(self) -> None:
        """Tell of the end, behind the last octet that was skipped."""
        self._sink.body_end(b"", b"")


class UntilCloseReader:
    """A body that only the connection's end delimits."""

    __slots__ = ("_sink",)
    remaining: int | None = None

    def __init__(self, sink: BodySink) -> None:
        self._sink = sink

    def feed(self, data: bytes) -> bytes:
        """Take all of it."""
        self._sink.body(data)
        return b""


class ChunkedReader:
    """A chunked body (RFC 9112, section 7.1). Pieces are passed on without their framing.

    One call of `feed` passes on at most one piece, so that a sink that holds is obeyed at once. The
    chunks that are there whole are passed on as one piece: a thousand of one byte cost one slice of the
    buffer, not a thousand, and the next connection gets one chunk.
    """

    __slots__ = ("_cause", "_left", "_overhead", "_sink", "_state")
    remaining: int | None = None

    def __init__(self, sink: BodySink, cause: Cause) -> None:
        self._sink = sink
        self._cause = cause
        self._state = self._line
        self._left = 0
        self._overhead = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take what can be taken; give back the rest, or None where more must come first.

        :raises ProxyError: the framing is broken.
        """
        return self._state(data)

    def _fail(self, detail: str) -> ProxyError:
        return ProxyError(self._cause, detail)

    def _line(self, data: bytes) -> bytes | None:
        pieces, at = self._whole_chunks(data)
        if pieces:
            self._sink.body(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            return data[at:]
        match = CHUNK_LINE.match(data)
        if match is None:
            self._refuse_line(data)
            return None
        if match.end() - 2 > MAX_CHUNK_LINE:
            raise self._fail(f"a chunk's line is longer than {MAX_CHUNK_LINE} bytes")
        size = int(match[1], 16)
        if size == 0:
            self._state = self._trailers
            # The line's own CRLF opens the trailer block (see model.fields: lines are preceded by CRLF).
            return data[match.end() - 2 :]
        self._overhead = _overhead(self._overhead, match.end(), size)
        if self._overhead > MAX_CHUNK_OVERHEAD:
            raise self._fail("too much chunk framing for too few bytes")
        self._left = size
        self._state = self._data
        return data[match.end() :]

    def _whole_chunks(self, data: bytes) -> tuple[list[bytes], int]:
        """Take the chunks that are there with both their ends; what else is there, `_line` judges."""
        pieces: list[bytes] = []
        at = 0
        overhead = self._overhead
        while match := CHUNK_LINE.match(data, at):
            start = match.end()
            size = int(match[1], 16)
            stop = start + size
            if not size or data[stop : stop + 2] != b"\r\n" or start - at - 2 > MAX_CHUNK_LINE:
                break
            more = _overhead(overhead, start - at, size)
            if more > MAX_CHUNK_OVERHEAD:
                break
            overhead = more
            pieces.append(data[start:stop])
            at = stop + 2
        self._overhead = overhead
        return pieces, at

    def _refuse_line(self, data: bytes) -> None:
        line, end, _ = data.partition(b"\r\n")
        if end or len(line.removesuffix(b"\r")) > MAX_CHUNK_LINE or b"\n" in line or not _may_become_chunk_line(line):
            raise self._fail(f"not a chunk size: {line[:40]!r}")

    def _data(self, data: bytes) -> bytes | None:
        if not data:
            return None
        size = len(data)
        if size <= self._left:
            self._left -= size
            if not self._left:
                self._state = self._data_end
            self._sink.body(data)
            return b""
        piece, rest = data[: self._left], data[self._left :]
        self._left = 0
        self._state = self._data_end
        self._sink.body(piece)
        return rest

    def _data_end(self, data: bytes) -> bytes | None:
        if data.startswith(b"\r\n"):
            self._state = self._line
            return data[2:]
        if data not in (b"", b"\r"):
            raise self._fail(f"a chunk is longer than its size says: {data[:20]!r}")
        return None

    def _trailers(self, data: bytes) -> bytes | None:
        end = data.find(b"\r\n\r\n", 0, MAX_TRAILERS + 4)
        if end < 0:
            if len(data) >= MAX_TRAILERS + 4:
                raise self._fail(f"the trailers are longer than {MAX_TRAILERS} bytes")
            return None
        match = TRAILERS.match(data)
        if match is None:
            raise self._fail("the trailers are malformed")
        self._sink.body_end(clean_trailers(match[1]), data[match.end() :])
        return b""


def _overhead(so_far: int, line: int, size: int) -> int:
    return max(0, so_far + line - 2 * size - 16)


def _may_become_chunk_line(line: bytes) -> bool:
    """Whether a line that has not ended yet can still turn out right."""
    return line == b"" or CHUNK_LINE.match(line.removesuffix(b"\r").rstrip(b" \t") + b"\r\n") is not None


BodyReader = LengthReader | UntilCloseReader | ChunkedReader
