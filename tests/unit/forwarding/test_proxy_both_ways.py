"""One table of behaviour, natively and below a stock Site: what is so in one way is so in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.wiring import Answer, Connector, Proxy, Reactor, Wire
from txproxy.forwarding.leaves import Redirect, Respond
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.policy.rewrite import RedirectTemplate

WAYS = ("native", "rendered")
both_ways = pytest.mark.parametrize("way", WAYS)
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def proxy(way: str, reactor: Reactor | None = None, **keywords: Any) -> Proxy:
    """Make a proxy with one leaf, for all paths, whose backend is the test."""
    reactor = Reactor() if reactor is None else reactor
    return Proxy({"/*": ReverseProxyResource("192.0.2.9", 8000, reactor=reactor, **keywords)}, way, reactor=reactor)


def ask(proxy: Proxy, request: bytes = GET) -> tuple[Wire, Wire, bytes]:
    """Send a request; give the client's wire, the backend's, and what the backend got."""
    client = proxy.connect()
    client.send(request)
    backend = proxy.reactor.backends[-1]
    return client, backend, backend.take()


def answer_to(client: Wire, method: bytes = b"GET") -> Answer:
    """Read what a client has got by now."""
    data = client.take()
    return Answer(method).read(data, eof=client.state == "closing")


@dataclass
class Row:
    """A request, what the backend must and must not see of it, what it answers, and what the client gets."""

    name: str
    request: bytes = GET
    seen: tuple[bytes, ...] = ()
    not_seen: tuple[bytes, ...] = ()
    answer: bytes = OK
    close: bool = False
    status: int = 200
    body: bytes | None = b"hi"
    fields: tuple[bytes, ...] = ()
    no_fields: tuple[bytes, ...] = ()


def get(*lines: bytes, target: bytes = b"/", method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """Write a request."""
    return b"\r\n".join([method + b" " + target + b" HTTP/" + version, b"Host: a.example", *lines, b"", b""])


def ok(*lines: bytes, status: bytes = b"200 OK", body: bytes = b"hi") -> bytes:
    """Write an answer."""
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])


ROWS = [
    Row("target as sent", get(target=b"/a%2fb;p=1//c?x=%20&y"), seen=(b"GET /a%2fb;p=1//c?x=%20&y HTTP/1.1\r\n",)),
    Row(
        "absolute form",
        b"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        seen=(b"GET /x HTTP/1.1\r\n", b"\r\nHost: b.example\r\n"),
        not_seen=(b"a.example",),
    ),
    Row("host kept", seen=(b"\r\nHost: a.example\r\n",)),
    Row(
        "where it comes from",
        get(b"X-Forwarded-For: 6.6.6.6", b"X-Real-IP: 6.6.6.6", b"X-Request-Id: mine", b"Forwarded: for=6.6.6.6"),
        seen=(
            b"\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\n",
            b"\r\nX-Request-Id: 0000",
            b"\r\nVia: 1.1 txproxy",
        ),
        not_seen=(b"6.6.6.6", b"mine"),
    ),
    Row(
        "hop-by-hop fields of the request",
        get(
            b"Connection: X-Hop, keep-alive",
            b"X-Hop: 1",
            b"Keep-Alive: 5",
            b"Proxy-Authorization: x",
            b"Proxy-Connection: y",
            b"X-End: 2",
        ),
        seen=(b"\r\nX-End: 2\r\n",),
        not_seen=(b"X-Hop", b"Keep-Alive", b"Proxy-", b"Connection"),
    ),
    Row("names with an underscore", get(b"X_Real_IP: 1", b"X-A: 2"), seen=(b"X-A: 2",), not_seen=(b"X_Real",)),
    Row(
        "fields that come more than once",
        get(b"X-A: 1", b"X-A: 2", b"Cookie: a=1", b"Cookie: b=2"),
        seen=(b"\r\nX-A: 1\r\nX-A: 2\r\n", b"\r\nCookie: a=1\r\nCookie: b=2\r\n"),
    ),
    Row(
        "body of known length",
        get(b"Content-Length: 5", method=b"POST") + b"hello",
        seen=(b"\r\nContent-Length: 5\r\n", b"\r\n\r\nhello"),
    ),
    Row("length 0", get(b"Content-Length: 0", method=b"POST"), seen=(b"\r\nContent-Length: 0\r\n",)),
    Row(
        "one hop less for OPTIONS",
        get(b"Max-Forwards: 3", method=b"OPTIONS"),
        seen=(b"\r\nMax-Forwards: 2\r\n",),
        not_seen=(b"Max-Forwards: 3",),
    ),
    Row("hops do not count for others", get(b"Max-Forwards: 0"), seen=(b"\r\nMax-Forwards: 0\r\n",)),
    Row("HTTP/1.0", get(version=b"1.0"), seen=(b"GET / HTTP/1.1\r\n",)),
    Row(
        "chunked for HTTP/1.0",
        get(version=b"1.0"),
        answer=ok(b"Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n"),
        no_fields=(b"Transfer-Encoding",),
    ),
    Row("chunked answer", answer=ok(b"Transfer-Encoding: chunked", body=b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")),
    Row("answer until the end of the connection", answer=ok(), close=True),
    Row("no content", answer=ok(status=b"204 No Content", body=b""), status=204, body=b""),
    Row(
        "not modified",
        answer=ok(b'ETag: "x"', b"Content-Length: 99", status=b"304 Not Modified", body=b""),
        status=304,
        body=b"",
        fields=(b'ETag: "x"', b"Content-Length: 99"),
    ),
    Row(
        "fields of the answer that come more than once",
        answer=ok(b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Content-Length: 2"),
        fields=(b"Set-Cookie: a=1", b"Set-Cookie: b=2"),
    ),
    Row(
        "hop-by-hop fields of the answer",
        answer=ok(b"Connection: close, X-Hop", b"X-Hop: 1", b"Keep-Alive: 5", b"Content-Length: 2"),
        no_fields=(b"X-Hop", b"Keep-Alive"),
    ),
    Row("nothing is invented", no_fields=(b"Server", b"Content-Type")),
    Row("what the backend says of itself", answer=ok(b"Server: x", b"Content-Length: 2"), fields=(b"Server: x",)),
    Row("early hints come first", answer=b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK),
    Row("a status of one's own", answer=ok(b"Content-Length: 2", status=b"299 Fine"), status=299),
    Row(
        "garbage",
        answer=b"SSH-2.0-x\r\n",
        status=502,
        body=None,
        fields=(b"Proxy-Status: txproxy; error=http_protocol_error",),
    ),
    Row(
        "nothing and the end",
        get(method=b"POST", target=b"/"),
        answer=b"",
        close=True,
        status=502,
        body=None,
        fields=(b"Proxy-Status: txproxy; error=connection_terminated",),
    ),
    Row("half a head and the end", answer=b"HTTP/1.1 200 OK\r\nA:", close=True, status=502, body=None),
    Row("two lengths", answer=ok(b"Content-Length: 2", b"Content-Length: 3"), status=502, body=None),
    Row(
        "a switch that nobody asked for",
        answer=b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        status=502,
        body=None,
    ),
]


@both_ways
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_request_and_answer(way: str, row: Row) -> None:
    """What a backend sees of a request, and a client of the answer, is the same in both ways."""
    client, backend, seen = ask(proxy(way), row.request)
    for expected in row.seen:
        assert expected in seen
    for unexpected in row.not_seen:
        assert unexpected.lower() not in seen.lower()
    backend.send(row.answer)
    if row.close:
        backend.half_close()
    answer = answer_to(client)
    assert answer.error is None
    assert (answer.status, answer.complete) == (row.status, True)
    assert row.body is None or answer.body_so_far == row.body
    lines = answer.heads[-1].block.split(b"\r\n")
    for expected in row.fields:
        assert expected in lines
    for unexpected in row.no_fields:
        assert answer.field(unexpected) is None


@both_ways
def test_head(way: str) -> None:
    """The answer to HEAD has the length of GET's and no body."""
    client, backend, seen = ask(proxy(way), get(method=b"HEAD"))
    assert seen.startswith(b"HEAD / HTTP/1.1\r\n")
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
    data = client.take()
    answer = Answer(b"HEAD").read(data)
    assert (answer.complete, answer.field(b"content-length")) == (True, b"2000")
    assert data.endswith(b"\r\n\r\n")


