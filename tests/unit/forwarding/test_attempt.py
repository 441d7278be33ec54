"""Attempts: which backend, how often, and what becomes of the request's body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wiring import Answer, Connector, Proxy, Reactor, Wire
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.middleware.header_edits import BlockEdit, RequestHeaders
from txproxy.middleware.pipeline import Middleware, Pipeline
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.reactor.deadlines import Deadlines
from txproxy.upstream.pool import KeepAlive
from txproxy.upstream.upstream import Backends, Upstream, UpstreamTimeouts

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


class Address:
    """Where a backend of a test is."""

    kind = "tcp"
    path = ""

    def __init__(self, number: int) -> None:
        self.host = f"192.0.2.{number}"
        self.port = 8000
        self.authority = f"{self.host}:8000"
        self.url = f"http://{self.authority}"


def proxy(backends: int = 1, pipeline: Pipeline | None = None, **keywords: Any) -> Proxy:
    """Make a proxy with so many backends, 192.0.2.1 and on."""
    reactor = Reactor()
    deadlines = Deadlines(reactor, on_demand=True)
    known = Backends(reactor, deadlines)
    found = [known.get("app", Address(number + 1), KeepAlive()) for number in range(backends)]
    upstream = Upstream("app", found, UpstreamTimeouts())
    leaf = ReverseProxyResource(reactor=reactor, upstream=upstream, deadlines=deadlines, **keywords)
    extra = {} if pipeline is None else {"pipeline": pipeline}
    return Proxy({"/*": leaf}, reactor=reactor, **extra)


def post(length: int, *lines: bytes) -> bytes:
    """Write the head of a POST."""
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % length, *lines, b"", b""])


def serve(made: Proxy, client: Wire, answer: bytes = OK) -> None:
    """Let the backend that was asked last answer."""
    made.reactor.backends[-1].send(answer)
    assert Answer().read(client.take()).complete


def refusing(*hosts: str) -> Any:
    """Make a policy that refuses connections to these."""

    def decide(connector: Connector) -> None:
        connector.refuse() if connector.place.partition(":")[0] in hosts else connector.accept()

    return decide


def test_the_second_backend_after_a_refusal() -> None:
    """A request whose first backend refuses goes to another; the log has the one that answered."""
    made = proxy(2)
    made.reactor.policy = refusing("192.0.2.1")
    client = made.connect()
    client.send(GET)
    serve(made, client)
    (record,) = made.records
    assert (record.status, record.backend, record.attempts) == (200, "http://192.0.2.2:8000", 2)


def test_all_backends_refuse() -> None:
    """After two refusals it is a 502, whatever the number of backends."""
    made = proxy(3)
    made.reactor.policy = refusing("192.0.2.1", "192.0.2.2", "192.0.2.3")
    client = made.connect()
    client.send(GET)
    assert Answer().read(client.take()).status == 502
    assert [record.attempts for record in made.records] == [2]


def test_an_upload_goes_on_at_the_second_backends_idle_connection() -> None:
    """A request with a body that finds its second backend's connection idle sends its body there."""
    made = proxy(2)
    client = made.connect()
    client.send(GET)
    serve(made, client, CLOSED)
    client.send(GET)
    serve(made, client)
    made.reactor.policy = refusing("192.0.2.1")
    idle = made.reactor.backends[-1]
    idle.take()
    client.send(post(5))
    client.send(b"hello")
    assert idle.take().endswith(b"\r\n\r\nhello")
    assert not client.paused


def test_an_upload_waits_for_the_connection() -> None:
    """While a connection is dialed the body stays with the client; then it goes out whole and in order."""
    made = proxy()
    made.reactor.policy = made.reactor.dialing.append
    client = made.connect()
    client.send(post(10) + b"01234")
    assert client.paused
    client.send(b"56789")
    backend = made.reactor.dialing[0].accept()
    assert backend is not None
    assert backend.take().endswith(b"\r\n\r\n0123456789")
    assert not client.paused


