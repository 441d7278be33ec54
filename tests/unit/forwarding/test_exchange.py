"""Exchanges: whatever happens to either half, in whatever order, each ends once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wiring import Answer, Connector, Proxy, Reactor, Wire
from txproxy.forwarding.leaves import Leaf
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.middleware.pipeline import Middleware, Pipeline
from txproxy.model.errors import CLIENT_DISCONNECTED, CONNECTION_REFUSED, REQUEST_BODY_TOO_LARGE, ProxyError
from txproxy.model.head import RequestHead, ResponseHead

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Doing(Leaf):
    """A leaf that does what the test says, and keeps its exchanges."""

    def __init__(self, does: Any = lambda exchange: None) -> None:
        super().__init__()
        self._does = does
        self.exchanges: list[Any] = []

    def handle(self, exchange: Any) -> None:
        """Do it."""
        self.exchanges.append(exchange)
        self._does(exchange)


class Finishes(Middleware):
    """Counts ends."""

    def __init__(self) -> None:
        self.ends: list[Any] = []

    def on_finish(self, exchange: Any) -> None:
        """Count one."""
        self.ends.append(exchange)


def ask(does: Any, request: bytes = GET, **keywords: Any) -> tuple[Proxy, Wire, Any]:
    """Send a request to a leaf that does this; give the exchange as well."""
    leaf = Doing(does)
    made = Proxy({"/*": leaf}, **keywords)
    client = made.connect()
    client.send(request)
    return made, client, leaf.exchanges[0]


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (ResponseHead(200, b"OK", b"\r\nX-A: 1", None), b"hi", b"\r\nX-A: 1\r\nContent-Length: 2\r\n"),
        (ResponseHead(200, b"OK", b"\r\nContent-Length: 2", 2), b"hi", b"\r\nContent-Length: 2\r\n"),
        (ResponseHead(204, b"No Content", b"", 0), b"", b"HTTP/1.1 204 No Content\r\nDate"),
    ],
)
def test_a_whole_response_at_once(head: ResponseHead, body: bytes, expected: bytes) -> None:
    """A head that is sent with its end is the whole response, and ends the exchange."""
    made, client, exchange = ask(lambda exchange: exchange.send_head(head, body, True))
    data = client.take()
    assert expected in data
    assert data.endswith(b"\r\n\r\n" + body)
    assert (exchange.ended, len(made.records)) == (True, 1)


def test_nothing_is_sent_after_the_end() -> None:
    """What a leaf does with an exchange that has ended reaches neither the client nor its next request."""
    made, client, exchange = ask(lambda exchange: exchange.respond(200, b"OK", b"", b"hi"))
    client.take()
    client.send(GET)  # answered as well: the leaf answers at once
    client.take()
    late = made.frontend.generation.table.routes[0].value.leaf
    late._does = lambda exchange: None
    client.send(GET)
    exchange.send_head(ResponseHead(200, b"OK", b""))
    exchange.send_body(b"late")
    exchange.send_end()
    exchange.respond(200, b"OK", b"")
    exchange.fail(ProxyError(CONNECTION_REFUSED))
    exchange.stream_lost(ProxyError(CLIENT_DISCONNECTED))
    assert client.take() == b""
    assert len(made.records) == 2


@pytest.mark.parametrize(
    ("before", "cause", "status", "state"),
    [
        (None, CONNECTION_REFUSED, 502, "open"),
        (None, REQUEST_BODY_TOO_LARGE, 413, "open"),
        (None, CLIENT_DISCONNECTED, 499, "aborted"),
        (ResponseHead(200, b"OK", b"", None), CONNECTION_REFUSED, 200, "aborted"),
    ],
)
def test_failing(before: ResponseHead | None, cause: Any, status: int, state: str) -> None:
    """A failure is a page before the answer has begun and a cut connection afterwards, and is logged with its cause."""

    def fail(exchange: Any) -> None:
        if before is not None:
            exchange.send_head(before)
        exchange.fail(ProxyError(cause, "10.0.0.1 said no"))
        exchange.fail(ProxyError(cause, "again"))

    made, client, _ = ask(fail)
    assert client.state == state
    data = client.take()
    assert b"10.0.0.1" not in data
    assert (b"HTTP/1.1 %d " % status in data) == (status != 499)
    assert [(record.status, record.cause) for record in made.records] == [(status, cause.token)]


def test_a_leaf_that_raises() -> None:
    """An exception of a leaf is a 500 for its request, and the next one is served."""

    def raises(exchange: Any) -> None:
        if exchange.head.target == b"/bad":
            raise ValueError("a secret")
        exchange.respond(200, b"OK", b"", b"hi")

    made, client, _ = ask(raises, GET.replace(b"/ ", b"/bad ") + GET)
    data = client.take()
    assert data.startswith(b"HTTP/1.1 500 ")
    assert b"\r\n\r\nhi" in data
    assert b"secret" not in data
    assert [record.cause for record in made.records] == ["proxy_internal_error", ""]


def test_middleware_may_answer_instead_of_the_leaf() -> None:
    """A middleware that answers in `on_request` keeps the leaf from it."""

    class Closed(Middleware):
        def on_request(self, exchange: Any, head: RequestHead) -> None:
            exchange.respond(403, b"Forbidden", b"", b"no")

    reached: list[Any] = []
    _, client, _ = ask(
        lambda exchange: exchange.edit_request(exchange.head) and reached.append(exchange),
        pipeline=Pipeline([Closed()]),
    )
    assert client.take().startswith(b"HTTP/1.1 403 ")
    assert reached == []


# The table of hypothesis: everything that can happen to either half.

STEPS = {
    "client sends": lambda world: world.client.send(world.next_of_upload()),
    "client half-closes": lambda world: world.client.half_close(),
    "client closes": lambda world: world.client.close(),
    "client resets": lambda world: world.client.close(cleanly=False),
    "client stalls": lambda world: world.client.stall(),
    "client catches up": lambda world: world.client.catch_up(),
    "client asks again": lambda world: world.client.send(GET),
    "backend accepts": lambda world: world.decide(Connector.accept),
    "backend refuses": lambda world: world.decide(Connector.refuse),
    "backend sends": lambda world: world.at_backend(lambda wire: wire.send(world.next_of_answer())),
    "backend sends garbage": lambda world: world.instead(b"\0\r\n\r\n"),
    "backend hints": lambda world: world.instead(b"HTTP/1.1 103 Hints\r\n\r\n"),
    "backend switches": lambda world: world.instead(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    ),
    "backend half-closes": lambda world: world.at_backend(lambda wire: wire.half_close()),
    "backend closes": lambda world: world.at_backend(lambda wire: wire.close()),
    "backend resets": lambda world: world.at_backend(lambda wire: wire.close(cleanly=False)),
    "backend stalls": lambda world: world.at_backend(lambda wire: wire.stall()),
    "backend catches up": lambda world: world.at_backend(lambda wire: wire.catch_up()),
    "a second passes": lambda world: world.made.reactor.advance(1.0),
    "a minute passes": lambda world: world.made.reactor.pump([20.0] * 4),
    "wires settle": lambda world: world.settle(),
}
REQUESTS = {
    "get": (GET,),
    "upload": (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n", b"abc", b"def"),
    "chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n",
        b"abc\r\n",
        b"9\r\nover limit\r\n",
        b"0\r\n\r\n",
    ),
    "expect": (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", b"abc"),
    "upgrade": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", b"frame", b"frame"),
}
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", b"abc", b"def"),
    "one piece": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"0\r\n\r\n"),
    "to the end": (b"HTTP/1.1 200 OK\r\n\r\nabc", b"def"),
    "closing": (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", b"abc"),
}


# Drawn, not parametrized: pytest-twisted wraps a test of hypothesis once for every parameter, which goes wrong.
WAYS = ("native", "rendered")


class World:
    """A client, a proxy with two backends' worth of luck, and what they have yet to say."""

    def __init__(self, way: str, request: str, answer: str) -> None:
        reactor = Reactor()
        reactor.policy = reactor.dialing.append
        leaf = ReverseProxyResource("192.0.2.9", 80, reactor=reactor, max_body=8, tunnel_timeout=30.0)
        self.finishes = Finishes()
        self.made = Proxy({"/*": leaf}, way, reactor=reactor, pipeline=Pipeline([self.finishes]))
        self.client = self.made.connect()
        self._upload = list(REQUESTS[request])
        self._pieces = ANSWERS[answer]
        self._answers: dict[int, list[bytes]] = {}

    def next_of_upload(self) -> bytes:
        """Give the next piece of the request."""
        return self._upload.pop(0) if self._upload else b""

    def next_of_answer(self) -> bytes:
        """Give the next piece of the answer on the newest connection."""
        left = self._answers.setdefault(len(self.made.reactor.backends), list(self._pieces))
        return left.pop(0) if left else b""

    def decide(self, how: Any) -> None:
        """Decide about the oldest attempt to connect that somebody still wants."""
        dialing = self.made.reactor.dialing
        while dialing:
            connector = dialing.pop(0)
            if not connector.stopped:
                how(connector)
                return

    def at_backend(self, how: Any) -> None:
        """Do something at the newest connection."""
        backends = self.made.reactor.backends
        if backends and backends[-1].state == "open":
            how(backends[-1])

    def instead(self, data: bytes) -> None:
        """Send something on the newest connection, in front of its answer; within one it would be a part of it."""
        if len(self.made.reactor.backends) not in self._answers:
            self.at_backend(lambda wire: wire.send(data))

    def settle(self) -> None:
        """Let all that was closed be gone."""
        for wire in (self.client, *self.made.reactor.backends):
            wire.settle()


