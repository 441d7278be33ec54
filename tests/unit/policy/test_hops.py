"""How many more hops a request may take."""

from __future__ import annotations

import pytest

from txproxy.policy.hops import hops_left, with_hops


@pytest.mark.parametrize(
    ("block", "left"),
    [
        (b"", None),
        (b"\r\nHost: a", None),
        (b"\r\nMax-Forwards: 0", 0),
        (b"\r\nmax-forwards:\t7 ", 7),
        (b"\r\nMax-Forwards: 007", 7),
        (b"\r\nMax-Forwards: " + b"9" * 5000, 1000),
        (b"\r\nMax-Forwards:", None),
        (b"\r\nMax-Forwards: -1", None),
        (b"\r\nMax-Forwards: 1.5", None),
        (b"\r\nMax-Forwards: \xb2", None),
    ],
)
def test_hops_left(block: bytes, left: int | None) -> None:
    """Max-Forwards is a number, or is not there."""
    assert hops_left(block) == left


def test_with_hops() -> None:
    """The number is replaced, and other fields stay as they are."""
    block = b"\r\nHost: a\r\nMAX-FORWARDS: 3\r\nX: y"
    assert with_hops(block, 2) == b"\r\nHost: a\r\nX: y\r\nMax-Forwards: 2"