@pytest.mark.parametrize("start", [b"", b"hel"])
def test_a_request_with_a_body_is_sent_once(start: bytes) -> None:
    """A PUT whose body has begun to go out is not repeated: its first part is gone."""
    made = proxy()
    client = made.connect()
    client.send(GET)
    serve(made, client)
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n" + start)
    made.reactor.backends[-1].half_close()
    assert len(made.reactor.backends) == 1
    assert Answer().read(client.take()).status == 502


def test_a_resend_that_fails_too_ends_it() -> None:
    """A repeated request whose new connection ends as well is a 502, not a third attempt."""
    made = proxy()
    client = made.connect()
    client.send(GET)
    serve(made, client)
    client.send(GET)
    made.reactor.backends[0].half_close()
    made.reactor.backends[1].half_close()
    answer = Answer().read(client.take())
    assert (answer.status, len(made.reactor.backends)) == (502, 2)


def test_no_resend_after_a_byte_of_the_answer() -> None:
    """A reused connection that dies within the head of an answer is a failure: the backend was there."""
    made = proxy()
    client = made.connect()
    client.send(GET)
    serve(made, client)
    client.send(GET)
    made.reactor.backends[0].send(b"HTTP/1.1 200")
    made.reactor.backends[0].half_close()
    assert len(made.reactor.backends) == 1
    assert Answer().read(client.take()).status == 502


def test_no_resend_after_early_hints() -> None:
    """A backend that has sent a 103 has begun to answer."""
    made = proxy()
    client = made.connect()
    client.send(GET)
    serve(made, client)
    client.send(GET)
    made.reactor.backends[0].send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    made.reactor.backends[0].half_close()
    assert len(made.reactor.backends) == 1
    assert Answer().read(client.take()).status == 502


def test_expectations_are_answered_once_the_backend_is_there() -> None:
    """100 Continue comes when a connection is there, from us, and the backend's own is not passed on."""
    made = proxy()
    made.reactor.policy = made.reactor.dialing.append
    client = made.connect()
    client.send(post(2, b"Expect: 100-continue"))
    assert client.take() == b""
    backend = made.reactor.dialing[0].accept()
    assert backend is not None
    assert b"Expect" not in backend.take()
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    backend.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.send(b"ab")
    assert backend.take() == b"ab"
    backend.send(OK)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_an_expectation_that_is_refused() -> None:
    """A client that asks first is told 413 before it has sent anything, and no backend is asked."""
    made = proxy(max_body=1)
    client = made.connect()
    client.send(post(2, b"Expect: 100-continue"))
    answer = Answer().read(client.take())
    assert (answer.status, len(answer.heads), made.reactor.backends) == (413, 1, [])


def test_early_hints_reach_the_client_first() -> None:
    """A 103 is relayed as it comes, with its fields."""
    made = proxy()
    client = made.connect()
    client.send(GET)
    made.reactor.backends[0].send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert client.take() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    serve(made, client)


def test_trailers_go_both_ways() -> None:
    """What stands behind a chunked body is passed on in both directions, but for what must not stand there."""
    made = proxy()
    client = made.connect()
    client.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n"
    )
    (backend,) = made.reactor.backends
    seen = backend.take()
    assert seen.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
    assert b"\r\nTE: trailers\r\n" in seen
    backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Done: 1\r\n\r\n")
    assert Answer().read(client.take()).trailers == b"\r\nX-Done: 1"


def test_trailers_pass_the_middleware() -> None:
    """What a route sets or removes cannot be said behind the body instead."""
    made = proxy(pipeline=Pipeline([RequestHeaders(BlockEdit({"X-User": "ann"}, {}, ["X-Secret"]))]))
    made.connect().send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n0\r\nX-User: root\r\nX-Sum: 1\r\nx-secret: 2\r\n\r\n"
    )
    (backend,) = made.reactor.backends
    seen = backend.take()
    assert seen.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
    assert seen.count(b"X-User: ann\r\n") == 1


