"""Backends that do exactly what a script says, right or wrong.

Rule: a script is a function of one accepted connection, run in a thread of its own; when it
returns the connection is closed, and what it asserted in vain fails the test that owns the backend.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from .addresses import HOST
from .messages import Buffer, Gone, Request
from .waiting import PATIENCE, until

Answer = Callable[[Request], bytes]


class Connection:
    """One accepted connection, as a script sees it. `index` counts them from 0."""

    def __init__(self, accepted: socket.socket, index: int) -> None:
        self.socket = accepted
        self.socket.settimeout(PATIENCE * 2)
        self.index = index
        self.buffer = Buffer(lambda: self.socket.recv(65536))
        self.ended = threading.Event()

    @property
    def received(self) -> bytes:
        """Every byte that came so far and was read by the script."""
        return bytes(self.buffer.everything)

    def request(self) -> Request:
        """Read one whole request."""
        return self.buffer.request()

    def head(self) -> Request:
        """Read the head of a request and leave its body."""
        return self.buffer.request_head()

    def send(self, data: bytes) -> None:
        """Send all of this."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone("reset") from None

    def rest(self) -> bytes:
        """Read up to the end of the connection."""
        return self.buffer.rest()

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Connection], None]


class Backend:
    """A TCP (or, with `path`, UNIX) server on loopback that runs `script` for each connection."""

    def __init__(
        self, script: Script, *, path: str | None = None, receive_buffer: int | None = None, port: int = 0
    ) -> None:
        self._script = script
        self._path = path
        self._listener = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if port:  # one that an earlier run of it had
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((HOST, port) if path is None else path)
        self._listener.listen(128)
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The backend as the route map writes it."""
        return f"http://{HOST}:{self.port}" if self._path is None else f"http+unix:{self._path}"

    def received(self) -> bytes:
        """Every byte that any connection brought, in order of the connections."""
        return b"".join(connection.received for connection in self.connections)

    def forget(self) -> None:
        """Start `received` and `requests` anew, between two rows of a table."""
        self.requests.clear()
        for connection in self.connections:
            connection.buffer.everything.clear()

    def all_ended(self) -> None:
        """Wait until every connection so far is over."""
        until(lambda: all(each.ended.is_set() for each in self.connections), "the backend's connections end")

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return  # stopped
            connection = Connection(accepted, len(self.connections))
            self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            self._script(connection)
        except (Gone, ConnectionError):
            pass  # the proxy went away in between, which is for the test to judge
        except (AssertionError, Exception) as error:  # noqa: BLE001 - reported by stop(), in the test's thread
            self.failures.append(error)
        finally:
            connection.socket.close()
            connection.ended.set()

    def stop(self) -> None:
        """Close everything, and fail where a script failed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a backend's script does not end"
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except BaseException:
            if value is None:  # the test's own failure says more than the script's
                raise


def answering(answer: Answer) -> Backend:
    """Make a well-behaved keep-alive backend that gives `answer(request)` to each request and records it."""

    def script(connection: Connection) -> None:
        while True:
            request = connection.request()
            backend.requests.append(request)
            connection.send(answer(request))

    backend = Backend(script)
    return backend


def ok(body: bytes = b"ok", *lines: str) -> bytes:
    """Give a 200 with this body and these further field lines."""
    more = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), more, body)
