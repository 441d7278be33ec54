"""What a client's bytes mean: good requests, in every split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.http1.decoding import (
    LIMIT,
    Event,
    RequestTranscript,
    agreed,
    cut_at,
    read_requests,
)
from txproxy.protocols.http1.codec_request import READ_AHEAD, RequestDecoder

HOST = b"\r\nHost: a.test"
NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"


def head(method: bytes, target: bytes, block: bytes = HOST, keep: bool = True, **said: object) -> Event:
    """Make the event of a head of which only this is special."""
    facts: dict[str, object] = {
        "authority": b"a.test",
        "content_length": 0,
        "version": 11,
        "upgrade": None,
        "expects_continue": False,
        "accepts_trailers": False,
        "provenance": (),
    }
    facts.update(said)
    authority = facts.pop("authority")
    return ("head", method, target, authority, block, *facts.values(), keep)


def body(data: bytes, trailers: bytes = b"") -> list[Event]:
    """Make the events of a body."""
    return [*([("body", data)] if data else []), ("end", trailers)]


END = body(b"")
NEXT_EVENTS = [head(b"GET", b"/next"), *END]
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED_HEAD = head(b"POST", b"/", content_length=None)

GOOD: dict[str, tuple[bytes, list[Event]]] = {
    "plain": (b"GET /a?b=c HTTP/1.1\r\nHost: a.test\r\n\r\n", [head(b"GET", b"/a?b=c"), *END]),
    "empty line before": (b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", [head(b"GET", b"/"), *END]),
    "any token is a method": (b"BREW! / HTTP/1.1\r\nHost: a.test\r\n\r\n", [head(b"BREW!", b"/"), *END]),
    "the target stays as it is": (
        b"GET //x/%2F..;p=1/~'\"<>\\^`{|}?a?b&[] HTTP/1.1\r\nHost: a.test\r\n\r\n",
        [head(b"GET", b"//x/%2F..;p=1/~'\"<>\\^`{|}?a?b&[]"), *END],
    ),
    "fields keep order, case, white space and number": (
        b"GET / HTTP/1.1\r\nX-b:1\r\nHost: a.test\r\nx-A: \t 2 \t \r\nX-b:\r\nX-B: \xff,\x80\r\n\r\n",
        [head(b"GET", b"/", b"\r\nX-b:1\r\nHost: a.test\r\nx-A: \t 2 \t \r\nX-b:\r\nX-B: \xff,\x80"), *END],
    ),
    "the host as it is, without its white space": (
        b"GET / HTTP/1.1\r\nhOsT:\t a.test \r\n\r\n",
        [head(b"GET", b"/", b"\r\nhOsT:\t a.test "), *END],
    ),
    "1.0 without host": (b"GET / HTTP/1.0\r\n\r\n", [head(b"GET", b"/", b"", False, authority=b"", version=10), *END]),
    "1.0 closes": (b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", [head(b"GET", b"/", keep=False, version=10), *END]),
    "1.0 stays open on demand": (
        b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Keep-Alive\r\n\r\n",
        [head(b"GET", b"/", version=10), *END],
    ),
    "1.0 knows no upgrade and no expectation": (
        b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\nExpect: 100-continue\r\n\r\n",
        [head(b"GET", b"/", keep=False, version=10), *END],
    ),
    "close": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        [head(b"GET", b"/", keep=False), *END],
    ),
    "close in a list, in any case, on any line": (
        b"GET / HTTP/1.1\r\nConnection: x\r\nHost: a.test\r\ncONNECTION: foo ,\tClOsE\r\nFoo: 1\r\nX: 2\r\n\r\n",
        [head(b"GET", b"/", keep=False), *END],
    ),
    "keep-alive is said and dropped": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
        [head(b"GET", b"/"), *END],
    ),
    "keep-alive twice": (
        b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
        [head(b"GET", b"/"), *END],
    ),
    "what belongs to one connection is dropped": (
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: x\r\n"
            b"Proxy-Authorization: y\r\nHTTP2-Settings: z\r\nKeep: me\r\n\r\n"
        ),
        [head(b"GET", b"/", HOST + b"\r\nKeep: me"), *END],
    ),
    "Connection: host and content-length have no effect": (
        POST + b"Connection: Host, content-length\r\nContent-Length: 2\r\n\r\nok",
        [head(b"POST", b"/", HOST + b"\r\nContent-Length: 2", content_length=2), *body(b"ok")],
    ),
    "Connection: transfer-encoding does not undo the framing": (
        POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        [CHUNKED_HEAD, *body(b"ok")],
    ),
    "Connection with things that are no names": (
        b'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: ,, x y, @, "q"\r\n\r\n',
        [head(b"GET", b"/"), *END],
    ),
    "names with an underscore": (
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Real_IP: 1\r\n_: 2\r\nContent_Length: 3\r\n"
            b"Transfer_Encoding: chunked\r\n"
            b"A-b: _\r\n\r\n"
        ),
        [head(b"GET", b"/", HOST + b"\r\nA-b: _"), *END],
    ),
    "where it came from": (
        (
            b"GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nHost: a.test\r\nx-real-ip:2 \r\nForwarded: for=3\r\n"
            b"X-FORWARDED-FOR: 4\r\n\r\n"
        ),
        [
            head(
                b"GET",
                b"/",
                provenance=(
                    (b"x-forwarded-for", b"1"),
                    (b"x-real-ip", b"2"),
                    (b"forwarded", b"for=3"),
                    (b"x-forwarded-for", b"4"),
                ),
            ),
            *END,
        ],
    ),
    "a nominated provenance is still told": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: X-Forwarded-For\r\nX-Forwarded-For: 1\r\n\r\n",
        [head(b"GET", b"/", provenance=((b"x-forwarded-for", b"1"),)), *END],
    ),
    "absolute form": (
        b"GET http://b.test:81/x?y HTTP/1.1\r\nA: 1\r\nHost: a.test\r\n\r\n",
        [head(b"GET", b"/x?y", b"\r\nHost: b.test:81\r\nA: 1", authority=b"b.test:81"), *END],
    ),
    "absolute form, 1.0, no host": (
        b"GET HTTPS://b.test HTTP/1.0\r\n\r\n",
        [head(b"GET", b"/", b"\r\nHost: b.test", False, authority=b"b.test", version=10), *END],
    ),
    "absolute form with a query only": (
        b"GET http://b.test?x=/y HTTP/1.1\r\nHost: a.test\r\n\r\n",
        [head(b"GET", b"/?x=/y", b"\r\nHost: b.test", authority=b"b.test"), *END],
    ),
    "options of everything": (b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", [head(b"OPTIONS", b"*"), *END]),
    "options of everything, absolute": (
        b"OPTIONS http://b.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        [head(b"OPTIONS", b"*", b"\r\nHost: b.test", authority=b"b.test"), *END],
    ),
    "options of a path, absolute": (
        b"OPTIONS http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        [head(b"OPTIONS", b"/", b"\r\nHost: b.test", authority=b"b.test"), *END],
    ),
    "length": (
        POST + b"Content-Length: 5\r\n\r\nhello",
        [head(b"POST", b"/", HOST + b"\r\nContent-Length: 5", content_length=5), *body(b"hello")],
    ),
    "length with zeros in front": (
        POST + b"Content-Length: 0005\r\n\r\nhello",
        [head(b"POST", b"/", HOST + b"\r\nContent-Length: 0005", content_length=5), *body(b"hello")],
    ),
    "length zero": (
        POST + b"Content-Length: 0\r\n\r\n",
        [head(b"POST", b"/", HOST + b"\r\nContent-Length: 0"), *END],
    ),
    "a GET with a body": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok",
        [head(b"GET", b"/", HOST + b"\r\nContent-Length: 2", content_length=2), *body(b"ok")],
    ),
    "chunked": (CHUNKED + b"5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\n\r\n", [CHUNKED_HEAD, *body(b"hello world!")]),
    "chunked in any case": (
        POST + b"transfer-encoding:\tCHunked \r\n\r\n1\r\nx\r\n0\r\n\r\n",
        [CHUNKED_HEAD, *body(b"x")],
    ),
    "chunked, nothing in it": (CHUNKED + b"0\r\n\r\n", [CHUNKED_HEAD, *END]),
    "chunk sizes": (
        CHUNKED + b'00000000000000A\r\n0123456789\r\na;x\r\n0123456789\r\n1 ;x="\xff;" ; y\t\r\n!\r\n000\r\n\r\n',
        [CHUNKED_HEAD, *body(b"01234567890123456789!")],
    ),
    "chunks that look like framing": (
        CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
        [CHUNKED_HEAD, *body(b"\r\n0\r\n\r\n")],
    ),
    "trailers": (
        CHUNKED + b"1\r\nx\r\n0;last\r\nX-Sum: 1\r\nx-sum:2\r\n\r\n",
        [CHUNKED_HEAD, *body(b"x", b"\r\nX-Sum: 1\r\nx-sum:2")],
    ),
    "trailers that must not be any are dropped": (
        CHUNKED
        + b"0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\nX_Y: 1\r\n"
        b"Cookie: a\r\nX-Forwarded-For: 6.6.6.6\r\nGood: yes\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
        [CHUNKED_HEAD, *body(b"", b"\r\nGood: yes")],
    ),
    "upgrade": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
        [head(b"GET", b"/", upgrade=b"WebSocket"), *END],
    ),
    "several upgrades": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: a/1, b\r\nUpgrade: c\r\n\r\n",
        [head(b"GET", b"/", upgrade=b"a/1, b,c"), *END],
    ),
    "upgrade not named in Connection": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n",
        [head(b"GET", b"/"), *END],
    ),
    "upgrade without a protocol": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\r\n",
        [head(b"GET", b"/"), *END],
    ),
    "expectation": (
        POST + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
        [head(b"POST", b"/", HOST + b"\r\nContent-Length: 1", content_length=1, expects_continue=True), *body(b"x")],
    ),
    "expectation without a body": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
        [head(b"GET", b"/"), *END],
    ),
    "trailers are welcome": (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nTE: gzip, Trailers\r\nConnection: TE\r\n\r\n",
        [head(b"GET", b"/", accepts_trailers=True), *END],
    ),
}
for _value in (b"h2c", b"H2C", b"websocket, h2c", b"h2c-17", b"x\th2c", b"x h2c", b'"h2c"', b"", b",", b"/h2c"):
    GOOD[f"no upgrade to {_value!r}"] = (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n"
        b"Upgrade: " + _value + b"\r\n\r\n",
        [head(b"GET", b"/"), *END],
    )


@pytest.mark.parametrize(("data", "events"), GOOD.values(), ids=GOOD)
def test_a_request_means_the_same_however_it_is_split(data: bytes, events: list[Event]) -> None:
    """A good request gives these events, and the next one behind it is read as if it stood alone."""
    assert agreed(read_requests, data) == events
    assert agreed(read_requests, data + NEXT) == events + NEXT_EVENTS


@given(st.lists(st.sampled_from(sorted(data for data, _ in GOOD.values())), max_size=4), st.lists(st.integers(0, 2000)))
def test_pipelined_requests_mean_the_same_in_any_split(requests: list[bytes], places: list[int]) -> None:
    """Any sequence of requests, cut anywhere, gives the events of each of them in order."""
    events = [event for data in requests for event in read_requests([data])]
    assert read_requests(cut_at(b"".join(requests), places)) == events


@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=20), st.lists(st.integers(0, 3000)))
def test_any_chunking_gives_the_body(data: bytes, sizes: list[int], places: list[int]) -> None:
    """However a body is chunked and however the chunks are split, the body is the same."""
    chunks, rest = [], data
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    framed = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, rest] if chunk)
    events = read_requests(cut_at(CHUNKED + framed + b"0\r\n\r\n" + NEXT, places))
    assert events == [CHUNKED_HEAD, *body(data), *NEXT_EVENTS]


def _decoder(limit: int = LIMIT) -> tuple[RequestDecoder, RequestTranscript]:
    sink = RequestTranscript()
    sink.decoder = RequestDecoder(sink, limit, 100)
    return sink.decoder, sink


def test_the_next_request_waits_for_its_turn() -> None:
    """Behind a request nothing is told until `next_message`."""
    decoder, sink = _decoder()
    decoder.feed(NEXT + NEXT)
    assert len(sink.events) == 2
    assert [decoder.complete, decoder.between_messages, decoder.buffered] == [True, False, len(NEXT)]
    decoder.next_message()
    assert sink.events == NEXT_EVENTS * 2
    assert [decoder.complete, decoder.between_messages, decoder.buffered] == [True, True, 0]


def test_hold_stops_within_what_was_fed() -> None:
    """A sink that holds is told nothing more, not even of the same piece of bytes, until the last release."""
    decoder, sink = _decoder()
    sink.head = lambda head, end: decoder.hold()  # type: ignore[method-assign]
    decoder.feed(CHUNKED + b"1\r\na\r\n")
    decoder.feed(b"1\r\nb\r\n0\r\n\r\n")
    assert sink.events == []
    decoder.hold()
    decoder.release()
    assert sink.events == []
    decoder.release()
    assert sink.events == body(b"ab")


def test_hold_by_a_piece_of_a_body_keeps_the_next_piece() -> None:
    """A sink that holds when it gets a piece of a chunked body gets no other one with it."""
    decoder, sink = _decoder()
    decoder.feed(CHUNKED)
    told: list[bytes] = []

    def hold(data: bytes) -> None:
        told.append(data)
        decoder.hold()

    sink.body = hold  # type: ignore[method-assign]
    decoder._reader._sink.body = hold  # type: ignore[union-attr]  # the reader has the method itself
    decoder.feed(b"5\r\nab")
    decoder.feed(b"c")
    decoder.feed(b"de\r\n1\r\nf\r\n0\r\n\r\n")
    assert told == [b"ab"]
    decoder.release()
    assert told == [b"ab", b"cde"]
    decoder.release()
    assert told == [b"ab", b"cde", b"f"]
    decoder.release()
    assert sink.events[1:] == END


def test_read_ahead_is_told_of() -> None:
    """Who sends more than READ_AHEAD bytes of later requests is to be stopped."""
    decoder, sink = _decoder()
    told: list[int] = []
    sink.read_ahead = lambda: told.append(decoder.buffered)  # type: ignore[method-assign]
    decoder.feed(NEXT + b"x" * READ_AHEAD)
    assert told == []
    decoder.feed(b"x")
    assert told == [READ_AHEAD + 1]


def test_detach_gives_everything_as_it_is() -> None:
    """After `detach`, what was kept and what comes is passed on without being looked at."""
    decoder, sink = _decoder()
    decoder.feed(NEXT + b"\x00GET\r\n")
    decoder.detach()
    decoder.feed(b"\xff")
    assert sink.events == [*NEXT_EVENTS, ("body", b"\x00GET\r\n\xff")]


def test_an_abandoned_decoder_keeps_nothing() -> None:
    """After `abandon` nothing is told and no byte is kept."""
    decoder, sink = _decoder()
    decoder.feed(POST)
    decoder.abandon()
    for _ in range(3):
        decoder.feed(NEXT)
    assert (sink.events, decoder.buffered) == ([], 0)


def test_what_lies_behind_the_body_is_there_when_its_end_is_told() -> None:
    """Who is told the end of a body can already see that the client has sent more."""
    for framed in (POST + b"Content-Length: 2\r\n\r\nok", CHUNKED + b"2\r\nok\r\n0\r\n\r\n"):
        decoder, sink = _decoder()
        seen: list[int] = []
        sink.after_end = lambda decoder=decoder, seen=seen: seen.append(decoder.buffered)  # type: ignore[misc]
        decoder.feed(framed[:-1])
        decoder.feed(framed[-1:] + NEXT)
        assert seen == [len(NEXT)]


def test_the_length_of_the_rest_is_known() -> None:
    """`body_remaining` counts down a body of known length and is None for a chunked one."""
    decoder, _ = _decoder()
    decoder.feed(POST + b"Content-Length: 5\r\n\r\nab")
    assert decoder.body_remaining == 3
    decoder, _ = _decoder()
    decoder.feed(CHUNKED + b"5\r\nab")
    assert decoder.body_remaining is None
