"""A client's connection: transcripts of what it sends and gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.protocols.http1.transports import Served, ok, wire_head
from txproxy.model.head import RequestHead, ResponseHead

HOST = b"Host: a.test\r\n"
OK = wire_head(b"Content-Length: 2") + b"ok"


def get(target: bytes = b"/", *lines: bytes, version: bytes = b"1.1") -> bytes:
    """Make a GET."""
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (target, version, HOST, b"".join(line + b"\r\n" for line in lines))


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """Make a POST."""
    return b"POST /up HTTP/1.1\r\n%b%b\r\n%b" % (HOST, b"".join(line + b"\r\n" for line in lines), body)


def echo(served: Served, head: RequestHead, end: bool) -> None:
    """Answer at once with the target."""
    served.respond(head.target)


def test_pipelined_requests_are_answered_in_order() -> None:
    """The second request is not told of before the first has its answer, and the answers keep the order."""
    served = Served()
    served.feed(get(b"/1") + get(b"/2") + get(b"/3"))
    assert served.events == [("GET", "/1", True)]
    served.respond()
    assert served.events[1:] == [("GET", "/2", True)]
    served.connection.send_head(ok(b"1234"), b"12")
    assert len(served.events) == 2
    served.connection.send_body(b"34")
    served.connection.send_end()
    assert served.events[2:] == [("GET", "/3", True)]
    served.respond()
    assert served.wire.take() == OK + wire_head(b"Content-Length: 4") + b"1234" + OK
    assert (served.wire.ends, served.connection.answering) == ([], False)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_long_pipeline_pauses_and_goes_on(at_once: bool) -> None:
    """More than the read-ahead limit of pipelined requests stops reading, and every one of them is answered."""
    served = Served(echo if at_once else None)
    request = get(b"/", b"X: " + b"x" * 1000)
    served.feed(request * 40)
    for count in range(1, 40):
        if not at_once:
            assert len(served.events) == count
            assert served.wire.reading == (len(request) * (40 - count) <= 16 * 1024)
            served.respond()
    assert len(served.events) == 40
    assert served.wire.reading


def test_http_10_closes_unless_asked() -> None:
    """HTTP/1.0 gets its answer and the end; the request behind it is not read."""
    served = Served(echo)
    served.feed(get(b"/1", version=b"1.0") + get(b"/2"))
    assert served.events == [("GET", "/1", True)]
    assert served.wire.take() == wire_head(b"Content-Length: 2", b"Connection: close") + b"/1"
    assert served.wire.ends == ["half-closed"]


def test_http_10_keep_alive() -> None:
    """HTTP/1.0 that asks for it stays open where the answer has a length, and is told so."""
    served = Served()
    served.feed(get(b"/", b"Connection: Keep-Alive", version=b"1.0") * 2)
    served.respond()
    assert served.wire.take() == wire_head(b"Content-Length: 2", b"Connection: keep-alive") + b"ok"
    served.connection.send_head(ok(length=None), b"un")
    served.connection.send_body(b"known")
    served.connection.send_end()
    assert served.wire.take() == wire_head(b"Connection: close") + b"unknown"
    assert served.wire.ends == ["closed"]


def test_http_10_gets_no_1xx() -> None:
    """HTTP/1.0 does not know interim responses."""
    served = Served()
    served.feed(get(version=b"1.0"))
    served.connection.send_head(ResponseHead(103, b"Early Hints", b"\r\nLink: x", 0))
    assert served.wire.take() == b""


def test_interim_responses_come_first() -> None:
    """Any number of 1xx is sent before the answer, none behind it."""
    served = Served()
    served.feed(get())
    hints = ResponseHead(103, b"Early Hints", b"\r\nLink: x", 0)
    served.connection.send_head(hints)
    served.connection.send_head(hints)
    served.respond()
    served.connection.send_head(hints)
    assert served.wire.take() == b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2 + OK


def test_chunked_with_trailers() -> None:
    """A body of unknown length is chunked; an empty piece is not its end."""
    served = Served()
    served.feed(get())
    served.connection.send_head(ok(length=None), b"one")
    served.connection.send_body(b"")
    served.connection.send_body(b"x" * 16)
    served.connection.send_end(b"\r\nSum: 1")
    assert served.wire.take() == (
        wire_head(b"Transfer-Encoding: chunked") + b"3\r\none\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\nSum: 1\r\n\r\n"
    )
    assert served.wire.ends == []


def test_a_whole_answer_of_unknown_length_gets_a_length() -> None:
    """An answer that ends with its head is not chunked: its length is known."""
    served = Served()
    served.feed(get())
    served.connection.send_head(ok(length=None), b"whole", True)
    assert served.wire.take() == wire_head(b"Content-Length: 5") + b"whole"


@pytest.mark.parametrize(
    ("method", "head", "lines"),
    [
        (b"HEAD", ok(b"x" * 99), [b"Content-Length: 99"]),
        (b"HEAD", ok(length=None), []),
        (b"GET", ok(length=None, status=204), []),
        (b"GET", ok(length=None, status=304), []),
        (b"GET", ok(b"x" * 99, status=304), [b"Content-Length: 99"]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_answers_without_a_body(method: bytes, head: ResponseHead, lines: list[bytes], at_once: bool) -> None:
    """HEAD, 204 and 304 have no body whatever a leaf sends; the next answer follows right behind the head."""
    served = Served()
    served.feed(get().replace(b"GET", method) + get())
    if at_once:
        served.connection.send_head(head, b"body", True)
    else:
        served.connection.send_head(head, b"bo")
        served.connection.send_body(b"dy")
        served.connection.send_end()
    served.respond()
    assert served.wire.take() == wire_head(*lines, status=head.status) + OK
    assert served.wire.ends == []


@pytest.mark.parametrize(
    "pieces", [(b"123", b""), (b"1", b"2345"), (b"12345", b""), (b"", b"12345")], ids=["short", "2", "1", "none"]
)
def test_an_answer_that_is_not_as_long_as_it_says_is_cut(pieces: tuple[bytes, bytes]) -> None:
    """An answer shorter or longer than its Content-Length ends in a reset, and nothing too much is written."""
    served = Served()
    served.feed(get() + get(b"/next"))
    served.connection.send_head(ok(length=4), pieces[0])
    if pieces[1]:
        served.connection.send_body(pieces[1])
    served.connection.send_end()
    assert served.wire.ends == ["aborted"]
    assert len(served.wire.take().partition(b"\r\n\r\n")[2]) < 4
    assert (len(served.events), served.lost) == (1, 1)


def test_100_continue_is_sent_on_demand_only() -> None:
    """A client that waits gets its 100 when the request is accepted, once, and not before."""
    served = Served()
    served.feed(post(b"Content-Length: 2", b"Expect: 100-continue"))
    assert served.wire.take() == b""
    served.connection.send_continue()
    served.connection.send_continue()
    assert served.wire.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    served.feed(b"ok" + get())
    served.respond()
    assert served.wire.take() == OK
    assert served.events == [("POST", "/up", False), ("body", b"ok"), ("end", b""), ("GET", "/", True)]


def test_no_100_for_who_does_not_wait() -> None:
    """A client that sends its body at once gets no 100, nor one that did not ask."""
    for data in (post(b"Content-Length: 2", b"Expect: 100-continue", body=b"o"), post(b"Content-Length: 2")):
        served = Served()
        served.feed(data)
        served.connection.send_continue()
        assert served.wire.take() == b""


def test_a_refused_expectation_closes() -> None:
    """A final answer to a client that waits ends the connection: whether its body comes nobody knows."""
    served = Served(echo)
    served.feed(post(b"Content-Length: 2", b"Expect: 100-continue"))
    assert served.wire.take() == wire_head(b"Content-Length: 3", b"Connection: close") + b"/up"
    assert served.wire.ends == ["half-closed"]
    served.feed(get(b"/evil"))
    assert len(served.events) == 1


def test_an_early_answer_keeps_the_connection_for_a_short_rest() -> None:
    """A short rest of a body is read and dropped, and the next request is answered."""
    served = Served(echo)
    served.feed(post(b"Content-Length: 10", body=b"12"))
    assert served.wire.take() == wire_head(b"Content-Length: 3") + b"/up"
    served.feed(b"345")
    served.feed(b"67890" + get())
    assert served.events == [("POST", "/up", False), ("GET", "/", True)]
    assert served.wire.ends == []


def test_a_rest_that_was_held_back_is_dropped_too() -> None:
    """An early answer while the body waits in our buffer keeps the connection, in time and in order."""
    served = Served()
    served.feed(post(b"Content-Length: 2"))
    served.connection.hold("dialing")
    served.feed(b"ok" + get())
    served.respond()
    assert served.events == [("POST", "/up", False), ("GET", "/", True)]
    assert served.wire.reading
    served.respond()
    assert (served.wire.take(), served.wire.ends) == (OK + OK, [])


@pytest.mark.parametrize("line", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_an_early_answer_closes_before_a_long_rest(line: bytes) -> None:
    """A long or endless rest ends the connection, said in the answer, read on for a while so that it arrives."""
    served = Served(echo)
    served.feed(post(line))
    assert b"\r\nConnection: close\r\n" in served.wire.take()
    assert (served.wire.ends, served.wire.reading) == (["half-closed"], True)
    for _ in range(8):
        served.feed(b"x" * 1000)
        served.pass_time(4)
    assert served.wire.ends == ["half-closed", "aborted"]
    assert (len(served.events), served.lost) == (1, 1)


def test_lingering_ends_when_nothing_comes() -> None:
    """A client that neither sends nor closes is cut after a short while."""
    served = Served(echo)
    served.feed(post(b"Transfer-Encoding: chunked"))
    served.pass_time(4.5)
    assert served.wire.ends == ["half-closed"]
    served.pass_time(2)
    assert served.wire.ends == ["half-closed", "aborted"]


def test_lingering_waits_for_a_slow_reader() -> None:
    """While the answer is still on its way, a client that sends nothing is not cut."""
    served = Served(write_timeout=20.0)
    served.feed(post(b"Transfer-Encoding: chunked"))
    served.wire.unsent = 50000
    served.respond()
    for _ in range(4):
        served.pass_time(15)
        served.wire.unsent -= 10000
        assert served.wire.ends == ["half-closed"]
    served.pass_time(60)
    assert served.wire.ends[1:] == ["aborted"]


def test_lingering_ends_soon_behind_an_answer_that_left_at_once() -> None:
    """An answer waits in the transport when the connection is ended; the time to linger is not that for writing."""
    served = Served(write_timeout=60.0)
    served.wire.unsent = 600
    served.feed(b"BAD\r\n\r\n")
    served.wire.unsent = 0
    served.pass_time(4.5)
    assert served.wire.ends == ["half-closed"]
    served.pass_time(2)
    assert (served.wire.ends, served.lost) == (["half-closed", "aborted"], 1)


def test_lingering_goes_on_behind_a_slow_reader() -> None:
    """Once a slow reader has taken the whole answer, it has the usual short while to close."""
    served = Served(write_timeout=10.0)
    served.feed(post(b"Transfer-Encoding: chunked"))
    served.wire.unsent = 50000
    served.respond()
    served.pass_time(6)
    served.wire.unsent = 0
    served.pass_time(10)
    assert served.wire.ends == ["half-closed"]
    served.pass_time(6)
    assert served.wire.ends == ["half-closed", "aborted"]


def test_lingering_ends_with_the_client() -> None:
    """A client that has read the answer and closes is let go."""
    served = Served(echo)
    served.feed(post(b"Transfer-Encoding: chunked"))
    served.connection.readConnectionLost()
    assert (served.wire.ends, served.lost) == (["half-closed", "closed"], 1)


def test_a_broken_rest_ends_the_connection() -> None:
    """After an early answer a fault in the rest of the body gets no second answer."""
    served = Served()
    served.feed(post(b"Transfer-Encoding: chunked"))
    served.connection.send_head(ok(), b"ok")
    served.feed(b"zz\r\n")
    assert served.events[1:] == [("lost", "http_request_error", 400)]
    served = Served(echo)
    served.feed(post(b"Content-Length: 5", body=b"1234"))
    served.wire.take()
    served.feed(b"5BAD\r\n\r\n")
    assert served.events[1:] == [("malformed", "http_request_error", 400)]
    assert served.wire.take().startswith(b"HTTP/1.1 400 ")


def test_both_ways_at_once() -> None:
    """An answer may begin before the request has ended, and both go on to their ends."""
    served = Served()
    served.feed(post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n"))
    served.connection.send_head(ok(length=None), b"A")
    served.feed(b"1\r\nb\r\n")
    served.connection.send_body(b"B")
    served.feed(b"0\r\n\r\n" + get())
    assert len(served.events) == 4
    served.connection.send_end()
    assert served.events[1:] == [("body", b"a"), ("body", b"b"), ("end", b""), ("GET", "/", True)]
    assert served.wire.take().endswith(b"1\r\nA\r\n1\r\nB\r\n0\r\n\r\n")


@pytest.mark.parametrize("data", [b"bad\r\n\r\n", get(b"/#x"), b"\x16\x03\x01"])
def test_garbage_gets_an_answer_and_the_end(data: bytes) -> None:
    """What is no request is told of once, answered, and nothing behind it is read."""
    served = Served(echo)
    served.feed(get())
    served.wire.take()
    served.feed(data + get())
    served.feed(get())
    assert served.events == [("GET", "/", True), ("malformed", "http_request_error", 400)]
    assert served.wire.take() == wire_head(b"Content-Length: 0", b"Connection: close", status=400)
    assert served.wire.ends == ["half-closed"]


def test_garbage_behind_a_request_waits_for_its_answer() -> None:
    """A fault in a pipelined request does not touch the answer before it."""
    served = Served()
    served.feed(get() + b"bad\r\n\r\n")
    assert len(served.events) == 1
    served.respond()
    assert served.wire.take() == OK + wire_head(b"Content-Length: 0", b"Connection: close", status=400)


def test_a_broken_body_is_told_to_its_receiver() -> None:
    """A fault in a body ends the exchange, which may still answer; the connection ends with it."""
    served = Served()
    served.feed(post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\nx" + get()))
    assert served.events[1:] == [("body", b"a"), ("lost", "http_request_error", 400)]
    served.connection.send_head(ok(b"", status=400), b"", True)
    assert served.wire.take() == wire_head(b"Content-Length: 0", b"Connection: close", status=400)
    assert served.wire.ends == ["half-closed"]


@pytest.mark.parametrize(
    ("act", "lines"),
    [
        (lambda served: setattr(served.settings, "draining", True), [b"Connection: close"]),
        (lambda served: served.connection.close_when_idle(), []),
    ],
)
def test_a_drain_ends_with_the_answer(act: Any, lines: list[bytes]) -> None:
    """When the process stops, an idle connection ends at once, a busy one with its answer."""
    idle, busy, partial = Served(), Served(), Served(echo)
    busy.feed(get())
    partial.feed(get()[:9])
    act(partial)
    partial.connection.close_when_idle()
    act(busy)
    act(idle)
    idle.connection.close_when_idle()
    assert (idle.wire.ends, busy.wire.ends, partial.wire.ends) == (["closed"], [], [])
    busy.respond()
    assert busy.wire.ends == ["closed"]
    partial.feed(get()[9:])
    assert b"\r\nConnection: close\r\n" in partial.wire.take()
    assert partial.wire.ends == ["closed"]


def test_requests_per_connection() -> None:
    """The last request that a connection may carry is told so, and the next is not read."""
    served = Served(echo, requests_per_connection=2)
    served.feed(get(b"/1") + get(b"/2") + get(b"/3"))
    assert served.wire.take() == (
        wire_head(b"Content-Length: 2") + b"/1" + wire_head(b"Content-Length: 2", b"Connection: close") + b"/2"
    )
    assert len(served.events) == 2


def test_connection_close_of_the_client() -> None:
    """A client that says close, in a list and in any case, gets the end and nothing behind it is read."""
    served = Served(echo)
    served.feed(get(b"/1", b"Connection: foo, CLOSE") + get(b"/2"))
    assert served.wire.take().endswith(b"Connection: close\r\n\r\n/1")
    assert (len(served.events), served.wire.ends) == (1, ["half-closed"])
