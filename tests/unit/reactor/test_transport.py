"""What a transport tells of its unsent bytes, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock
from twisted.internet.tcp import Server

from txproxy.reactor.transport import sender_of, unsent_bytes, untaken_bytes


class Idle(Clock):
    """A reactor that watches nothing: what a transport cannot send stays where it is."""

    def addReader(self, reader: object) -> None:
        """Not watched."""

    def addWriter(self, writer: object) -> None:
        """Not watched."""

    removeReader = removeWriter = addReader


@pytest.fixture
def pair() -> Iterator[tuple[Server, socket.socket]]:
    """Give a transport and who reads from it: on TCP, with a small window."""
    with socket.socket() as listener, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        reader.connect(listener.getsockname())
        accepted, address = listener.accept()
        accepted.setblocking(False)
        with accepted:
            yield Server(accepted, None, address, None, 0, Idle()), reader


def test_what_the_kernel_keeps_is_not_taken(pair: tuple[Server, socket.socket]) -> None:
    """Bytes in the kernel are sent and not taken; a reader's progress shows there long before in our buffer."""
    transport, reader = pair
    transport.write(b"x" * 20_000_000)
    transport.doWrite()
    waiting, untaken = unsent_bytes(transport), untaken_bytes(transport)
    assert 0 < waiting < untaken
    reader.settimeout(10)
    received = 0
    while received < 100_000:
        received += len(reader.recv(65536))
    assert unsent_bytes(transport) == waiting
    assert untaken_bytes(transport) < untaken


def test_a_transport_that_tells_nothing() -> None:
    """A transport without buffers or a descriptor has nothing left; one that is closed does not raise."""
    assert untaken_bytes(object()) == 0
    gone, other = socket.socketpair()
    other.close()
    gone.close()
    assert untaken_bytes(gone) == 0


def test_who_can_send_at_once_is_asked_to() -> None:
    """`sender_of` gives the transport's own sender, and its `write` where it has none, or none any more (TLS)."""

    class Plain:
        def write(self, data: bytes) -> str:
            return "written"

    class Ours(Plain):
        sender: object = None

        def __init__(self) -> None:
            self.sender = lambda: lambda data: "sent"

    started = Ours()
    started.sender = None
    assert [sender_of(each)(b"x") for each in (Plain(), Ours(), started)] == ["written", "sent", "written"]
