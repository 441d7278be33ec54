"""What a connection keeps of what has arrived: little, whatever its peer and its protocol do."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.task import Clock

from tests.support.tls import OpenSsl, Talk, client_context, server_context
from tests.unit.tls.talks import EVERYWHERE, HalfRecorder, Recorder, shake_up_to_the_last_flight, talk
from txproxy.tls.openssl import Scratch, release_idle_buffers
from txproxy.tls.transport import TlsTransport

KIB = 1024
MIB = 1024 * KIB
BODY = bytes(range(256)) * 4 * KIB  # 1 MiB
everywhere = pytest.mark.parametrize("where", EVERYWHERE)
Where = tuple[str, str, str]


def resident() -> int:
    """Give the memory that this process has, without what is free in it.

    C's allocator is asked, because OpenSSL's buffers are none of Python's.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        pytest.skip("only glibc's allocator gives back what is free")
    gc.collect()
    trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Counting:
    """A protocol that keeps nothing."""

    def __init__(self) -> None:
        self.size = 0

    def makeConnection(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)

    def connectionLost(self, reason: Any) -> None:
        """Part of IProtocol."""


class Connections:
    """Makes connections that have done something, and are idle since."""

    def __init__(self, version: str) -> None:
        self.clock = Clock()
        self.scratch = Scratch(self.clock)
        self.server, self.client = server_context(version), client_context(version)
        release_idle_buffers(self.server)

    def one(self, up: int, down: bool) -> TlsTransport:
        """Make one, over which 1 MiB came in reads of so many bytes, or went."""
        tls = SSL.Connection(self.server, None)
        tls.set_accept_state()
        talking = Talk(TlsTransport(self.scratch, tls, Counting()), OpenSsl(self.client, server=False), self.clock)
        talking.go()
        for at in range(0, MIB if up else 0, up or 1):
            talking.other.send(BODY[at : at + up])
            talking.deliver()
        assert talking.ours.inner.size == (MIB if up else 0)
        if down:
            talking.ours.write(BODY)
            assert talking.go().other.got == BODY
        return talking.ours

    def each(self, **done: Any) -> int:
        """Give the memory of an idle one."""
        kept = [self.one(**done) for _ in range(3)]
        before = resident()
        kept += [self.one(**done) for _ in range(40)]
        return (resident() - before) // 40


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_an_idle_connection_keeps_no_room_for_what_has_passed(version: str) -> None:
    """Behind a megabyte, in large reads (uvloop's are of 256 KiB) or large writes, it takes hardly more than before."""
    connections = Connections(version)
    idle = connections.each(up=0, down=False)
    assert idle < 48 * KIB
    for done in ({"up": 64 * KIB, "down": False}, {"up": 256 * KIB, "down": False}, {"up": 0, "down": True}):
        assert connections.each(**done) < idle + 32 * KIB, done


@everywhere
def test_what_comes_behind_their_end_is_not_kept(where: Where) -> None:
    """A peer that sends on behind its close_notify fills no memory while its last request is answered."""
    talking = talk(where, HalfRecorder())
    talking.other.end()
    talking.go()
    before = resident()
    for _ in range(512):
        talking.below.arrive(BODY[: 64 * KIB])
    assert resident() - before < 8 * MIB
    assert talking.ours.inner.events == ["made", "read lost"]


@everywhere
@pytest.mark.parametrize("size", [100, 256 * KIB])
def test_what_is_not_read_yet_is_read_in_order(where: Where, size: int) -> None:
    """A transport that goes on for a while although it was paused loses nothing, and mixes nothing up."""
    talking = talk(where, Recorder(data=lambda inner, data: inner.transport.pauseProducing()))
    sent = b""
    for number in range(5):
        piece = bytes([number]) * size
        sent += piece
        talking.other.send(piece)
        arriving = talking.other.take()
        talking.below.protocol.dataReceived(arriving[:7])
        talking.below.protocol.dataReceived(arriving[7:])
    while len(talking.ours.inner.data) < len(sent):
        assert talking.ours.inner.events.count("data") < 100
        talking.ours.resumeProducing()
        talking.go()
    assert talking.ours.inner.data == sent


