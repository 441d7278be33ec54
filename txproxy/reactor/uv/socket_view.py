"""A socket that uvloop has, as those see it who ask a transport for its handle.

Rule: options and names may be asked for and set. Who reads and writes beside uvloop does so on a duplicate,
and at its own risk.
"""

from __future__ import annotations

import functools
import os
import socket
from typing import Any

# Which uvloop's view refuses.
_MOVING = frozenset({"recv", "recv_into", "recvmsg", "send", "sendall", "sendmsg", "shutdown"})


class SocketView:
    """uvloop's view of a socket, and `close` for those who have a duplicate and want this one to be gone."""

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: Any, sock: Any) -> None:
        self._transport = transport
        self._socket = sock

    def __getattr__(self, name: str) -> Any:
        if name in _MOVING:
            return functools.partial(self._on_a_duplicate, name)
        return getattr(self._socket, name)

    def _on_a_duplicate(self, name: str, *arguments: Any) -> Any:
        with socket.socket(fileno=os.dup(self._socket.fileno())) as duplicate:
            return getattr(duplicate, name)(*arguments)

    def close(self) -> None:
        """Let go of the socket; as with Twisted's transports, nobody tells the protocol."""
        transport = self._transport
        transport.connected = False
        if transport._uv is not None:
            transport._uv.abort()
