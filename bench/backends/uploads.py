"""A backend that reads each request's body to its end and answers with its length.

Rule: the answer is sent only when the last octet has arrived, and the body is never copied to us:
MSG_TRUNC has the kernel drop it.
"""

from __future__ import annotations

import re
import socket

from .loop import serve

_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_PROBE = re.compile(rb"\r\nX-Probe: *([^\r]*)", re.IGNORECASE)
_ROOM = 1 << 20


def _answer(status: bytes, body: bytes, seen: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nX-Probe-Seen: %b\r\n\r\n%b" % (status, len(body), seen, body)


class Upload:
    """One connection: heads and bodies in turn."""

    __slots__ = ("_head", "_left", "_room", "_seen", "_size", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._head = b""
        self._left = 0
        self._size = 0
        self._seen = b""
        self._room = bytearray(_ROOM)

    def readable(self) -> bool:
        """Take the next piece of a head or of a body."""
        if self._left:
            dropped = self._sock.recv_into(self._room, min(self._left, _ROOM), socket.MSG_TRUNC)
            if not dropped:
                return False
            self._left -= dropped
            if not self._left:
                self._sock.sendall(_answer(b"200 OK", b"%d\n" % self._size, self._seen))
            return True
        data = self._sock.recv(4096)
        self._head += data
        return bool(data) and self._take_head()

    def _take_head(self) -> bool:
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return True
        length = _LENGTH.search(head)
        if length is None:
            self._sock.sendall(_answer(b"411 Length Required", b"", b""))
            return False
        probe = _PROBE.search(head)
        self._seen = probe[1] if probe else b""
        self._head = b""
        self._size = int(length[1])
        self._left = self._size - len(body)
        if not self._left:
            self._sock.sendall(_answer(b"200 OK", b"%d\n" % self._size, self._seen))
        return self._left >= 0


if __name__ == "__main__":
    serve(Upload)
