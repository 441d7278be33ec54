"""What the decoders tell, written down, and every way to split what they are fed.

Rule: a transcript is what a decoder said, with neighbouring pieces of a body joined: where a body is
split is nobody's business, everything else is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from txproxy.model.errors import ProxyError
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.protocols.http1.codec_request import RequestDecoder
from txproxy.protocols.http1.codec_response import ResponseDecoder

LIMIT = 16 * 1024
FIELDS = 100
Event = tuple[Any, ...]


def request_facts(head: RequestHead) -> Event:
    """Give all that a request's head says."""
    names = ("method", "target", "authority", "block", "content_length", "version", "upgrade")
    flags = ("expects_continue", "accepts_trailers", "provenance")
    return tuple(getattr(head, name) for name in names + flags)


def response_facts(head: ResponseHead) -> Event:
    """Give all that a response's head says."""
    return (head.status, head.reason, head.block, head.content_length, head.upgrade)


class Transcript:
    """A sink for either decoder."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.calls = 0
        self.after_end: Callable[[], None] = lambda: None

    def add(self, *event: Any) -> None:
        """Write one event down."""
        self.calls += 1
        last = self.events[-1] if self.events else ()
        if event[0] == "body" and last[:1] == ("body",):
            event = ("body", self.events.pop()[1] + event[1])
        self.events.append(event)

    def body(self, data: bytes) -> None:
        """A piece of a body."""
        assert data, "a piece is never empty"
        self.add("body", data)

    def body_end(self, trailers: bytes) -> None:
        """Its end."""
        self.add("end", trailers)
        self.after_end()

    def malformed(self, error: ProxyError) -> None:
        """The documented failure; nothing may follow."""
        assert isinstance(error, ProxyError)
        self.add("malformed", error.cause.token, error.status)


class RequestTranscript(Transcript):
    """A sink of a RequestDecoder that goes on to the next request at once."""

    decoder: RequestDecoder

    def head(self, head: RequestHead, end: bool) -> None:
        """A head."""
        self.add("head", *request_facts(head), self.decoder.keep_alive)
        if end:
            self.add("end", b"")
            self.after_end()

    def head_begun(self) -> None:
        """Depends on the splitting, so it is no event."""

    def read_ahead(self) -> None:
        """Depends on the splitting as well."""


class ResponseTranscript(Transcript):
    """A sink of a ResponseDecoder that asks for the answers it was told of, one after the other."""

    decoder: ResponseDecoder

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """A head with a part of the body."""
        self.add("head", *response_facts(head), self.decoder.keep_alive)
        if body:
            self.add("body", body)
        if end:
            self.add("end", b"")
            self.after_end()

    def stray(self) -> None:
        """Bytes nobody asked for."""
        self.add("stray")


def read_requests(pieces: Iterable[bytes], limit: int = LIMIT, max_fields: int = FIELDS) -> list[Event]:
    """Decode a client's side that was split like this, answering each request at once."""
    sink = RequestTranscript()
    sink.decoder = RequestDecoder(sink, limit, max_fields)
    sink.after_end = sink.decoder.next_message
    for piece in pieces:
        sink.decoder.feed(piece)
    return sink.events


def read_responses(
    pieces: Iterable[bytes],
    *expected: tuple[bool, bool],
    eof: bool = False,
    default: tuple[bool, bool] = (False, False),
) -> list[Event]:
    """Decode a server's side that was split like this.

    :param expected: (is_head, may_switch) of each request; one that is no HEAD and offers no upgrade if none is given.
    :param eof: the server closes behind the last byte.
    """
    sink = ResponseTranscript()
    decoder = sink.decoder = ResponseDecoder(sink)
    left = list(expected or (default,))

    def go_on() -> None:
        if left and decoder.keep_alive:
            decoder.expect(*left.pop(0))

    sink.after_end = go_on
    decoder.expect(*left.pop(0))
    for piece in pieces:
        decoder.feed(piece)
    if eof:
        decoder.eof()
    return sink.events


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Split bytes in every way that matters: not, into bytes, and in two at every place."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    step = max(1, len(data) // 400)  # every place of what is not huge
    for cut in range(1, len(data), step):
        yield [data[:cut], data[cut:]]


def agreed(read: Callable[[Iterable[bytes]], list[Event]], data: bytes) -> list[Event]:
    """Read bytes whole and in all splits, and give the events, which must be the same ones."""
    ways = iter(splits(data))
    whole = read(next(ways))
    for pieces in ways:
        events = read(pieces)
        assert events == whole, f"split as {[len(piece) for piece in pieces][:5]}"
    return whole


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places, in any order and beyond the end too."""
    inside = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(inside) if stop > start]
