"""The time of the world, for whoever has no clock of their own.

Rule: what can be given a clock is given one; this is what the composition root gives.
"""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Give the time, aware of its zone."""
    return datetime.now(UTC)
