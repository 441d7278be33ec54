"""What is measured, and the arithmetic on it.

Rule: rounds are compared within themselves. The ratio of two proxies is the median over the rounds
of the ratio in each, never the ratio of two medians, because the machine's noise comes and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from statistics import median

# Above this share of errors a row is shown but not compared.
TOLERATED = 0.001


@dataclass(frozen=True)
class Sample:
    """One proxy, one case, one round.

    :ivar cpu: user and system time of the proxy's processes per answer, in microseconds.
    :ivar rate: answers a second.
    :ivar p50: in milliseconds, with every connection busy; as is p99.
    :ivar busy: the share of its core that the proxy used; well below 1, something else was the limit.
    :ivar log_bytes: what its access log grew by.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    busy: float
    answers: int
    errors: int
    log_bytes: int


@dataclass
class Row:
    """One proxy in one case: its samples, one a round, or why there are none."""

    proxy: str
    samples: list[Sample] = field(default_factory=list)
    problem: str = ""

    def median(self, value: Callable[[Sample], float]) -> float:
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
        if self.samples and not sum(sample.log_bytes for sample in self.samples):
            said.append("NO access log was seen")
        return said

    def as_json(self) -> dict[str, object]:
        """Give all of it as plain values."""
        return {
            "proxy": self.proxy,
            "problem": self.problem,
            "samples": [asdict(sample) for sample in self.samples],
        }


@dataclass(frozen=True)
class Ratio:
    """CPU per answer compared with the yardstick's: the median over the rounds, the least and the most."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f}-{self.most:.2f})"


def ratio(row: Row, yardstick: Row | None) -> Ratio | None:
    """Compare a row with the yardstick's, round by round; None where that would not be honest."""
    if yardstick is None or not row.comparable() or not yardstick.comparable():
        return None
    pairs = zip(row.samples, yardstick.samples, strict=False)
    ratios = [ours.cpu / theirs.cpu for ours, theirs in pairs if theirs.cpu]
    return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None


def find(rows: Iterable[Row], proxy: str) -> Row | None:
    """Give the row of this proxy, if it took part."""
    return next((row for row in rows if row.proxy == proxy), None)
