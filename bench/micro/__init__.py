"""Timing of single functions of the hot path: ``python -m bench.micro``.

Rule: one module for each subject, and each has a function `subjects` that gives what is to be timed
by name. A module that cannot be imported is skipped with the reason, and the rest is still timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Supplied:
    """A subject each of whose calls uses something up.

    :ivar supply: makes as much of it as so many calls need, and gives what may be called as often. It is not timed.
    """

    supply: Callable[[int], Callable[[], object]]