@both_ways
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
    ],
)
@pytest.mark.parametrize("how", ["end", "reset"])
def test_half_an_answer_never_looks_whole(way: str, start: bytes, how: str) -> None:
    """A backend that stops in the middle cuts the client's connection; no end of the message is made up."""
    made = proxy(way)
    client, backend, _ = ask(made)
    backend.send(start)
    if how == "end":
        backend.half_close()
    else:
        backend.close(cleanly=False)
    data = client.take()
    assert not Answer().read(data).complete
    assert client.state == "aborted"
    (record,) = made.records
    assert (record.status, record.cause) in {(200, "http_response_incomplete"), (200, "http_protocol_error")}


@both_ways
def test_half_an_answer_of_no_length_for_http_10_ends_with_a_reset(way: str) -> None:
    """Where only the connection's end could tell, a broken answer ends with a reset, not a close."""
    client, backend, _ = ask(proxy(way), get(version=b"1.0"))
    backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    backend.half_close()
    assert client.state == "aborted"


@both_ways
def test_refused(way: str) -> None:
    """A backend that cannot be reached is a 502 that says so."""
    made = proxy(way)
    made.reactor.policy = Connector.refuse
    client = made.connect()
    client.send(GET)
    answer = answer_to(client)
    assert (answer.status, answer.complete) == (502, True)
    assert answer.field(b"proxy-status") == b"txproxy; error=connection_refused"
    assert made.records[0].cause == "connection_refused"


