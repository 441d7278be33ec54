"""From an address to a connection that speaks TLS, in memory."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.support.certificates import Issued
from tests.unit.protocols.http1.transports import Wire
from tests.unit.tls.backend_ends import NAME, Place, lasting, root, server_context
from tests.unit.upstream import dialing
from txproxy.model.errors import ProxyError
from txproxy.reactor.tcp import Turn
from txproxy.upstream.dial import Dial

ROOT = root()
GOOD = lasting(NAME, by=ROOT)


class Connected:
    """What is made for a connection."""

    def __init__(self, connected: Any) -> None:
        self.connected = connected
        self.lost: list[Any] = []

    def makeConnection(self, transport: Any) -> None:
        """Take the transport, as a ClientConnection does."""
        self.transport = transport
        self.connected(self)

    def connectionLost(self, reason: Failure) -> None:
        """The end."""
        self.lost.append(reason.value)


class Scene:
    """One dial, and the backend's end of what it opens."""

    def __init__(self, issued: Issued = GOOD, host: str = "192.0.2.1", timeout: float | None = 3.0) -> None:
        self.reactor = dialing.Reactor()
        place = Place(issued, ROOT)
        self.made: list[Connected] = []
        address = dialing.Place(host=host)
        self.dial = Dial(self.reactor, address, timeout, self._build, Turn(self.reactor), place.backend.secure)
        self.outcomes: list[Any] = []
        self.dial.result.addBoth(self.outcomes.append)
        self.server = SSL.Connection(server_context(issued), None)
        self.server.set_accept_state()

    def _build(self, connected: Any) -> Any:
        self.made.append(Connected(connected))
        return self.made[-1]

    def accept(self) -> Wire:
        """Let the connection below come to be."""
        protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        wire = Wire()
        self.client = protocol
        protocol.makeConnection(wire)
        return wire

    def shake(self, wire: Wire) -> None:
        """Let the backend answer until nothing is left to say."""
        while sent := wire.take():
            self.server.bio_write(sent)
            try:
                self.server.do_handshake()
            except SSL.Error:
                pass  # WantReadError, or the alert of ours that the test is about
            try:
                while not wire.ends:
                    self.client.dataReceived(self.server.bio_read(65536))
            except SSL.WantReadError:
                pass

    def cause(self) -> str:
        """Give the one outcome."""
        (outcome,) = self.outcomes
        if isinstance(outcome, Failure):
            return outcome.value.cause.token if outcome.check(ProxyError) else outcome.type.__name__
        assert outcome is self.made[-1]
        return "connected"


def test_a_connection_is_there_when_its_handshake_is_complete() -> None:
    """Not when the transport is connected; then no timer is left, and its transport is TLS's."""
    scene = Scene()
    wire = scene.accept()
    assert scene.outcomes == []
    scene.shake(wire)
    assert scene.cause() == "connected"
    assert scene.made[0].transport is scene.client
    assert scene.reactor.getDelayedCalls() == []


def test_a_certificate_that_is_not_believed_is_the_outcome() -> None:
    """The handshake ends with an alert, the outcome comes with the end of the connection, once."""
    scene = Scene(lasting("other.internal", by=ROOT))
    wire = scene.accept()
    scene.shake(wire)
    assert (wire.ends, scene.outcomes) == (["closed"], [])
    scene.client.connectionLost(Failure(error.ConnectionDone()))
    assert scene.cause() == "tls_certificate_error"
    assert scene.reactor.getDelayedCalls() == []


def test_a_backend_that_goes_within_the_handshake_is_not_tried_at_another_address() -> None:
    """A name's next address is for connections that do not come to be."""
    scene = Scene(host="backend.test")
    scene.reactor.names.asked[0].found("192.0.2.1", "192.0.2.2")
    scene.accept()
    scene.client.connectionLost(Failure(error.ConnectionLost()))
    assert scene.cause() == "connection_terminated"
    assert len(scene.reactor.tried()) == 1


def test_a_refused_address_is_followed_by_the_next() -> None:
    """TLS is spoken with the first address that takes the connection."""
    scene = Scene(host="backend.test")
    scene.reactor.names.asked[0].found("192.0.2.1", "192.0.2.2")
    scene.reactor.refuse(Failure(error.ConnectionRefusedError()))
    scene.shake(scene.accept())
    assert scene.cause() == "connected"
    assert len(scene.reactor.tried()) == 2


def test_the_timeout_covers_the_handshake() -> None:
    """A backend that takes the connection and says nothing: a time-out, and the connection is cut."""
    scene = Scene()
    scene.reactor.advance(2)
    wire = scene.accept()
    scene.reactor.advance(0.9)
    assert scene.outcomes == []
    scene.reactor.advance(0.2)
    assert scene.cause() == "connection_timeout"
    assert "does not answer in TLS" in scene.outcomes[0].value.detail
    assert wire.ends == ["aborted"]
    scene.client.connectionLost(Failure(error.ConnectionAborted()))
    assert len(scene.outcomes) == 1


@pytest.mark.parametrize("timeout", [3.0, None])
def test_cancelled_within_the_handshake(timeout: float | None) -> None:
    """Who does not wait any more has the connection cut at once; what still comes of it is told to nobody."""
    scene = Scene(timeout=timeout)
    wire = scene.accept()
    scene.dial.result.cancel()
    assert scene.cause() == CancelledError.__name__
    assert wire.ends == ["aborted"]
    scene.shake(wire)
    scene.client.connectionLost(Failure(error.ConnectionAborted()))
    assert len(scene.outcomes) == 1
    assert scene.made[0].lost == []
    assert scene.reactor.getDelayedCalls() == []


def test_cancelled_before_it_is_connected() -> None:
    """As without TLS: the try is given up, and a connection that still comes is dropped."""
    scene = Scene()
    scene.dial.result.cancel()
    assert scene.reactor.given_up() == [True]
    assert scene.reactor.accept() is None
    assert scene.made == []


def test_cancelled_when_it_is_there() -> None:
    """What is connected is not taken back."""
    scene = Scene()
    wire = scene.accept()
    scene.shake(wire)
    scene.dial.result.cancel()
    assert scene.cause() == "connected"
    assert wire.ends == []
