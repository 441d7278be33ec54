"""Our TCP transports are held to Twisted's own tests of TCP, and to what batching adds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory
from twisted.internet.test import test_tcp as twisted_tcp
from twisted.internet.test import test_tls as twisted_tls
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.support.producers import Push
from tests.unit.reactor.batching import BatchingReactor
from txproxy.reactor.tcp import Turn, connect_tcp, listen_tcp
from txproxy.reactor.transport import unsent_bytes

# Twisted's test of a broken TLS context warns of the context it breaks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not explicitly provide any OpenSSL"),
    # Some of Twisted's tests leave sockets of their own to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed .socket.socket:ResourceWarning"),
]


def _cases() -> dict[str, type[SynchronousTestCase]]:
    """Make a test case of each of Twisted's builders, for this reactor."""
    builders = (
        twisted_tcp.TCP4ClientTestsBuilder,
        twisted_tcp.TCP6ClientTestsBuilder,
        twisted_tcp.TCP4ConnectorTestsBuilder,
        twisted_tcp.TCP6ConnectorTestsBuilder,
        twisted_tcp.TCPPortTestsBuilder,
        twisted_tcp.TCPFDPortTestsBuilder,
        twisted_tcp.TCPConnectionTestsBuilder,
        twisted_tcp.TCPTransportTestsBuilder,
        twisted_tcp.AbortConnectionTests,
        # Twisted's TLS on our transports: what it starts must not be gone around.
        twisted_tls.SSLClientTestsMixin,
        twisted_tls.StartTLSClientTestsMixin,
    )
    of_ours = {"reactorFactory": BatchingReactor, "__module__": __name__}
    return {
        f"Twisted{builder.__name__}": type(f"Twisted{builder.__name__}", (builder, SynchronousTestCase), dict(of_ours))
        for builder in builders
    }


globals().update(_cases())


@contextmanager
def capturing() -> Iterator[list[Any]]:
    """Collect what is logged meanwhile."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(events.append)


class _Sink(Protocol):
    """Keeps what comes, and does not read until told to."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        """It is over."""
        self.lost = True


class _Joined:
    """A client and a server protocol on two of our transports."""

    def __init__(self) -> None:
        self.reactor = BatchingReactor()
        self.server, self.client = _Sink(), _Sink()
        factory = ServerFactory()
        factory.buildProtocol = lambda address: self.server  # type: ignore[method-assign, assignment]
        self.port = listen_tcp(self.reactor, 0, factory, 50, "127.0.0.1")
        outgoing = ClientFactory()
        outgoing.buildProtocol = lambda address: self.client  # type: ignore[method-assign, assignment]
        connect_tcp(self.reactor, "127.0.0.1", self.port.getHost().port, outgoing, Turn(self.reactor))
        self.until(lambda: self.server.transport is not None and self.client.transport is not None)

    def until(self, condition: Any) -> None:
        """Turn the reactor until the condition holds; at most a thousand turns."""
        for _ in range(1000):
            if condition():
                return
            self.reactor.iterate(0.01)
        raise AssertionError("it did not come to pass")

    def close(self) -> None:
        """End everything."""
        for protocol in (self.client, self.server):
            if not protocol.lost:
                protocol.transport.abortConnection()
        self.port.stopListening()
        self.until(lambda: self.client.lost and self.server.lost)
        self.reactor.removeAll()
        self.reactor._poller.close()
        for waker in (self.reactor.waker,):
            waker.connectionLost(None)


@pytest.fixture
def joined() -> Any:
    """Give a connection, and end it."""
    made = _Joined()
    yield made
    made.close()


def test_what_one_turn_writes_is_one_segment_in_order(joined: _Joined) -> None:
    """Pieces written in one turn arrive in order and are sent with one call."""
    calls = []
    transport = joined.client.transport
    real = transport.socket

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def send(self, data: bytes) -> int:
            calls.append(bytes(data))
            return int(real.send(data))

    transport.socket = Counting()
    for piece in (b"a", b"b", b"c"):
        transport.write(piece)
    joined.until(lambda: joined.server.got == b"abc")
    assert calls == [b"abc"]


def test_more_than_the_kernel_takes_arrives_whole(joined: _Joined) -> None:
    """A write larger than the socket's buffer goes on by Twisted's way, with later writes behind it."""
    joined.client.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = bytes(range(256)) * 8192
    joined.client.transport.write(sent)
    joined.client.transport.write(b"end")
    joined.until(lambda: len(joined.server.got) == len(sent) + 3)
    assert bytes(joined.server.got) == sent + b"end"


def test_what_was_written_before_losing_the_connection_arrives(joined: _Joined) -> None:
    """`loseConnection` in the turn of a write closes behind the bytes."""
    joined.client.transport.write(b"last words")
    joined.client.transport.loseConnection()
    joined.until(lambda: joined.server.lost)
    assert bytes(joined.server.got) == b"last words"


def test_a_producer_is_paused_and_resumed_once_it_is_sent(joined: _Joined) -> None:
    """A streaming producer is paused above the buffer's size and resumed when the kernel took all."""
    push = Push()
    transport = joined.client.transport
    transport.registerProducer(push, True)
    transport.write(b"x" * (transport.bufferSize + 1))
    joined.until(lambda: "resume" in push.told)
    transport.unregisterProducer()
    assert push.told == ["pause", "resume"]


