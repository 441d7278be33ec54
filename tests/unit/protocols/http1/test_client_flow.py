"""A connection to a backend: time, holding and tunnels."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.protocols.http1.test_client import GARBAGE, INCOMPLETE, OK, TERMINATED, upload
from tests.unit.protocols.http1.transports import LATE, Dialed
from txproxy.model.head import RequestHead

# Time.


def test_no_answer_in_time() -> None:
    """Each piece of the request gives the backend its time again; silence ends it."""
    dialed = Dialed()
    dialed.ask(upload(None), end=False, response=10.0)
    for _ in range(3):
        dialed.pass_time(9)
        dialed.connection.send_body(b"x")
    dialed.pass_time(9)
    dialed.connection.send_end()
    dialed.pass_time(10)
    assert dialed.events == []
    dialed.pass_time(LATE)
    assert dialed.events == [("lost", "http_response_timeout", 504)]
    assert dialed.wire.ends == ["aborted"]


def test_a_slow_client_is_not_the_backends_delay() -> None:
    """While the rest of a request is the client's to send, the time for an answer does not run out."""
    dialed = Dialed()
    dialed.ask(upload(None), end=False, response=10.0)
    dialed.connection.send_body(b"x")
    dialed.pass_time(35)
    assert dialed.events == []
    dialed.connection.send_end()
    dialed.pass_time(10 + LATE)
    assert dialed.events == [("lost", "http_response_timeout", 504)]


def test_a_backend_that_takes_nothing_is_late() -> None:
    """A backend that takes some of a request is given time for more; one that takes none of it is cut."""
    dialed = Dialed()
    dialed.ask(upload(None), end=False, response=10.0)
    dialed.wire.stall(70_000)
    for unsent in (60_000, 50_000):
        dialed.wire.unsent = unsent
        dialed.pass_time(10 + LATE)
        assert dialed.events == ["paused"]
    dialed.pass_time(10 + LATE)
    assert dialed.events == ["paused", ("lost", "http_response_timeout", 504)]


def test_what_is_spliced_behind_hides_no_progress() -> None:
    """A backend that takes what a pipe has put behind what it takes is busy with the request."""
    dialed = Dialed()
    dialed.ask(upload(1 << 20), end=False, response=10.0)
    dialed.wire.stall(70_000)
    dialed.wire.unsent = 80_000
    dialed.connection.spliced_out(20_000)
    dialed.wire.unsent = 75_000
    dialed.pass_time(10 + LATE)
    assert dialed.events == ["paused"]
    dialed.pass_time(10 + LATE)
    assert dialed.events == ["paused", ("lost", "http_response_timeout", 504)]


def test_an_answer_that_stalls() -> None:
    """Each piece of an answer gives it its time again; a longer pause ends it."""
    dialed = Dialed()
    dialed.ask(idle=10.0)
    dialed.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    for _ in range(3):
        dialed.pass_time(9)
        dialed.feed(b"x")
    dialed.pass_time(10 + LATE)
    assert dialed.events[-1] == ("lost", "http_response_timeout", 504)


def test_what_is_held_is_not_late() -> None:
    """A backend that we do not read from is not to blame."""
    dialed = Dialed()
    dialed.ask(idle=10.0)
    dialed.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    dialed.connection.hold("downstream")
    dialed.pass_time(100)
    dialed.connection.release("downstream")
    dialed.feed(b"y")
    assert dialed.events[1:] == [("body", b"y")]


def test_no_limits() -> None:
    """Without limits an answer may take for ever."""
    dialed = Dialed()
    dialed.ask(response=None, idle=None)
    dialed.pass_time(1000)
    dialed.feed(OK)
    dialed.pass_time(1000)
    dialed.feed(b"ok")
    assert dialed.events[-1] == ("end", b"")


# Holding.


def test_hold_within_what_was_received() -> None:
    """A receiver that holds gets nothing more of what is there until the last release."""
    dialed = Dialed()
    dialed.ask()
    dialed.connection.hold("a")
    dialed.connection.hold("b")
    dialed.feed(OK + b"ok")
    dialed.connection.release("a")
    assert (dialed.events, dialed.wire.reading) == ([], False)
    dialed.connection.release("b")
    assert (dialed.events, dialed.wire.reading, dialed.idle) == ([("head", 200, b"ok", True)], True, 1)


