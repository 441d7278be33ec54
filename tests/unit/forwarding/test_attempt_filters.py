"""Filters of a response's body: of a whole route, or chosen for one response by its head."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy, Reactor
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.middleware.pipeline import Middleware, Pipeline
from txproxy.model.errors import HTTP_RESPONSE_INCOMPLETE, ProxyError
from txproxy.model.head import ResponseHead

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
HTML = b"\r\nContent-Type: text/html"


class Pairs(Middleware):
    """Gives octets in pairs, `<ab>`, keeps an odd one back, and ends with a full stop."""

    def __init__(self) -> None:
        self._kept = b""

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Change a piece."""
        data = self._kept + data
        whole = len(data) // 2 * 2
        self._kept = data[whole:]
        return b"".join(b"<%b>" % data[place : place + 2] for place in range(0, whole, 2))

    def on_response_end(self, exchange: Any) -> bytes:
        """Give the odd one."""
        return self._kept + b"."


class Incomplete(Pairs):
    """Finds that the body lacks something, or breaks at it."""

    def __init__(self, error: Exception, place: str) -> None:
        super().__init__()
        self.error = error
        self.place = place

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Change a piece, or raise."""
        if self.place == "body":
            raise self.error
        return super().on_response_body(exchange, data)

    def on_response_end(self, exchange: Any) -> bytes:
        """Raise."""
        raise self.error


class Choosing(Middleware):
    """Filters HTML only; counts the responses it has seen."""

    def __init__(self, make: Any = Pairs) -> None:
        self.make = make
        self.seen = 0

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Choose."""
        self.seen += 1
        if not exchange.cause and head.field(b"content-type") == b"text/html":
            exchange.filter_response(self.make())


def proxied(*middleware: Middleware) -> tuple[Proxy, Any, Any]:
    """Make a proxy with this middleware, ask it once; give it, the client and the backend."""
    reactor = Reactor()
    leaf = ReverseProxyResource("192.0.2.1", 8000, reactor=reactor)
    made = Proxy({"/*": leaf}, reactor=reactor, pipeline=Pipeline(middleware))
    client = made.connect()
    client.send(GET)
    return made, client, made.reactor.backends[0]


WHOLE = b"HTTP/1.1 200 OK%b\r\nContent-Length: 5\r\n\r\nabcde"
CHUNKED = b"HTTP/1.1 200 OK%b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n3\r\nbcd\r\n1\r\ne\r\n0\r\n\r\n"


@pytest.mark.parametrize("wire", [WHOLE, CHUNKED])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_chosen_filter_sees_the_body_and_its_end(wire: bytes, size: int) -> None:
    """However it comes, the body goes through the filter, and what that kept back comes before the end."""
    made, client, backend = proxied(Choosing())
    data = wire % HTML
    for place in range(0, len(data), size):
        backend.send(data[place : place + size])
    answer = Answer().read(client.take())
    assert (answer.body_so_far, answer.complete, answer.error) == (b"<ab><cd>e.", True, None)
    (record,) = made.records
    assert (record.status, record.cause, record.bytes_sent) == (200, "", 10)


def test_a_whole_body_keeps_a_length() -> None:
    """A body that is there at once is sent with the length that the filter has made of it."""
    _, client, backend = proxied(Choosing())
    backend.send(WHOLE % HTML)
    assert b"\r\nContent-Length: 10\r\n" in client.take()


@pytest.mark.parametrize("size", [60, 1000])
def test_what_is_not_chosen_passes_untouched(size: int) -> None:
    """A response that no filter is chosen for keeps its length and every octet."""
    _, client, backend = proxied(Choosing())
    data = WHOLE % b"\r\nContent-Type: image/png"
    for place in range(0, len(data), size):
        backend.send(data[place : place + size])
    got = client.take()
    assert got.startswith(data[:-9])
    assert got.endswith(b"\r\n\r\nabcde")


