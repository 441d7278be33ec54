"""A client's bytes: ``python -m fuzz request``.

Rule: the documented outcomes are events and one `ProxyError`, the same ones for every split of the
bytes. The first byte of the input says where the rest is split.
"""

from __future__ import annotations

from typing import Any

from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.model.head import RequestHead
from txproxy.protocols.http1.codec_request import RequestDecoder

CAUSES = {"http_request_error", "request_header_too_large", "request_target_too_long"}


class _Transcript:
    """Goes on to the next request at once, and writes down what is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.decoder = RequestDecoder(self, 1024, 20)

    def head(self, head: RequestHead, end: bool) -> None:
        assert not any(control in head.block for control in (b"\0", b"\n\n", b"\r\r"))
        assert fields.from_items(fields.items(head.block)).count(b"\r\n") == head.block.count(b"\r\n")
        self.events.append((head.method, head.target, head.authority, head.block, head.content_length, head.upgrade))
        if end:
            self.decoder.next_message()

    def body(self, data: bytes) -> None:
        assert data
        if isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)

    def body_end(self, trailers: bytes) -> None:
        self.events.append(("end", trailers))
        self.decoder.next_message()

    def head_begun(self) -> None: ...
    def read_ahead(self) -> None: ...

    def malformed(self, error: ProxyError) -> None:
        assert error.cause.token in CAUSES
        assert 400 <= error.status < 600
        self.events.append(error.cause.token)


def one_input(data: bytes) -> None:
    """Read the input whole and in pieces."""
    step, rest = data[0] % 32 + 1 if data else 1, data[1:]
    whole, split = _Transcript(), _Transcript()
    whole.decoder.feed(rest)
    for at in range(0, len(rest), step):
        split.decoder.feed(rest[at : at + step])
    assert whole.events == split.events
