"""A client of TLS whose two directions go and end by themselves.

Rule: TLS is OpenSSL's own half of a connection, in memory: each record, and each end of it or of the socket below, is
sent when a test says so, and nothing else is. Whatever is sent, what comes meanwhile is read.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Self

from .addresses import HOST
from .messages import Buffer, Gone, Response
from .tls import OpenSsl, client_context
from .waiting import PATIENCE

MIB = 1 << 20


class HalfClient:
    """A client whose two directions end by themselves; it reads while it writes, as browsers do.

    :ivar half: the TLS of it.
    """

    def __init__(self, port: int, version: str = "1.3", *, receive_buffer: int | None = None) -> None:
        self.half = OpenSsl(client_context(version), server=False, name="app.test")
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((HOST, port))
        self.socket.setblocking(False)
        self.ended = ""
        self.buffer = Buffer(self._more)
        self._unsent = bytearray()
        self.half.go_on()
        self.turn_until(lambda: self.half.shaken)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send as records, reading what comes meanwhile."""
        for at in range(0, len(data), MIB):
            self.half.send(data[at : at + MIB])
            self.flush()

    def send_until_stuck(self) -> int:
        """Send what has been encrypted until nothing is taken for half a second; give how much was."""
        self._unsent += self.half.take()
        before = len(self._unsent)
        while select.select([], [self.socket], [], 0.5)[1] and self._unsent:
            del self._unsent[: self.socket.send(self._unsent[:MIB])]
        return before - len(self._unsent)

    def flush(self) -> None:
        """Send what has been encrypted, until all of it is out or nobody is there any more."""
        self._unsent += self.half.take()
        self.turn_until(lambda: not self._unsent or self.ended == "reset")

    def end_records(self) -> None:
        """Say by a close_notify that nothing more comes."""
        self.half.end()
        self.flush()

    def end_stream(self) -> None:
        """Say by TCP that nothing more comes."""
        self.socket.shutdown(socket.SHUT_WR)

    def response(self, method: str = "GET") -> Response:
        """Read the next response."""
        return self.buffer.response(method)

    def end(self) -> str:
        """Wait for the end, and give how it came: "close_notify", "cut" (the stream ended without one) or "reset".

        :raises AssertionError: there were bytes before it.
        """
        self.turn_until(lambda: bool(self.ended) or self.half.closed)
        rest = self.buffer.rest_at_hand() + self.half.got
        assert not rest, f"bytes before the end: {rest!r}"
        return "close_notify" if self.half.closed else self.ended

    def turn_until(self, over: Callable[[], bool]) -> None:
        """Write what is to be written and read what there is, until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not over():
            assert time.monotonic() < deadline, "nothing comes any more"
            self._unsent += self.half.take()
            reads, writes = [] if self.ended else [self.socket], [self.socket] if self._unsent else []
            readable, writable, _ = select.select(reads, writes, [], 1)
            try:
                if writable:
                    del self._unsent[: self.socket.send(self._unsent)]
                if readable:
                    self._read()
            except (ConnectionResetError, BrokenPipeError):
                self.ended = "reset"

    def _read(self) -> None:
        data = self.socket.recv(65536)
        self.half.feed(data)
        if not data:
            self.ended = self.ended or "cut"

    def _more(self) -> bytes:
        self.turn_until(lambda: bool(self.half.got or self.half.closed or self.ended))
        got, self.half.got = self.half.got, b""
        if not got and not self.half.closed:
            raise Gone(self.ended)
        return got
