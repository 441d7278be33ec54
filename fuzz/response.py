"""A backend's bytes: ``python -m fuzz response``.

Rule: the documented outcomes are events, a `ProxyError`, or stray bytes, the same ones for every split.
The first byte of the input says where the rest is split and what was asked.
"""

from __future__ import annotations

from typing import Any

from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.model.head import ResponseHead
from txproxy.protocols.http1.codec_response import ResponseDecoder

CAUSES = {
    "http_protocol_error",
    "http_response_incomplete",
    "http_response_header_section_size",
    "connection_terminated",
}


class _Transcript:
    """Writes down what is told."""

    def __init__(self, is_head: bool, may_switch: bool) -> None:
        self.events: list[Any] = []
        self.decoder = ResponseDecoder(self)
        self.decoder.expect(is_head, may_switch)

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None:
        assert fields.from_items(fields.items(head.block)).count(b"\r\n") == head.block.count(b"\r\n")
        self.events.append((head.status, head.reason, head.block, head.content_length, head.upgrade))
        if body:
            self.body(body)
        if end:
            self.events.append(("end", b""))

    def body(self, data: bytes) -> None:
        assert data
        if isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)

    def body_end(self, trailers: bytes) -> None:
        self.events.append(("end", trailers))

    def malformed(self, error: ProxyError) -> None:
        assert error.cause.token in CAUSES
        assert 500 <= error.status < 600
        self.events.append(error.cause.token)

    def stray(self) -> None:
        self.events.append("stray")


def one_input(data: bytes) -> None:
    """Read the input whole and in pieces, then let the backend close."""
    first, rest = data[0] if data else 0, data[1:]
    asked = bool(first & 64), bool(first & 128)
    step = first % 32 + 1
    whole, split = _Transcript(*asked), _Transcript(*asked)
    whole.decoder.feed(rest)
    for at in range(0, len(rest), step):
        split.decoder.feed(rest[at : at + step])
    for transcript in (whole, split):
        transcript.decoder.eof()
    assert whole.events == split.events