@both_ways
def test_no_answer_in_time(way: str) -> None:
    """A backend that does not answer within its time is a 504, and its connection ends."""
    made = proxy(way)
    client, backend, _ = ask(made)
    made.reactor.pump([1.0] * 62)
    answer = answer_to(client)
    assert (answer.status, answer.field(b"proxy-status")) == (504, b"txproxy; error=http_response_timeout")
    assert backend.state == "aborted"


@both_ways
def test_the_client_goes_away(way: str) -> None:
    """The backend's request is cancelled with its client, and logged as 499."""
    made = proxy(way)
    client, backend, _ = ask(made)
    client.close()
    assert backend.state == "aborted"
    (record,) = made.records
    assert (record.status, record.cause) == (499, "client_disconnected")
    backend.send(OK)
    assert client.take() == b""


@both_ways
def test_the_client_goes_away_in_the_middle_of_the_answer(way: str) -> None:
    """A client that leaves within an answer ends the backend's connection as well."""
    made = proxy(way)
    client, backend, _ = ask(made)
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    client.close(cleanly=False)
    assert backend.state == "aborted"
    assert [record.cause for record in made.records] == ["client_disconnected"]


@both_ways
def test_the_client_goes_away_while_dialing(way: str) -> None:
    """Nobody connects for a client that has gone."""
    made = proxy(way)
    made.reactor.policy = made.reactor.dialing.append
    client = made.connect()
    client.send(GET)
    client.close()
    (connector,) = made.reactor.dialing
    assert connector.stopped
    assert connector.accept() is None
    assert [record.status for record in made.records] == [499]


@both_ways
def test_a_body_that_is_too_large_by_its_length(way: str) -> None:
    """A request whose length is over the limit gets 413, with the key to change, and no backend is asked."""
    made = proxy(way, max_body=4)
    client = made.connect()
    client.send(get(b"Content-Length: 5", method=b"POST") + b"12345")
    answer = answer_to(client)
    assert answer.status == 413
    assert b"max_body" in answer.body_so_far
    assert made.reactor.backends == []


@both_ways
def test_a_body_that_is_too_large_by_count(way: str) -> None:
    """A chunked request over the limit gets 413 as soon as it is."""
    made = proxy(way, max_body=4)
    client = made.connect()
    client.send(get(b"Transfer-Encoding: chunked", method=b"POST") + b"5\r\n12345\r\n0\r\n\r\n")
    assert answer_to(client).status == 413
    assert all(backend.state == "aborted" for backend in made.reactor.backends)
    assert [record.cause for record in made.records] == ["request_body_too_large"]


@both_ways
@pytest.mark.parametrize(
    ("request_", "status", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "http_request_error"),
        (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http_request_error"),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http_request_error"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "http_request_error"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "http_request_error"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "http_request_error"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, "http_request_error"),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "destination_not_found"),
    ],
)
def test_refusals(way: str, request_: bytes, status: int, cause: str) -> None:
    """What is refused natively is refused below a Site, with the same page."""
    made = Proxy({"/": Respond(), "/x": Respond()}, way)
    client = made.connect()
    client.send(request_)
    answer = answer_to(client)
    assert (answer.status, answer.field(b"proxy-status")) == (status, b"txproxy; error=" + cause.encode())
    assert [(record.status, record.cause) for record in made.records] == [(status, cause)]


@both_ways
def test_no_hop_is_left(way: str) -> None:
    """OPTIONS that may not be forwarded any more is answered here (RFC 9110, section 7.6.2)."""
    made = proxy(way)
    client = made.connect()
    client.send(get(b"Max-Forwards: 0", method=b"OPTIONS"))
    assert answer_to(client).status == 200
    assert made.reactor.backends == []


@both_ways
@pytest.mark.parametrize(
    ("leaf", "method", "expected"),
    [
        (Respond(200, "hello"), b"GET", (200, b"hello")),
        (Respond(200, "hello"), b"HEAD", (200, b"")),
        (Respond(204), b"GET", (204, b"")),
        (Respond(404, "no"), b"POST", (404, b"no")),
        (Redirect(RedirectTemplate("https://b.example{uri}")), b"GET", (308, b"")),
    ],
)
def test_the_leaves_that_answer_by_themselves(way: str, leaf: Any, method: bytes, expected: tuple[int, bytes]) -> None:
    """Redirect and Respond answer alike, and the connection stays."""
    made = Proxy({"/*": leaf}, way)
    client = made.connect()
    for _ in range(2):
        client.send(get(target=b"/x?y=%2f", method=method))
        answer = answer_to(client, method)
        assert (answer.status, answer.body_so_far, answer.complete) == (*expected, True)
        if answer.status == 308:
            assert answer.field(b"location") == b"https://b.example/x?y=%2f"
    assert client.state == "open"
    assert made.counters.requests == 2


