"""From an address to a connection, in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.unit.protocols.http1.transports import Wire
from tests.unit.upstream.dialing import Place, Reactor
from txproxy.model.errors import ProxyError
from txproxy.reactor.tcp import Turn
from txproxy.upstream.dial import Dial

REFUSED = Failure(error.ConnectionRefusedError())
NAME = Place(host="backend.test")


class Connected:
    """What is made for a connection."""

    def __init__(self, connected: Any) -> None:
        self.connected = connected

    def makeConnection(self, transport: Wire) -> None:
        """Take the transport, as a ClientConnection does."""
        self.transport = transport
        self.connected(self)


def dial(place: Place, timeout: float | None = 3.0) -> tuple[Reactor, Dial, list[Any]]:
    """Begin to connect; the list gets the outcome."""
    reactor = Reactor()
    dialing = Dial(reactor, place, timeout, Connected, Turn(reactor))  # type: ignore[arg-type]
    outcomes: list[Any] = []
    dialing.result.addBoth(outcomes.append)
    return reactor, dialing, outcomes


def cause(outcomes: list[Any]) -> tuple[str, int] | str:
    """Give the one outcome's cause."""
    (outcome,) = outcomes
    if isinstance(outcome, Failure):
        return (outcome.value.cause.token, outcome.value.status) if outcome.check(ProxyError) else outcome.type.__name__
    assert isinstance(outcome, Connected)
    return "connected"


@pytest.mark.parametrize(
    ("place", "tried"),
    [
        (Place(), ("192.0.2.1", 80)),
        (Place(host="::1", port=8080), ("::1", 8080)),
        (Place("unix", path="/run/app.sock"), "/run/app.sock"),
    ],
)
def test_an_address_is_connected_to(place: Place, tried: object) -> None:
    """An address or a unix socket needs no name; when the connection stands nothing is left to do."""
    reactor, _, outcomes = dial(place)
    assert reactor.tried() == [tried]
    assert outcomes == []
    reactor.accept()
    assert cause(outcomes) == "connected"
    assert (reactor.names.asked, reactor.getDelayedCalls()) == ([], [])


def test_a_name_is_looked_up() -> None:
    """A name's addresses are tried in turn until one answers."""
    reactor, _, outcomes = dial(NAME)
    (resolution,) = reactor.names.asked
    assert (resolution.name, reactor.tried()) == ("backend.test", [])
    resolution.found("2001:db8::1", "192.0.2.1", "192.0.2.2")
    reactor.refuse(REFUSED)
    assert outcomes == []
    reactor.accept()
    assert reactor.tried() == [("2001:db8::1", 80), ("192.0.2.1", 80)]
    assert cause(outcomes) == "connected"
    assert reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (error.ConnectionRefusedError(), ("connection_refused", 502)),
        (error.ConnectError(), ("connection_refused", 502)),
        (error.UnknownHostError(), ("connection_refused", 502)),
        (error.NoRouteError(), ("destination_ip_unroutable", 502)),
        (error.TCPTimedOutError(), ("connection_timeout", 504)),
        (error.TimeoutError(), ("connection_timeout", 504)),
    ],
)
@pytest.mark.parametrize("place", [Place(), Place("unix", path="/run/app.sock")])
def test_a_failure_has_a_cause(place: Place, failure: Exception, expected: tuple[str, int]) -> None:
    """What the kernel says is told in our terms, with the address for the log."""
    reactor, dialing, outcomes = dial(place)
    reactor.refuse(Failure(failure))
    assert cause(outcomes) == expected
    assert dialing.where in str(outcomes[0].value)
    assert reactor.getDelayedCalls() == []


def test_all_addresses_refuse() -> None:
    """When no address of a name answers, the last one's failure is told, once."""
    reactor, _, outcomes = dial(NAME)
    reactor.names.asked[0].found("192.0.2.1", "192.0.2.2")
    reactor.refuse(Failure(error.NoRouteError()))
    reactor.refuse(REFUSED)
    assert cause(outcomes) == ("connection_refused", 502)
    reactor.refuse(REFUSED)


def test_a_name_without_addresses() -> None:
    """A name that leads nowhere is a failure of names."""
    reactor, _, outcomes = dial(NAME)
    reactor.names.asked[0].found()
    assert cause(outcomes) == ("dns_error", 502)
    assert (reactor.tried(), reactor.getDelayedCalls()) == ([], [])


def test_the_timeout_covers_names() -> None:
    """A name that is not found in time is a time-out of names; its answer is not waited for."""
    reactor, _, outcomes = dial(NAME)
    reactor.advance(3.1)
    assert cause(outcomes) == ("dns_timeout", 504)
    reactor.names.asked[0].found("192.0.2.1")
    assert reactor.tried() == []


def test_the_timeout_covers_all_addresses() -> None:
    """The time is for all addresses together, and the try under way is given up."""
    reactor, _, outcomes = dial(NAME)
    reactor.advance(1)
    reactor.names.asked[0].found("192.0.2.1", "192.0.2.2", "192.0.2.3")
    reactor.advance(1)
    reactor.refuse(REFUSED)
    reactor.advance(1.1)
    assert cause(outcomes) == ("connection_timeout", 504)
    assert reactor.given_up() == [False, True]
    reactor.refuse(Failure(error.UserError()))
    assert len(reactor.tried()) == 2
    assert reactor.accept() is None


def test_no_timeout() -> None:
    """Without a timeout no timer is set."""
    reactor, _, outcomes = dial(Place(), None)
    assert reactor.getDelayedCalls() == []
    reactor.accept()
    assert cause(outcomes) == "connected"


@pytest.mark.parametrize("place", [Place(), Place("unix", path="/run/app.sock")])
def test_cancelled_while_connecting(place: Place) -> None:
    """Who does not wait any more stops the try; a connection that still comes is dropped."""
    reactor, dialing, outcomes = dial(place)
    dialing.result.cancel()
    assert cause(outcomes) == CancelledError.__name__
    assert reactor.given_up() == [True]
    assert reactor.accept() is None
    reactor.refuse(Failure(error.UserError()))
    assert reactor.getDelayedCalls() == []


def test_cancelled_while_a_name_is_looked_up() -> None:
    """Twisted cannot cancel a look-up: its answer is ignored."""
    reactor, dialing, outcomes = dial(NAME)
    dialing.result.cancel()
    assert cause(outcomes) == CancelledError.__name__
    reactor.names.asked[0].found("192.0.2.1")
    assert (reactor.tried(), reactor.getDelayedCalls()) == ([], [])


def test_cancelled_between_addresses() -> None:
    """After a first address has refused, the second try is the one that is stopped."""
    reactor, dialing, outcomes = dial(NAME)
    reactor.names.asked[0].found("192.0.2.1", "192.0.2.2", "192.0.2.3")
    reactor.refuse(REFUSED)
    dialing.result.cancel()
    reactor.refuse(Failure(error.UserError()))
    assert cause(outcomes) == CancelledError.__name__
    assert reactor.given_up() == [False, True]


def test_cancelled_too_late() -> None:
    """Cancelling what is connected, or has failed, changes nothing."""
    for finish in (lambda reactor: reactor.accept(), lambda reactor: reactor.refuse(REFUSED)):
        reactor, dialing, outcomes = dial(Place())
        finish(reactor)
        dialing.result.cancel()
        assert len(outcomes) == 1
        assert reactor.given_up() == [False]
