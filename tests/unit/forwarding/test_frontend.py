"""The frontend: from a request to its leaf, and whose word about a client is believed."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.logger import LogLevel, globalLogPublisher
from twisted.web.resource import Resource

from tests.support.wiring import Answer, Proxy, Wire
from txproxy.forwarding.frontend import Generation, RouteValue
from txproxy.forwarding.leaves import Leaf, Redirect, Respond
from txproxy.policy.rewrite import RedirectTemplate
from txproxy.routing.table import Route, RouteTable

TRUSTED = (ip_network("192.0.2.0/24"),)


class Showing(Leaf):
    """Answers with what an exchange knows of its client."""

    def handle(self, exchange: Any) -> None:
        """Show it."""
        exchange.respond(200, b"OK", b"", f"{exchange.client_ip} {exchange.request_id}".encode())


class Secure(Resource):
    """An application that says which scheme it is asked with."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        """Say it."""
        return b"https" if request.isSecure() else b"http"


def ask(made: Proxy, *lines: str, peer: str = "192.0.2.1") -> tuple[Answer, Wire]:
    """Send a request with these fields."""
    client = made.connect(peer)
    client.send("\r\n".join(["GET / HTTP/1.1", "Host: a.example", *lines, "", ""]).encode())
    return Answer().read(client.take()), client


@pytest.mark.parametrize(
    ("peer", "lines", "ip", "request_id"),
    [
        ("192.0.2.1", (), "192.0.2.1", None),
        ("192.0.2.1", ("X-Forwarded-For: 203.0.113.7",), "203.0.113.7", None),
        ("192.0.2.1", ("X-Forwarded-For: 6.6.6.6, 203.0.113.7, 192.0.2.2",), "203.0.113.7", None),
        ("192.0.2.1", ("Forwarded: for=203.0.113.7",), "203.0.113.7", None),
        ("192.0.2.1", ("X-Request-Id: abc-1",), "192.0.2.1", "abc-1"),
        ("192.0.2.1", ("X-Request-Id: a b",), "192.0.2.1", None),
        ("198.51.100.1", ("X-Forwarded-For: 203.0.113.7", "X-Request-Id: abc-1"), "198.51.100.1", None),
    ],
)
@pytest.mark.parametrize("way", ["native", "rendered"])
def test_whose_word_is_believed(way: str, peer: str, lines: tuple[str, ...], ip: str, request_id: str | None) -> None:
    """A trusted proxy's word about a client is believed, read from the right; anybody else's is not."""
    made = Proxy({"/*": Showing()}, way, trusted=TRUSTED)
    answer, _ = ask(made, *lines, peer=peer)
    seen_ip, seen_id = answer.body_so_far.decode().split()
    assert seen_ip == ip
    assert (seen_id == request_id) if request_id else (len(seen_id) == 32)
    assert (made.records[0].client, made.records[0].request_id) == (ip, seen_id)


@pytest.mark.parametrize(
    ("peer", "line", "scheme"),
    [
        ("192.0.2.1", "X-Forwarded-Proto: https", "https"),
        ("192.0.2.1", "Forwarded: for=203.0.113.7;proto=https", "https"),
        ("198.51.100.1", "X-Forwarded-Proto: https", "http"),
    ],
)
@pytest.mark.parametrize("way", ["native", "rendered"])
def test_the_scheme_is_the_clients(way: str, peer: str, line: str, scheme: str) -> None:
    """Redirects, applications and the log go by the scheme that a trusted proxy tells; nobody else's word counts."""
    routes = {"/app/*": Secure(), "/*": Redirect(RedirectTemplate("{scheme}://b.example/"))}
    made = Proxy(routes, way, trusted=TRUSTED)
    answer, _ = ask(made, line, peer=peer)
    assert answer.field(b"location") == f"{scheme}://b.example/".encode()
    client = made.connect(peer)
    client.send(f"GET /app/ HTTP/1.1\r\nHost: a.example\r\n{line}\r\n\r\n".encode())
    assert Answer().read(client.take()).body_so_far == scheme.encode()
    assert [record.scheme for record in made.records] == [scheme, scheme]


def test_a_generation_is_replaced_between_requests() -> None:
    """A request belongs to the generation it came to; the next one to the new."""
    made = Proxy({"/*": Respond(200, "old")})
    client = made.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    leaf = Respond(200, "new")
    table = RouteTable([Route("new", "*", RouteValue(leaf, leaf.handle))])
    made.frontend.generation = Generation(None, table, made.frontend.generation.origin)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    data = client.take()
    assert data.index(b"old") < data.index(b"new")
    assert [record.route for record in made.records] == ["/*", "new"]


@pytest.mark.parametrize(
    ("request_", "status", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n", 400, "http_request_error"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "http_request_error"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n", 414, "request_target_too_long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, 431, "request_header_too_large"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "http_request_error"),
    ],
)
def test_what_is_no_request(request_: bytes, status: int, cause: str) -> None:
    """Bytes that make no request get a page, a line in the log without a route, and the end of the connection."""
    made = Proxy({"/*": Respond()})
    client = made.connect()
    client.send(request_)
    answer = Answer().read(client.take())
    assert (answer.status, answer.field(b"connection")) == (status, None)
    (record,) = made.records
    assert (record.status, record.cause, record.route, record.version) == (status, cause, "", 0)
    assert client.state == "closing" or client.half_closed


def test_a_failure_is_told_without_its_query() -> None:
    """The application log has a failure with its detail and everything to find it by, but no query."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        made = Proxy({})
        client = made.connect()
        client.send(b"GET /x?token=secret HTTP/1.1\r\nHost: a b\r\n\r\n")
    finally:
        globalLogPublisher.removeObserver(events.append)
    told = [event for event in events if event.get("cause")]
    assert [event["cause"] for event in told] == ["http_request_error"]
    assert told[0]["log_level"] is LogLevel.info
    assert "secret" not in repr([event.get("target") for event in told])


@pytest.mark.parametrize("method", ["TRACE", "trace"])
def test_trace_is_not_spoken(method: str) -> None:
    """TRACE is refused, for it would show what browsers and proxies add; a method of another case is another one."""
    made = Proxy({"/*": Respond()})
    client = made.connect()
    client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert Answer().read(client.take()).status == (405 if method == "TRACE" else 200)


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("a.example", b"https://a.example:8080/x"),
        ("x.b.example", b"https://x.b.example:8080/x"),
        ("evil.example", None),
    ],
)
def test_nobody_is_sent_to_hosts_that_are_not_ours(host: str, location: bytes | None) -> None:
    """A plain request on a TLS port is sent to hosts of the map only: a cache would keep it for others."""
    made = Proxy({"/*": Respond(200)})
    leaf = Respond(200)
    routes = [Route(name, name, RouteValue(leaf, leaf.handle)) for name in ("a.example", "*.b.example")]
    made.frontend.generation = Generation(None, RouteTable(routes), made.frontend.generation.origin)
    client = made.connect()
    client.protocol._on_request = lambda stream, head, end: made.frontend.plain_received(stream, head, redirects=True)
    client.send(f"GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = Answer().read(client.take())
    assert (answer.status, answer.field(b"location")) == (308 if location else 400, location)
