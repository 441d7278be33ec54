"""A connection to a backend: transcripts of what it sends and gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.protocols.http1.transports import LATE, Dialed
from txproxy.model.errors import CLIENT_DISCONNECTED, ProxyError
from txproxy.model.head import RequestHead
from txproxy.protocols.http1.client import CLOSE_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
INCOMPLETE = ("lost", "http_response_incomplete", 502)
GARBAGE = ("lost", "http_protocol_error", 502)
TERMINATED = ("lost", "connection_terminated", 502)


def upload(length: int | None, **more: Any) -> RequestHead:
    """Make the head of a POST with a body of this length."""
    block = b"\r\nHost: a" + (b"" if length is None else b"\r\nContent-Length: %d" % length)
    return RequestHead(b"POST", b"/", b"a", block, length, **more)


def test_a_connection_is_used_again() -> None:
    """A request, its whole answer, and the connection is idle before the end is told."""
    dialed = Dialed()
    assert dialed.connected == [dialed.connection]
    for count in range(1, 4):
        dialed.ask()
        assert dialed.wire.take() == GET
        dialed.feed(OK)
        assert dialed.idle == count - 1
        dialed.feed(b"ok")
        assert dialed.events == [("head", 200, b"", False), ("body", b"ok"), ("end", b"")] * count
        assert dialed.idle == count
    assert dialed.wire.ends == []


def test_the_next_request_may_start_when_the_end_is_told() -> None:
    """Whoever is told the end may ask again at once, on this very connection."""
    dialed = Dialed()
    dialed.ask()
    receiver: Any = dialed.connection.receiver
    receiver.end_received = lambda trailers: dialed.ask()
    dialed.feed(OK)
    dialed.feed(b"ok")
    assert dialed.wire.take() == GET * 2
    dialed.feed(OK + b"ok")
    assert dialed.events[-1] == ("head", 200, b"ok", True)


@pytest.mark.parametrize(
    "framed", [OK + b"ok", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
)
def test_what_lies_behind_an_answer_is_never_the_next_answer(framed: bytes) -> None:
    """Bytes behind an answer end the connection, however they come, and nobody can ask on it any more."""
    stray = b"HTTP/1.1 200 Evil\r\nContent-Length: 4\r\n\r\nevil"
    for cut in range(len(framed) + 1):
        dialed = Dialed()
        dialed.ask()
        dialed.feed(framed[:cut])
        dialed.feed(framed[cut:] + stray)
        assert b"".join(event[2] if event[0] == "head" else event[1] for event in dialed.events) == b"ok"
        assert dialed.wire.ends == ["aborted"]
        assert dialed.lost == 1
        assert dialed.idle == (1 if cut == len(framed) else 0)


@pytest.mark.parametrize("stray", [b"x", b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_bytes_on_an_idle_connection_end_it(stray: bytes) -> None:
    """What comes while nobody asks belongs to nobody."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(OK + b"ok")
    dialed.feed(stray)
    assert (dialed.idle, dialed.lost, dialed.wire.ends) == (1, 1, ["aborted"])
    assert len(dialed.events) == 1


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        (b"Connection: close", False),
        (b"Connection: Close", False),
        (b"connection: foo, CLOSE", False),
        (b"Connection: keep-alive\r\nConnection: close", False),
        (b"Connection: keep-alive", True),
        (b"Connection: closed", True),
        (b"X: close", True),
    ],
)
def test_close_is_understood_in_any_form(line: bytes, stays: bool) -> None:
    """A backend that says close, anywhere in a list and in any case, is not asked again."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 2\r\n\r\nok")
    assert dialed.events == [("head", 200, b"ok", True)]
    assert (dialed.idle == 1, dialed.wire.ends == []) == (stays, stays)


@pytest.mark.parametrize(
    ("answer", "stays"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False),
    ],
)
def test_http_10_stays_open_only_if_it_says_so(answer: bytes, stays: bool) -> None:
    """A backend of HTTP/1.0 closes unless it says otherwise, and after a coding it should not know in any case."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(answer)
    assert (dialed.idle == 1) == stays


def test_a_close_delimited_answer() -> None:
    """Without a length the end of the connection is the end of the answer, if it is a clean one."""
    for clean in (True, False):
        dialed = Dialed()
        dialed.ask()
        dialed.feed(b"HTTP/1.1 200 OK\r\n\r\nso")
        dialed.feed(b"me")
        if clean:
            dialed.connection.readConnectionLost()
        dialed.drop()
        last = ("end", b"") if clean else INCOMPLETE
        assert dialed.events == [("head", 200, b"so", False), ("body", b"me"), last]
        assert (dialed.idle, dialed.lost) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (b"", TERMINATED),
        (b"HTTP/1.1 200", INCOMPLETE),
        (OK, INCOMPLETE),
        (OK + b"o", INCOMPLETE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", TERMINATED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSum: 1\r\n", INCOMPLETE),
    ],
)
def test_an_early_end_is_never_a_complete_answer(answer: bytes, event: tuple[object, ...]) -> None:
    """A backend that closes too early is told as such, once, and not as an end."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(answer)
    dialed.connection.readConnectionLost()
    dialed.drop()
    assert dialed.events[-1] == event
    assert not any(told[0] == "end" for told in dialed.events)
    assert dialed.lost == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x15\x03\x01",
        b"SSH-2.0-x\r\n",
        b"<html>",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"HTTP/1.1 600 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n",
    ],
)
def test_garbage_is_told_as_garbage(garbage: bytes) -> None:
    """What is not acceptable HTTP cuts the connection at once."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(garbage)
    assert dialed.events[-1] == GARBAGE
    assert (dialed.wire.ends, dialed.lost, dialed.idle) == (["aborted"], 1, 0)


