"""How many more hops a request may take.

Rule: Max-Forwards counts only for OPTIONS (and TRACE, which is refused anyway): a proxy MUST answer at 0 and
MUST count down otherwise (RFC 9110, section 7.6.2). For every other method it is a field like any other.
"""

from __future__ import annotations

from txproxy.model import fields

# More than any chain has, so that a number is never longer than what we write.
_MOST = 1000


def hops_left(block: bytes) -> int | None:
    """Give how many more proxies may forward a request with this block, None where it does not say."""
    value = fields.get(block, b"max-forwards")
    return min(int(value[:9]), _MOST) if value is not None and value.isdigit() else None


def with_hops(block: bytes, left: int) -> bytes:
    """Give the block with this number as its Max-Forwards."""
    return fields.without(block, b"max-forwards") + b"\r\nMax-Forwards: %d" % left
