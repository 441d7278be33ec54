"""The seams: the few verbs by which the halves of an exchange talk, whatever protocol is below.

Rule: everything here is synchronous. A Stream is one message each way on a connection; the server
and client half of every protocol make one. A Receiver is whoever listens to it. A tunnel is the same
pair after `detach()`: bytes both ways without framing, where an end is a half-close.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from .errors import ProxyError
from .head import RequestHead, ResponseHead

OutT = TypeVar("OutT", contravariant=True)
InT = TypeVar("InT", contravariant=True)


class Stream(Protocol[OutT]):
    """What one may do to one side: send a message, slow its reading, give up."""

    def send_head(self, head: OutT, body: bytes = b"", end: bool = False) -> None:
        """Send a head, with it the first bytes of the body; `end`: and that was the whole message."""

    def send_body(self, data: bytes) -> None:
        """Send a piece of the body."""

    def send_end(self, trailers: bytes = b"") -> None:
        """End the message; `trailers` is a block, dropped where the protocol has no place for it."""

    def hold(self, reason: str) -> None:
        """Stop reading for this reason: at once, even within what was already received."""

    def release(self, reason: str) -> None:
        """Withdraw a reason; reading goes on when none is left."""

    def splice_to(self, sink: object) -> None:
        """Let the rest of what is arriving go to that Stream by a shorter way, as soon and as far as there is one."""

    def reset(self, error: ProxyError) -> None:
        """Give the message up so that the other side sees that it is not complete."""

    def detach(self) -> None:
        """Leave framing behind: from here on bytes both ways (after a 101)."""


class Receiver(Protocol[InT]):
    """Who is told what arrives on a Stream. Nothing comes after the end or `stream_lost`."""

    def head_received(self, head: InT, body: bytes, end: bool) -> None:
        """A head, with as much of the body as was there; `end`: it is the whole message."""

    def body_received(self, data: bytes) -> None:
        """A piece of the body, never empty."""

    def end_received(self, trailers: bytes) -> None:
        """The message is complete; `trailers` is a block."""

    def writing_paused(self) -> None:
        """What was sent to this Stream piles up: stop sending."""

    def writing_resumed(self) -> None:
        """Go on sending."""

    def stream_lost(self, error: ProxyError) -> None:
        """The Stream is gone before its message was complete, or before ours was sent."""


ServerStream = Stream[ResponseHead]
ClientStream = Stream[RequestHead]
