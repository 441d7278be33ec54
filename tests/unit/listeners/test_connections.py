"""The open connections of a process: their limit and their end."""

from __future__ import annotations

from typing import Any

from txproxy.listeners.connections import Connections
from txproxy.model.errors import SHUTTING_DOWN, ProxyError


class Fake:
    """A connection that notes what it is told."""

    answering = False

    def __init__(self, connections: Connections) -> None:
        self.told: list[Any] = []
        connections.open.add(self)

    def close_when_idle(self) -> None:
        """Note it."""
        self.told.append("close when idle")

    def cut(self, error: ProxyError) -> None:
        """Note it."""
        self.told.append(error.cause)

    def abort(self) -> None:
        """Note it."""
        self.told.append("abort")


def test_the_next_phase_of_a_connection_takes_the_place_of_the_last() -> None:
    """It is one connection all the time, and its end empties the set."""
    connections = Connections(1)
    first = Fake(connections)
    emptied: list[bool] = []
    second = Fake(Connections(1))
    connections.replace(first, second)
    assert not connections.admit()
    connections.drain(lambda: emptied.append(True))
    assert (first.told, second.told, emptied) == ([], ["close when idle"], [])
    connections.gone(second)
    assert emptied == [True]


def test_nobody_is_admitted_at_the_end() -> None:
    """Who comes while the others finish, or behind the last, would be told of no end."""
    connections = Connections(5)
    last = Fake(connections)
    connections.drain(lambda: None)
    assert not connections.admit()
    connections.gone(last)
    assert not connections.admit()


def test_all_are_told_of_the_end() -> None:
    """A cut reaches every connection with its cause, and an abort as well."""
    connections = Connections(5)
    made = [Fake(connections), Fake(connections)]
    connections.cut(ProxyError(SHUTTING_DOWN))
    connections.abort()
    assert [each.told for each in made] == [[SHUTTING_DOWN, "abort"]] * 2
