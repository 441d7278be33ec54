"""Readers and writers of a given speed, and one that measures how fast the others could be.

Rule: here alone time is spent on purpose, because slowness is what is tested; it is spent by pace
(so much after so many octets), never as a wait for something to have happened.
"""

from __future__ import annotations

import socket
import time

from .backend import Connection, ok

BLOCK = bytes(range(256)) * 256
"""64 KiB whose content tells where one is in it."""


class Pace:
    """Keeps whoever calls `passed` to `rate` octets a second, counted from the first call."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._began: float | None = None
        self._total = 0

    def passed(self, count: int) -> None:
        """Take note of `count` octets, and pause for as long as they came too early."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        self._total += count
        early = self._began + self._total / self._rate - now
        if early > 0:
            time.sleep(early)


def read_all(source: socket.socket, count: int, rate: float | None = None, place: int = 0) -> int:
    """Read `count` octets of repeated `BLOCK`, at `rate` octets a second (none: at once); give how many came.

    :param place: how many octets of it were read before.
    :raises AssertionError: other octets came than were sent.
    """
    pace = Pace(rate) if rate else None
    doubled = memoryview(BLOCK + BLOCK)
    done = 0
    while done < count:
        piece = source.recv(min(len(BLOCK), count - done))
        if not piece:
            break
        start = (place + done) % len(BLOCK)
        assert piece == doubled[start : start + len(piece)], f"other octets than were sent, near {done}"
        done += len(piece)
        if pace:
            pace.passed(len(piece))
    return done


def write_all(sink: socket.socket, count: int) -> None:
    """Write `count` octets of repeated `BLOCK`, as fast as they are taken."""
    whole, part = divmod(count, len(BLOCK))
    for _ in range(whole):
        sink.sendall(BLOCK)
    sink.sendall(BLOCK[:part])


def serve_sizes(connection: Connection) -> None:
    """As a backend, give as many octets of repeated `BLOCK` as the path says, and take every upload of them."""
    while True:
        head = connection.head()
        size = int(head.value("content-length") or 0)
        if head.method == "PUT":
            early = connection.buffer.rest_at_hand()
            assert len(early) + read_all(connection.socket, size - len(early), None, len(early)) == size
            connection.send(ok(b"%d" % size))
        else:
            wanted = int(head.target[1:])
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % wanted)
            write_all(connection.socket, wanted)


def write_until_stuck(sink: socket.socket, most: int, still: float = 1.0) -> int:
    """Write until for `still` seconds nothing is taken any more, or `most` octets are; give how many were taken."""
    before = sink.gettimeout()
    sink.settimeout(still)
    done = 0
    try:
        while done < most:
            start = done % len(BLOCK)
            done += sink.send(BLOCK[start:])
    except TimeoutError:
        return done
    finally:
        sink.settimeout(before)
    return done
