"""A load generator for a fixed rate: requests leave on schedule, whether or not earlier ones were answered.

Rule: latency counts from when a request was due, never from when it could be sent. A proxy that stands
still for 50 ms delays the 50 requests that were due meanwhile, and all 50 are counted as late. Each
request that was due is an answer or an error. Run as ``python -m bench.load.at_rate PORT CASE SECONDS``.
"""

from __future__ import annotations

import gc
import json
import select
import sys
import time
from collections import deque
from contextlib import ExitStack, closing

from bench.answers import BadAnswer, connect, is_whole, read_answer
from bench.cases import CASES, Case

from .result import summary

# How long answers are waited for after the last request was due, and the longest wait for one event.
_GRACE = 2_000_000_000  # nanoseconds
_LONGEST_WAIT = 0.1  # seconds


class Schedule:
    """When each request is due: evenly, from a start; all times are nanoseconds.

    :ivar count: how many there are.
    :ivar end: when one more would be due.
    """

    __slots__ = ("_number", "_start", "_step", "count", "end")

    def __init__(self, rate: int, seconds: float, start: int) -> None:
        self._step = 1_000_000_000 // rate
        self._start = start
        self._number = 0
        self.count = int(rate * seconds)
        self.end = start + self.count * self._step

    def take(self, now: int) -> int | None:
        """Give when the next request was due; None if it is not yet, or there are no more."""
        due = self._start + self._number * self._step
        if due > now or self._number == self.count:
            return None
        self._number += 1
        return due

    def seconds_left(self, now: int) -> float:
        """Give how long to wait for the next one; not for ever if there are no more."""
        if self._number == self.count:
            return _LONGEST_WAIT
        return min(max(self._start + self._number * self._step - now, 0) / 1e9, _LONGEST_WAIT)


class Asking:
    """One connection, and when the request that it carries was due."""

    __slots__ = ("_body", "_due", "_received", "_request", "_sock")

    def __init__(self, case: Case, port: int) -> None:
        """Connect, and ask once, so that what is done once for a connection is done before the clock runs."""
        self._request, self._body = case.request(), case.answer
        self._due, self._received = 0, b""
        self._sock = connect(port)
        self._sock.sendall(self._request)
        read_answer(self._sock, self._body)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def send(self, due: int) -> None:
        """Send the request that was due at this time."""
        self._due, self._received = due, b""
        try:
            self._sock.send(self._request)
        except OSError:
            return  # the socket is readable now, and reading tells what is wrong

    def readable(self) -> int | None:
        """Give the time from when the request was due to its whole answer; None: not all there yet.

        :raises BadAnswer: the connection was closed, or something else came back.
        """
        data = self._sock.recv(65536)
        if not data:
            raise BadAnswer("closed")
        self._received += data
        return time.perf_counter_ns() - self._due if is_whole(self._received, self._body) else None


def run(case: Case, port: int, seconds: float) -> dict[str, int]:
    """Send for that long and give the summary."""
    with ExitStack() as stack:
        poller = stack.enter_context(select.epoll())
        asking = [stack.enter_context(closing(Asking(case, port))) for _ in range(case.connections)]
        start = time.perf_counter_ns()
        took = _send({each.fileno(): each for each in asking}, poller, Schedule(case.rate, seconds, start))
        return summary(took, time.perf_counter_ns() - start, int(case.rate * seconds) - len(took))


def _send(asking: dict[int, Asking], poller: select.epoll, schedule: Schedule) -> list[int]:
    for fd in asking:
        poller.register(fd, select.EPOLLIN)
    free = deque(asking)
    took: list[int] = []
    while len(took) < schedule.count and asking and (now := time.perf_counter_ns()) < schedule.end + _GRACE:
        while free and (due := schedule.take(now)) is not None:
            asking[free.popleft()].send(due)
        # epoll's own timeout counts in milliseconds, which is as long as the step; select's in microseconds.
        select.select([poller], [], [], schedule.seconds_left(time.perf_counter_ns()) if free else _LONGEST_WAIT)
        for fd, _ in poller.poll(0):
            try:
                nanoseconds = asking[fd].readable()
            except (BadAnswer, OSError):
                poller.unregister(fd)
                del asking[fd]
                free = deque(each for each in free if each != fd)
                continue
            if nanoseconds is not None:
                took.append(nanoseconds)
                free.append(fd)
    return took


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles, and a collection would count as the proxy's latency
    (_case,) = (each for each in CASES if each.name == sys.argv[2])
    print(json.dumps(run(_case, int(sys.argv[1]), float(sys.argv[3]))))
