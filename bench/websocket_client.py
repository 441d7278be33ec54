"""Opening a WebSocket through a proxy, for the probe and for the load generator.

Rule: what comes back is checked as RFC 6455, section 4.1, asks, and the socket is handed over with
nothing read past the head.
"""

from __future__ import annotations

import base64
import os
import re
import socket

from .answers import BadAnswer, connect
from .cases import BROWSER_HEADERS
from .websocket_frames import accept_value

_ACCEPT = re.compile(rb"\r\nSec-WebSocket-Accept: *([^\r]*)", re.IGNORECASE)


def handshake(port: int, path: str, extra: tuple[tuple[str, str], ...] = ()) -> tuple[socket.socket, bytes]:
    """Connect, upgrade, and give the socket and the answer's head.

    :raises BadAnswer: it is no 101, or not for our key.
    :raises OSError: there is no connection, or no answer within two seconds.
    """
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    headers = [(name, value) for name, value in BROWSER_HEADERS if name != "Connection"]
    headers += [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
        *extra,
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    sock = connect(port)
    try:
        sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii"))
        head = _read_head(sock)
        accept = _ACCEPT.search(head)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise BadAnswer(f"no upgrade: {head.splitlines()[0].decode('latin-1')}")
        if accept is None or accept[1] != accept_value(key.encode("ascii")):
            raise BadAnswer("Sec-WebSocket-Accept is not for our key")
    except (BadAnswer, OSError):
        sock.close()
        raise
    return sock, head


def _read_head(sock: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise BadAnswer("closed before the end of the head")
        head += byte
    return head