def test_a_choice_is_for_one_response() -> None:
    """The next response of the same connection is not filtered by what was chosen for the one before."""
    _, client, backend = proxied(Choosing())
    backend.send(WHOLE % HTML)
    client.take()
    client.send(GET)
    backend.send(WHOLE % b"")
    assert Answer().read(client.take()).body_so_far == b"abcde"


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
def test_where_there_is_no_body_nothing_is_filtered(method: bytes) -> None:
    """The answer to HEAD, and a 304, get no body of a filter's making, nor does a length of 0."""
    _, client, backend = proxied(Choosing())
    backend.send(WHOLE % HTML)
    client.take()
    client.send(method + GET[3:])
    if method == b"HEAD":
        backend.send(b"HTTP/1.1 200 OK" + HTML + b"\r\nContent-Length: 5\r\n\r\n")
    else:
        backend.send(b"HTTP/1.1 304 Not Modified" + HTML + b"\r\n\r\n")
    answer = Answer(method).read(client.take())
    assert (answer.body_so_far, answer.complete) == (b"", True)
    client.send(GET)
    backend.send(b"HTTP/1.1 200 OK" + HTML + b"\r\nContent-Length: 0\r\n\r\n")
    assert Answer().read(client.take()).body_so_far == b""


INCOMPLETE = ProxyError(HTTP_RESPONSE_INCOMPLETE, "of a test")


@pytest.mark.parametrize(("error", "cause", "status"), [
    (INCOMPLETE, "http_response_incomplete", 502),
    (ValueError("of a test"), "proxy_internal_error", 500),
])  # fmt: skip
@pytest.mark.parametrize("place", ["body", "end"])
def test_a_filter_that_fails_on_a_whole_answer(error: Exception, cause: str, status: int, place: str) -> None:
    """If nothing has been sent yet, the client gets the error's page and not a byte of the body."""
    made, client, backend = proxied(Choosing(lambda: Incomplete(error, place)))
    backend.send(WHOLE % HTML)
    answer = Answer().read(client.take())
    assert (answer.status, answer.complete) == (status, True)
    assert b"<ab>" not in answer.body_so_far
    assert [(record.status, record.cause) for record in made.records] == [(status, cause)]
    assert made.counters.active_exchanges == 0


@pytest.mark.parametrize(("error", "cause"), [
    (INCOMPLETE, "http_response_incomplete"),
    (ValueError("of a test"), "proxy_internal_error"),
])  # fmt: skip
@pytest.mark.parametrize("place", ["body", "end"])
def test_a_filter_that_fails_in_the_middle_cuts_the_answer(error: Exception, cause: str, place: str) -> None:
    """Half an answer must not look like a whole one: the connection is cut."""
    made, client, backend = proxied(Choosing(lambda: Incomplete(error, place)))
    head, body = (CHUNKED % HTML).split(b"\r\n\r\n", 1)
    backend.send(head + b"\r\n\r\n")
    backend.send(body)
    assert client.state == "aborted"
    assert not Answer().read(client.take()).complete
    assert [record.cause for record in made.records] == [cause]


class Refusing(Middleware):
    """Answers by itself, once, after another middleware has chosen a filter."""

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Answer."""
        if head.status != 403:
            exchange.respond(403, b"No", b"\r\nContent-Type: text/plain", b"none")


def test_an_answer_in_place_of_another_is_not_filtered_for_it() -> None:
    """A filter that was chosen for a response is not used for the one that takes its place."""
    made, client, backend = proxied(Refusing(), Choosing())
    backend.send(WHOLE % HTML)
    assert Answer().read(client.take()).body_so_far == b"none"
    assert [record.status for record in made.records] == [403]


class Ending(Middleware):
    """Overrides the end alone."""

    def on_response_end(self, exchange: Any) -> bytes:
        """Give a last word."""
        return b"!!!"


@pytest.mark.parametrize("wire", [WHOLE, CHUNKED])
def test_an_end_without_a_body_phase(wire: bytes) -> None:
    """A middleware of the route that has only a last word adds it to every body."""
    _, client, backend = proxied(Ending())
    backend.send(wire % b"")
    assert Answer().read(client.take()).body_so_far == b"abcde!!!"
