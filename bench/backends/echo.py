"""A WebSocket server that sends every message back.

Rule: it checks what it gets; a frame that is not a whole short message ends the connection, so a
proxy that damages bytes shows as errors.
"""

from __future__ import annotations

import re
import socket

from bench.websocket_frames import accept_value, from_server, take

from .loop import serve

_KEY = re.compile(rb"\r\nSec-WebSocket-Key: *([^\r]*)", re.IGNORECASE)
_PROBE = re.compile(rb"\r\nX-Probe: *([^\r]*)", re.IGNORECASE)
_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\nX-Probe-Seen: %b\r\n\r\n"
)
_NOT_ASKED = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Echo:
    """One connection: a handshake, then messages."""

    __slots__ = ("_open", "_received", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = b""
        self._open = False

    def readable(self) -> bool:
        """Take what came, and send back the messages that are whole."""
        data = self._sock.recv(65536)
        if not data:
            return False
        self._received += data
        if not self._open:
            return self._shake_hands()
        answers = []
        try:
            payload, self._received = take(self._received)
            while payload is not None:
                answers.append(from_server(payload))
                payload, self._received = take(self._received)
        except ValueError:
            return False
        if answers:
            self._sock.sendall(b"".join(answers))
        return True

    def _shake_hands(self) -> bool:
        head, end, self._received = self._received.partition(b"\r\n\r\n")
        if not end:
            self._received = head
            return True
        key = _KEY.search(head)
        if key is None or b"\r\nupgrade: websocket" not in head.lower():
            self._sock.sendall(_NOT_ASKED)
            return False
        probe = _PROBE.search(head)
        self._sock.sendall(_SWITCHING % (accept_value(key[1]), probe[1] if probe else b""))
        self._open = True
        return True


if __name__ == "__main__":
    serve(Echo)
