"""A server that does no more than wait and call.

Rule: a connection's `readable` is called when there is something to read, and says whether the
connection goes on. Whatever socket error it raises ends that connection and no other.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    """What the loop calls."""

    def readable(self) -> bool:
        """Read what is there and answer; False: the connection has ended."""


def serve(accept: Callable[[socket.socket], Connection]) -> None:
    """Listen on a free port of the loopback address, print its number, and serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    connections: dict[int, tuple[socket.socket, Connection]] = {}
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                sock = listener.accept()[0]
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[sock.fileno()] = sock, accept(sock)
                poller.register(sock, select.EPOLLIN)
            elif not _goes_on(connections[fd][1]):
                poller.unregister(fd)
                connections.pop(fd)[0].close()


def _goes_on(connection: Connection) -> bool:
    try:
        return connection.readable()
    except BlockingIOError:
        return True  # epoll may wake us for nothing
    except OSError:
        return False  # whoever sits at the other end counts it as the error it is
