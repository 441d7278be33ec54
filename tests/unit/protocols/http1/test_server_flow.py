"""A client's connection: holding, tunnels, and everything that may take too long."""

from __future__ import annotations

import pytest

from tests.unit.protocols.http1.test_server import HOST, OK, echo, get, post
from tests.unit.protocols.http1.transports import LATE, TICK, Served, ok, wire_head
from txproxy.model.head import RequestHead, ResponseHead

TOO_LATE = wire_head(b"Content-Length: 0", b"Connection: close", status=408)


def test_hold_within_what_was_received() -> None:
    """A receiver that holds gets nothing more of what is there, and all of it after the last release."""
    served = Served(lambda served, head, end: served.connection.hold("a"))
    served.feed(post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n") + b"1\r\nb\r\n0\r\n\r\n")
    served.connection.hold("b")
    served.connection.hold("b")
    served.connection.release("b")
    assert (len(served.events), served.wire.reading) == (1, False)
    served.connection.release("other")
    served.connection.release("a")
    assert served.events[1:] == [("body", b"ab"), ("end", b"")]
    assert served.wire.reading


def test_hold_and_release_at_once() -> None:
    """Who holds and releases within one piece loses nothing and gets it once."""

    def answer(served: Served, head: RequestHead, end: bool) -> None:
        served.connection.hold("a")
        served.connection.release("a")

    served = Served(answer)
    served.feed(post(b"Content-Length: 2", body=b"ok"))
    assert served.events[1:] == [("body", b"ok"), ("end", b"")]


def test_holds_end_with_the_exchange() -> None:
    """What one exchange holds does not hold the next."""
    served = Served()
    served.feed(get() + get())
    served.connection.hold("a")
    served.connection.hold("b")
    served.respond()
    assert len(served.events) == 2
    assert served.wire.reading


def test_the_holds_of_the_next_exchange_stay() -> None:
    """What the next exchange holds while the last one's holds are let go stays held."""
    served = Served(lambda served, head, end: served.connection.hold("dialing"))
    served.feed(post(b"Content-Length: 2", body=b"ok") + post(b"Content-Length: 2", body=b"no"))
    served.connection.release("dialing")
    assert served.events[1:] == [("body", b"ok"), ("end", b"")]
    served.respond()
    assert served.events[3:] == [("POST", "/up", False)]
    assert not served.wire.reading


def test_pausing_is_told_to_the_receiver() -> None:
    """A client that does not keep up pauses and resumes the receiver of its request."""
    served = Served()
    served.feed(get())
    served.connection.send_head(ok(length=None), b"x")
    served.wire.stall()
    served.wire.flow()
    assert served.events[1:] == ["paused", "resumed"]


def test_the_next_request_waits_until_the_last_answer_is_out() -> None:
    """While an answer piles up no further one is begun, which nobody would tell to pause."""
    served = Served()
    served.feed(get(b"/1") + get(b"/2"))
    served.connection.send_head(ok(length=4), b"ok")
    served.wire.stall()
    served.connection.send_body(b"ok")
    served.connection.send_end()
    assert served.events == [("GET", "/1", True), "paused"]
    served.wire.flow()
    assert served.events[2:] == [("GET", "/2", True)]
    served.respond()
    assert served.wire.take().endswith(OK)


def tunnel(early: bytes = b"") -> Served:
    """Make a tunnel whose client sent this with its request."""
    served = Served(body_timeout=10.0, keepalive_timeout=10.0, write_timeout=10.0)
    served.feed(get(b"/", b"Connection: Upgrade", b"Upgrade: x") + early)
    served.connection.send_head(ResponseHead(101, b"Go", b"\r\nSec: y", 0, b"x"))
    assert served.wire.take() == b"HTTP/1.1 101 Go\r\nSec: y\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    return served


@pytest.mark.parametrize("early", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 20000], ids=["none", "some", "much"])
def test_a_tunnel_passes_everything_on(early: bytes) -> None:
    """What was sent with the request and what comes later is passed on as it is, both ways."""
    served = tunnel(early)
    served.connection.detach()
    served.feed(b"\xff\r\n")
    assert b"".join(event[1] for event in served.events[1:]) == early + b"\xff\r\n"
    assert served.wire.reading
    served.connection.send_body(b"0\r\n\r\n")
    served.connection.send_body(b"more")
    assert served.wire.take() == b"0\r\n\r\nmore"


