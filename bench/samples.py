"""What is measured, and the arithmetic on it.

Rule: rounds are compared within themselves. How two proxies compare is the median over the rounds of
the ratio (or difference) in each, never the ratio of two medians, because the machine's noise comes
and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Generic, Protocol, TypeVar

from .cases import Kind

# Above this share of errors a row is shown but not compared.
TOLERATED = 0.001
KIB = 1024


class Sample(Protocol):
    """One proxy, one case, one round; there is one class for each kind of case.

    :ivar log_bytes: what its access log grew by.
    """

    @property
    def answers(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def log_bytes(self) -> int: ...

    @property
    def figure(self) -> float:
        """The one that counts, and that is compared."""


@dataclass(frozen=True)
class CpuSample:
    """For Kind.CPU.

    :ivar cpu: user and system time of the proxy's processes per answer, in microseconds.
    :ivar rate: answers a second.
    :ivar p50: in milliseconds, with every connection busy; as is p99.
    :ivar busy: the share of its core that the proxy used; well below 1, something else was the limit.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    busy: float
    answers: int
    errors: int
    log_bytes: int

    @property
    def figure(self) -> float:
        return self.cpu


@dataclass(frozen=True)
class MemorySample:
    """For Kind.MEMORY; memory is that of all the proxy's processes, in octets.

    :ivar before: when it had served a number of requests.
    :ivar after: when `connections` more were open and idle.
    """

    before: int
    after: int
    connections: int
    answers: int
    errors: int
    log_bytes: int

    @property
    def figure(self) -> float:
        """KiB per connection."""
        return (self.after - self.before) / self.connections / KIB


@dataclass(frozen=True)
class LatencySample:
    """For Kind.LATENCY.

    :ivar p50: from when a request was due to its answer, in milliseconds; as is p99.
    :ivar busy: the share of a core that was used by what listens: a proxy, or the backend.
    """

    p50: float
    p99: float
    busy: float
    answers: int
    errors: int
    log_bytes: int

    @property
    def figure(self) -> float:
        return self.p99


CLASSES: dict[Kind, type[CpuSample | MemorySample | LatencySample]] = {
    Kind.CPU: CpuSample,
    Kind.MEMORY: MemorySample,
    Kind.LATENCY: LatencySample,
}

SampleT = TypeVar("SampleT", bound=Sample)


@dataclass
class Row(Generic[SampleT]):
    """One proxy in one case: its samples, one a round, or why there are none.

    :ivar logged: whether its access log must have grown.
    """

    proxy: str
    logged: bool = True
    samples: list[SampleT] = field(default_factory=list)
    problem: str = ""

    def median(self, value: Callable[[SampleT], float]) -> float:
        """Give the median of something over the rounds."""
        return median(value(sample) for sample in self.samples)

    @property
    def errors(self) -> int:
        """How many requests failed in all rounds."""
        return sum(sample.errors for sample in self.samples)

    @property
    def answers(self) -> int:
        """How many answers came in all rounds."""
        return sum(sample.answers for sample in self.samples)

    def comparable(self) -> bool:
        """Tell whether there is something to compare and errors are too few to flatter it."""
        return bool(self.samples) and not self.problem and self.errors <= TOLERATED * self.answers

    def remarks(self) -> list[str]:
        """Give what the reader must know before believing the figures."""
        said = [self.problem] if self.problem else []
        if self.errors:
            verdict = "" if self.comparable() else ", so it is not compared"
            said.append(f"{self.errors} requests FAILED beside {self.answers} answered{verdict}")
        if self.logged and self.samples and not sum(sample.log_bytes for sample in self.samples):
            said.append("NO access log was seen")
        return said

    def as_json(self) -> dict[str, object]:
        """Give all of it as plain values."""
        return {
            "proxy": self.proxy,
            "logged": self.logged,
            "problem": self.problem,
            "samples": [asdict(sample) for sample in self.samples],
        }


@dataclass(frozen=True)
class Spread:
    """Something that was found in every round: the median, the least and the most."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        if self.least == self.most:  # it was found once, or is the yardstick itself
            return f"{self.middle:.2f}"
        return f"{self.middle:.2f} ({self.least:.2f}..{self.most:.2f})"


def spread(values: Iterable[float]) -> Spread | None:
    """Sum up what the rounds gave; None if there was none."""
    found = list(values)
    return Spread(median(found), min(found), max(found)) if found else None


def _pairs(row: Row[SampleT], other: Row[SampleT] | None) -> Iterable[tuple[SampleT, SampleT]]:
    # Nothing where a comparison would not be honest. A row that broke off has fewer samples.
    if other is None or not row.comparable() or not other.comparable():
        return ()
    return zip(row.samples, other.samples, strict=False)


def ratio(row: Row[SampleT], yardstick: Row[SampleT] | None) -> Spread | None:
    """Give how many times the yardstick's figure the row's is, from round to round."""
    return spread(ours.figure / theirs.figure for ours, theirs in _pairs(row, yardstick) if theirs.figure > 0)


def added(
    row: Row[LatencySample], direct: Row[LatencySample] | None, value: Callable[[LatencySample], float]
) -> Spread | None:
    """Give how much more something is than without a proxy, from round to round."""
    return spread(value(ours) - value(theirs) for ours, theirs in _pairs(row, direct))


def find(rows: Iterable[Row[SampleT]], proxy: str) -> Row[SampleT] | None:
    """Give the row of this proxy, if it took part."""
    return next((row for row in rows if row.proxy == proxy), None)
