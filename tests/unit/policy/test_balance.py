"""Which backend is next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy.balance import RoundRobin


def test_each_in_turn() -> None:
    """Backends are picked in the order given, again and again."""
    robin = RoundRobin("abc")
    assert [robin.pick() for _ in range(7)] == list("abcabca")


@given(st.integers(1, 20), st.integers(0, 200))
def test_fair(count: int, picks: int) -> None:
    """After any number of picks, no backend is more than one ahead of another."""
    robin = RoundRobin(range(count))
    counts = Counter(dict.fromkeys(range(count), 0))
    counts.update(robin.pick() for _ in range(picks))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_none() -> None:
    """An upstream without backends is refused when it is made, not at the first request."""
    with pytest.raises(ValueError, match="at least one"):
        RoundRobin([])
