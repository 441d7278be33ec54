"""The short way of usual heads: it says what the general way says, and takes nothing that has a second meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.http1.decoding import read_requests, read_responses
from txproxy.protocols.http1.codec_grammar import (
    FRAMING,
    HOP_BY_HOP,
    PROVENANCE,
    USUAL_RESPONSE_HEAD,
    usual_request_head,
)

_PLAIN = (b"Accept", b"Cookie", b"upgrade-insecure-requests", b"X-Odd_Name", b"T", b"Content-Type", b"Teapot", b"X-A")
_SPECIAL = tuple(name.title() for name in (*FRAMING, *HOP_BY_HOP, *PROVENANCE))
_VALUES = (
    b"",
    b"1",
    b" a, b",
    b"\tx\t",
    b"caf\xc3\xa9",
    b"x_y",
    b"keep-alive",
    b" keep-alive",
    b" close",
    b" te",
    b"34",
)
_BROKEN = (b" folded", b"no colon", b"Space : 1", b"Nul: \0", b"Bare: \r", b": 1")

_line = st.one_of(
    st.builds(b"%b:%b".__mod__, st.tuples(st.sampled_from(_PLAIN), st.sampled_from(_VALUES))),
    st.builds(b"%b:%b".__mod__, st.tuples(st.sampled_from(_SPECIAL), st.sampled_from(_VALUES))),
    st.builds(bytes.lower, st.builds(b"%b:%b".__mod__, st.tuples(st.sampled_from(_SPECIAL), st.sampled_from(_VALUES)))),
    st.sampled_from((b"Connection: keep-alive", b"Connection: close", b"Host: b", b"Content-Length: 2")),
    st.sampled_from(_BROKEN),
)
_host = st.sampled_from(
    (b"Host: a", b"Host:a:80", b"Host: [::1]:80", b"host: a", b"Host:  a", b"Host: a ", b"Host: a,b")
)
_start = st.builds(
    b"%b %b HTTP/1.%b".__mod__,
    st.tuples(
        st.sampled_from((b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"GETS", b"get")),
        st.sampled_from((b"/", b"/a?b=c", b"//a", b"*", b"http://c/d", b"/a#b", b'/a"b')),
        st.sampled_from((b"1", b"0")),
    ),
)


def _head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


@given(_start, _host, st.lists(_line, max_size=6), st.sampled_from((*range(1, 9), 16, 24, 32)), st.data())
def test_a_request_means_the_same_both_ways(
    start: bytes, host: bytes, lines: list[bytes], fields: int, data: st.DataObject
) -> None:
    """A head that comes whole is read as one that comes in two pieces or with another behind it."""
    place = data.draw(st.integers(0, len(lines)))
    head = _head(start, *lines[:place], host, *lines[place:])
    limit = len(head) + data.draw(st.integers(-1, 1))
    whole = read_requests([head], limit, fields)
    cut = data.draw(st.integers(1, len(head) - 1))
    assert read_requests([head[:cut], head[cut:]], limit, fields) == whole
    again = read_requests([head + head], limit, fields)
    assert again[: len(whole)] == whole
    assert read_requests([head, head], limit, fields) == again


@given(
    st.sampled_from((b"200 OK", b"200", b"204 No Content", b"304 Not Modified", b"404 ", b"100 Continue", b"200  a")),
    st.lists(_line, max_size=6),
    st.integers(0, 4),
    st.booleans(),
    st.data(),
)
def test_a_response_means_the_same_both_ways(
    status: bytes, lines: list[bytes], body: int, is_head: bool, data: st.DataObject
) -> None:
    """An answer that comes whole is read as one in two pieces, whatever its body lacks or has too much."""
    wire = _head(b"HTTP/1.1 " + status, *lines) + b"body"[:body]
    whole = read_responses([wire], (is_head, False))
    cut = data.draw(st.integers(1, len(wire) - 1))
    assert read_responses([wire[:cut], wire[cut:]], (is_head, False)) == whole


@pytest.mark.parametrize("name", [*FRAMING, *HOP_BY_HOP, *PROVENANCE])
@pytest.mark.parametrize("case", [bytes.lower, bytes.upper, bytes.title])
def test_special_fields_are_not_usual(name: bytes, case: object) -> None:
    """No field that means something to this hop, in whatever case and place, is taken by the short way."""
    special = case(name) + b": 1"  # type: ignore[operator]
    usual = usual_request_head(100)
    for lines in ([special, b"Accept: a"], [b"Accept: a", b"Connection: close", special]):
        assert usual(_head(b"GET / HTTP/1.1", b"Host: a", *lines)) is None
    if name in (*HOP_BY_HOP, b"content-length"):
        for lines in ([special, b"Content-Length: 1"], [b"Content-Length: 1", b"Connection: keep-alive", special]):
            assert USUAL_RESPONSE_HEAD.match(_head(b"HTTP/1.1 200 OK", *lines)) is None


def test_what_clients_send_is_usual() -> None:
    """Heads as browsers and command lines write them take the short way."""
    usual = usual_request_head(100)
    for lines in (
        [b"Connection: keep-alive", b"Cookie: a"],
        [b"User-Agent: x86_64", b"Connection: close"],
        [b"Accept: */*"],
    ):
        assert usual(_head(b"GET /?a=b HTTP/1.1", b"Host: a.test:8080", *lines)) is not None
        assert usual(_head(b"GET /?a=b HTTP/1.1", *lines, b"Host: a.test:8080")) is not None
    nginx = (b"Server: nginx", b"Content-Length: 2", b"Last-Modified: x", b"Connection: keep-alive", b"ETag: y")
    assert USUAL_RESPONSE_HEAD.match(_head(b"HTTP/1.1 200 OK", *nginx)) is not None
