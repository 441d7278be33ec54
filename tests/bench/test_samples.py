"""The arithmetic of the benchmark: what is compared, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from bench.cases import Kind
from bench.samples import CLASSES, CpuSample, LatencySample, MemorySample, Row, Spread, added, ratio


def cpu(figure: float, errors: int = 0, log_bytes: int = 1) -> CpuSample:
    """Make a sample with this figure."""
    return CpuSample(figure, rate=1, p50=1, p99=1, busy=1, answers=1000, errors=errors, log_bytes=log_bytes)


def latency(p50: float, p99: float) -> LatencySample:
    """Make a sample with these percentiles."""
    return LatencySample(p50, p99, busy=0.1, answers=1000, errors=0, log_bytes=1)


def row(*samples: Any, proxy: str = "one", **values: Any) -> Row[Any]:
    """Make a row of these samples."""
    return Row(proxy, samples=list(samples), **values)


def test_ratios_are_taken_within_rounds():
    """Noise that doubles both figures of one round leaves the ratio; the medians alone would give another."""
    ours, theirs = row(cpu(20), cpu(80), cpu(30)), row(cpu(10), cpu(40), cpu(10))
    assert ratio(ours, theirs) == Spread(2, 2, 3)


def test_what_a_proxy_adds_is_taken_within_rounds():
    """The difference to the backend alone is taken in each round, of either percentile."""
    ours, direct = row(latency(0.3, 1.0), latency(0.5, 9.0)), row(latency(0.1, 0.4), latency(0.3, 8.0))
    found = added(ours, direct, lambda sample: sample.p99)
    assert found is not None
    assert (found.least, found.most) == pytest.approx((0.6, 1.0))
    assert str(added(ours, direct, lambda sample: sample.p50)).startswith("0.20")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(row(cpu(1)), None, id="nobody to compare with"),
        pytest.param(row(), row(cpu(1)), id="no sample"),
        pytest.param(row(cpu(1), problem="it ended"), row(cpu(1)), id="it broke off"),
        pytest.param(row(cpu(1)), row(cpu(1), problem="it ended"), id="the other broke off"),
        pytest.param(row(cpu(1, errors=2)), row(cpu(1)), id="more than one error in a thousand"),
        pytest.param(row(cpu(1)), row(cpu(0)), id="a figure of nothing"),
    ],
)
def test_what_would_not_be_honest_is_not_compared(ours, theirs):
    """There is no ratio where one side has failed, or has too many errors, or measured nothing."""
    assert ratio(ours, theirs) is None


def test_a_spread_of_one_value_shows_no_range():
    """A range is shown where rounds differ, and it can be read with negative values."""
    assert str(Spread(2, 2, 2)) == "2.00"
    assert str(Spread(0.5, -1, 2)) == "0.50 (-1.00..2.00)"


def test_memory_is_told_for_each_connection():
    """A connection costs what the proxy grew by, divided by their number, in KiB."""
    sample = MemorySample(1_000_000, 1_000_000 + 5000 * 3072, 5000, answers=5000, errors=0, log_bytes=1)
    assert sample.figure == 3.0


@pytest.mark.parametrize(
    ("logged", "log_bytes", "said"), [(True, 0, ["NO access log was seen"]), (True, 1, []), (False, 0, [])]
)
def test_a_log_is_asked_for_where_it_must_have_grown(logged, log_bytes, said):
    """A proxy that writes no access log is named, unless the case ends before a line is due."""
    assert row(cpu(1, log_bytes=log_bytes), logged=logged).remarks() == said


def test_each_kind_of_case_has_its_samples():
    """No kind of case is without a class of samples."""
    assert set(CLASSES) == set(Kind)
