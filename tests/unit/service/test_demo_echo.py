"""A WebSocket that echoes: frames, and the leaf."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.config import load_value
from txproxy.service.asking import asked
from txproxy.service.demo_echo import MAX_PAYLOAD, BadFrame, Echo, Frame, _Echoing, read_frame, write_frame
from txproxy.service.rehearsal import Rehearsal


def masked(first: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Write a frame as clients do."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    if length >= 1 << 16:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes([first]) + size + mask + bytes(octet ^ mask[i % 4] for i, octet in enumerate(payload))


class Wire:
    """The exchange and its Stream in one, as far as an echo needs them."""

    def __init__(self) -> None:
        self.stream = self
        self.sent = b""
        self.calls: list[str] = []

    def send_body(self, data: bytes) -> None:
        self.sent += data

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append(name)


@given(st.sampled_from([0x81, 0x82, 0x01, 0x80]), st.binary(max_size=400), st.binary(min_size=4, max_size=4))
def test_a_frame_is_unmasked_wherever_it_is_cut(first: int, payload: bytes, mask: bytes) -> None:
    """A frame is there with its last octet and not before; what follows it is left over."""
    wire = masked(first, payload, mask)
    assert all(read_frame(wire[:cut]) is None for cut in range(len(wire)))
    assert read_frame(wire + b"rest") == (Frame(first, payload), b"rest")


@pytest.mark.parametrize(("length", "head"), [(125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_the_size_of_what_is_written(length: int, head: int) -> None:
    """The length is written in the shortest form (RFC 6455, section 5.2)."""
    frame = write_frame(0x82, b"x" * length)
    assert (len(frame), frame[0]) == (head + length, 0x82)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x01a", 1002),  # not masked
        (b"\xc1\x81", 1002),  # a reserved bit
        (b"\x09\x80", 1002),  # a ping in pieces
        (b"\x89\xfe", 1002),  # a ping of more than 125 octets
        (b"\x82\xff" + (MAX_PAYLOAD + 1).to_bytes(8, "big"), 1009),
        (b"\x82\xff" + b"\xff" * 8, 1009),
    ],
)
def test_what_a_client_may_not_send(wire: bytes, code: int) -> None:
    """It is refused with the status that RFC 6455 has for it, and the connection ends."""
    with pytest.raises(BadFrame) as caught:
        read_frame(wire)
    assert caught.value.code == code
    exchange = Wire()
    _Echoing(exchange).body_received(wire)
    assert exchange.sent == write_frame(0x88, code.to_bytes(2, "big"))
    assert exchange.calls == ["finish_tunnel", "close"]


def test_messages_come_back_in_pieces_as_they_were_sent() -> None:
    """Data frames are echoed with their kind, a ping gets a pong, a close is answered and ends it all."""
    exchange = Wire()
    echoing = _Echoing(exchange)
    for octet in masked(0x01, b"he") + masked(0x80, b"llo") + masked(0x89, b"?") + masked(0x8A, b"!"):
        echoing.body_received(bytes([octet]))
    assert exchange.sent == b"\x01\x02he\x80\x03llo\x8a\x01?"
    echoing.body_received(masked(0x88, b"\x03\xe8bye") + masked(0x81, b"late"))
    assert exchange.sent.endswith(b"\x88\x02\x03\xe8")
    assert exchange.calls == ["finish_tunnel", "close"]


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """Backpressure holds the same Stream's other direction; a lost client ends the exchange once."""
    exchange = Wire()
    echoing = _Echoing(exchange)
    echoing.writing_paused()
    echoing.writing_resumed()
    echoing.stream_lost(Exception())  # type: ignore[arg-type]
    echoing.end_received(b"")
    assert exchange.calls == ["hold", "release", "finish_tunnel"]


@pytest.mark.parametrize(
    ("headers", "start"),
    [
        (
            {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        ),
        ({}, b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"),
        ({"Connection": "Upgrade", "Upgrade": "other", "Sec-WebSocket-Key": "x"}, b"HTTP/1.1 426 "),
        ({"Connection": "Upgrade", "Upgrade": "websocket"}, b"HTTP/1.1 426 "),
    ],
)
def test_the_handshake(headers: dict[str, str], start: bytes) -> None:
    """An upgrade gets the answer of RFC 6455, section 1.3; anything else 426."""
    config = load_value({"hosts": {"a": {"respond": {}}}}, "/", {}).config
    assert config is not None
    rehearsal = Rehearsal(config)
    (route,) = rehearsal.generation.table.routes
    route.value.handle = Echo().handle
    assert rehearsal.play(asked(config, "GET", "http://a/", headers.items())).answer.startswith(start)
