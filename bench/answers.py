"""Plain HTTP for what wrk cannot do: hold connections that idle, and send on schedule.

Rule: one answer at a time on each connection, and it is compared: status, and the whole body.
"""

from __future__ import annotations

import socket
import ssl

from .cases import HOST

_SECONDS = 2.0
_STATUS = b"HTTP/1.1 200 "


class BadAnswer(Exception):
    """Something else came back than what had to."""


def connect(port: int, tls: ssl.SSLContext | None = None) -> socket.socket:
    """Open a connection, over TLS to HOST if there is a context, that waits at most two seconds for anything.

    :raises OSError: nobody accepts it, or the handshake fails.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(sock, server_hostname=HOST) if tls else sock


def is_whole(received: bytes, body: bytes) -> bool:
    """Tell whether an answer with this body, which is sent in one piece, has arrived to its end.

    :raises BadAnswer: it is none with status 200, or longer.
    """
    if not received.startswith(_STATUS[: len(received)]):
        raise BadAnswer(f"not 200: {received[:40]!r}")
    _, end, came = received.partition(b"\r\n\r\n")
    if not body.startswith(came):
        raise BadAnswer(f"another body: {came[:80]!r}")
    return bool(end) and came == body


def read_answer(sock: socket.socket, body: bytes) -> None:
    """Wait for a whole answer.

    :raises BadAnswer: something else came, or the connection was closed before the end.
    :raises OSError: it was reset, or nothing came for too long.
    """
    received = b""
    while not is_whole(received, body):
        data = sock.recv(65536)
        if not data:
            raise BadAnswer("closed before the end of the answer")
        received += data