def test_an_early_answer_frees_the_client() -> None:
    """A complete answer to half a request goes out; the backend's connection ends, the rest is read and dropped."""
    made = proxy()
    client = made.connect()
    client.send(post(10) + b"01234")
    (backend,) = made.reactor.backends
    backend.send(OK)
    assert Answer().read(client.take()).complete
    assert backend.state == "aborted"
    client.send(b"56789" + GET)
    assert len(made.reactor.backends) == 2
    serve(made, client)
    assert [record.status for record in made.records] == [200, 200]


def test_an_answer_that_is_still_coming_does_not_stop_the_upload() -> None:
    """Both directions go on at the same time."""
    made = proxy()
    client = made.connect()
    client.send(post(4) + b"ab")
    (backend,) = made.reactor.backends
    backend.take()
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nho")
    client.send(b"cd")
    assert backend.take() == b"cd"
    backend.send(b"me")
    assert client.take().endswith(b"\r\n\r\nhome")
    client.send(GET)
    assert made.reactor.backends == [backend]


def test_too_large_by_count_in_the_middle_of_an_answer_cuts_it() -> None:
    """A body that grows over the limit once the answer has begun cannot get a page: the connection is cut."""
    made = proxy(max_body=4)
    client = made.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    (backend,) = made.reactor.backends
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nho")
    client.send(b"5\r\nhello\r\n")
    assert (client.state, backend.state) == ("aborted", "aborted")
    assert [record.cause for record in made.records] == ["request_body_too_large"]


class Shout(Middleware):
    """Makes bodies upper case, and twice as long."""

    def on_request_body(self, exchange: Any, data: bytes) -> bytes:
        """Change a piece."""
        return data.upper() * 2

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Change a piece."""
        return data.upper() * 2


class Broken(Middleware):
    """Raises in one phase."""

    def __init__(self, phase: str) -> None:
        self.phase = phase

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Raise, or not."""
        if self.phase == "on_request":
            raise ValueError("of a test")

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Raise, or not."""
        if self.phase == "on_response":
            raise ValueError("of a test")

    def on_request_body(self, exchange: Any, data: bytes) -> bytes:
        """Raise, or not."""
        if self.phase == "on_request_body":
            raise ValueError("of a test")
        return data

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Raise, or not."""
        if self.phase == "on_response_body":
            raise ValueError("of a test")
        return data

    def on_finish(self, exchange: Any) -> None:
        """Raise, or not."""
        if self.phase == "on_finish":
            raise ValueError("of a test")


def test_filters_may_change_the_length_of_bodies() -> None:
    """What a filter makes of a body arrives whole on both sides, whatever length was announced."""
    made = proxy(pipeline=Pipeline([Shout()]))
    client = made.connect()
    client.send(post(2) + b"ab")
    (backend,) = made.reactor.backends
    assert backend.take().endswith(b"\r\n\r\n4\r\nABAB\r\n0\r\n\r\n")
    backend.send(OK)
    answer = Answer().read(client.take())
    assert (answer.body_so_far, answer.complete) == (b"HIHI", True)


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"])
@pytest.mark.parametrize("phase", ["on_request", "on_response", "on_request_body", "on_response_body", "on_finish"])
def test_middleware_that_raises_ends_its_exchange_only(phase: str, answer: bytes) -> None:
    """Whatever phase raises: the client gets a 500 or a cut connection, once, and the log its line."""
    made = proxy(pipeline=Pipeline([Broken(phase)]))
    client = made.connect()
    client.send(post(2) + b"ab")
    for backend in made.reactor.backends:
        backend.send(answer)
    got = client.take()
    (record,) = made.records
    assert made.counters.active_exchanges == 0
    if phase == "on_finish":
        assert (record.status, record.cause) == (200, "")
        assert Answer().read(got).status == 200
    else:
        assert record.cause == "proxy_internal_error"
        assert client.state == "aborted" or Answer().read(got).status == 500
