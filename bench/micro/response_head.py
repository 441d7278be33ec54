"""A backend's short answer, head and body in one piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cases import SMALL_BODY
from txproxy.model.errors import ProxyError
from txproxy.model.head import ResponseHead
from txproxy.protocols.http1.codec_response import ResponseDecoder

ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 16:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b"
    % (len(SMALL_BODY), SMALL_BODY)
)


class _Deaf:
    """Takes what the decoder tells and does nothing with it."""

    __slots__ = ()

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None: ...
    def body(self, data: bytes) -> None: ...
    def body_end(self, trailers: bytes) -> None: ...

    def malformed(self, error: ProxyError) -> None:
        raise AssertionError(error)

    def stray(self) -> None:
        raise AssertionError("bytes nobody expects")


def subjects() -> Mapping[str, Callable[[], object]]:
    """Time the decoder."""
    decoder = ResponseDecoder(_Deaf())

    def read() -> None:
        decoder.expect(is_head=False, may_switch=False)
        decoder.feed(ANSWER)

    return {"decode a short answer": read}
