"""The heads of messages."""

from __future__ import annotations

from txproxy.model.head import RequestHead, ResponseHead


def test_a_field_of_a_head() -> None:
    """A head gives the first value of a field in any case, or None."""
    block = b"\r\nHost: a\r\nX-A: 1 \r\nx-a: 2"
    for head in (RequestHead(b"GET", b"/", b"a", block), ResponseHead(200, b"OK", block)):
        assert (head.field(b"x-A"), head.field(b"y")) == (b"1", None)


def test_what_a_head_shows() -> None:
    """A head shows its start line only: fields may hold secrets."""
    assert repr(RequestHead(b"GET", b"/x", b"a", b"\r\nCookie: secret")) == "<RequestHead GET a /x>"
    assert repr(ResponseHead(200, b"OK", b"\r\nSet-Cookie: secret")) == "<ResponseHead 200>"
