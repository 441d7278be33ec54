"""What a hostile sender may cost: counted in bytes that are looked at, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.protocols.http1.decoding import LIMIT, RequestTranscript, ResponseTranscript, read_requests
from txproxy.protocols.http1 import codec_body
from txproxy.protocols.http1.codec_request import RequestDecoder
from txproxy.protocols.http1.codec_response import ResponseDecoder

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def lines_run(call: Callable[[], object]) -> int:
    """Count the lines of Python that a call runs: what a sender can make us do, on any machine."""
    count = 0

    def trace(frame: Any, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def decoder() -> RequestDecoder:
    """Make a decoder of requests."""
    sink = RequestTranscript()
    sink.decoder = RequestDecoder(sink, LIMIT, 10000)
    return sink.decoder


@pytest.mark.parametrize(
    "line", [b"a:\r\n", b"a: " + b"\t" * 90 + b"\r\n", b"Connection: x,y\r\n", b"X-Forwarded-For: 1\r\n", b"a_b: c\r\n"]
)
def test_each_line_of_a_head_is_judged_once(line: bytes) -> None:
    """A head in single bytes runs a bounded number of lines of Python for each byte, however long it is."""
    costs = []
    for count in (4096, 16000):
        data = HEAD + line * ((count - len(HEAD)) // len(line))
        reading = decoder()
        costs.append(lines_run(lambda reading=reading, data=data: [reading.feed(bytes((c,))) for c in data]))  # type: ignore[misc]
        assert costs[-1] < 80 * len(data)
    assert costs[1] < 6 * costs[0]


def test_a_pattern_never_sees_an_incomplete_head_twice() -> None:
    """A head that comes in drops is matched at its first byte and at its end only."""
    reading = decoder()
    judged = []
    data = HEAD + b"a: b\r\n" * 1000
    for at in range(len(data)):
        reading.feed(data[at : at + 1])
        judged.append(reading._judged[0])
    assert judged == [data.rfind(b"\r\n", 0, at + 1) + 2 if b"\r\n" in data[: at + 1] else 0 for at in range(len(data))]


@pytest.mark.parametrize(("sent", "size"), [(1, 1), (1, 100), (3, 7), (1000, 65536)])
def test_tiny_chunks_cost_what_they_are(sent: int, size: int) -> None:
    """Chunks that are there together are passed on together, and the rest of the buffer is copied for few of them."""
    data = (b"%x\r\n%b\r\n" % (sent, b"x" * sent)) * 2000
    sink = RequestTranscript()
    sink.decoder = RequestDecoder(sink, LIMIT, 100)
    sink.decoder.feed(CHUNKED)
    for at in range(0, len(data), size):
        sink.decoder.feed(data[at : at + size])
    sink.decoder.feed(b"0\r\n\r\n")
    assert sink.events[1:] == [("body", b"x" * sent * 2000), ("end", b"")]
    # The rest of a chunk, the whole ones, and the beginning of one.
    assert sink.calls <= 3 + 3 * (len(data) // size + 1)


def test_many_chunks_at_once_are_one_piece() -> None:
    """A buffer of tens of thousands of chunks costs a few lines for each, and two calls of the sink."""
    costs = []
    for count in (5000, 40000):
        sink = RequestTranscript()
        reading = sink.decoder = RequestDecoder(sink, LIMIT, 100)
        reading.feed(CHUNKED)
        data = b"1\r\nx\r\n" * count + b"0\r\n\r\n"
        costs.append(lines_run(lambda reading=reading, data=data: reading.feed(data)))  # type: ignore[misc]
        assert sink.calls == 3
    assert costs[1] < 9 * costs[0]
    assert costs[1] < 20 * 40000


def test_extensions_are_bounded_in_all() -> None:
    """Extensions of honest size pass with chunks of honest size; with tiny ones they do not pass for ever."""
    extension = b";" + b"e" * 200
    honest = (b"1000" + extension + b"\r\n" + b"x" * 4096 + b"\r\n") * 500
    assert read_requests([CHUNKED + honest + b"0\r\n\r\n"])[-1] == ("end", b"")
    tiny = b"1" + extension + b"\r\nx\r\n"
    read = read_requests([CHUNKED + tiny * 1000])
    assert read[-1][0] == "malformed"
    assert len(read[1][1]) * len(tiny) < 2 * codec_body.MAX_CHUNK_OVERHEAD


def test_trailers_in_drops_are_matched_once() -> None:
    """Trailers up to their limit may come in single bytes."""
    reading = decoder()
    reading.feed(CHUNKED + b"0\r\n")
    data = b"a: b\r\n" * 2000
    cost = lines_run(lambda: [reading.feed(bytes((c,))) for c in data])
    assert cost < 60 * len(data)


def test_the_limit_of_trailers_is_exact() -> None:
    """Trailers as long as the limit are read, one byte more is refused."""
    for more, last in ((0, "end"), (1, "malformed")):
        line = b"a: ".ljust(codec_body.MAX_TRAILERS - 2 + more, b"x")
        for cut in (1, 5, 9000):
            data = CHUNKED + b"0\r\n" + line + b"\r\n\r\n"
            assert read_requests([data[:-cut], data[-cut:]])[-1][0] == last


def test_a_response_head_in_drops() -> None:
    """A backend's head in single bytes costs a bounded number of lines for each."""
    sink = ResponseTranscript()
    reading = sink.decoder = ResponseDecoder(sink)
    reading.expect(False, False)
    data = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 2500
    cost = lines_run(lambda: [reading.feed(bytes((c,))) for c in data])
    assert cost < 60 * len(data)
    assert sink.events == []


def test_a_folded_head_of_white_space_is_mended_in_one_walk() -> None:
    """White space that is no fold is not walked through again from each of its bytes."""
    sink = ResponseTranscript()
    reading = sink.decoder = ResponseDecoder(sink)
    reading.expect(False, False)
    blank = b" " * 60000
    reading.feed(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\nX: y" + blank + b"z\r\n\r\n")
    assert sink.events[0][3] == b"\r\nA: b c\r\nContent-Length: 0\r\nX: y" + blank + b"z"
