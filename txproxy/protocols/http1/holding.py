"""Holds: the reasons not to read, which both halves keep in the same way.

Rule: reading stops with the first reason and goes on with the last, also inside what was already received.
"""

from __future__ import annotations

from typing import Any

from .codec_decoder import Decoder


class Holding:
    """The `hold` and `release` of a Stream."""

    __slots__ = ("_decoder", "_holds", "lost", "reading", "transport")
    _decoder: Decoder
    _holds: tuple[str, ...]
    lost: bool
    #: who reads what arrives: the transport, or what stands in for it (see `splicing`)
    reading: Any
    transport: Any

    def hold(self, reason: str) -> None:
        """Stop reading for this reason."""
        if reason not in self._holds:
            if not self._holds:
                self._decoder.hold()
                if not self.lost:
                    self.reading.pauseProducing()
            self._holds += (reason,)

    def release(self, reason: str) -> None:
        """Withdraw a reason to not read."""
        if reason in self._holds:
            self._holds = tuple(held for held in self._holds if held != reason)
            if not self._holds:
                self._released()

    def _released(self) -> None:
        """Let reading go on: no reason is left."""
        raise NotImplementedError
