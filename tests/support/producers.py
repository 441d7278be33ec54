"""A producer that does nothing but tell what it was told.

Rule: tests of whoever pauses producers look at what this one heard, in order.
"""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Push:
    """Writes down what it is told: "pause", "resume", "stop"."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        """Be told."""
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """Be told."""
        self.told.append("resume")

    def stopProducing(self) -> None:
        """Be told."""
        self.told.append("stop")