@everywhere
def test_a_read_that_holds_the_handshakes_end_and_much_more(where: Where) -> None:
    """Whatever came in one read with the last flight is delivered, in order, also for who pauses within it."""
    inner = Recorder(data=lambda inner, data: inner.transport.pauseProducing())
    talking = talk(where, inner, shake=False)
    shake_up_to_the_last_flight(talking)
    talking.other.send(BODY)
    talking.go()
    while len(inner.data) < MIB:
        talking.ours.resumeProducing()
        talking.go()
    assert inner.data == BODY


def test_data_that_comes_while_what_is_held_waits_for_its_turn() -> None:
    """Between `resumeProducing` and the turn in which it goes on, nothing overtakes."""
    talking = talk()
    talking.ours.pauseProducing()
    for data in (b"first ", b"second "):
        talking.other.send(data)
        talking.below.protocol.dataReceived(talking.other.take())
    talking.ours.resumeProducing()
    talking.other.send(b"third")
    talking.below.protocol.dataReceived(talking.other.take())
    talking.go()
    assert talking.ours.inner.data == b"first second third"
    assert talking.below.reading


def test_a_fault_in_what_was_held_ends_the_connection() -> None:
    """An exception of a protocol that is delivered to in a later turn ends its connection, for that reason."""

    def fail(inner: Recorder, data: bytes) -> None:
        raise ZeroDivisionError

    talking = talk(inner=Recorder(data=fail))
    talking.ours.pauseProducing()
    talking.other.send(b"x")
    talking.below.protocol.dataReceived(talking.other.take())
    talking.ours.resumeProducing()
    talking.turn()
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert talking.ours.inner.why == "ZeroDivisionError"


@everywhere
@pytest.mark.parametrize("end", ["close_notify", "cut"])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_wires_end_that_is_told_too_soon_waits(where: Where, end: str, resumed: bool) -> None:
    """A transport that tells of its end to who has paused, or whose turn has not come yet: it comes behind the data."""
    talking = talk(where, HalfRecorder(data=lambda inner, data: inner.transport.pauseProducing()))
    talking.other.send(BODY)
    if end == "close_notify":
        talking.other.end()
    talking.below.arrive(talking.other.take())
    inner = talking.ours.inner
    inner.acts = {}
    if resumed:
        talking.ours.resumeProducing()
    talking.ours.readConnectionLost()
    if not resumed:
        assert len(inner.data) < MIB
        assert talking.below.ends == []
        talking.ours.resumeProducing()
    talking.go()
    assert inner.data == BODY
    assert inner.events.count("read lost") == (end == "close_notify")
    assert talking.below.ends == ([] if end == "close_notify" else ["aborted"])


@everywhere
@pytest.mark.parametrize("size", [10, 64 * KIB])
def test_data_that_comes_within_a_delivery_comes_behind_it(where: Where, size: int) -> None:
    """A transport that calls within a call, as some do in memory, finds its data delivered in order, and not within."""
    depth: list[int] = []
    later: list[bytes] = []

    def again(inner: Recorder, data: bytes) -> None:
        assert not depth
        depth.append(1)
        if later:
            talking.ours.dataReceived(later.pop(0))
        depth.pop()

    talking = talk(where, Recorder(data=again))
    sent = b""
    for number in range(4):
        piece = bytes([number]) * size
        sent += piece
        talking.other.send(piece)
        later.append(talking.other.take())
    talking.ours.dataReceived(later.pop(0))
    assert talking.ours.inner.data == sent
    talking.other.send(b"more")
    talking.go()
    assert talking.ours.inner.data == sent + b"more"
    talking.below.eof()
    assert talking.below.ends == ["aborted"]