def test_a_tunnel_ends_one_way_at_a_time() -> None:
    """An end of either direction is passed on as an end of that direction only."""
    served = tunnel()
    served.connection.detach()
    served.connection.readConnectionLost()
    assert served.events[1:] == [("end", b"")]
    served.connection.send_body(b"still")
    served.connection.send_end()
    assert (served.wire.take(), served.wire.ends, served.lost) == (b"still", ["half-closed"], 0)
    served.connection.close()
    assert served.wire.ends == ["half-closed", "closed"]


def test_a_tunnel_has_no_deadline_of_its_own() -> None:
    """Neither silence nor a pause ends a tunnel here: whoever joined both sides keeps its time."""
    served = tunnel()
    served.connection.detach()
    served.pass_time(100)
    served.wire.stall()
    served.pass_time(100)
    served.wire.flow()
    served.connection.hold("a")
    served.connection.release("a")
    served.pass_time(100)
    assert served.events[1:] == ["paused", "resumed"]
    assert served.wire.ends == []


def test_a_lost_tunnel_is_told() -> None:
    """A client that is gone is told to the tunnel."""
    served = tunnel()
    served.connection.detach()
    served.drop()
    assert served.events[1:] == [("lost", "client_disconnected", 499)]


# What takes too long.


def test_a_trickle_of_a_head_is_cut_at_its_deadline() -> None:
    """No byte of a head stretches the time for it, on a new connection or between requests."""
    for first in (b"", get()):
        served = Served(echo, header_timeout=10.0)
        served.feed(first)
        served.wire.take()
        served.events.clear()
        if first:
            served.pass_time(50)  # idle time does not count
        sent = get(b"/", b"X: " + b"x" * 100)
        for i in range(19):
            served.feed(sent[i : i + 1])
            served.pass_time(0.5)
        assert served.events == []
        served.pass_time(1 + LATE)
        assert served.events == [("malformed", "request_header_timeout", 408)]
        assert served.wire.take() == TOO_LATE
        served.feed(sent[19:])
        assert len(served.events) == 1


def test_a_client_that_sends_nothing_is_closed_in_silence() -> None:
    """A new connection without a byte ends at the header deadline, without an answer nobody asked for."""
    served = Served(header_timeout=10.0)
    served.pass_time(10)
    assert served.wire.ends == []
    served.pass_time(LATE)
    assert (served.wire.ends, served.wire.take(), served.events) == (["closed"], b"", [])


def test_an_idle_client_is_closed_in_silence() -> None:
    """Between requests a connection ends after the keep-alive time, counted from the last answer."""
    served = Served(keepalive_timeout=10.0)
    served.feed(get())
    served.pass_time(100)  # an answer may take its time
    served.respond()
    served.wire.take()
    served.pass_time(10)
    assert served.wire.ends == []
    served.pass_time(LATE)
    assert (served.wire.ends, served.wire.take()) == (["closed"], b"")


def test_a_stalled_body_is_told_to_its_receiver() -> None:
    """Each piece of a body gives it the whole time again; a pause longer than that ends the exchange."""
    served = Served(body_timeout=10.0)
    served.feed(post(b"Content-Length: 9"))
    for _ in range(4):
        served.pass_time(9)
        served.feed(b"x")
    served.pass_time(10 + LATE)
    assert served.events[5:] == [("lost", "request_body_timeout", 408)]
    served.connection.send_head(ok(b"", status=408), b"", True)
    assert (served.wire.take(), served.wire.ends) == (TOO_LATE, ["half-closed"])


def test_a_held_body_does_not_stall() -> None:
    """A client that we do not read from is not to blame; after the release its time begins anew."""
    served = Served(body_timeout=10.0)
    served.feed(post(b"Content-Length: 9", body=b"x"))
    served.connection.hold("upstream")
    served.pass_time(100)
    served.connection.release("upstream")
    served.pass_time(9)
    assert served.events[1:] == [("body", b"x")]
    served.pass_time(1 + LATE)
    assert served.events[2:] == [("lost", "request_body_timeout", 408)]


