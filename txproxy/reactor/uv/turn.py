"""What is to be sent at the end of this turn of the loop.

Rule: one call of the loop for all transports that were written to in a turn. uvloop itself sends within
`write`: that wakes the other end for every piece, and costs more of both processors' time (measured).
"""

from __future__ import annotations

from typing import Any


class Turn:
    """Collects the transports that something was written to; all of a reactor share one."""

    __slots__ = ("_call_soon", "_end_bound", "_waiting")

    def __init__(self, loop: Any) -> None:
        self._call_soon = loop.call_soon
        self._end_bound = self._end
        self._waiting: list[Any] = []

    def add(self, transport: Any) -> None:
        """Call the transport's `end_turn` at the end of this turn."""
        waiting = self._waiting
        if not waiting:
            self._call_soon(self._end_bound)
        waiting.append(transport)

    def _end(self) -> None:
        waiting, self._waiting = iter(self._waiting), []
        try:
            for transport in waiting:
                try:
                    transport.end_turn()
                except Exception as error:  # noqa: BLE001 - it ends its connection; the others have their turn
                    transport.turn_failed(error)
        finally:
            # Only if that was broken off, as by KeyboardInterrupt: the others have their turn in the next one.
            for transport in waiting:
                self.add(transport)
