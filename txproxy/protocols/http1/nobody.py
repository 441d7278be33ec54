"""The Receiver between requests.

Rule: it takes everything and does nothing, so that a connection never asks whether anybody listens.
"""

from __future__ import annotations

from typing import Any

from txproxy.model.errors import ProxyError


class _Nobody:
    """There is nobody to tell."""

    __slots__ = ()

    def head_received(self, head: Any, body: bytes, end: bool) -> None: ...
    def body_received(self, data: bytes) -> None: ...
    def end_received(self, trailers: bytes) -> None: ...
    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...
    def stream_lost(self, error: ProxyError) -> None: ...


NOBODY = _Nobody()
