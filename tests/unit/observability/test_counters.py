"""The numbers of one process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.errors import CAUSES
from txproxy.observability.counters import Counters


def test_nothing_yet() -> None:
    """A new process has counted nothing."""
    assert Counters().snapshot() == {
        "accepted_connections": 0,
        "active_connections": 0,
        "failed_handshakes": 0,
        "requests": 0,
        "active_exchanges": 0,
        "responses": {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0},
        "causes": {},
        "bytes_received": 0,
        "bytes_sent": 0,
    }


def test_a_life() -> None:
    """Connections and exchanges are active between start and end, and counted for good."""
    counters = Counters()
    counters.connection_opened()
    counters.exchange_started()
    counters.exchange_started()
    counters.exchange_ended(200, "", 3, 5)
    during = counters.snapshot()
    counters.exchange_ended(499, "client_disconnected", 1, 0)
    counters.connection_closed()
    after = counters.snapshot()
    assert [during[name] for name in ("active_connections", "active_exchanges", "requests")] == [1, 1, 2]
    assert [after[name] for name in ("active_connections", "active_exchanges", "requests")] == [0, 0, 2]
    assert (after["accepted_connections"], after["bytes_received"], after["bytes_sent"]) == (1, 4, 5)
    assert after["causes"] == {"client_disconnected": 1}
    assert during["causes"] == {}
    assert after["responses"] == {"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 0, "none": 0}


@pytest.mark.parametrize(
    ("status", "name"), [(0, "none"), (101, "1xx"), (204, "2xx"), (308, "3xx"), (499, "4xx"), (504, "5xx")]
)
def test_classes(status: int, name: str) -> None:
    """A response counts in the class of its status."""
    counters = Counters()
    counters.exchange_ended(status, "", 0, 0)
    responses = counters.snapshot()["responses"]
    assert isinstance(responses, dict)
    assert [key for key, number in responses.items() if number] == [name]


@given(st.lists(st.tuples(st.integers(100, 599) | st.just(0), st.sampled_from(["", *CAUSES]))))
def test_sums(ends: list[tuple[int, str]]) -> None:
    """The classes add up to the exchanges that ended, the causes to those that failed."""
    counters = Counters()
    for status, cause in ends:
        counters.exchange_started()
        counters.exchange_ended(status, cause, 0, 0)
    assert sum(counters.responses) == counters.requests == len(ends)
    assert sum(counters.causes.values()) == len([cause for _, cause in ends if cause])
    assert counters.active_exchanges == 0
