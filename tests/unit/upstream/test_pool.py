"""The connections to one backend, under everything that can happen to them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.unit.protocols.http1.transports import LATE, TICK, Recorder, Wire
from tests.unit.upstream.dialing import Place, Reactor
from txproxy.model.head import RequestHead
from txproxy.protocols.http1.client import ClientConnection
from txproxy.reactor.deadlines import Deadlines
from txproxy.upstream.pool import KeepAlive, Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
DONE = Failure(error.ConnectionDone())


class Pooled:
    """A pool with its reactor."""

    def __init__(self, max_idle: int = 2, idle_timeout: float = 10.0) -> None:
        self.reactor = Reactor()
        self.deadlines = Deadlines(self.reactor, TICK)
        self.deadlines.start()
        self.pool = Pool(self.reactor, self.deadlines, Place(), KeepAlive(max_idle, idle_timeout))
        self.wires: dict[ClientConnection, Wire] = {}

    def dial(self) -> tuple[Deferred[ClientConnection], list[Any]]:
        """Begin to connect."""
        outcomes: list[Any] = []
        dialing = self.pool.dial(3.0)
        dialing.addBoth(outcomes.append)
        return dialing, outcomes

    def connect(self) -> ClientConnection:
        """Open a connection."""
        _, outcomes = self.dial()
        wire = self.reactor.accept()
        (connection,) = outcomes
        assert wire is not None
        self.wires[connection] = wire
        return connection

    def ask(self, connection: ClientConnection) -> None:
        """Send a request on it."""
        connection.open(Recorder([]), 60.0, 60.0)
        connection.send_head(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a"), b"", True)

    def counts(self) -> tuple[int, int]:
        """Give (in use, idle)."""
        return self.pool.in_use, self.pool.idle


def test_the_connection_used_last_is_taken_first() -> None:
    """The one that is the least likely to be closed by now."""
    pooled = Pooled()
    first, second = pooled.connect(), pooled.connect()
    for connection in (first, second):
        pooled.ask(connection)
        connection.dataReceived(OK)
    assert pooled.counts() == (0, 2)
    assert [pooled.pool.take(), pooled.pool.take(), pooled.pool.take()] == [second, first, None]
    assert pooled.counts() == (2, 0)


def test_idle_connections_end_in_time() -> None:
    """After the idle time a connection is closed and not lent any more; one that is lent is not idle."""
    pooled = Pooled()
    connection = pooled.connect()
    pooled.ask(connection)
    connection.dataReceived(OK)
    pooled.reactor.pump([TICK] * 36)
    assert pooled.pool.take() is connection
    pooled.reactor.pump([TICK] * 36)
    pooled.ask(connection)
    connection.dataReceived(OK)
    assert pooled.counts() == (0, 1)
    pooled.reactor.pump([TICK] * int((10 + LATE) / TICK))
    assert pooled.counts() == (0, 0)
    assert pooled.wires[connection].ends == ["closed"]


def test_a_new_limit_holds_from_the_next_on() -> None:
    """Limits may be replaced while connections are open."""
    pooled = Pooled(max_idle=0)
    first, second = pooled.connect(), pooled.connect()
    pooled.ask(first)
    first.dataReceived(OK)
    assert pooled.counts() == (1, 0)
    pooled.pool.keepalive = KeepAlive(1, 1.0)
    pooled.ask(second)
    second.dataReceived(OK)
    assert pooled.counts() == (0, 1)


class Pools(RuleBasedStateMachine):
    """A pool against sets of connections."""

    MAX_IDLE = 2

    def __init__(self) -> None:
        super().__init__()
        self.pooled = Pooled(self.MAX_IDLE)
        self.dialing: list[Deferred[ClientConnection]] = []
        self.lent: list[ClientConnection] = []
        self.asked: list[ClientConnection] = []
        self.idle: list[ClientConnection] = []
        self.closed = False

    @rule()
    def dial(self) -> None:
        """Begin to connect and let it succeed."""
        self.lent.append(self.pooled.connect())

    @rule(cancel=st.booleans())
    def dial_in_vain(self, cancel: bool) -> None:
        """Begin to connect and let it fail or give it up."""
        dialing, outcomes = self.pooled.dial()
        if cancel:
            dialing.cancel()
        else:
            self.pooled.reactor.refuse(Failure(error.ConnectionRefusedError()))
        assert len(outcomes) == 1

    @rule()
    def take(self) -> None:
        """Take an idle one: the last that became so."""
        connection = self.pooled.pool.take()
        assert connection is (self.idle.pop() if self.idle else None)
        if connection is not None:
            assert connection.idle
            assert not connection.lost
            self.lent.append(connection)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """Send a request on a lent one."""
        connection = data.draw(st.sampled_from(self.lent))
        self.lent.remove(connection)
        self.asked.append(connection)
        self.pooled.ask(connection)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), answer=st.sampled_from([OK, CLOSE, OK + b"stray", b"garbage"]))
    def answer(self, data: st.DataObject, answer: bytes) -> None:
        """Let the backend answer: only a clean answer gives the connection back."""
        connection = data.draw(st.sampled_from(self.asked))
        self.asked.remove(connection)
        connection.dataReceived(answer)
        if answer == OK and len(self.idle) < self.MAX_IDLE and not self.closed:
            self.idle.append(connection)
        assert connection.lost == (connection not in self.idle)

    @precondition(lambda self: self.lent + self.asked + self.idle)
    @rule(data=st.data(), how=st.sampled_from(["drop", "end", "stray", "reset"]))
    def lose(self, data: st.DataObject, how: str) -> None:
        """Let any one go, in any way."""
        connection = data.draw(st.sampled_from(self.lent + self.asked + self.idle))
        for place in (self.lent, self.asked, self.idle):
            if connection in place:
                place.remove(connection)
        if how == "drop":
            connection.connectionLost(DONE)
        elif how == "end":
            connection.readConnectionLost()
        elif how == "stray":
            connection.dataReceived(b"\0stray")
        else:
            connection.discard()
        connection.connectionLost(DONE)
        assert connection.lost

    @rule()
    def age(self) -> None:
        """Let all idle ones become too old; what is in use does not age."""
        asked, self.asked = self.asked, []
        for connection in asked:
            connection.discard()
        self.pooled.reactor.pump([TICK] * int((10 + LATE) / TICK))
        assert all(connection.lost for connection in self.idle)
        self.idle.clear()

    @rule()
    def close(self) -> None:
        """Close the pool: what is idle ends, and what becomes idle later."""
        self.pooled.pool.close()
        assert all(connection.lost for connection in self.idle)
        self.idle.clear()
        self.closed = True

    @invariant()
    def the_counts_are_right(self) -> None:
        """A connection is in one place, and the numbers say so."""
        assert self.pooled.counts() == (len(self.lent) + len(self.asked), len(self.idle))
        assert self.pooled.pool._idle == self.idle
        assert not any(connection.lost for connection in self.lent + self.asked + self.idle)


test_a_connection_is_in_one_place = Pools.TestCase
