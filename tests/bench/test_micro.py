"""The timing of single functions: what is timed, and that it does what it is timed for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.micro import Supplied
from bench.micro.__main__ import microseconds
from bench.micro.messages import REQUEST, RESPONSE
from bench.micro.tls import KINDS, Joined, context, subjects


def test_a_subject_is_supplied_with_what_it_uses_up():
    """Each loop gets as much as it calls, made before the clock runs, and the least time of a call counts."""
    asked: list[int] = []
    called: list[int] = []

    def supply(count: int) -> Callable[[], object]:
        left = iter(range(count))
        asked.append(count)
        return lambda: called.append(next(left))  # one call too many would raise

    assert 0 < microseconds(Supplied(supply)) < 1000
    assert len(called) == sum(asked)
    assert asked[0] == 1
    assert len(set(asked[-7:])) == 1


@pytest.mark.parametrize("name", KINDS)
def test_what_is_timed_of_tls_is_tls(name):
    """Each way decrypts what the client sends, in several turns, and encrypts what the client can read."""
    joined = Joined(KINDS[name](context()))
    before = joined.server.received()
    for count in (1, 2, 3):
        joined.server.receive(joined.encrypted(REQUEST))
        assert joined.server.received() - before == count * len(REQUEST)
        joined.server.write(RESPONSE)
        assert joined.decrypted() == RESPONSE
    joined.server.write(bytes(64 * 1024))
    assert joined.decrypted() == bytes(64 * 1024)


def test_each_way_is_timed_in_the_same_subjects():
    """A request, an answer, both, and a long answer, for txproxy, for Twisted and for the calls alone."""
    found = subjects()
    whats = {title.rpartition(", ")[0] for title in found}
    assert len(whats) == 4
    assert sorted(found) == sorted(f"{what}, {name}" for what in whats for name in KINDS)
    for subject in found.values():
        run = subject.supply(3)
        for _ in range(3):
            run()
