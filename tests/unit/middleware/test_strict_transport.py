"""Strict-Transport-Security."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from txproxy.middleware.strict_transport import StrictTransport
from txproxy.model.head import ResponseHead


@pytest.mark.parametrize(
    ("scheme", "block", "after"),
    [
        ("https", b"\r\nA: 1", b"\r\nA: 1\r\nStrict-Transport-Security: max-age=60"),
        (
            "https",
            b"\r\nstrict-transport-SECURITY: max-age=0\r\nA: 1",
            b"\r\nA: 1\r\nStrict-Transport-Security: max-age=60",
        ),
        ("http", b"\r\nA: 1", b"\r\nA: 1"),
    ],
)
def test_it_is_said_once_and_by_https_only(scheme: str, block: bytes, after: bytes) -> None:
    """On https the field is ours and only ours; on http nothing is touched (RFC 6797, section 7.2)."""
    head = ResponseHead(200, b"OK", block)
    StrictTransport(60.0, include_subdomains=False).on_response(SimpleNamespace(scheme=scheme), head)
    assert head.block == after


def test_subdomains() -> None:
    """`include_subdomains` adds the directive."""
    head = ResponseHead(200, b"OK", b"")
    StrictTransport(31536000.0, include_subdomains=True).on_response(SimpleNamespace(scheme="https"), head)
    assert head.block == b"\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains"
