"""Whether a request may be sent again."""

from __future__ import annotations

import pytest

from txproxy.policy.retry import may_repeat

SAFE = [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"]


@pytest.mark.parametrize("method", SAFE)
def test_idempotent(method: bytes) -> None:
    """The idempotent methods of RFC 9110, section 9.2.2, may be sent again after they were sent."""
    assert may_repeat(method, sent=True)


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"CONNECT", b"get", b"MKCOL", b""])
def test_not_idempotent(method: bytes) -> None:
    """Any other method, also one not known here, may be sent again only if it was never sent."""
    assert [may_repeat(method, sent=True), may_repeat(method, sent=False)] == [False, True]


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_never(method: bytes, sent: bool) -> None:
    """Nothing is repeated once an answer has started or the body is gone."""
    assert not may_repeat(method, sent=sent, answered=True)
    assert not may_repeat(method, sent=sent, body_kept=False)
