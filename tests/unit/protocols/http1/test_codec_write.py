"""What is written is read as what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.http1.decoding import (
    cut_at,
    read_requests,
    read_responses,
    request_facts,
    response_facts,
)
from txproxy.model import fields
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.protocols.http1 import codec_write
from txproxy.protocols.http1.codec_grammar import FORBIDDEN_TRAILERS, HOP_BY_HOP, PROVENANCE

_SPECIAL = {*HOP_BY_HOP, *PROVENANCE, *FORBIDDEN_TRAILERS, b"content-length", b"host", b"expect", b"date"}
_TOKENS = st.text("!#$%&'*+-.^`|~019AZaz", min_size=1, max_size=8).map(str.encode)
_NAMES = _TOKENS.filter(lambda name: name.lower() not in _SPECIAL)
_VALUES = st.binary(max_size=12).filter(lambda value: not any((c < 32 and c != 9) or c == 127 for c in value))
_BLOCKS = st.lists(st.tuples(_NAMES, _VALUES.map(lambda value: value.strip(b" \t"))), max_size=5).map(fields.from_items)
_TARGETS = st.text("/?&=%.;:@~'\"<>aZ09", max_size=12).map(lambda text: b"/" + text.encode())
_PLACES = st.lists(st.integers(0, 1000), max_size=8)


@given(_TOKENS, _TARGETS, _BLOCKS, st.binary(max_size=50), st.booleans(), st.booleans(), _PLACES)
def test_a_request_is_read_as_it_was_written(
    method: bytes, target: bytes, block: bytes, data: bytes, chunked: bool, trailers: bool, places: list[int]
) -> None:
    """Writer and reader are inverse: head, body and framing."""
    if method == b"CONNECT":
        method = b"GET"
    block = b"\r\nHost: a" + block + (b"" if chunked else b"\r\nContent-Length: %d" % len(data))
    length = None if chunked else len(data)
    head = RequestHead(method, target, b"a", block, length, accepts_trailers=trailers)
    body = (codec_write.chunk(data) if data else b"") + codec_write.CHUNK_END if chunked else data
    events = read_requests(cut_at(codec_write.request_head(head) + body, places))
    assert events[0] == ("head", *request_facts(head), True)
    assert events[1:] == [*([("body", data)] if data else []), ("end", b"")]


@given(st.integers(200, 599), _VALUES, _BLOCKS, st.binary(max_size=50), st.booleans(), st.booleans(), _PLACES)
def test_a_response_is_read_as_it_was_written(
    status: int, reason: bytes, block: bytes, data: bytes, chunked: bool, close: bool, places: list[int]
) -> None:
    """Writer and reader are inverse: head, body, framing and persistence."""
    if status in (204, 304):
        status = 200
    block = b"\r\nDate: d" + block + (b"" if chunked else b"\r\nContent-Length: %d" % len(data))
    head = ResponseHead(status, reason, block, None if chunked else len(data))
    body = (codec_write.chunk(data) if data else b"") + codec_write.CHUNK_END if chunked else data
    wire = codec_write.response_head(head, 11, close, chunked, None)
    events = read_responses(cut_at(wire + body, places))
    assert events[0] == ("head", *response_facts(head), not close)
    assert events[1:] == [*([("body", data)] if data else []), ("end", b"")]


def test_an_upgrade_is_read_as_it_was_written() -> None:
    """The offer and the answer of an upgrade keep their protocol."""
    head = RequestHead(b"GET", b"/", b"a", b"\r\nHost: a", upgrade=b"websocket")
    assert read_requests([codec_write.request_head(head)])[0] == ("head", *request_facts(head), True)
    answer = ResponseHead(101, b"Go", b"\r\nSec: 1", 0, b"websocket")
    wire = codec_write.informational_head(answer)
    assert read_responses([wire], default=(False, True)) == [("head", *response_facts(answer), False)]


@pytest.mark.parametrize(
    ("version", "close", "chunked", "length", "line"),
    [
        (11, False, False, None, b""),
        (11, True, False, None, b"Connection: close\r\n"),
        (10, False, False, 5, b"Content-Length: 5\r\nConnection: keep-alive\r\n"),
        (10, True, False, None, b"Connection: close\r\n"),
        (11, False, True, None, b"Transfer-Encoding: chunked\r\n"),
        (11, True, False, 0, b"Content-Length: 0\r\nConnection: close\r\n"),
    ],
)
def test_what_belongs_to_the_connection(
    version: int, close: bool, chunked: bool, length: int | None, line: bytes
) -> None:
    """Framing and persistence are said as the client's version wants them."""
    head = ResponseHead(200, b"OK", b"\r\ndate: d")
    wire = codec_write.response_head(head, version, close, chunked, length)
    assert wire == b"HTTP/1.1 200 OK\r\ndate: d\r\n" + line + b"\r\n"


def test_a_date_is_added_where_there_is_none() -> None:
    """An answer without a Date gets one; what only looks like one does not count."""
    wire = codec_write.response_head(ResponseHead(200, b"", b"\r\nX: Date:"), 11, False, False, None, 0.0)
    assert wire == b"HTTP/1.1 200 \r\nX: Date:\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"


def test_a_chunked_answer_has_no_length() -> None:
    """A length that somebody left in the block does not stand beside chunked (RFC 9112, section 6.2)."""
    head = ResponseHead(200, b"OK", b"\r\ncontent-length: 5\r\nX-A: 1", None)
    wire = codec_write.response_head(head, 11, close=False, chunked=True, content_length=None, now=0)
    assert b"ontent-length" not in wire
    assert b"\r\nTransfer-Encoding: chunked" in wire
