"""A WebSocket that sends back what it gets (RFC 6455): a leaf in plain Python, as an example and for the demo.

Rule: a leaf that is a `Leaf` gets the exchange itself. After `exchange.upgrade` it owns the Stream: it is
its Receiver, and it ends the exchange with `finish_tunnel`, once.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any, NamedTuple

from txproxy.forwarding.leaves import Leaf
from txproxy.forwarding.reasons import reason_phrase
from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.model.head import RequestHead, ResponseHead

# RFC 6455, section 1.3.
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 8, 9, 10
# Octets of one frame; whoever sends more gets 1009 (section 7.4.1).
MAX_PAYLOAD = 64 * 1024


class Echo(Leaf):
    """Answers an upgrade to WebSocket, and echoes every frame; anything else gets 426."""

    def handle(self, exchange: Any) -> None:
        """Answer an exchange."""
        head = exchange.head
        if not exchange.edit_request(head):
            return
        key = head.field(b"sec-websocket-key")
        if key is None or (head.upgrade or b"").lower() != b"websocket":
            body = b"This is the place for a WebSocket.\n"
            exchange.respond(426, reason_phrase(426), b"\r\nUpgrade: websocket\r\nContent-Type: text/plain", body)
            return
        # The SHA-1 is the protocol's, and no secret hangs on it.
        accept = b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
        block = fields.from_items([(b"Sec-WebSocket-Accept", accept)])
        exchange.upgrade(ResponseHead(101, reason_phrase(101), block, 0, upgrade=b"websocket"))
        exchange.stream.receiver = _Echoing(exchange)
        exchange.stream.detach()


class Frame(NamedTuple):
    """One frame of a client, unmasked; `first` is its first octet: FIN, reserved bits and opcode."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        """What kind it is."""
        return self.first & 0x0F


class BadFrame(Exception):
    """What a client may not send; `code` says why (section 7.4.1)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def read_frame(data: bytes) -> tuple[Frame, bytes] | None:
    """Take one frame off the front; None if it is not there yet (section 5.2).

    :raises BadFrame: it is not masked, uses what was not agreed on, or is too long.
    """
    if len(data) < 2:
        return None
    first, length, at = data[0], data[1] & 0x7F, 2
    if not data[1] & 0x80 or first & 0x70 or (first & 0x08 and (length > 125 or not first & 0x80)):
        raise BadFrame(1002)
    if length >= 126:
        at += 2 if length == 126 else 8
        length = int.from_bytes(data[2:at], "big")
    if len(data) >= at and length > MAX_PAYLOAD:
        raise BadFrame(1009)
    end = at + 4 + length
    if len(data) < end:
        return None
    mask = (data[at : at + 4] * (length // 4 + 1))[:length]
    payload = int.from_bytes(data[at + 4 : end], "big") ^ int.from_bytes(mask, "big")
    return Frame(first, payload.to_bytes(length, "big")), data[end:]


def write_frame(first: int, payload: bytes) -> bytes:
    """Write a frame as servers do, without a mask."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    size = b"\x7e" + length.to_bytes(2, "big") if length < 1 << 16 else b"\x7f" + length.to_bytes(8, "big")
    return bytes((first,)) + size + payload


class _Echoing:
    """The Receiver of the Stream after the upgrade."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._data = b""
        self._over = False

    def head_received(self, head: RequestHead, body: bytes, end: bool) -> None:
        """Not called: there are no heads any more."""

    def body_received(self, data: bytes) -> None:
        """Some bytes, cut anywhere."""
        self._data += data
        try:
            while not self._over and (found := read_frame(self._data)) is not None:
                frame, self._data = found
                self._frame(frame)
        except BadFrame as error:
            self._close(error.code.to_bytes(2, "big"))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode == _CLOSE:
            self._close(frame.payload[:2])
        elif frame.opcode == _PING:
            self._exchange.stream.send_body(write_frame(0x80 | _PONG, frame.payload))
        elif frame.opcode != _PONG:
            self._exchange.stream.send_body(write_frame(frame.first, frame.payload))

    def _close(self, payload: bytes) -> None:
        self._exchange.stream.send_body(write_frame(0x80 | _CLOSE, payload))
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._exchange.finish_tunnel(None)
            self._exchange.stream.close()

    def end_received(self, trailers: bytes) -> None:
        """The client sends nothing more."""
        self._end()

    def writing_paused(self) -> None:
        """The client does not read: nothing more is taken from it."""
        self._exchange.stream.hold("echo")

    def writing_resumed(self) -> None:
        """It has caught up."""
        self._exchange.stream.release("echo")

    def stream_lost(self, error: ProxyError) -> None:
        """The client is gone."""
        self._over = True
        self._exchange.finish_tunnel(None)
