"""What a load generator found out.

Rule: an error is an answer that did not come, was cut short, came too late (2 s) or had a status of
400 and above. Requests still in flight when time is up are neither answers nor errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


class LoadFailed(Exception):
    """The generator itself did not run to its end."""


@dataclass(frozen=True)
class Load:
    """One run of a generator.

    :ivar answers: how many good ones came back whole.
    :ivar seconds: how long it ran.
    :ivar p50: the median time to an answer, in milliseconds.
    :ivar p99: the time that one answer in a hundred took longer than, in milliseconds.
    """

    answers: int
    seconds: float
    p50: float
    p99: float
    errors: int


def summary(took: list[int], elapsed: int, errors: int) -> dict[str, int]:
    """Give what a generator of our own says at its end, from nanoseconds that answers took and that it ran."""
    took = sorted(took)
    return {
        "answers": len(took),
        "microseconds": elapsed // 1000,
        "p50": took[len(took) // 2] // 1000 if took else 0,
        "p99": took[len(took) * 99 // 100] // 1000 if took else 0,
        "errors": errors,
    }


def parse(output: str) -> Load:
    """Read the last line of a generator's output.

    :raises LoadFailed: it is not the line that was agreed.
    """
    lines = output.strip().splitlines() or [""]
    try:
        found = json.loads(lines[-1])
        return Load(
            int(found["answers"]),
            found["microseconds"] / 1e6,
            found["p50"] / 1e3,
            found["p99"] / 1e3,
            int(found["errors"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LoadFailed(f"no result in {lines[-1]!r}") from error