class _Waiting:
    """Adds itself to a turn."""

    def __init__(self, transport: Any, act: Any) -> None:
        self.transport, self.act = transport, act

    def end_turn(self) -> None:
        """Act."""
        self.act()

    def turn_failed(self, error: Exception) -> None:
        """As TLS has it: the connection below ends."""
        self.transport.turn_failed(error)


def test_whoever_writes_can_wait_for_the_end_of_the_turn(joined: _Joined) -> None:
    """`Turn.add` calls everybody once, in order, at the end of the turn and not within it."""
    called: list[str] = []
    turn = joined.client.transport.turn
    turn.add(_Waiting(None, lambda: called.append("a")))
    turn.add(_Waiting(None, lambda: called.append("b")))
    assert called == []
    joined.until(lambda: called)
    assert called == ["a", "b"]


def test_a_fault_at_the_end_of_a_turn_ends_one_connection(joined: _Joined) -> None:
    """The connection of whoever raises is lost for that reason, which is logged; others have their turn."""
    called: list[str] = []
    reasons: list[Any] = []
    joined.client.connectionLost = reasons.append  # type: ignore[method-assign]
    turn = joined.client.transport.turn

    def fail() -> None:
        raise RuntimeError("a fault")

    with capturing() as logged:
        turn.add(_Waiting(joined.client.transport, fail))
        turn.add(_Waiting(None, lambda: called.append("b")))
        joined.until(lambda: reasons)
    assert called == ["b"]
    assert reasons[0].check(RuntimeError)
    assert any("failed" in event["log_format"] for event in logged)
    joined.client.lost = True
    joined.until(lambda: joined.server.lost)


def test_a_sender_sends_at_once_and_in_order(joined: _Joined) -> None:
    """What `sender` gives needs no end of a turn; what was written before goes in front."""
    transport = joined.client.transport
    send = transport.sender()
    transport.write(b"first ")
    send(b"second")
    assert unsent_bytes(transport) == 0
    assert joined.server.transport.socket.recv(100, socket.MSG_PEEK) == b"first second"
    transport.write(b" third")
    joined.until(lambda: joined.server.got == b"first second third")


def test_what_a_sender_cannot_send_waits_in_order(joined: _Joined) -> None:
    """More than the kernel takes goes on by Twisted's way; the producer is paused, and what follows stays behind."""
    push = Push()
    transport = joined.client.transport
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    transport.registerProducer(push, True)
    send = transport.sender()
    sent = bytes(range(256)) * 32768
    send(sent)
    assert push.told == ["pause"]
    send(b" behind")
    transport.write(b" it")
    joined.until(lambda: len(joined.server.got) == len(sent) + 10)
    assert bytes(joined.server.got) == sent + b" behind it"
    joined.until(lambda: push.told[-1] == "resume")
    transport.unregisterProducer()


def test_behind_its_connections_end_a_sender_does_nothing(joined: _Joined) -> None:
    """What is sent to a connection that is over is dropped, without an error."""
    transport = joined.client.transport
    send = transport.sender()
    send(b"all")
    transport.loseConnection()
    joined.until(lambda: joined.server.lost and joined.client.lost)
    send(b"no")
    assert bytes(joined.server.got) == b"all"
    assert unsent_bytes(transport) == 0
