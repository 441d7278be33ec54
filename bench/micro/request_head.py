"""A browser's request head: read it, look into it, add to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cases import BROWSER_HEADERS
from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.model.head import RequestHead
from txproxy.policy.forwarded import X_FORWARDED, Forwarding
from txproxy.policy.trust import Trust
from txproxy.protocols.http1.codec_request import RequestDecoder

BLOCK = b"".join(f"\r\n{name}: {value}".encode("ascii") for name, value in BROWSER_HEADERS)
HEAD = b"GET /some/page?with=query HTTP/1.1" + BLOCK + b"\r\n\r\n"


class _Deaf:
    """Takes what the decoder tells and does nothing with it."""

    __slots__ = ()

    def head(self, head: RequestHead, end: bool) -> None: ...
    def body(self, data: bytes) -> None: ...
    def body_end(self, trailers: bytes) -> None: ...
    def head_begun(self) -> None: ...
    def read_ahead(self) -> None: ...

    def malformed(self, error: ProxyError) -> None:
        raise AssertionError(error)


def subjects() -> Mapping[str, Callable[[], object]]:
    """Time the decoder, one look-up, one removal, and the block of X-Forwarded-*."""
    decoder = RequestDecoder(_Deaf(), 16384, 100)
    forwarding = Forwarding({X_FORWARDED}, Trust(()))

    def read() -> None:
        decoder.feed(HEAD)
        decoder.next_message()

    return {
        "decode a browser's request head": read,
        "find one field (Priority, the last)": lambda: fields.get(BLOCK, b"priority"),
        "remove one field (Cookie)": lambda: fields.without(BLOCK, b"cookie"),
        "make X-Forwarded-*": lambda: forwarding.block(
            (), "127.0.0.1", 40000, "http", b"app.example.com", 8080, trusted=False
        ),
    }