def test_a_hold_ends_with_the_request() -> None:
    """A connection that becomes idle reads, so that its end is seen."""
    dialed = Dialed()
    dialed.ask(upload(2), end=False)
    dialed.feed(OK + b"ok")
    dialed.connection.hold("a")
    dialed.connection.send_body(b"ab")
    dialed.connection.send_end()
    assert (dialed.wire.reading, dialed.idle) == (True, 1)


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", ("end", b"")),
        (OK + b"ok", ("head", 200, b"ok", True)),
        (OK + b"o", INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ("end", b"")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", INCOMPLETE),
        (b"HTTP/1.1 20", INCOMPLETE),
    ],
)
def test_an_end_behind_what_is_held(answer: bytes, last: tuple[object, ...]) -> None:
    """A backend's end counts only after what came before it; the connection is never used again."""
    dialed = Dialed()
    dialed.ask()
    dialed.connection.hold("a")
    dialed.feed(answer)
    dialed.connection.readConnectionLost()
    assert dialed.events == []
    dialed.connection.release("a")
    assert dialed.events[-1] == last
    assert (dialed.idle, dialed.lost) == (0, 1)


def test_an_end_behind_what_is_held_again_and_again() -> None:
    """A receiver that holds and releases while it is told gets all of it before the end."""
    dialed = Dialed()
    dialed.ask()
    receiver: Any = dialed.connection.receiver
    record = receiver.body_received

    def body(data: bytes) -> None:
        record(data)
        dialed.connection.hold("b")
        dialed.connection.release("b")

    receiver.body_received = body
    dialed.connection.hold("a")
    dialed.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nend\r\n0\r\n\r\n")
    dialed.connection.readConnectionLost()
    dialed.connection.release("a")
    assert dialed.events[-1] == ("end", b"")


# Tunnels.

SWITCH = b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


def test_a_tunnel() -> None:
    """After a 101 everything goes both ways as it is, what came with the 101 first; ends are half-closes."""
    dialed = Dialed()
    dialed.ask(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a", upgrade=b"x"))
    assert dialed.wire.take() == b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    dialed.feed(SWITCH + b"\0early")
    dialed.feed(b"HTTP/1.1")
    assert dialed.events == [("head", 101, b"", False)]
    dialed.connection.detach()
    dialed.feed(b"late")
    assert b"".join(event[1] for event in dialed.events[1:]) == b"\0earlyHTTP/1.1late"
    dialed.connection.send_body(b"0\r\n\r\n")
    dialed.pass_time(1000)
    dialed.connection.readConnectionLost()
    dialed.connection.send_body(b"more")
    dialed.connection.send_end()
    assert dialed.events[-1] == ("end", b"")
    assert (dialed.wire.take(), dialed.wire.ends) == (b"0\r\n\r\nmore", ["half-closed"])
    dialed.connection.close()
    assert (dialed.wire.ends, dialed.lost, dialed.idle) == (["half-closed", "closed"], 1, 0)


def test_a_lost_tunnel_is_told() -> None:
    """A backend that is gone is told to the tunnel."""
    dialed = Dialed()
    dialed.ask(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a", upgrade=b"x"))
    dialed.feed(SWITCH)
    dialed.connection.detach()
    dialed.drop()
    assert dialed.events[1:] == [TERMINATED]


def test_no_tunnel_before_the_request_is_out() -> None:
    """A backend that changes the protocol in the middle of a request is refused."""
    dialed = Dialed()
    dialed.ask(upload(4, upgrade=b"x"), end=False)
    dialed.connection.send_body(b"ab")
    dialed.feed(SWITCH)
    assert dialed.events == [GARBAGE]
    assert dialed.wire.ends == ["aborted"]


def test_an_answer_instead_of_a_tunnel() -> None:
    """A backend that does not want the upgrade answers as usual, and is asked again as usual."""
    dialed = Dialed()
    dialed.ask(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a", upgrade=b"x"))
    dialed.feed(OK + b"ok")
    assert dialed.idle == 1
