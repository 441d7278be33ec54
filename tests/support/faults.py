"""How a backend can misbehave, as a table.

Rule: one row, one fault, and what a client has to see of it. `cut` means that the connection ends
before the response is complete, so that nobody can take it for a whole one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .backend import Backend, Connection, Script
from .messages import Gone


@dataclass(frozen=True)
class Fault:
    """One row.

    `status` is what the client gets (None: a whole response is impossible, the connection is cut after
    the head that the backend sent), `cause` the token in `Proxy-Status` and in the access log.
    """

    name: str
    script: Script
    status: int | None
    cause: str


def _after_head(*pieces: bytes, reset: bool = False, stay: bool = False) -> Script:
    """Make a script that reads one request, sends `pieces`, and closes, resets, or stays silent."""

    def script(connection: Connection) -> None:
        connection.request()
        for piece in pieces:
            connection.send(piece)
        if reset:
            connection.reset()
        elif stay:
            connection.rest()

    return script


def _each(piece: bytes) -> Script:
    """Make a script that gives this to every request of a connection that stays open."""

    def script(connection: Connection) -> None:
        while True:
            connection.request()
            connection.send(piece)

    return script


def _close_at_once(connection: Connection) -> None:
    """Accept, and close before anything is read."""


def _trickle(connection: Connection) -> None:
    """Send the response an octet at a time, each in its own segment."""
    connection.request()
    for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Slow: yes\r\n\r\nok":
        connection.send(bytes([octet]))


CUT = (
    Fault(
        "half-of-content-length",
        _after_head(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        None,
        "http_response_incomplete",
    ),
    Fault(
        "reset-within-content-length",
        _after_head(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", reset=True),
        None,
        "http_response_incomplete",
    ),
    Fault(
        "no-last-chunk",
        _after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        None,
        "http_response_incomplete",
    ),
    Fault(
        "within-a-chunk",
        _after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf"),
        None,
        "http_response_incomplete",
    ),
    Fault(
        "last-chunk-without-its-end",
        _after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"),
        None,
        "http_response_incomplete",
    ),
    Fault(
        "bad-chunk-size",
        _after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nrest", stay=True),
        None,
        "http_protocol_error",
    ),
    Fault(
        "reset-before-the-close-that-ends-it",
        _after_head(b"HTTP/1.1 200 OK\r\n\r\nhalf", reset=True),
        None,
        "http_response_incomplete",
    ),
)

REFUSED = (
    Fault("accept-and-close", _close_at_once, 502, "connection_terminated"),
    Fault("close-without-answer", _after_head(), 502, "connection_terminated"),
    Fault("reset-without-answer", _after_head(reset=True), 502, "connection_terminated"),
    Fault("garbage", _after_head(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", stay=True), 502, "http_protocol_error"),
    Fault("binary-garbage", _after_head(bytes(range(256)) * 4), 502, "http_protocol_error"),
    Fault("half-a-head", _after_head(b"HTTP/1.1 200 OK\r\nContent-Le"), 502, "http_response_incomplete"),
    Fault(
        "bad-status-line",
        _after_head(b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "status-out-of-range",
        _after_head(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "status-too-low",
        _after_head(b"HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "http-2-answer",
        _after_head(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "te-and-cl",
        _after_head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "two-content-lengths",
        _after_head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "signed-content-length",
        _after_head(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "unknown-coding",
        _after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "nul-in-value",
        _after_head(b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "bare-cr-in-value",
        _after_head(b"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
    Fault(
        "huge-head",
        _after_head(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * (1 << 20), stay=True),
        502,
        "http_response_header_section_size",
    ),
    Fault(
        "unasked-upgrade",
        _after_head(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n", stay=True),
        502,
        "http_protocol_error",
    ),
)

ACCEPTED = (
    Fault("an-octet-at-a-time", _trickle, 200, ""),
    Fault(
        "interim-continue-unasked",
        _after_head(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        200,
        "",
    ),
    Fault("ended-by-close", _after_head(b"HTTP/1.1 200 OK\r\n\r\nok"), 200, ""),
    Fault("ended-by-close-http-1.0", _after_head(b"HTTP/1.0 200 OK\r\n\r\nok"), 200, ""),
    Fault("no-reason", _each(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"), 200, ""),
    Fault(
        "octets-after-the-end", _each(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"), 200, ""
    ),
)


def silent() -> Backend:
    """Make a backend that reads and never answers."""
    return Backend(_after_head(stay=True))


class Stray:
    """A backend whose first connection, after its answer, brings octets that nobody asked for."""

    def __init__(self) -> None:
        self.idle = threading.Event()
        self.strayed = threading.Event()
        self.backend = Backend(self._script)

    def _script(self, connection: Connection) -> None:
        while True:
            connection.request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % connection.index)
            if connection.index == 0:
                assert self.idle.wait(10), "the test did not say that the connection is idle"
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
                self.strayed.set()
                connection.rest()
                return


class DiesOnReuse:
    """A backend that closes its first connection as soon as a second request arrives on it."""

    def __init__(self) -> None:
        self.backend = Backend(self._script)

    def _script(self, connection: Connection) -> None:
        if connection.index == 0:
            connection.request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0")
            connection.head()
            return
        while True:
            try:
                self.backend.requests.append(connection.request())
            except Gone:
                return
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % connection.index)
