"""Which backend of an upstream serves the next request.

Rule: a policy only picks; whether a backend is available, and what becomes of the request, is not its concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Generic, TypeVar

BackendT = TypeVar("BackendT")


class RoundRobin(Generic[BackendT]):
    """Each backend in turn, in the order given.

    :ivar pick: call it for the next backend; it is the iterator's own method, for speed.
    :raises ValueError: there is no backend.
    """

    __slots__ = ("backends", "pick")

    def __init__(self, backends: Iterable[BackendT]) -> None:
        self.backends = tuple(backends)
        if not self.backends:
            raise ValueError("an upstream needs at least one backend")
        self.pick: Callable[[], BackendT] = cycle(self.backends).__next__

    def __repr__(self) -> str:
        return f"<RoundRobin over {len(self.backends)}>"