def test_a_client_that_takes_nothing_is_cut() -> None:
    """Progress of any size gives a slow reader its time again; none at all ends it."""
    served = Served(write_timeout=10.0)
    served.feed(get())
    served.connection.send_head(ok(length=None), b"x")
    served.wire.stall(70000)
    for _ in range(10):
        served.pass_time(5)
        served.wire.unsent -= 1
    assert served.wire.ends == []
    served.pass_time(20 + 2 * LATE)
    assert served.events[1:] == ["paused", ("lost", "response_write_timeout", 499)]
    assert (served.wire.ends, served.lost) == (["aborted"], 1)


def test_what_is_spliced_behind_hides_no_progress() -> None:
    """As much as a client takes may be written behind it from a pipe: it is slow, not stalled."""
    served = Served(write_timeout=10.0)
    served.feed(get())
    served.connection.send_head(ok(length=1 << 20))
    served.wire.stall(70000)
    for _ in range(10):
        served.pass_time(5)
        served.wire.unsent += 1000 - 1
        served.connection.spliced_out(1000)
    assert served.wire.ends == []
    served.wire.unsent += 1000
    served.connection.spliced_out(1000)  # nothing was taken, there was just room
    served.pass_time(20 + 2 * LATE)
    assert served.events[-1] == ("lost", "response_write_timeout", 499)


def test_a_request_whose_last_octets_no_backend_took_is_complete() -> None:
    """A body that was read into a pipe, and is answered before the backend took it, has ended: the next one follows."""
    served = Served(keepalive_timeout=60.0)
    served.feed(post(b"Content-Length: 1000000"))
    served.connection.spliced_in(1000000)
    served.connection.splice_over(False)
    served.respond()
    served.pass_time(30)
    assert served.wire.ends == []
    served.feed(get())
    assert served.events[1:] == [("GET", "/", True)]


@pytest.mark.parametrize("release", [True, False])
def test_nothing_hides_a_client_that_takes_nothing(release: bool) -> None:
    """Pieces of the request and releases do not stretch the time for writing."""
    served = Served(write_timeout=10.0, body_timeout=60.0)
    served.feed(post(b"Content-Length: 9"))
    served.connection.send_head(ok(length=None), b"x")
    served.wire.stall()
    for piece in b"123456789":
        if release:
            served.connection.hold("upstream")
            served.connection.release("upstream")
        served.feed(b"%c" % piece)
        served.pass_time(1)
    served.pass_time(1 + LATE)
    assert served.events[-1] == ("lost", "response_write_timeout", 499)


def test_an_answer_that_is_not_taken_is_cut_between_requests_too() -> None:
    """A client that stops reading a complete answer is cut, with or without a request behind it."""
    for more in (b"", get(), b"GET"):
        served = Served(write_timeout=10.0)
        served.feed(get() + more)
        served.connection.send_head(ok(length=2), b"o")
        served.wire.stall()
        served.connection.send_body(b"k")
        served.connection.send_end()
        served.pass_time(10 + LATE)
        assert (len(served.events), served.wire.ends) == (2, ["aborted"])


def test_a_close_does_not_wait_for_ever() -> None:
    """A last answer that is not taken does not keep the connection."""
    served = Served(write_timeout=10.0)
    served.feed(get(b"/", b"Connection: close"))
    served.wire.unsent = 1000
    served.respond()
    assert served.wire.ends == ["closed"]
    served.pass_time(9)
    served.wire.unsent = 500
    served.pass_time(9)
    assert served.wire.ends == ["closed"]
    served.pass_time(10)
    assert served.wire.ends == ["closed", "aborted"]


def test_what_comes_behind_a_close_is_not_read() -> None:
    """A transport that still delivers while it closes gets no further request answered."""
    served = Served(echo)
    served.feed(get(b"/", b"Connection: close"))
    served.feed(get(b"/evil"))
    assert len(served.events) == 1


def test_the_answer_may_take_its_time() -> None:
    """Once the request is in, no deadline of this side runs."""
    for data in (get(), post(b"Content-Length: 2", body=b"ok"), post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")):
        served = Served(header_timeout=5.0, body_timeout=5.0, keepalive_timeout=5.0, write_timeout=5.0)
        served.feed(data)
        served.pass_time(1000)
        assert served.wire.ends == []
        served.respond()
        assert served.wire.take() == OK


def test_nothing_is_left_on_the_wheel() -> None:
    """A connection that is gone leaves no entry behind."""
    served = Served(echo)
    served.feed(get() + b"POST / HTTP/1.1\r\n" + HOST)
    served.drop()
    assert not any(served.deadlines._slots.values())
    assert served.deadlines.tick == TICK
