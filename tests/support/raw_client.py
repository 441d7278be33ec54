"""A client that sends exactly the bytes it is told, and sees how a connection ends.

Rule: it adds nothing, repairs nothing and hides nothing; a close and a reset are two things.
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

from .messages import Buffer, Gone, Response
from .waiting import PATIENCE


class RawClient:
    """One connection to `address` (host and port, or the path of a UNIX socket), from `source` (an IP address)."""

    def __init__(self, address: tuple[str, int] | str, *, receive_buffer: int | None = None, source: str = "") -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:  # has to be set before the window is agreed on
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.buffer = Buffer(lambda: self.socket.recv(65536))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send all of this."""
        self.socket.sendall(data)

    def try_send(self, data: bytes) -> bool:
        """Send all of this; False where the other end no longer takes it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def response(self, method: str = "GET") -> Response:
        """Read the next response, interim or final."""
        return self.buffer.response(method)

    def ask(self, data: bytes, method: str = "GET") -> Response:
        """Send and read one response."""
        self.send(data)
        return self.response(method)

    def end(self) -> str:
        """Wait for the end of the connection, and give how it came: `closed`, or `reset`.

        :raises AssertionError: there were bytes before it.
        """
        try:
            rest, how = self.buffer.rest(), "closed"
        except Gone as gone:
            rest, how = gone.partial, gone.how
        assert not rest, f"bytes before the end: {rest!r}"
        return how

    def half_close(self) -> None:
        """Say that we send nothing more."""
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Go away with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()
