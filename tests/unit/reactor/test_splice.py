"""Octets go from socket to socket in the kernel, on either reactor, and every end is told what it has to know."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Protocol, ServerFactory

from txproxy.reactor import splice as subject
from txproxy.reactor.splice import LEAST_PIPE_BYTES, can_splice, splice
from txproxy.reactor.uv.reactor import UvloopReactor

BLOCK = bytes(range(256)) * 256


class End(Protocol):
    """One end of a connection; as source and as sink it writes down what it is told."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.heard: list[object] = []
        self.moved_in = self.moved_out = 0
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        """It is over."""
        self.lost = True

    def spliced_in(self, octets: int) -> None:
        self.moved_in += octets

    def splice_over(self, whole: bool) -> None:
        self.heard.append(("over", whole))
        if not self.lost:
            self.transport.resumeProducing()  # type: ignore[union-attr]

    def spliced_out(self, octets: int) -> None:
        self.moved_out += octets

    def splice_ended(self) -> None:
        self.heard.append("ended")

    def pauseProducing(self) -> None:
        self.heard.append("pause")

    def resumeProducing(self) -> None:
        self.heard.append("resume")


class Joined:
    """Two connections through one reactor: what `sender` sends arrives at `source`, what `sink` writes at `reader`."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.source, self.sink = End(), End()
        accepted = [self.source, self.sink]
        factory = ServerFactory()
        factory.noisy = False
        factory.buildProtocol = lambda address: accepted.pop(0)  # type: ignore[method-assign, assignment]
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        at = ("127.0.0.1", self.port.getHost().port)
        self.sender = socket.create_connection(at)
        self.until(lambda: self.source.transport is not None)
        self.reader = socket.create_connection(at)
        self.until(lambda: self.sink.transport is not None)
        for one in (self.sender, self.reader):
            one.setblocking(False)

    def until(self, condition: Any) -> None:
        """Turn the reactor until the condition holds; at most two thousand turns."""
        for _ in range(2000):
            if condition():
                return
            self.reactor.iterate(0.001)
        raise AssertionError("it did not come to pass")

    def begin(self, octets: int) -> Any:
        """Splice from source to sink."""
        begun = splice(self.source, self.source.transport, self.sink, octets)
        assert begun is not None
        return begun

    def send(self, data: bytes) -> int:
        """Send what is taken."""
        try:
            return self.sender.send(data)
        except BlockingIOError:
            return 0

    def read(self, into: bytearray) -> bool:
        """Read what is there; True, so that it may stand in a condition."""
        try:
            into += self.reader.recv(1 << 20)
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        """End everything."""
        self.sender.close()
        self.reader.close()
        for end in (self.source, self.sink):
            if not end.lost:
                end.transport.abortConnection()  # type: ignore[union-attr]
        self.port.stopListening()
        self.until(lambda: self.source.lost and self.sink.lost)
        self.reactor.disconnectAll()


@pytest.fixture(params=["epoll", "uvloop"])
def joined(request: pytest.FixtureRequest) -> Any:
    """Give two joined connections on each reactor."""
    reactor: Any = EPollReactor() if request.param == "epoll" else UvloopReactor()
    made = Joined(reactor)
    yield made
    made.close()
    reactor.removeAll()
    for waker in list(reactor._internalReaders):
        reactor.removeReader(waker)
        waker.connectionLost(None)
    if request.param == "epoll":
        reactor._poller.close()
    else:
        reactor.iterate(0)
        reactor.loop.close()


def transfer(joined: Joined, data: bytes, got: bytearray, enough: Any) -> None:
    """Send all of this while reading at the other end, until that is enough."""
    left = memoryview(data)

    def step() -> bool:
        nonlocal left
        if left:
            left = left[joined.send(bytes(left[:65536])) :]
        joined.read(got)
        return not left and bool(enough())

    joined.until(step)


def test_octets_arrive_in_order_and_what_lies_behind_stays(joined: Joined) -> None:
    """Just so many octets are moved; what comes behind them is received as always."""
    joined.begin(len(BLOCK) * 9)
    got = bytearray()
    transfer(joined, BLOCK * 9 + b"next", got, lambda: joined.source.got == b"next")
    joined.until(lambda: joined.read(got) and len(got) == len(BLOCK) * 9)
    assert bytes(got) == BLOCK * 9
    assert (joined.source.moved_in, joined.sink.moved_out) == (len(got), len(got))
    assert joined.source.heard[-1] == ("over", True)
    assert joined.sink.heard[-1] == "ended"


def test_what_was_written_before_comes_before(joined: Joined) -> None:
    """What a transport has to send when a splice begins is sent first, however much it is."""
    before = b"head" * 5_000_000  # more than the buffers of two sockets
    joined.sink.transport.write(before)  # type: ignore[union-attr]
    joined.begin(len(BLOCK))
    got = bytearray()
    transfer(joined, BLOCK, got, lambda: len(got) == len(before) + len(BLOCK))
    assert bytes(got) == before + BLOCK
    assert joined.sink.heard[0] == "pause"
    assert "resume" in joined.sink.heard


def test_a_slow_reader_pauses_the_sink_and_the_source_is_not_read(joined: Joined) -> None:
    """When the sink takes no more, it is told, and no more is read than a pipe holds."""
    size = len(BLOCK) * 400
    begun = joined.begin(size)
    left = memoryview(BLOCK * 400)

    def stuck() -> bool:
        nonlocal left
        left = left[joined.send(bytes(left[:65536])) :]
        return "pause" in joined.sink.heard

    joined.until(stuck)
    assert 0 < joined.source.moved_in - joined.sink.moved_out <= subject.PIPE_BYTES
    got = bytearray()
    transfer(joined, bytes(left), got, lambda: len(got) == size)
    assert bytes(got) == BLOCK * 400
    assert begun._over
    assert joined.sink.heard.count("resume") == joined.sink.heard.count("pause")


def test_held_it_reads_nothing(joined: Joined) -> None:
    """While paused in place of the transport it reads nothing, and goes on when resumed."""
    begun = joined.begin(len(BLOCK))
    begun.pauseProducing()
    joined.send(BLOCK)
    for _ in range(20):
        joined.reactor.iterate(0.001)
    assert joined.source.moved_in == 0
    begun.resumeProducing()
    got = bytearray()
    joined.until(lambda: joined.read(got) and len(got) == len(BLOCK))


def test_the_end_of_the_source_is_left_to_its_transport(joined: Joined) -> None:
    """A source that closes early ends the splice, not whole; what came before has arrived."""
    joined.begin(len(BLOCK) * 2)
    got = bytearray()
    transfer(joined, BLOCK, got, lambda: len(got) == len(BLOCK))
    joined.sender.close()
    joined.until(lambda: joined.source.lost)
    assert joined.source.heard == [("over", False)]


def test_a_reset_of_the_source_behind_what_it_sent_is_found(joined: Joined) -> None:
    """Of a connection in error libuv tells once: an end behind a little that was there to be read is found as well."""
    joined.begin(len(BLOCK) * 2)
    joined.sender.send(b"a little")
    joined.sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    joined.sender.close()
    joined.until(lambda: joined.source.lost)
    assert ("over", False) in joined.source.heard


def test_the_loss_of_the_sink_ends_its_connection(joined: Joined) -> None:
    """Octets that cannot be written end the sink's connection: nothing may come behind a gap."""
    joined.begin(len(BLOCK) * 100)
    joined.reader.close()
    left = memoryview(BLOCK * 100)

    def step() -> bool:
        nonlocal left
        left = left[joined.send(bytes(left[:65536])) :]
        return joined.sink.lost

    joined.until(step)
    joined.until(lambda: ("over", False) in joined.source.heard)