def test_interim_answers_are_told_and_not_counted() -> None:
    """1xx comes before the answer and does not stretch the time for it."""
    dialed = Dialed()
    dialed.ask(response=10.0)
    for _ in range(3):
        dialed.pass_time(3)
        dialed.feed(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n")
    dialed.pass_time(1 + LATE)
    assert dialed.events == [("head", 103, b"", False)] * 3 + [("lost", "http_response_timeout", 504)]


def test_head_and_bodiless_answers() -> None:
    """The answer to HEAD, a 204 and a 304 end with their heads, whatever length they name."""
    dialed = Dialed()
    for answer, method in (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"HEAD"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HEAD"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"HEAD"),
        (b"HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", b"GET"),
        (b"HTTP/1.1 304 No\r\nContent-Length: 99\r\n\r\n", b"GET"),
    ):
        dialed.ask(RequestHead(method, b"/", b"a", b"\r\nHost: a"))
        dialed.feed(answer)
        assert dialed.events.pop()[3] is True
    assert dialed.idle == 5


def test_a_request_body_by_length() -> None:
    """A body of known length goes out as it is."""
    dialed = Dialed()
    dialed.ask(upload(4), end=False)
    dialed.connection.send_body(b"ab")
    dialed.connection.send_body(b"")
    dialed.connection.send_body(b"cd")
    dialed.connection.send_end()
    assert dialed.wire.take() == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"


def test_a_request_body_in_chunks() -> None:
    """A body of unknown length is chunked, with its trailers; an empty piece is not its end."""
    dialed = Dialed()
    dialed.ask(upload(None), end=False)
    dialed.connection.send_body(b"ab")
    dialed.connection.send_body(b"")
    dialed.connection.send_end(b"\r\nSum: 1")
    dialed.connection.send_end()
    dialed.connection.send_body(b"late")
    assert dialed.wire.take() == (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nSum: 1\r\n\r\n"
    )


def test_an_early_answer_keeps_the_connection_if_the_request_ends() -> None:
    """After an early answer the connection is idle only once the request is out as well."""
    dialed = Dialed()
    dialed.ask(upload(4), end=False)
    dialed.feed(OK + b"ok")
    assert (dialed.events, dialed.idle) == ([("head", 200, b"ok", True)], 0)
    dialed.connection.send_body(b"abcd")
    dialed.connection.send_end()
    assert dialed.idle == 1


def test_an_early_answer_that_closes() -> None:
    """A backend that answers early and closes is not written to any more, and not used again."""
    dialed = Dialed()
    dialed.ask(upload(4), end=False)
    dialed.feed(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    dialed.connection.readConnectionLost()
    dialed.connection.send_body(b"abcd")
    dialed.connection.send_end()
    assert (dialed.events, dialed.idle, dialed.lost) == ([("head", 413, b"", True)], 0, 1)
    assert dialed.wire.ends == ["aborted"]


def test_a_connection_that_still_has_something_to_write_is_not_used_again() -> None:
    """A backend that answers without having read the request is not asked again: it would not be paused."""
    for resumes in (False, True):
        dialed = Dialed()
        dialed.ask(upload(9), end=False)
        dialed.connection.send_body(b"123456789")
        dialed.wire.stall()
        dialed.connection.send_end()
        if resumes:
            dialed.wire.flow()
        dialed.feed(OK + b"ok")
        assert dialed.idle == resumes


def test_an_unsent_rest_does_not_keep_the_transport() -> None:
    """A connection that ends with something unwritten is cut after a while."""
    dialed = Dialed()
    dialed.ask(RequestHead(b"GET", b"/", b"a", b"\r\nHost: a"))
    dialed.wire.unsent = 100
    dialed.connection.discard()
    assert dialed.wire.ends == ["closed"]
    dialed.pass_time(CLOSE_SECONDS + LATE)
    assert dialed.wire.ends == ["closed", "aborted"]
    dialed.drop()
    assert not any(dialed.deadlines._slots.values())
    assert dialed.lost == 1


def test_a_given_up_request_cuts_the_connection() -> None:
    """Who gives a request up is told nothing more, and the backend sees the end."""
    dialed = Dialed()
    dialed.ask()
    dialed.feed(OK)
    dialed.connection.reset(ProxyError(CLIENT_DISCONNECTED))
    dialed.feed(b"ok")
    dialed.drop()
    assert (dialed.events, dialed.wire.ends, dialed.lost) == ([("head", 200, b"", False)], ["aborted"], 1)


def test_pausing_is_told_to_the_receiver() -> None:
    """A backend that does not keep up pauses and resumes whoever sends to it."""
    dialed = Dialed()
    dialed.ask(upload(None), end=False)
    dialed.wire.stall()
    dialed.wire.flow()
    assert dialed.events == ["paused", "resumed"]
