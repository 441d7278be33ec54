"""Bytes both ways after a 101: WebSocket and whatever else was agreed on.

Rule: an end of one direction is passed on as an end of that direction only; the tunnel ends when both
have ended, when either side is lost, or when nothing moved for the tunnel's timeout. The exchange ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from txproxy.model.errors import CLIENT_DISCONNECTED, CONNECTION_TERMINATED, TUNNEL_IDLE_TIMEOUT, ProxyError
from txproxy.reactor.deadlines import Deadlines

if TYPE_CHECKING:
    from .exchange import Exchange


class _Way:
    """One direction: the Receiver of the Stream it comes from."""

    __slots__ = ("_to", "_tunnel")

    def __init__(self, tunnel: Tunnel, to: Any) -> None:
        self._tunnel = tunnel
        self._to = to

    def head_received(self, head: Any, body: bytes, end: bool) -> None:
        """Not called: there are no heads any more."""

    def body_received(self, data: bytes) -> None:
        """Some bytes."""
        self._tunnel.moved()
        self._to.send_body(data)

    def end_received(self, trailers: bytes) -> None:
        """This side sends nothing more."""
        self._to.send_end()
        self._tunnel.half_ended()

    def writing_paused(self) -> None:
        """This side does not keep up with what the other sends."""
        self._to.hold("tunnel")

    def writing_resumed(self) -> None:
        """It has caught up."""
        self._to.release("tunnel")

    def stream_lost(self, error: ProxyError) -> None:
        """This side is gone."""
        self._tunnel.lost(self._to, error)


class Tunnel:
    """Joins two Streams that were detached from HTTP.

    :param exchange: whose upgrade it was.
    :param upstream: the backend's connection.
    :param timeout: seconds in which something must move.
    """

    __slots__ = (
        "_deadlines",
        "_ended_ways",
        "_exchange",
        "_over",
        "_timeout",
        "_upstream",
        "deadline",
        "deadline_slot",
    )

    def __init__(self, exchange: Exchange, upstream: Any, deadlines: Deadlines, timeout: float) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._deadlines = deadlines
        self._timeout = timeout
        self._ended_ways = 0
        self._over = False
        self.deadline = float("inf")
        self.deadline_slot = 0

    def begin(self) -> None:
        """Let bytes flow; those that came with the heads go first."""
        downstream, upstream = self._exchange.stream, self._upstream
        self.moved()
        downstream.receiver = _Way(self, upstream)
        upstream.receiver = _Way(self, downstream)
        upstream.detach()
        if not self._over:
            downstream.detach()

    def moved(self) -> None:
        """Something moved."""
        self._deadlines.arm(self, self._timeout)

    def half_ended(self) -> None:
        """One direction has ended."""
        self._ended_ways += 1
        if self._ended_ways == 2:
            self._end(None)
            self._exchange.stream.close()
            self._upstream.close()

    def lost(self, other: Any, error: ProxyError) -> None:
        """One side is gone: nothing that is sent to it arrives, so the other ends as well."""
        if self._ended_ways and error.cause in (CLIENT_DISCONNECTED, CONNECTION_TERMINATED):
            # It had ended its half before and closed: how most tunnels end.
            self._end(None)
            other.close()
        else:
            self._end(error)
            other.reset(error)

    def deadline_passed(self) -> None:
        """Nothing moved for too long."""
        self._end(ProxyError(TUNNEL_IDLE_TIMEOUT, f"nothing moved in the tunnel for {self._timeout:g} s"))
        self._exchange.stream.close()
        self._upstream.close()

    def _end(self, error: ProxyError | None) -> None:
        if not self._over:
            self._over = True
            self._deadlines.forget(self)
            self._exchange.finish_tunnel(error)
