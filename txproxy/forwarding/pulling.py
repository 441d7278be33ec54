"""Pull producers, which want to be asked for each piece, as push producers.

Rule: a producer is asked once a turn of the reactor, and not while it is paused, so that one which never
has anything to write cannot keep the reactor to itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IPushProducer)
class Pulling:
    """Asks a pull producer until it is paused.

    :param producer: an `IPullProducer`; its `resumeProducing` writes one piece.
    :param reactor: gives the turns.
    :param failed: called with a Failure if it raises; it is not asked again.
    """

    __slots__ = ("_failed", "_next", "_producer", "_reactor", "_running")

    def __init__(self, producer: Any, reactor: Any, failed: Callable[[Failure], None]) -> None:
        self._producer = producer
        self._reactor = reactor
        self._failed = failed
        self._running = False
        self._next: Any = None

    def resumeProducing(self) -> None:
        """Ask now, and in each turn from now on."""
        if not self._running:
            self._running = True
            self._ask()

    def pauseProducing(self) -> None:
        """Ask no more until resumed."""
        self._running = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def stopProducing(self) -> None:
        """Ask never again, and let the producer clean up."""
        self.pauseProducing()
        self._producer.stopProducing()

    def _ask(self) -> None:
        self._next = None
        try:
            self._producer.resumeProducing()
        except Exception:  # noqa: BLE001
            # The producer is the user's and may raise anything.
            self.pauseProducing()
            self._failed(Failure())
            return
        # It may have been paused, or paused and resumed, by what it wrote.
        if self._running and self._next is None:
            self._next = self._reactor.callLater(0, self._ask)