def test_what_a_lost_sink_sent_before_is_read(joined: Joined) -> None:
    """An end that answers and resets while it is written to has its answer read; nothing more comes its way."""
    joined.begin(len(BLOCK) * 400)
    left = memoryview(BLOCK * 100)
    while left:
        taken = joined.send(bytes(left[:65536]))
        left = left[taken:]
        if not taken:
            break
    joined.reader.send(b"enough")
    joined.reader.close()  # what it has not read makes this a reset
    joined.until(lambda: joined.sink.lost)
    assert joined.sink.got == b"enough"


def test_stopped_twice_it_stops_once(joined: Joined) -> None:
    """`stop` may be called by both ends."""
    begun = joined.begin(len(BLOCK))
    begun.stop()
    begun.stop()
    assert joined.source.heard == [("over", False)]
    assert joined.sink.heard == ["ended"]


@pytest.mark.parametrize("refused", ["pipe2", "dup"])
def test_without_descriptors_nothing_begins(joined: Joined, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """Where no descriptor is left octets have to be copied, and the transport is read as before."""

    def refuse(*arguments: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(subject.os, refused, refuse)
        assert splice(joined.source, joined.source.transport, joined.sink, 1000) is None
    joined.send(b"as before")
    joined.until(lambda: joined.source.got == b"as before")


def test_a_pipe_of_a_page_is_not_used(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has used up the budget for pipes gets small ones, through which nothing is moved."""

    def poor(descriptor: int, command: int, *arguments: int) -> int:
        if command == subject.fcntl.F_SETPIPE_SZ:
            raise PermissionError(1, "Operation not permitted")
        return LEAST_PIPE_BYTES - 1

    with monkeypatch.context() as patched:
        patched.setattr(subject.fcntl, "fcntl", poor)
        assert splice(joined.source, joined.source.transport, joined.sink, 1000) is None


def test_only_plain_sockets_can_be_spliced(joined: Joined) -> None:
    """A transport without a descriptor, or with TLS on it, cannot be spliced."""
    from twisted.internet.interfaces import ISSLTransport
    from zope.interface import directlyProvides

    assert can_splice(joined.source.transport)
    assert not can_splice(object())
    directlyProvides(joined.source.transport, ISSLTransport)
    assert not can_splice(joined.source.transport)