@given(
    way=st.sampled_from(WAYS),
    request_=st.sampled_from(sorted(REQUESTS)),
    answer=st.sampled_from(sorted(ANSWERS)),
    steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=25),
)
@settings(max_examples=500)
def test_every_exchange_ends_once(way: str, request_: str, answer: str, steps: list[str]) -> None:
    """In any order of events each exchange that began ends once, with one line in the log and nothing left over."""
    world = World(way, request_, answer)
    made = world.made
    for step in ["client sends", *steps]:
        STEPS[step](world)
        # What has ended is logged, once, and told, once. (What was no request has no route that could be told.)
        ends = world.finishes.ends
        assert len(ends) == len(set(map(id, ends)))
        assert len(ends) == sum(1 for record in made.records if record.route)
    world.settle()
    world.client.close()
    for _ in range(5):
        world.made.reactor.pump([30.0] * 4)
        world.settle()
    assert made.counters.active_exchanges == 0
    assert len(made.records) == made.counters.requests
    for wire in made.reactor.backends:
        # Whatever is still there may be used again: it is idle, and nobody holds it.
        assert wire.state == "lost" or (wire.protocol.idle and not wire.paused)
    pool = made.frontend.generation.table.routes[0].value.leaf.upstream.backends[0].pool
    assert pool.in_use == 0


@given(
    way=st.sampled_from(WAYS),
    answer=st.sampled_from(["length", "chunked"]),
    steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=15),
)
@settings(max_examples=200)
def test_an_answer_is_whole_or_seen_to_be_broken(way: str, answer: str, steps: list[str]) -> None:
    """A client that reads a complete 200 has every byte of the backend's answer."""
    world = World(way, "get", answer)
    data = b""
    for step in ["client sends", *steps]:
        STEPS[step](world)
        data += world.client.take()
    got = Answer().read(data)
    whole = b"abcdef" if answer == "length" else b"abc"
    if got.heads and got.status == 200 and got.complete:
        assert got.body_so_far == whole
