"""What a client may not send: requests that two readers could read in two ways, in every split."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.protocols.http1.decoding import agreed, cut_at, read_requests
from tests.unit.protocols.http1.test_codec_request import GOOD, NEXT, NEXT_EVENTS

BAD = ("malformed", "http_request_error", 400)
TOO_LARGE = ("malformed", "request_header_too_large", 431)
TOO_LONG = ("malformed", "request_target_too_long", 414)


def refused(status: int) -> tuple[object, ...]:
    """Make the event of a refusal with another status than 400."""
    return ("malformed", "http_request_error", status)


LINE = b"POST / HTTP/1.1\r\nHost: a.test\r\n"


def with_lines(*lines: bytes) -> bytes:
    """Make a head of these lines and behind it a request that must not be seen."""
    return LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + NEXT


HEADS: dict[str, bytes] = {
    # Request lines.
    "0.9": b"GET /\r\n\r\n",
    "1.2": b"GET / HTTP/1.2\r\nHost: a.test\r\n\r\n",
    "1.10": b"GET / HTTP/1.10\r\nHost: a.test\r\n\r\n",
    "01.1": b"GET / HTTP/01.1\r\nHost: a.test\r\n\r\n",
    "1,1": b"GET / HTTP/1,1\r\nHost: a.test\r\n\r\n",
    "1.": b"GET / HTTP/1.\r\nHost: a.test\r\n\r\n",
    "lower case": b"GET / http/1.1\r\nHost: a.test\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: a.test\r\n\r\n",
    "something behind the version": b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n",
    "two versions": b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "empty target": b"GET  HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "two spaces behind": b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "tab": b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "tab behind": b"GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n",
    "vertical tab": b"GET /\x0bHTTP/1.1\r\nHost: a.test\r\n\r\n",
    "no-break space": b"GET /\xa0HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "space in front": b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "two empty lines in front": b"\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "bare LF in front": b"\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "bare CR in front": b"\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "method in quotes": b'"GET" / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    "method with a colon": b"GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "field where the request line should be": b"Host: a.test\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "SOCKS": b"\x05\x01\x00",
    "NUL": b"\0",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "only a fragment": b"GET # HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "high byte in the target": b"GET /\xe4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "DEL in the target": b"GET /\x7f HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "no form of a target": b"GET index.html HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "query only": b"GET ?x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "backslash": b"GET \\x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "asterisk is for OPTIONS": b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "asterisk with more": b"OPTIONS *x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "authority form": b"GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "other scheme": b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "file": b"GET file:///etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "scheme and path only": b"GET http:/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "no authority": b"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "no authority, query": b"GET http://?x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    # Line ends.
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a.test\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a.test\r\n\r\n",
    "bare CR after the request line": b"GET / HTTP/1.1\rHost: a.test\r\n\r\n",
    "CR CR LF": b"GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a.test\r\n\n",
    "LF CR": b"GET / HTTP/1.1\r\nHost: a.test\n\r\n\r",
    # Fields.
    "no host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "no fields": b"GET / HTTP/1.1\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "blank host": b"GET / HTTP/1.1\r\nHost: \t \r\n\r\n",
    "empty host for an absolute target": b"GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n",
    "malformed host for an absolute target": b"GET http://a.test/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a path as the host for an absolute target": b"GET http://a.test/ HTTP/1.1\r\nHost: a.test/x\r\n\r\n",
    "no host for an absolute target": b"GET http://a.test/ HTTP/1.1\r\n\r\n",
    "host twice": with_lines(b"Host: b.test"),
    "host twice, the same": with_lines(b"host: a.test"),
    "host twice for 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    "host twice for an absolute target": b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
    "fold": with_lines(b"X: y", b" z"),
    "fold with a tab": with_lines(b"X: y", b"\tz"),
    "fold of a field that frames": with_lines(b"Content-Length:", b" 5"),
    "fold of nothing": with_lines(b"X: y", b" "),
    "folded first line": b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
    "space before the colon": with_lines(b"X : y"),
    "tab before the colon": with_lines(b"X\t: y"),
    "empty name": with_lines(b": y"),
    "no colon": with_lines(b"X"),
    "name with a space": with_lines(b"X Y: z"),
    "name in brackets": with_lines(b"X[0]: z"),
    "name with a high byte": with_lines(b"X\xe9: z"),
    "name with NUL": with_lines(b"X\0: z"),
    "pseudo field": with_lines(b":path: /x"),
}
for _byte in (*range(9), *range(10, 32), 127):
    HEADS[f"control {_byte:#04x} in a value"] = with_lines(b"X: a%cb" % _byte)
for _byte in b'"(),/:;<=>?@[\\]{}\x00\x01\x1f\x7f\x80\xff':
    if _byte != ord(":"):
        HEADS[f"{_byte:#04x} in a name"] = with_lines(b"X%cY: z" % _byte)

# Of Content-Length.
for _value in (
    b"", b"+3", b"-3", b"-0", b"0x3", b"3 3", b"3,3", b"3, 4", b"3,", b",3", b"3.0", b"3e0", b"1_0", b"three", b"'3'",
    b'"3"', b"3;", b"\xb2", "\u0663".encode(), b"9" * 19, b"9" * 400, b"3\x0b", b"\x0c3", b"3\xa0", b"0b1", b"NaN",
):  # fmt: skip
    HEADS[f"length {_value[:12]!r}"] = with_lines(b"Content-Length: " + _value)
HEADS["two lengths"] = with_lines(b"Content-Length: 3", b"Content-Length: 4")
HEADS["two lengths, the same"] = with_lines(b"Content-Length: 3", b"content-length: 3")
HEADS["length with a space before its colon"] = with_lines(b"Content-Length : 3")

# Of Transfer-Encoding.
for _value in (
    b"", b"x", b"xchunked", b"chunkedx", b"chunk", b"chunked;q=1", b'"chunked"', b"chun ked", b"identity",
    b"identity, chunked", b"chunked, identity", b"chunked, chunked", b"chunked, gzip", b"gzip",
    b"chunked\x0b", b"\x0bchunked", b"\x0cchunked", b"chunked\xa0", b"\xc2\xa0chunked", b"chunked\0",
    b"ch\xc4\xb1unked",
    b"chunked HTTP/1.1", b"null", b"chunked\r", b"\rchunked", b"\nchunked", b"chunked\n",
):  # fmt: skip
    HEADS[f"coding {_value!r}"] = with_lines(b"Transfer-Encoding: " + _value)
HEADS |= {
    "coding and length": with_lines(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "length and coding": with_lines(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "length zero and coding": with_lines(b"Content-Length: 0", b"transfer-encoding: chunked"),
    "unknown coding and length": with_lines(b"Content-Length: 0", b"Transfer-Encoding: x"),
    "no coding and length": with_lines(b"Content-Length: 0", b"Transfer-Encoding:"),
    "coding twice": with_lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding and nonsense": with_lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
    "nonsense and coding": with_lines(b"Transfer-Encoding: x", b"Transfer-Encoding: chunked"),
    "coding with a space before its colon": with_lines(b"Transfer-Encoding : chunked"),
    "coding with a tab before its colon": with_lines(b"Transfer-Encoding\t: chunked"),
    "coding folded": with_lines(b"Transfer-Encoding:", b" chunked"),
    "coding with a space before its name": with_lines(b"X: y", b" Transfer-Encoding: chunked"),
    "coding behind a bare LF": with_lines(b"X: y\nTransfer-Encoding: chunked"),
    "coding behind a bare CR": with_lines(b"X: y\rTransfer-Encoding: chunked"),
    "coding for 1.0": b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "expectation twice": with_lines(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 3"),
}
OTHER_STATUS: dict[str, tuple[bytes, int]] = {
    "2.0": (b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 505),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "0.9 in words": (b"GET / HTTP/0.9\r\n\r\n", 505),
    "connect to a path": (b"CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n", 501),
    "connect": (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 501),
    "a coding that we do not speak": (with_lines(b"Transfer-Encoding: gzip, chunked"), 501),
    "a coding and nothing": (with_lines(b"Transfer-Encoding: chunked,"), 501),
    "nothing and a coding": (with_lines(b"Transfer-Encoding: ,chunked"), 501),
    "an unknown expectation": (with_lines(b"Expect: 200-ok"), 417),
    "an expectation and more": (with_lines(b"Expect: 100-continue, x"), 417),
}


@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS)
def test_a_head_that_is_not_clear_is_refused(data: bytes) -> None:
    """One refusal, whatever the split, and nothing behind it."""
    assert agreed(read_requests, data) == [BAD]
    assert agreed(read_requests, NEXT + data + NEXT) == [*NEXT_EVENTS, BAD]


@pytest.mark.parametrize(("data", "status"), OTHER_STATUS.values(), ids=OTHER_STATUS)
def test_a_head_that_is_clear_but_not_for_us_is_refused(data: bytes, status: int) -> None:
    """What is well-formed and not served here has a status that says so."""
    assert agreed(read_requests, data) == [refused(status)]
    assert agreed(read_requests, data + NEXT) == [refused(status)]


CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS: dict[str, bytes] = {
    "negative": b"-1\r\na\r\n0\r\n\r\n",
    "negative zero": b"-0\r\n\r\n",
    "plus": b"+1\r\na\r\n0\r\n\r\n",
    "prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "suffix": b"1h\r\na\r\n0\r\n\r\n",
    "space in front": b" 1\r\na\r\n0\r\n\r\n",
    "space behind": b"1 \r\na\r\n0\r\n\r\n",
    "tab behind": b"1\t\r\na\r\n0\r\n\r\n",
    "inner space": b"1 0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\na\r\n0\r\n\r\n",
    "other digits": "\u0661".encode() + b"\r\na\r\n0\r\n\r\n",
    "no size": b"\r\na\r\n0\r\n\r\n",
    "an extension without a size": b";a=b\r\na\r\n0\r\n\r\n",
    "16 digits": b"0000000000000001\r\na\r\n0\r\n\r\n",
    "17 digits": b"10000000000000001\r\na\r\n0\r\n\r\n",
    "endless digits": b"0" * 2000,
    "float": b"1.0\r\na\r\n0\r\n\r\n",
    "comma": b"1,1\r\na\r\n0\r\n\r\n",
    "bare LF behind the size": b"1\na\r\n0\r\n\r\n",
    "bare CR behind the size": b"1\ra\r\n0\r\n\r\n",
    "CR CR LF behind the size": b"1\r\r\na\r\n0\r\n\r\n",
    "bare LF in an extension": b"1;a\nb\r\na\r\n0\r\n\r\n",
    "bare CR in an extension": b"1;a\rb\r\na\r\n0\r\n\r\n",
    "NUL in an extension": b"1;a\0b\r\na\r\n0\r\n\r\n",
    "DEL in an extension": b"1;\x7f\r\na\r\n0\r\n\r\n",
    "extension too long": b"1;" + b"x" * 1023 + b"\r\na\r\n0\r\n\r\n",
    "extension without end": b"1;" + b"x" * 1400,
    "data shorter than the size": b"3\r\na\r\n0\r\n\r\n",
    "data longer than the size": b"1\r\nab\r\n0\r\n\r\n",
    "no line end behind the data": b"1\r\na0\r\n\r\n",
    "bare LF behind the data": b"1\r\na\n0\r\n\r\n",
    "bare CR behind the data": b"1\r\na\r0\r\n\r\n",
    "space behind the data": b"1\r\na \r\n0\r\n\r\n",
    "size zero with a sign in front": b"1\r\na\r\n+0\r\n\r\n",
    "trailer without a colon": b"0\r\nx\r\n\r\n",
    "trailer with a space before its colon": b"0\r\nx : y\r\n\r\n",
    "trailer folded": b"0\r\nx: y\r\n z\r\n\r\n",
    "trailer with a bare LF": b"0\r\nx: y\nz: a\r\n\r\n",
    "trailer with a NUL": b"0\r\nx: \0\r\n\r\n",
    "trailer without a name": b"0\r\n: y\r\n\r\n",
    "trailer of a space": b"0\r\n \r\n\r\n",
    "a request where the trailers should be": b"0\r\n" + NEXT,
    "trailers too large": b"0\r\n" + b"x: %b\r\n\r\n" % (b"y" * 16384),
    "extensions that cost more than they carry": b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n" * 600,
}


@pytest.mark.parametrize("data", CHUNKS.values(), ids=CHUNKS)
def test_a_chunked_body_that_is_not_clear_is_refused(data: bytes) -> None:
    """The body up to the fault may be told of, then comes the refusal; never an end, never a next request."""
    events = agreed(read_requests, CHUNKED + data)
    assert events[0][:3] == ("head", b"POST", b"/")
    assert events[-1] == BAD
    assert [event[0] for event in events[1:-1]] in ([], ["body"])
    assert agreed(read_requests, CHUNKED + data + b"\r\n\r\n" + NEXT) == events


@pytest.mark.parametrize(("limit", "is_read"), [(63, False), (64, True), (65, True)])
def test_the_limit_of_the_head_is_exact(limit: int, is_read: bool) -> None:
    """A head of as many bytes as the limit is read, one byte more is refused, wherever it is split."""
    data = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ".ljust(60, b"y") + b"\r\n\r\n"
    events = agreed(lambda pieces: read_requests(pieces, limit), data)
    assert (events[0][0] == "head") == is_read
    assert is_read or events == [TOO_LARGE]


@pytest.mark.parametrize(("count", "is_read"), [(3, True), (4, False)])
def test_the_limit_of_fields_is_exact(count: int, is_read: bool) -> None:
    """A head of as many fields as the limit is read, one more is refused, wherever it is split."""
    data = b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"X: y\r\n" * (count - 1) + b"\r\n"
    events = agreed(lambda pieces: read_requests(pieces, 1000, 3), data)
    assert (events[0][0] == "head") == is_read
    assert is_read or events == [TOO_LARGE]


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b"GET /" + b"x" * 200, TOO_LONG),
        (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n", TOO_LONG),
        (b"G" * 200, TOO_LONG),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 200, TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 200 + b"\r\n\r\n", TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: a\0" + b"a" * 200 + b"\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nbad\r\nHost: " + b"a" * 200 + b"\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 200 + b"\r\nbad\r\n\r\n", TOO_LARGE),
        (b"GET /" + b"x" * 200 + b" HTTP/3.0\r\n\r\n", TOO_LONG),
        (b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 60 + b"\r\n", TOO_LARGE),
    ],
)
def test_the_first_fault_counts(data: bytes, event: tuple[object, ...]) -> None:
    """A fault within the limit is named, one behind it never: the size is what is wrong then."""
    assert agreed(lambda pieces: read_requests(pieces, 100, 50), data) == [event]


_PIECES = st.sampled_from(
    [b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"Host: a", b"Content-Length: ",
     b"3", b"Transfer-Encoding: chunked", b"Connection: close", b"Upgrade: x", b"0\r\n\r\n", b"1\r\na\r\n",
     b";", b"\xff", b"_"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30), st.lists(st.integers(0, 300), max_size=8))
@example([b"GET ", b"/", b"\n", b" HTTP/1.1", b"\r\n"], [6])
def test_anything_gives_events_or_the_error(pieces: list[bytes], places: list[int]) -> None:
    """Pieces of requests in any order give events or the documented error, the same ones in any split."""
    data = b"".join(pieces)
    assert read_requests(cut_at(data, places)) == read_requests([data])


@given(
    st.sampled_from(sorted(data for data, _ in GOOD.values())),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=4),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_a_mutated_request_gives_events_or_the_error(
    data: bytes, mutations: list[tuple[int, bytes, int]], places: list[int]
) -> None:
    """A good request with some bytes replaced gives events or the documented error, the same ones in any split."""
    for place, inserted, removed in mutations:
        at = place % (len(data) + 1)
        data = data[:at] + inserted + data[at + removed :]
    whole = read_requests([data + NEXT])
    assert read_requests(cut_at(data + NEXT, places)) == whole
    assert all(event[0] != "malformed" for event in whole[:-1])
