"""The downstream connections of the process, in whatever phase they are.

Rule: the limit of connections holds over all listeners; one too many is closed at once, before a byte is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

from txproxy.model.errors import ProxyError


class Connection(Protocol):
    """What each of them can be told: one that speaks HTTP, or one that does not yet."""

    @property
    def answering(self) -> bool:
        """Whether a request is under way."""

    def close_when_idle(self) -> None:
        """End at once if no request is under way, else with its answer."""

    def cut(self, error: ProxyError) -> None:
        """End for a reason of ours; who waits for an answer gets one that says so."""

    def abort(self) -> None:
        """Reset it, now."""


class Connections:
    """All downstream connections of the process, of every listener."""

    log = Logger()

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open: set[Any] = set()
        self._refusing = False
        self._draining = False
        self._emptied: Callable[[], None] | None = None

    def admit(self) -> bool:
        """Whether there is room for one more; the first refusal is logged, not each."""
        if self._draining:
            return False  # a reactor may have accepted some that it tells of only now
        if len(self.open) < self.limit:
            self._refusing = False
            return True
        if not self._refusing:
            self._refusing = True
            self.log.warn(
                "connection_limit_reached: limits.connections ({limit}) are open; new ones are closed",
                limit=self.limit,
            )
        return False

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self.open.discard(connection)
        self._tell_if_empty()

    def drain(self, emptied: Callable[[], None]) -> None:
        """End what is idle, let the rest finish, admit nobody, and tell once when nothing is left."""
        self._draining = True
        self._emptied = emptied
        for connection in tuple(self.open):
            connection.close_when_idle()
        self._tell_if_empty()

    def cut(self, error: ProxyError) -> None:
        """End what is left: requests without an answer get `error` as theirs, which may take a moment to leave."""
        for connection in tuple(self.open):
            connection.cut(error)

    def abort(self) -> None:
        """Reset what is left, now. After `cut`: exchanges are not told."""
        for connection in tuple(self.open):
            connection.abort()

    def _tell_if_empty(self) -> None:
        if not self.open and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied()

    def replace(self, before: Connection, after: Connection) -> None:
        """A connection has come to its next phase."""
        self.open.discard(before)
        self.open.add(after)
