"""A socket that uvloop has, as those see it who ask a transport for its handle.

Rule: options and names may be asked for and set; reading and writing are uvloop's.
"""

from __future__ import annotations

from typing import Any


class SocketView:
    """uvloop's view of a socket, and `close` for those who have a duplicate and want this one to be gone."""

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: Any, sock: Any) -> None:
        self._transport = transport
        self._socket = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def close(self) -> None:
        """Let go of the socket; as with Twisted's transports, nobody tells the protocol."""
        transport = self._transport
        transport.connected = False
        transport._uv.abort()
