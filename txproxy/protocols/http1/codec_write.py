"""Events -> bytes of HTTP/1: the mirror of the two decoders.

Rule: a head is one join of its start line, its block as it is, and the few fields that belong to this
connection. Field values were checked when they came in; nothing is checked again here.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache

from txproxy.model import fields
from txproxy.model.head import RequestHead, ResponseHead

CHUNK_END = b"0\r\n\r\n"
_date = fields.finder((b"date",))
_length = fields.remover((b"content-length",))


@lru_cache(maxsize=1024)
def _status_line(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, reason)


@lru_cache(maxsize=2)
def _date_line(second: int) -> bytes:
    return b"\r\nDate: " + formatdate(second, usegmt=True).encode()


def chunk(data: bytes) -> bytes:
    """Frame a piece of a chunked body (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def informational_head(head: ResponseHead) -> bytes:
    """Write a 1xx head."""
    line = _status_line(head.status, head.reason)
    if head.upgrade is not None:
        return b"%b%b\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (line, head.block, head.upgrade)
    return line + head.block + b"\r\n\r\n"


def response_head(
    head: ResponseHead,
    version: int,
    close: bool,
    chunked: bool,
    content_length: int | None,
    now: float | None = None,
    body: bytes = b"",
) -> bytes:
    """Write a final response's head for a client of this version.

    :param close: the connection ends behind this response.
    :param chunked: the body will be sent chunked.
    :param content_length: to be added, where the block has none.
    :param now: POSIX time for Date where the backend sent none (RFC 9110, section 6.6.1: MUST), None: the clock's.
    :param body: what follows at once, framed.
    """
    block = head.block
    extra = b""
    if chunked:
        # Never both (RFC 9112, section 6.2), whatever a filter or an application left in the block.
        block = _length.sub(b"", block)
        extra = b"\r\nTransfer-Encoding: chunked"
    if content_length is not None:
        extra += b"\r\nContent-Length: %d" % content_length
    if close:
        extra += b"\r\nConnection: close"
    elif version < 11:
        extra += b"\r\nConnection: keep-alive"
    # Not by `in`, for which this interpreter makes and drops an exception before it searches.
    if block.find(b"\r\nDate:") < 0 and not _date.search(block):
        extra += _date_line(int(time.time() if now is None else now))
    return b"".join((_status_line(head.status, head.reason), block, extra, b"\r\n\r\n", body))


def request_head(head: RequestHead) -> bytes:
    """Write a request's head for a backend."""
    extra = b"\r\nTransfer-Encoding: chunked" if head.content_length is None else b""
    if head.upgrade is not None:
        extra += b"\r\nConnection: Upgrade\r\nUpgrade: " + head.upgrade
    elif head.accepts_trailers:
        extra += b"\r\nConnection: TE\r\nTE: trailers"
    return b"".join((head.method, b" ", head.target, b" HTTP/1.1", head.block, extra, b"\r\n\r\n"))
