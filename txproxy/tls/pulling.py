"""A producer that is asked for each piece, as one that is paused and resumed.

Rule: it is asked once a turn, while it is wanted, and what it raises ends the connection as it does with a
reactor's transports: half of what was to come must not look like all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Pulled:
    """One of them (Twisted's `_PullToPush` counts pauses, and asks on the process's reactor).

    :param producer: an `IPullProducer`. :param reactor: who calls in a later turn.
    :param failed: called with what the producer has raised.
    """

    __slots__ = ("_asking", "_failed", "_over", "_paused", "_producer", "_reactor")

    def __init__(self, producer: Any, reactor: Any, failed: Callable[[Exception], object]) -> None:
        self._producer = producer
        self._reactor = reactor
        self._failed = failed
        #: whether `_ask` will be called
        self._asking = False
        self._paused = self._over = False

    def ask_on(self) -> None:
        """Ask in the next turn, and on."""
        if not self._asking:
            self._asking = True
            self._reactor.callLater(0, self._ask)

    def _ask(self) -> None:
        self._asking = False
        if not self._wanted():
            return
        try:
            self._producer.resumeProducing()
        except Exception as error:  # noqa: BLE001 - a producer is the user's
            self._failed(error)
            return
        if self._wanted():
            self.ask_on()

    def _wanted(self) -> bool:
        return not (self._paused or self._over)

    def ask_no_more(self) -> None:
        """It has unregistered."""
        self._over = True

    def pauseProducing(self) -> None:
        """Ask for nothing."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Ask again."""
        self._paused = False
        if not self._over:
            self.ask_on()

    def stopProducing(self) -> None:
        """Ask never again, and say so."""
        if not self._over:
            self._over = True
            self._producer.stopProducing()