@both_ways
def test_a_client_that_does_not_keep_up_holds_the_backend(way: str) -> None:
    """Nothing is read from a backend while its client takes nothing."""
    client, backend, _ = ask(proxy(way))
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
    client.stall()
    assert backend.paused
    backend.send(b"cd")
    assert client.take().endswith(b"\r\n\r\nab")
    client.catch_up()
    assert not backend.paused
    backend.send(b"ef")
    assert client.take() == b"cdef"


@both_ways
def test_a_backend_that_does_not_keep_up_holds_the_client(way: str) -> None:
    """Nothing more of a request's body is passed on while its backend takes nothing."""
    made = proxy(way)
    made.reactor.policy = lambda connector: connector.accept(capacity=10_000)
    client = made.connect()
    client.send(get(b"Content-Length: 98304", method=b"POST"))
    for _ in range(3):  # below a Site all has to be there before anybody is asked
        client.send(b"x" * 32 * 1024)
    (backend,) = made.reactor.backends
    first = len(backend.take().partition(b"\r\n\r\n")[2])
    assert first in {32 * 1024, 64 * 1024}
    assert client.paused == (way == "native")
    backend.capacity = None
    backend.catch_up()
    assert backend.take() == b"x" * (98304 - first)
    backend.send(OK)
    assert answer_to(client).status == 200
    assert made.records[0].bytes_received == 98304


@both_ways
def test_pipelined_requests_are_answered_in_turn(way: str) -> None:
    """Two requests in one piece are answered one after the other, over one connection to the backend."""
    made = proxy(way)
    client = made.connect()
    client.send(get(target=b"/1") + get(target=b"/2"))
    (backend,) = made.reactor.backends
    assert backend.take().startswith(b"GET /1 ")
    backend.send(OK)
    assert made.reactor.backends == [backend]
    assert backend.take().startswith(b"GET /2 ")
    backend.send(OK.replace(b"hi", b"ho"))
    data = client.take()
    assert data.count(b"HTTP/1.1 200 OK") == 2
    assert data.index(b"hi") < data.index(b"ho")
    assert [record.reused for record in made.records] == [False, True]


@both_ways
def test_each_of_a_pipeline_is_written_down_by_itself(way: str) -> None:
    """Records come in the order of the answers, each with its own octets, though the next request is there already."""
    made = proxy(way)
    client = made.connect()
    client.send(
        get(b"Content-Length: 5", target=b"/1", method=b"POST")
        + b"hello"
        + get(target=b"/2")
        + get(target=b"/3", method=b"HEAD")
        + get(target=b"/../4")
    )
    (backend,) = made.reactor.backends
    backend.send(OK)
    backend.send(ok(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"))
    backend.send(ok(b"Content-Length: 99", body=b""))
    written = [(record.target, record.bytes_received, record.bytes_sent) for record in made.records]
    assert written[:3] == [(b"/1", 5, 2), (b"/2", 0, 3), (b"/3", 0, 0)]
    assert [record.status for record in made.records] == [200, 200, 200, 400]


@both_ways
def test_a_reused_connection_that_dies_is_replaced_once(way: str) -> None:
    """A safe request whose reused connection ends without a byte is sent once more, over a new one."""
    made = proxy(way)
    client, first, _ = ask(made)
    first.send(OK)
    client.take()
    client.send(GET)
    assert first.take() != b""
    first.half_close()
    second = made.reactor.backends[-1]
    assert second is not first
    assert second.take().startswith(b"GET / ")
    second.send(OK)
    assert answer_to(client).status == 200
    assert [record.attempts for record in made.records] == [1, 2]


@both_ways
def test_an_unsafe_request_is_not_sent_twice(way: str) -> None:
    """A POST whose reused connection ends is a 502: it may have taken effect."""
    made = proxy(way)
    client, backend, _ = ask(made)
    backend.send(OK)
    client.take()
    client.send(get(b"Content-Length: 0", method=b"POST"))
    backend.half_close()
    assert made.reactor.backends == [backend]
    assert answer_to(client).status == 502


@both_ways
def test_an_early_answer_is_passed_on(way: str) -> None:
    """An answer that comes before the request is complete reaches the client whole."""
    client, backend, _ = ask(proxy(way), get(b"Content-Length: 3", method=b"POST") + b"abc")
    backend.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    answer = answer_to(client)
    assert (answer.status, answer.body_so_far, answer.complete) == (401, b"no", True)
