"""The end of a turn comes to every transport that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from txproxy.reactor.uv.turn import Turn


class Loop:
    """Keeps what it shall call."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []

    def call_soon(self, call: Callable[[], Any]) -> None:
        """Keep it."""
        self.calls.append(call)

    def turn(self) -> None:
        """Call what was asked for before."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Waiting:
    """A transport that notes its turn."""

    def __init__(self, name: str, ended: list[str], act: Callable[[], Any] = lambda: None) -> None:
        self.name, self.ended, self.act = name, ended, act

    def end_turn(self) -> None:
        """Note it."""
        self.ended.append(self.name)
        self.act()

    def turn_failed(self, error: Exception) -> None:
        self.ended.append("failed")


def test_transports_are_asked_in_the_order_in_which_they_came() -> None:
    """One call of the loop ends the turn of all, and a transport that comes meanwhile waits for the next."""
    loop, ended = Loop(), []
    turn = Turn(loop)
    late = Waiting("late", ended)
    for waiting in (Waiting("a", ended, lambda: turn.add(late)), Waiting("b", ended)):
        turn.add(waiting)
    assert len(loop.calls) == 1
    loop.turn()
    assert ended == ["a", "b"]
    loop.turn()
    assert ended == ["a", "b", "late"]
    assert not loop.calls


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_the_fault_of_one_does_not_keep_the_others_waiting(fault: type[BaseException]) -> None:
    """A fault ends its transport's connection, or goes to the loop; the others have their turn all the same."""
    loop, ended = Loop(), []
    turn = Turn(loop)

    def fail() -> None:
        raise fault

    for waiting in (Waiting("a", ended), Waiting("b", ended, fail), Waiting("c", ended), Waiting("d", ended)):
        turn.add(waiting)
    with pytest.raises(KeyboardInterrupt) if fault is KeyboardInterrupt else nullcontext():
        loop.turn()
    turn.add(Waiting("e", ended))
    loop.turn()
    assert [name for name in ended if name != "failed"] == ["a", "b", "c", "d", "e"]
    assert ("failed" in ended) == (fault is RuntimeError)
    turn.add(Waiting("f", ended))
    loop.turn()
    assert ended[-1] == "f"
