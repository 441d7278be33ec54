"""The protocol in front of a protocol: what it tells, and when, on a transport of strings and a clock."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from txproxy.listeners.proxied import ProxyHeaderReceiver
from txproxy.model.errors import PROXY_INTERNAL_ERROR, ProxyError
from txproxy.protocols.proxy_protocol.codec import ProxyHeader
from txproxy.reactor.deadlines import Deadlines

HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\r\n"
ACCEPTED = ProxyHeader("192.0.2.1", 56324, "192.0.2.11", 443)
TIMEOUT = 5.0


class Transport(StringTransport):
    """Knows its protocol, as those of reactors do, and ends once."""

    protocol: Any = None
    ends = 0

    def abortConnection(self) -> None:
        """End it."""
        if not self.ends:
            self.ends += 1
            self.disconnecting = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Next(Protocol):
    """Whom the connection is for."""

    def __init__(self, told: list[object], end_at_once: bool = False) -> None:
        self.told = told
        self.end_at_once = end_at_once

    def connectionMade(self) -> None:
        """See it."""
        self.told.append("made")
        if self.end_at_once:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See it."""
        self.told.append(data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        """See it."""
        self.told.append("lost")


class Stage:
    """A connection, and all that is told of it."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.deadlines.start()
        self.next: Any = Next(self.told)
        self.transport = Transport()
        self.receiver = ProxyHeaderReceiver(self.deadlines, TIMEOUT, self.accept, self.told.append, self.told.append)
        self.transport.protocol = self.receiver
        self.receiver.makeConnection(self.transport)

    def accept(self, header: ProxyHeader, transport: Any) -> Any:
        """Take the header."""
        assert transport is self.transport
        self.told.append(header)
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def send(self, data: bytes) -> None:
        """Let bytes arrive, for whomever they are."""
        self.transport.protocol.dataReceived(data)

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)


@pytest.fixture
def stage() -> Stage:
    """Give a new connection."""
    return Stage()


def test_a_header_and_what_follows(stage: Stage) -> None:
    """The header is told first, then the next protocol has the transport, the rest of the bytes, and all later ones."""
    stage.send(HEADER + b"GET")
    stage.send(b" /")
    assert stage.told == [ACCEPTED, "made", b"GET", b" /"]
    assert stage.transport.protocol is stage.next
    assert stage.next.transport is stage.transport
    stage.transport.abortConnection()
    assert stage.told[4:] == ["lost"]


def test_a_header_in_pieces(stage: Stage) -> None:
    """Nothing is told before its last byte, and no empty piece is delivered."""
    for at in range(len(HEADER)):
        assert stage.told == []
        stage.send(HEADER[at : at + 1])
    assert stage.told == [ACCEPTED, "made"]


def test_no_deadline_is_left_behind_a_header(stage: Stage) -> None:
    """Once the header is there, its deadline is nobody's."""
    stage.send(HEADER)
    stage.turn(60)
    assert stage.told == [ACCEPTED, "made"]
    assert (stage.receiver.deadline, stage.receiver.deadline_slot) == (float("inf"), 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "it begins with b'GET / HTTP/1.1\\r', not with a PROXY header"),
        (b"\x16\x03\x01", "it begins with b'\\x16\\x03\\x01', not with a PROXY header"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31", "a PROXY header with version and command 0x31"),
        (HEADER.replace(b"56324", b"99999"), "a PROXY header with the port 99999"),
    ],
)
def test_no_header(stage: Stage, data: bytes, reason: str) -> None:
    """What is no header resets the connection, with one reason; what comes after it is dropped."""
    stage.send(data)
    stage.send(HEADER)
    assert stage.told == [stage.receiver, reason]
    assert stage.transport.ends == 1
    assert stage.transport.value() == b""
    stage.turn(60)
    assert len(stage.told) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a PROXY header did not come within 5 s"),
        (HEADER[:-1], "the whole of its PROXY header did not come within 5 s"),
    ],
)
def test_too_late(stage: Stage, data: bytes, reason: str) -> None:
    """The deadline counts from the connection's begin, whatever trickles in; when it passes the connection is reset."""
    for at in range(0, len(data), 15):
        stage.turn(1)
        stage.send(data[at : at + 15])
    stage.turn(TIMEOUT - len(range(0, len(data), 15)) - 0.25)
    assert stage.told == []
    stage.turn(1)
    assert stage.told == [stage.receiver, reason]
    assert stage.transport.ends == 1


def test_the_end_before_a_header(stage: Stage) -> None:
    """Both ends are told; of who leaves within a header the reason as well, of who says nothing at all none."""
    stage.transport.abortConnection()
    assert stage.told == [stage.receiver]
    cut = Stage()
    cut.send(b"PROXY")
    cut.transport.abortConnection()
    assert cut.told == ["the connection ended within its PROXY header", cut.receiver]
    for one in (stage, cut):
        one.turn(60)
        assert len(one.told) <= 2


def test_a_header_that_is_not_accepted(stage: Stage) -> None:
    """Who says no to a header has said why: the connection is reset, its end is told, no other reason."""
    stage.next = None
    stage.send(HEADER + b"GET")
    assert stage.told == [ACCEPTED, stage.receiver]
    assert stage.transport.ends == 1


def test_accepting_fails(stage: Stage) -> None:
    """What accepting raises goes to the reactor, which ends the connection: the end is told, and no reason."""
    stage.next = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        stage.send(HEADER)
    assert stage.transport.protocol is stage.receiver
    stage.transport.abortConnection()
    assert stage.told == [ACCEPTED, stage.receiver]


def test_a_protocol_that_ends_the_connection_when_it_is_made(stage: Stage) -> None:
    """It is not given what came with the header."""
    stage.next = Next(stage.told, end_at_once=True)
    stage.send(HEADER + b"GET")
    assert stage.told == [ACCEPTED, "made"]


@pytest.mark.parametrize("how", ["abort", "cut", "close_when_idle"])
def test_it_is_ended_from_here(stage: Stage, how: str) -> None:
    """Whatever a listener asks of it, it is reset, once, without a reason: nobody has done anything wrong."""
    assert stage.receiver.answering is False
    stage.send(HEADER[:10])
    for _ in range(2):
        if how == "cut":
            stage.receiver.cut(ProxyError(PROXY_INTERNAL_ERROR, "a test"))
        else:
            getattr(stage.receiver, how)()
    assert stage.told == [stage.receiver]
    assert stage.transport.ends == 1


def test_its_text(stage: Stage) -> None:
    """Its repr tells what it waits for."""
    assert repr(stage.receiver) == "<ProxyHeaderReceiver awaiting a header>"
    stage.send(HEADER[:3])
    assert repr(stage.receiver) == "<ProxyHeaderReceiver within a header>"
    stage.send(HEADER[3:])
    assert repr(stage.receiver) == "<ProxyHeaderReceiver over>"
