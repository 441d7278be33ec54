"""The little of WebSocket (RFC 6455) that an echo needs: one handshake and short messages.

Rule: bytes in, bytes out, no I/O. Messages are binary, whole, and shorter than 126 octets.
"""

from __future__ import annotations

import base64
import hashlib

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY = 0x82
LONGEST = 125


def accept_value(key: bytes) -> bytes:
    """Give Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def from_client(payload: bytes, mask: bytes) -> bytes:
    """Make the frame a client sends, masked (section 5.3)."""
    return bytes((_BINARY, 0x80 | len(payload))) + mask + _masked(payload, mask)


def from_server(payload: bytes) -> bytes:
    """Make the frame a server sends."""
    return bytes((_BINARY, len(payload))) + payload


def take(received: bytes) -> tuple[bytes | None, bytes]:
    """Split received bytes into the first message's payload (None: not all there yet) and the rest.

    :raises ValueError: a frame that no short binary message makes.
    """
    if len(received) < 2:
        return None, received
    if received[0] != _BINARY or received[1] & 0x7F > LONGEST:
        raise ValueError(f"not a short binary message: {received[:2]!r}")
    size = received[1] & 0x7F
    start = 6 if received[1] & 0x80 else 2
    if len(received) < start + size:
        return None, received
    payload = received[start : start + size]
    if start == 6:
        payload = _masked(payload, received[2:6])
    return payload, received[start + size :]
