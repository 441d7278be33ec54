"""The load generators of our own: what is counted, and from when."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bench.answers import BadAnswer, is_whole
from bench.cases import CASES, SMALL_BODY, Kind
from bench.load.at_rate import Schedule, run
from bench.load.idle import Held
from bench.load.result import LoadFailed, parse, summary
from bench.processes import own_memory
from tests.support.backend import Backend, Connection, answering, ok
from tests.support.waiting import until

CASE = next(case for case in CASES if case.kind is Kind.LATENCY)
MS = 1_000_000


def test_requests_are_due_evenly_whatever_was_answered():
    """After a stall of 5 ms, all that was due meanwhile is sent at once, each with the time it was due at."""
    schedule = Schedule(rate=1000, seconds=0.01, start=100)
    taken = [schedule.take(100), schedule.take(100), schedule.take(100 + MS - 1)]
    assert taken == [100, None, None]
    assert [schedule.take(100 + 5 * MS) for _ in range(6)] == [*(100 + n * MS for n in range(1, 6)), None]


def test_a_schedule_ends():
    """There are rate x seconds requests; after the last, the wait for answers is bounded."""
    schedule = Schedule(rate=1000, seconds=0.01, start=0)
    assert schedule.seconds_left(0) == 0
    late = [schedule.take(1000 * MS) for _ in range(12)]
    assert (late[9], late[10:], schedule.end) == (9 * MS, [None, None], 10 * MS)
    assert schedule.seconds_left(0) > 0
    assert [Schedule(1, 9, 0).seconds_left(now) for now in (-MS, -3600 * 1000 * MS)] == [0.001, 0.1]


def test_a_stall_is_counted_for_every_request_that_it_delays():
    """A backend that stands still for 100 ms once makes the 50 requests late that were due meanwhile."""

    def script(connection: Connection) -> None:
        for number in range(51):
            connection.request()
            if number == 1:  # 0 is asked before the clock runs
                threading.Event().wait(0.1)
            connection.send(ok(SMALL_BODY))

    with Backend(script) as backend:
        found = run(replace(CASE, connections=1), backend.port, 0.05)
    assert (found["answers"], found["errors"]) == (50, 0)
    assert found["p50"] > 50_000


def test_what_was_due_and_not_answered_is_an_error():
    """A backend that closes after the first answer leaves errors, and the run ends at once."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(ok(SMALL_BODY))

    with Backend(script) as backend:
        found = run(replace(CASE, connections=2), backend.port, 0.05)
    assert (found["answers"], found["errors"]) == (0, 50)


def test_idle_connections_that_are_closed_are_counted():
    """All are held after one answer each; two that the other side closes are lost."""
    go = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(ok(SMALL_BODY))
        if connection.index < 2:
            go.wait(5)
        else:
            connection.rest()

    with Backend(script) as backend, Held(CASE, backend.port) as held:
        held.open(40)
        assert (held.lost(), len(backend.connections)) == (0, 40)
        go.set()
        until(lambda: held.lost() == 2, "two are lost")


def test_connections_that_are_not_answered_well_end_the_measuring():
    """Another answer than the one that must come says which connection failed, and why."""
    with (
        answering(lambda _: ok(b"something else")) as backend,
        Held(CASE, backend.port) as held,
        pytest.raises(LoadFailed, match="another body"),
    ):
        held.open(1)


@pytest.mark.parametrize("size", range(len(ok(SMALL_BODY)) + 1))
def test_an_answer_is_whole_at_its_last_octet(size):
    """No piece of a good answer is taken for all of it, or for a bad one."""
    assert is_whole(ok(SMALL_BODY)[:size], SMALL_BODY) is (size == len(ok(SMALL_BODY)))


@pytest.mark.parametrize("answer", [ok(SMALL_BODY) + b"x", ok(b"other"), b"HTTP/1.1 502 Bad Gateway\r\n", b"SSH-2.0"])
def test_another_answer_is_a_bad_one(answer):
    """Status, body and length are compared."""
    with pytest.raises(BadAnswer):
        is_whole(answer, SMALL_BODY)


def test_a_summary_is_read_as_it_was_said():
    """Answers, percentiles in milliseconds and errors go through one line of JSON."""
    took = [n * MS for n in range(100, 0, -1)]
    line = str(summary(took, 2000 * MS, 3)).replace("'", '"')
    load = parse(f"noise\n{line}\n")
    assert (load.answers, load.seconds, load.p50, load.p99, load.errors) == (100, 2.0, 51.0, 100.0, 3)
    with pytest.raises(LoadFailed):
        parse("noise\n")


def test_memory_is_read_from_the_rollup():
    """What is anonymous, shared or swapped out is added, in octets; pages of files are not."""
    own = "Pss_Anon:   30 kB\nPss_File:   500 kB\nPss_Shmem:   1 kB\nSwap:  9 kB\nSwapPss:   2 kB\n"
    assert own_memory(f"5-7 ---p 0 00:00 0 [rollup]\nRss:   900 kB\nPss:   531 kB\n{own}") == 33 * 1024
    with pytest.raises(KeyError):
        own_memory("Rss:   900 kB\nPss:   531 kB\n")
