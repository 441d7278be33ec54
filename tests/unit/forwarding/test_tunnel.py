"""Tunnels: bytes both ways after a 101, half-closes, and every way to end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy, Reactor, Wire
from txproxy.forwarding.proxy import ReverseProxyResource

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"
)


def proxy(way: str = "native") -> Proxy:
    """Make a proxy before one backend; tunnels end after 30 idle seconds."""
    reactor = Reactor()
    leaf = ReverseProxyResource("192.0.2.9", 80, reactor=reactor, tunnel_timeout=30.0)
    return Proxy({"/*": leaf}, way, reactor=reactor)


def tunnel() -> tuple[Proxy, Wire, Wire]:
    """Open a tunnel; give both ends with nothing left to read."""
    made = proxy()
    client = made.connect()
    client.send(UPGRADE)
    (backend,) = made.reactor.backends
    backend.send(SWITCHING)
    client.take()
    backend.take()
    return made, client, backend


def test_the_handshake_passes_whole() -> None:
    """Both heads of the handshake arrive with their own fields, and the connection's."""
    made = proxy()
    client = made.connect()
    client.send(UPGRADE)
    (backend,) = made.reactor.backends
    seen = backend.take()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in seen
    assert b"\r\nSec-WebSocket-Key: x\r\n" in seen
    backend.send(SWITCHING)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: y\r\n" in answer
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in answer


def test_bytes_that_came_with_the_heads_go_first() -> None:
    """What either side sent right behind its head is delivered, in order."""
    made = proxy()
    client = made.connect()
    client.send(UPGRADE + b"early")
    (backend,) = made.reactor.backends
    assert backend.take().endswith(b"\r\n\r\n")
    backend.send(SWITCHING + b"hello")
    assert client.take().endswith(b"\r\n\r\nhello")
    assert backend.take() == b"early"
    client.send(b"1")
    backend.send(b"2")
    assert (backend.take(), client.take()) == (b"1", b"2")


@pytest.mark.parametrize("first", ["client", "backend"])
def test_a_half_close_is_passed_on(first: str) -> None:
    """When one side has ended its half the other may go on, until it ends as well."""
    made, client, backend = tunnel()
    one, other = (client, backend) if first == "client" else (backend, client)
    one.send(b"last")
    one.half_close()
    assert (other.take(), other.half_closed, one.state) == (b"last", True, "open")
    other.send(b"still here")
    assert one.take() == b"still here"
    other.half_close()
    assert (client.state, backend.state) == ("closing", "closing")
    assert [(record.status, record.cause) for record in made.records] == [(101, "")]


@pytest.mark.parametrize("first", ["client", "backend"])
def test_a_reset_is_passed_on(first: str) -> None:
    """A side that breaks resets the other: what was on its way is not complete."""
    made, client, backend = tunnel()
    one, other = (client, backend) if first == "client" else (backend, client)
    one.close(cleanly=False)
    assert other.state == "aborted"
    assert len(made.records) == 1
    assert made.records[0].cause in {"client_disconnected", "connection_terminated", "http_response_incomplete"}


def test_an_idle_tunnel_ends() -> None:
    """A tunnel in which nothing moves for its timeout ends on both sides; either direction keeps it."""
    made, client, backend = tunnel()
    for sender in (client, backend, client):
        made.reactor.pump([5.0] * 5)
        sender.send(b"ping")
    assert (client.state, backend.state) == ("open", "open")
    made.reactor.pump([5.0] * 8)
    assert (client.state, backend.state) == ("closing", "closing")
    assert [record.cause for record in made.records] == ["tunnel_idle_timeout"]


def test_no_other_deadline_ends_a_tunnel() -> None:
    """A tunnel that moves is not ended by the deadlines of requests and answers."""
    made, client, backend = tunnel()
    for _ in range(100):
        made.reactor.pump([5.0] * 4)
        client.send(b"ping")
    assert (client.state, backend.state) == ("open", "open")


@pytest.mark.parametrize("slow", ["client", "backend"])
def test_backpressure(slow: str) -> None:
    """Nothing more is read from one side while the other takes nothing."""
    _, client, backend = tunnel()
    behind, ahead = (client, backend) if slow == "client" else (backend, client)
    behind.stall()
    assert ahead.paused
    ahead.send(b"more")
    assert behind.take() == b""
    behind.catch_up()
    assert behind.take() == b"more"


def test_the_log_counts_the_bytes() -> None:
    """The record of a tunnel comes at its end, with the bytes of both directions."""
    made, client, backend = tunnel()
    client.send(b"12345")
    backend.send(b"123")
    assert made.records == []
    client.half_close()
    backend.half_close()
    (record,) = made.records
    assert (record.bytes_received, record.bytes_sent, record.backend) == (5, 3, "http://192.0.2.9")


@pytest.mark.parametrize("status", [b"200 OK", b"426 Upgrade Required", b"401 Unauthorized"])
def test_a_backend_may_decline(status: bytes) -> None:
    """An ordinary answer to an upgrade is an ordinary answer, and the connection goes on with HTTP."""
    made = proxy()
    client = made.connect()
    client.send(UPGRADE)
    (backend,) = made.reactor.backends
    backend.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")
    assert Answer().read(client.take()).complete
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert backend.take().endswith(b"\r\n\r\n")
    assert len(made.reactor.backends) == 1


def test_below_a_stock_site_there_are_none() -> None:
    """A Site knows no tunnels: the backend is not asked for one."""
    made = proxy("rendered")
    client = made.connect()
    client.send(UPGRADE)
    (backend,) = made.reactor.backends
    seen: Any = backend.take()
    assert b"pgrade" not in seen
    assert b"Sec-WebSocket-Key: x" in seen or b"Sec-Websocket-Key: x" in seen
