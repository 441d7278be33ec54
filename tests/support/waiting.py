"""Waiting for what another thread or process does, always bounded.

Rule: nothing in the tests sleeps in the hope that something has happened by then. Whoever waits,
waits here for a condition, and learns which one was not met.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

PATIENCE = 15.0
"""Seconds after which anything on one machine counts as not happening (two busy cores included)."""


def until(condition: Callable[[], ResultT], what: str, seconds: float = PATIENCE) -> ResultT:
    """Ask again and again until `condition()` is true, and give what it gave.

    :raises AssertionError: it was not within `seconds`; the message names `what`.
    """
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
