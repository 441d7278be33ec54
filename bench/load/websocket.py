"""A load generator for WebSocket echo: one message in flight on each of many connections.

Rule: it is one epoll loop and ends by the clock, whatever the other side does. Every answer is
compared with what was sent. Run as ``python -m bench.load.websocket PORT CONNECTIONS SECONDS``.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

from bench.answers import BadAnswer
from bench.cases import MESSAGE_SIZE
from bench.websocket_client import handshake
from bench.websocket_frames import from_client, from_server

from .result import summary


class Echoing:
    """One connection, its message, and when that was sent."""

    __slots__ = ("_answer", "_message", "_received", "_sent", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        payload = os.urandom(MESSAGE_SIZE)
        self._sock = sock
        self._message = from_client(payload, os.urandom(4))
        self._answer = from_server(payload)
        self._received = b""
        self._sent = 0

    def send(self) -> None:
        """Send the message once more."""
        self._sent = time.perf_counter_ns()
        self._sock.send(self._message)

    def readable(self) -> int | None:
        """Give the nanoseconds the answer took; None if it is not all there yet.

        :raises BadAnswer: the connection was closed, or something else came back.
        """
        data = self._sock.recv(65536)
        self._received += data
        if self._received == self._answer:
            self._received = b""
            return time.perf_counter_ns() - self._sent
        if not data or not self._answer.startswith(self._received):
            raise BadAnswer("closed" if not data else "not what was sent")
        return None


def run(port: int, connections: int, seconds: float) -> dict[str, int]:
    """Echo for that long and give the summary of all connections."""
    poller = select.epoll()
    echoing: dict[int, Echoing] = {}
    socks = [handshake(port, "/echo")[0] for _ in range(connections)]
    start = time.perf_counter_ns()
    for sock in socks:
        sock.setblocking(False)
        poller.register(sock, select.EPOLLIN)
        echoing[sock.fileno()] = Echoing(sock)
        echoing[sock.fileno()].send()
    took: list[int] = []
    errors = 0
    end = start + int(seconds * 1e9)
    while echoing and time.perf_counter_ns() < end:
        for fd, _ in poller.poll(0.1):
            try:
                nanoseconds = echoing[fd].readable()
                if nanoseconds is not None:
                    took.append(nanoseconds)
                    echoing[fd].send()
            except (BadAnswer, OSError):
                errors += 1
                poller.unregister(fd)
                del echoing[fd]
    return summary(took, time.perf_counter_ns() - start, errors)


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
