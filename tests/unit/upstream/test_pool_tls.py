"""The connections to one backend that speaks TLS: lent, given back, lost, and what the next one has of it."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

from tests.unit.protocols.http1.transports import TICK, Recorder, Wire
from tests.unit.tls.backend_ends import NAME, Place, lasting, root, roots_of, server_context
from tests.unit.upstream import dialing
from txproxy.model.head import RequestHead
from txproxy.protocols.http1.client import ClientConnection
from txproxy.reactor.deadlines import Deadlines
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.openssl import was_resumed
from txproxy.upstream.pool import KeepAlive, Pool
from txproxy.upstream.upstream import Backends

ROOT = root()
GOOD = lasting(NAME, by=ROOT)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNKNOWN_LENGTH = b"HTTP/1.1 200 OK\r\n\r\nhalf a body"


class Lent:
    """One connection of the pool, the backend's end of it, and what its requests are told."""

    def __init__(self, scene: Scene) -> None:
        self.events: list[Any] = []
        self.client = scene.reactor.tcpClients[-1][2].buildProtocol(None)
        self.wire = Wire()
        self.server = SSL.Connection(scene.context, None)
        self.server.set_accept_state()
        self.got = b""
        self.client.makeConnection(self.wire)
        self.pump()

    def pump(self) -> None:
        """Let the backend read and answer until nothing is left to say."""
        while sent := self.wire.take():
            self.server.bio_write(sent)
            try:
                self.server.do_handshake()
                while True:
                    self.got += self.server.recv(65536)
            except SSL.Error:
                pass  # WantReadError, or that it has refused us, which its alert says
            self.flush()

    def flush(self) -> None:
        """Let what the backend has written arrive."""
        try:
            while not self.wire.ends:
                self.client.dataReceived(self.server.bio_read(65536))
        except SSL.WantReadError:
            pass

    @property
    def connection(self) -> ClientConnection:
        """What the pool lends."""
        connection = self.client.inner
        assert isinstance(connection, ClientConnection)
        return connection

    def ask(self, answer: bytes) -> list[Any]:
        """Send a request, and let the backend answer; give what was told."""
        self.events.clear()
        self.connection.open(Recorder(self.events), 60.0, 60.0)
        self.connection.send_head(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a"), b"", True)
        self.client.end_turn()
        self.pump()
        assert self.got.startswith(b"GET / HTTP/1.1\r\n")
        self.got = b""
        self.server.send(answer)
        self.flush()
        return self.events


class Scene:
    """A pool with its reactor, and the backend."""

    def __init__(self, keepalive: KeepAlive | None = None, **more: Any) -> None:
        self.reactor = dialing.Reactor()
        deadlines = Deadlines(self.reactor, TICK)
        deadlines.start()
        self.place = Place(GOOD, ROOT, server=more)
        self.context = self.place.context
        self.pool = Pool(self.reactor, deadlines, dialing.Place(), keepalive or KeepAlive(), self.place.backend)

    def dial(self) -> Lent:
        """Open a connection."""
        outcomes: list[Any] = []
        self.pool.dial(3.0).addBoth(outcomes.append)
        lent = Lent(self)
        assert outcomes == [lent.connection]
        return lent


def test_a_connection_carries_one_request_after_another() -> None:
    """It goes back idle and is taken again, as without TLS."""
    scene = Scene()
    lent = scene.dial()
    for _ in range(3):
        assert lent.ask(OK) == [("head", 200, b"", True)]
        assert (scene.pool.in_use, scene.pool.idle) == (0, 1)
        assert scene.pool.take() is lent.connection
    assert (scene.pool.in_use, scene.pool.idle) == (1, 0)


@pytest.mark.parametrize("answer", [OK, CLOSING])
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_the_next_connection_takes_up_the_session(answer: bytes, version: int) -> None:
    """Whether the first one is still open or was closed behind its answer."""
    scene = Scene(version=version)
    first = scene.dial()
    first.ask(answer)
    second = scene.dial()
    assert (was_resumed(first.client.tls), was_resumed(second.client.tls)) == (False, True)


def test_closing_says_so_to_the_backend() -> None:
    """A connection that is not to be used again ends with a close_notify."""
    scene = Scene(KeepAlive(max_idle=0))
    lent = scene.dial()
    lent.ask(OK)
    assert lent.wire.ends == ["closed"]
    lent.server.bio_write(lent.wire.take())
    with pytest.raises(SSL.ZeroReturnError):
        lent.server.recv(1)
    assert (scene.pool.in_use, scene.pool.idle) == (0, 0)


def test_the_end_of_a_body_is_its_close_notify() -> None:
    """A body of unknown length is complete when the backend says that nothing more comes."""
    scene = Scene()
    lent = scene.dial()
    lent.ask(UNKNOWN_LENGTH)
    lent.server.shutdown()
    lent.flush()
    assert lent.events[-1] == ("end", b"")
    assert lent.wire.ends == ["closed"]
    assert scene.pool.in_use == 0


@pytest.mark.parametrize("half", [True, False])
def test_a_body_without_close_notify_is_cut(half: bool) -> None:
    """Whoever cuts the wire can end it, by a FIN or a reset: that is no end of a body."""
    scene = Scene()
    lent = scene.dial()
    lent.ask(UNKNOWN_LENGTH)
    if half:
        lent.client.readConnectionLost()
        assert lent.wire.ends == ["aborted"]
    lent.client.connectionLost(Failure(error.ConnectionDone()))
    assert lent.events[-1] == ("lost", "http_response_incomplete", 502)
    assert scene.pool.in_use == 0


def test_a_fatal_alert_behind_a_body_is_no_end() -> None:
    """Even right behind the bytes of a body, in one piece with them."""
    scene = Scene()
    lent = scene.dial()
    lent.ask(b"HTTP/1.1 200 OK\r\n\r\n")
    lent.server.send(b"the rest")
    # A record that does not decrypt: our own alert ends the connection.
    lent.client.dataReceived(lent.server.bio_read(65536) + b"\x17\x03\x03\x00\x20" + bytes(32))
    lent.client.connectionLost(Failure(error.ConnectionDone()))
    assert lent.events[-2:] == [("body", b"the rest"), ("lost", "http_response_incomplete", 502)]


def test_a_refusal_behind_the_handshake_has_its_own_cause() -> None:
    """TLS 1.3: the first request is lost by the alert that says why, a later one as ever."""
    scene = Scene(clients=ROOT)
    lent = scene.dial()
    lent.connection.open(Recorder(lent.events), 60.0, 60.0)
    lent.client.connectionLost(Failure(error.ConnectionDone()))
    assert lent.events == [("lost", "tls_alert_received", 502)]
    assert scene.pool.in_use == 0


def test_an_idle_connection_that_ends_is_not_lent() -> None:
    """By a close_notify, or by the end of the wire."""
    scene = Scene()
    for end in ("close_notify", "fin"):
        lent = scene.dial()
        lent.ask(OK)
        assert scene.pool.idle == 1
        if end == "fin":
            lent.client.readConnectionLost()
        else:
            lent.server.shutdown()
            lent.flush()
        lent.client.connectionLost(Failure(error.ConnectionDone()))
        assert scene.pool.take() is None


def test_a_handshake_that_failed_counts_nowhere() -> None:
    """Neither in use nor idle; the pool goes on."""
    scene = Scene()
    good, scene.context = scene.context, server_context(lasting("other.internal", by=ROOT))
    outcomes: list[Any] = []
    scene.pool.dial(3.0).addBoth(outcomes.append)
    client = scene.reactor.tcpClients[-1][2].buildProtocol(None)
    client.makeConnection(Wire())
    client.connectionLost(Failure(error.ConnectionLost()))
    assert outcomes[0].value.cause.token == "connection_terminated"
    assert (scene.pool.in_use, scene.pool.idle) == (0, 0)
    scene.context = good
    scene.dial().ask(OK)
    assert scene.pool.idle == 1


class Address(dialing.Place):
    """A backend of the route map."""

    url = "https://192.0.2.1"
    authority = "192.0.2.1"


def test_other_settings_are_another_backend() -> None:
    """What was believed under a CA is not lent where another one counts; the same settings keep it."""
    reactor = dialing.Reactor()
    backends = Backends(reactor, Deadlines(reactor))
    same, other = (BackendSettings("https://192.0.2.1", NAME, roots_of(each)) for each in (ROOT, root()))
    first = backends.get("app", Address(), KeepAlive(), same)
    assert backends.get("app", Address(), KeepAlive(), same) is first
    assert backends.get("app", Address(), KeepAlive(), other) is not first
    assert backends.get("app", Address(), KeepAlive()) is not first
