"""Resources of `twisted.web` as leaves: what they see of a request, and what becomes of what they do."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer
from twisted.python.failure import Failure
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory
from zope.interface import implementer

from tests.support.producers import Push
from tests.support.wiring import Answer, Proxy, Reactor, Wire
from txproxy.forwarding.bridge import Bridge
from txproxy.forwarding.frontend import RouteValue
from txproxy.middleware.pipeline import Middleware, Pipeline
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.policy.forwarded import X_FORWARDED, Forwarding
from txproxy.policy.trust import Trust
from txproxy.routing.table import Route

WAYS = ("native", "rendered")
both_ways = pytest.mark.parametrize("way", WAYS)


class Calling(Resource):
    """A leaf whose `render` is a function of the test; it keeps its requests."""

    isLeaf = True

    def __init__(self, answer: Callable[[Any], Any] = lambda request: b"hello") -> None:
        super().__init__()
        self._answer = answer
        self.requests: list[Any] = []
        self.finished: list[Any] = []

    def render(self, request: Any) -> Any:
        """Do what the test says."""
        self.requests.append(request)
        request.notifyFinish().addBoth(self.finished.append)
        return self._answer(request)


def ask(
    made: Proxy,
    *lines: bytes,
    target: bytes = b"/",
    method: bytes = b"GET",
    body: bytes = b"",
    capacity: int | None = None,
) -> Wire:
    """Send a request; `capacity` is how much the client takes before it is behind."""
    client = made.connect()
    client.capacity = capacity
    client.send(b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: a.example:8080", *lines, b"", body]))
    made.reactor.advance(0)
    return client


def answer(client: Wire, method: bytes = b"GET") -> Answer:
    """Read the answer."""
    return Answer(method).read(client.take())


# Where the resource is.


@pytest.mark.parametrize(
    ("pattern", "target", "prepath", "postpath"),
    [
        ("/*", b"/a/b", [], [b"a", b"b"]),
        ("/*", b"/", [], [b""]),
        ("/*", b"/a/", [], [b"a", b""]),
        ("/*", b"/a%20b/c%2fd?x=/y", [], [b"a b", b"c/d"]),
        ("/*", b"/a;p=1", [], [b"a;p=1"]),
        ("/*", b"/%e4", [], [b"\xe4"]),
        ("/*", b"/x/../a/./b", [], [b"a", b"b"]),
        ("/app/*", b"/app/a", [b"app"], [b"a"]),
        ("/app/*", b"/app", [b"app"], []),
        ("/app/*", b"/app/", [b"app"], [b""]),
        ("/app/*", b"/%61pp/a", [b"app"], [b"a"]),
        ("/app/*", b"/x/../app/a", [b"app"], [b"a"]),
        ("/app/*", b"//app/a", [b"app"], [b"a"]),
        ("/app/*", b"/app%2fa/b", [b"app"], [b"a", b"b"]),
        ("/{user}/files/*", b"/me/files/a", [b"me", b"files"], [b"a"]),
        ("/one", b"/one", [b"one"], []),
        ("~^/re", b"/re/a", [], [b"re", b"a"]),
    ],
)
def test_a_resource_is_mounted_where_its_pattern_ends(
    pattern: str, target: bytes, prepath: list[bytes], postpath: list[bytes]
) -> None:
    """A resource sees the rest of the path as below `putChild`, read as its route was chosen; the address stays."""
    seen = Calling(lambda request: repr((request.prepath, request.postpath, request.uri)).encode())
    got = answer(ask(Proxy({pattern: seen}), target=target))
    assert got.body_so_far == repr((prepath, postpath, target)).encode()


def test_a_tree_of_resources() -> None:
    """Children are found by the rest of the path."""
    root = Resource()
    inner = Resource()
    root.putChild(b"a", inner)
    inner.putChild(b"b", Calling())
    made = Proxy({"/app/*": root})
    assert answer(ask(made, target=b"/app/a/b")).body_so_far == b"hello"
    assert answer(ask(made, target=b"/app/b")).status == 404


def test_strip_prefix_mounts_as_well() -> None:
    """A bridge that is told a prefix mounts its resource there, and only for paths that have it."""
    seen = Calling(lambda request: repr((request.prepath, request.postpath)).encode())
    made = Proxy({"/*": seen})
    bridge = Bridge(seen, strip_prefix="/a/b", reactor=made.reactor)
    value = made.frontend.generation.table.routes[0].value
    value.handle = bridge.handle
    assert answer(ask(made, target=b"/a/b/c")).body_so_far == b"([b'a', b'b'], [b'c'])"
    assert answer(ask(made, target=b"/a/bc")).body_so_far == b"([], [b'a', b'bc'])"


# What it sees.


@both_ways
def test_what_a_resource_sees(way: str) -> None:
    """Method, query, fields, cookies, form, client and host are there as `twisted.web` has them."""
    made = Proxy({"/*": (leaf := Calling())}, way)
    client = ask(
        made,
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: 7",
        b"Cookie: a=1; b=2",
        b"X-A: 1",
        b"X-A: 2",
        method=b"POST",
        target=b"/p?q=1&q=2",
        body=b"f=1&g=2",
    )
    assert answer(client).status == 200
    (request,) = leaf.requests
    assert (request.method, request.uri, request.path) == (b"POST", b"/p?q=1&q=2", b"/p")
    assert request.args == {b"q": [b"1", b"2"], b"f": [b"1"], b"g": [b"2"]}
    assert request.getCookie(b"b") == b"2"
    assert request.requestHeaders.getRawHeaders(b"x-a") == [b"1", b"2"]
    assert (request.getClientAddress().host, request.isSecure()) == ("192.0.2.1", False)
    assert request.getRequestHostname() == b"a.example"
    assert (request.getHost().host, request.getHost().port) == ("a.example", 8080)
    assert request.prePathURL() == b"http://a.example:8080/"


@both_ways
@pytest.mark.parametrize("size", [0, 5, 99_999, 100_000, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_is_there_when_the_resource_is_asked(way: str, size: int, chunked: bool) -> None:
    """A body of any size, however framed, can be read as a file, and its length is told."""
    got: list[tuple[int, bytes | None]] = []

    def read(request: Any) -> bytes:
        got.append((len(request.content.read()), request.getHeader(b"content-length")))
        return b""

    made = Proxy({"/*": Calling(read)}, way)
    body = b"x" * size
    if chunked:
        ask(
            made,
            b"Transfer-Encoding: chunked",
            method=b"PUT",
            body=(b"%x\r\n%b\r\n" % (size, body) if size else b"") + b"0\r\n\r\n",
        )
    else:
        ask(made, b"Content-Length: %d" % size, method=b"PUT", body=body)
    assert got in ([(size, b"%d" % size)], [(0, None)] if not size else None)


@pytest.mark.parametrize("lines", [(b"Content-Length: 11",), (b"Transfer-Encoding: chunked",)])
def test_bodies_over_the_limit(lines: tuple[bytes, ...]) -> None:
    """A body over the route's limit is a 413, and the resource is not asked."""
    made = Proxy({"/*": (leaf := Calling())}, max_body=10)
    client = ask(made, *lines, method=b"POST", body=b"b\r\n01234567890\r\n0\r\n\r\n" if b"T" in lines[0] else b"")
    got = answer(client)
    assert (got.status, leaf.requests) == (413, [])
    assert b"max_body" in got.body_so_far


def test_expectations_are_met_when_the_length_is_accepted() -> None:
    """A client that asks first is told to go on, then answered."""
    made = Proxy({"/*": Calling(lambda request: request.content.read())})
    client = ask(made, b"Content-Length: 2", b"Expect: 100-continue", method=b"POST")
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ab")
    assert answer(client).body_so_far == b"ab"


def test_an_application_is_told_where_a_request_comes_from() -> None:
    """With `forwarding` the fields are those that a backend would get; a client's own claims are gone."""
    made = Proxy({"/*": (leaf := Calling())})
    forwarding = Forwarding((X_FORWARDED,), Trust(()))
    bridge = Bridge(leaf, forwarding=forwarding, reactor=made.reactor)
    route = made.frontend.generation.table.routes[0]
    route.value = RouteValue(leaf, bridge.handle)
    assert isinstance(route, Route)
    ask(made, b"X-Forwarded-For: 6.6.6.6", b"X-Request-Id: mine")
    headers = leaf.requests[0].requestHeaders
    assert headers.getRawHeaders(b"x-forwarded-for") == [b"192.0.2.1"]
    assert headers.getRawHeaders(b"x-request-id") != [b"mine"]


def test_options_of_the_server() -> None:
    """`OPTIONS *` gets an empty 200, as from `twisted.web`."""
    got = answer(ask(Proxy({"/*": Calling()}), method=b"OPTIONS", target=b"*"))
    assert (got.status, got.field(b"content-length"), got.complete) == (200, b"0", True)


# What it answers.


def later(request: Any) -> int:
    """Answer in pieces, without a length."""
    request.setHeader(b"Content-Type", b"text/x")
    request.write(b"he")
    request.write(b"llo")
    request.finish()
    return NOT_DONE_YET


def nothing(request: Any) -> int:
    """Answer with nothing at all."""
    request.setResponseCode(204)
    request.finish()
    return NOT_DONE_YET


def cached(request: Any) -> bytes:
    """Say that nothing has changed."""
    request.setETag(b'"x"')
    request.setResponseCode(304)
    return b""


def cookies(request: Any) -> bytes:
    """Set two cookies and a field twice."""
    request.addCookie(b"a", b"1")
    request.addCookie(b"b", b"2")
    request.responseHeaders.setRawHeaders(b"X-A", [b"1", b"2"])
    return b"hello"


ANSWERS = [
    ("bytes", lambda request: b"hello", 200, b"hello", {b"content-length": b"5", b"content-type": b"text/html"}),
    ("pieces", later, 200, b"hello", {b"content-type": b"text/x", b"content-length": None}),
    ("nothing", nothing, 204, b"", {b"content-type": None, b"content-length": None}),
    ("not modified", cached, 304, b"", {b"etag": b'"x"', b"content-length": None}),
    ("cookies", cookies, 200, b"hello", {b"set-cookie": b"a=1"}),
]


@both_ways
@pytest.mark.parametrize(("name", "does", "status", "body", "has"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_answers(way: str, name: str, does: Any, status: int, body: bytes, has: dict[bytes, bytes | None]) -> None:
    """A response is what the resource made of it, without the version of `twisted.web`; the connection stays."""
    made = Proxy({"/*": (leaf := Calling(does))}, way)
    client = ask(made)
    got = answer(client)
    assert (got.status, got.body_so_far, got.complete, got.error) == (status, body, True, None)
    assert {name: got.field(name) for name in has} == has
    assert got.field(b"server") is None
    assert got.field(b"date") is not None
    assert (client.state, leaf.finished) == ("open", [None])
    assert [(record.status, record.cause, record.bytes_sent) for record in made.records] == [(status, "", len(body))]


@both_ways
@pytest.mark.parametrize("does", [lambda request: b"hello", later])
def test_head(way: str, does: Any) -> None:
    """HEAD gets the head of GET and not a byte of a body."""
    client = ask(Proxy({"/*": Calling(does)}, way), method=b"HEAD")
    data = client.take()
    assert data.startswith(b"HTTP/1.1 200 ")
    assert data.endswith(b"\r\n\r\n")
    assert b"chunked" not in data
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_a_resource_without_head() -> None:
    """A resource that only knows GET answers HEAD by it."""

    class OnlyGet(Resource):
        isLeaf = True
        allowedMethods = (b"GET",)

        def render(self, request: Any) -> bytes:
            if request.method != b"GET":
                return Resource.render(self, request)
            return b"hello"

        render_HEAD = None

    made = Proxy({"/*": OnlyGet()})
    got = answer(ask(made, method=b"HEAD"), b"HEAD")
    assert (got.status, got.field(b"content-length"), got.body_so_far) == (200, b"5", b"")
    assert answer(ask(made, method=b"POST")).status == 405


def test_encoders_work() -> None:
    """A resource with an encoder is encoded."""
    leaf = EncodingResourceWrapper(Calling(lambda request: b"hello" * 100), [GzipEncoderFactory()])
    got = answer(ask(Proxy({"/*": leaf}), b"Accept-Encoding: gzip"))
    assert (got.field(b"content-encoding"), got.body_so_far[:2], got.complete) == (b"gzip", b"\x1f\x8b", True)


def test_sessions_last_over_requests() -> None:
    """A session is found again by its cookie, and expires."""

    def count(request: Any) -> bytes:
        session = request.getSession()
        session.count = getattr(session, "count", 0) + 1
        return b"%d" % session.count

    made = Proxy({"/*": Calling(count)})
    first = answer(ask(made))
    cookie = (first.field(b"set-cookie") or b"").partition(b";")[0]
    assert answer(ask(made, b"Cookie: " + cookie)).body_so_far == b"2"
    made.reactor.advance(1000)
    assert answer(ask(made, b"Cookie: " + cookie)).body_so_far == b"1"


# What goes wrong.


def raises(request: Any) -> bytes:
    """Raise."""
    raise ValueError("a secret")


def raises_later(request: Any) -> int:
    """Fail as frameworks do it for a Deferred."""
    request.processingFailed(Failure(ValueError("a secret")))
    return NOT_DONE_YET


def bad_field(request: Any) -> bytes:
    """Set a field that cannot be sent."""
    request.setHeader(b"X-A", b"a\0b")
    return b"hello"


def bad_status(request: Any) -> bytes:
    """Set a status that is none."""
    request.setResponseCode(99)
    return b"hello"


def empty_500(request: Any) -> int:
    """Fail as WSGIResource does it."""
    request.defaultContentType = None
    request.setResponseCode(500)
    request.finish()
    return NOT_DONE_YET


def drops(request: Any) -> int:
    """Close the connection instead of answering."""
    request.loseConnection()
    return NOT_DONE_YET


FAILURES = [raises, raises_later, lambda request: "text", bad_field, bad_status, empty_500, drops]


@both_ways
@pytest.mark.parametrize("does", FAILURES)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_resource_that_fails(way: str, does: Any, method: bytes) -> None:
    """What fails before an answer has begun is our 500, which says nothing of why."""
    made = Proxy({"/*": Calling(does)}, way)
    client = ask(
        made, *([b"Content-Length: 1"] if method == b"POST" else []), method=method, body=b"x" * (method == b"POST")
    )
    got = answer(client)
    assert (got.status, got.complete) == (500, True)
    assert got.field(b"proxy-status") == b"txproxy; error=proxy_internal_error"
    for secret in (b"secret", b"Traceback", b"Calling", b"twisted", b"Twisted"):
        assert secret not in got.body_so_far
    assert [(record.status, record.cause) for record in made.records] == [(500, "proxy_internal_error")]
    assert made.counters.active_exchanges == 0


def halfway(then: Callable[[Any], None], *, length: bytes | None = None) -> Callable[[Any], int]:
    """Make a resource that begins to answer and then does this."""

    def render(request: Any) -> int:
        if length is not None:
            request.setHeader(b"Content-Length", length)
        request.write(b"half")
        then(request)
        return NOT_DONE_YET

    return render


HALVES = [
    ("loses the connection", halfway(lambda request: request.loseConnection())),
    ("fails", halfway(lambda request: request.processingFailed(Failure(ValueError("a secret"))))),
    ("raises", halfway(raises)),
    ("ends too soon", halfway(lambda request: request.finish(), length=b"5")),
    ("goes on too long", halfway(lambda request: request.write(b"more"), length=b"5")),
]


@both_ways
@pytest.mark.parametrize(("name", "does"), HALVES, ids=[row[0] for row in HALVES])
def test_half_an_answer_never_looks_whole(way: str, name: str, does: Any) -> None:
    """A resource that fails within its answer cuts the client's connection; the exchange ends, once."""
    made = Proxy({"/*": Calling(does)}, way)
    client = ask(made)
    assert not answer(client).complete
    assert client.state == "aborted"
    assert [record.cause for record in made.records] == ["proxy_internal_error"]


@both_ways
def test_a_form_that_is_none(way: str) -> None:
    """A malformed multipart form is a 400."""
    made = Proxy({"/*": Calling()}, way)
    client = ask(
        made,
        b"Content-Type: multipart/form-data; boundary=x",
        b"Content-Length: 3",
        method=b"POST",
        body=b"abc",
    )
    assert client.take().startswith(b"HTTP/1.1 400 ")


@both_ways
def test_the_client_goes_away(way: str) -> None:
    """A resource is told by `notifyFinish`; whatever it does afterwards does nothing, and raises nothing."""
    made = Proxy({"/*": (leaf := Calling(lambda request: NOT_DONE_YET))}, way)
    client = ask(made)
    client.close()
    (request,), (failure,) = leaf.requests, leaf.finished
    assert isinstance(failure, Failure)
    request.setHeader(b"X", b"y")
    request.write(b"late")
    request.finish()
    request.finish()
    request.loseConnection()
    request.unregisterProducer()
    request.processingFailed(Failure(ValueError("late")))
    assert client.take() == b""
    assert [(record.status, record.cause) for record in made.records] == [(499, "client_disconnected")]


def test_what_comes_after_the_end_does_not_reach_the_next_request() -> None:
    """A resource that writes on after `finish` does not write into the answer to another request."""
    leaf = Calling(later)
    made = Proxy({"/*": leaf})
    client = ask(made)
    client.take()
    leaf._answer = lambda request: NOT_DONE_YET
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    first, second = leaf.requests
    first.write(b"late")
    first.finish()
    assert client.take() == b""
    second.write(b"x")
    second.finish()
    assert answer(client).body_so_far == b"x"


def test_the_client_goes_away_within_its_upload() -> None:
    """A body that does not end asks no resource."""
    made = Proxy({"/*": (leaf := Calling())})
    client = ask(made, b"Content-Length: 5", method=b"POST", body=b"ab")
    client.close()
    assert leaf.requests == []
    assert [record.status for record in made.records] == [499]


# Producers.


@implementer(IPullProducer)
class Pull:
    """Gives a file in pieces."""

    def __init__(self, request: Any, data: bytes, size: int = 10) -> None:
        self.request, self.file, self.size = request, BytesIO(data), size
        self.stopped = False

    def resumeProducing(self) -> None:
        """Give a piece, or end."""
        data = self.file.read(self.size)
        if data:
            self.request.write(data)
        else:
            self.request.unregisterProducer()
            self.request.finish()

    def stopProducing(self) -> None:
        """Note."""
        self.stopped = True


def test_push_producers_follow_the_client() -> None:
    """A push producer is paused and resumed with the client, and stopped when it goes."""
    producer = Push()
    leaf = Calling(lambda request: request.registerProducer(producer, True) or NOT_DONE_YET)
    client = ask(Proxy({"/*": leaf}))
    leaf.requests[0].write(b"x")
    client.stall()
    client.catch_up()
    client.close()
    assert producer.told == ["pause", "resume", "stop"]


def test_a_producer_that_comes_while_the_client_is_behind_waits() -> None:
    """A producer registered while nothing can be written is paused at once."""
    producer = Push()
    leaf = Calling(lambda request: NOT_DONE_YET)
    client = ask(Proxy({"/*": leaf}))
    leaf.requests[0].write(b"x")
    client.stall()
    leaf.requests[0].registerProducer(producer, True)
    assert producer.told == ["pause"]


@both_ways
def test_pull_producers_are_asked_as_fast_as_the_client_reads(way: str) -> None:
    """A pull producer gives a piece a turn, none while the client is behind, and its end ends the answer."""
    made: Proxy
    pulls: list[Pull] = []

    def render(request: Any) -> int:
        pulls.append(Pull(request, b"0123456789" * 5))
        request.registerProducer(pulls[0], False)
        return NOT_DONE_YET

    made = Proxy({"/*": Calling(render)}, way)
    client = ask(made, capacity=1)
    assert pulls[0].file.tell() <= 10
    client.capacity = None
    client.catch_up()
    made.reactor.pump([0] * 10)
    got = answer(client)
    assert (got.body_so_far, got.complete) == (b"0123456789" * 5, True)


def test_a_pull_producer_is_stopped_with_its_client() -> None:
    """When the client goes, a pull producer is stopped and not asked again."""
    pulls: list[Pull] = []

    def render(request: Any) -> int:
        pulls.append(Pull(request, b"0123456789" * 5))
        request.registerProducer(pulls[0], False)
        return NOT_DONE_YET

    made = Proxy({"/*": Calling(render)})
    client = ask(made, capacity=1)
    client.close()
    made.reactor.pump([0] * 5)
    assert (pulls[0].stopped, pulls[0].file.tell() <= 10) == (True, True)


def test_a_pull_producer_that_raises_cuts_the_answer() -> None:
    """An exception of a producer ends its exchange."""

    class Broken(Pull):
        def resumeProducing(self) -> None:
            if self.file.tell():
                raise ValueError("a secret")
            super().resumeProducing()

    def render(request: Any) -> int:
        request.registerProducer(Broken(request, b"x" * 20), False)
        return NOT_DONE_YET

    made = Proxy({"/*": Calling(render)})
    client = ask(made)
    made.reactor.advance(0)
    assert client.state == "aborted"
    assert [record.cause for record in made.records] == ["proxy_internal_error"]


# Middleware.


class Marking(Middleware):
    """Changes what passes."""

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Mark the request."""
        head.block += b"\r\nX-Marked: yes"

    def on_request_body(self, exchange: Any, data: bytes) -> bytes:
        """Double it."""
        return data * 2

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Mark the response."""
        head.block += b"\r\nX-Marked: yes"

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Double it."""
        return data * 2


@both_ways
def test_middleware_runs_around_resources(way: str) -> None:
    """Every phase of the route's pipeline is run for a resource as for a backend."""
    made = Proxy({"/*": (leaf := Calling(lambda request: request.content.read()))}, way, pipeline=Pipeline([Marking()]))
    client = ask(made, b"Content-Length: 2", method=b"POST", body=b"ab")
    got = answer(client)
    assert leaf.requests[0].getHeader(b"x-marked") == b"yes"
    assert (got.field(b"x-marked"), got.body_so_far, got.complete) == (b"yes", b"abababab", True)


def test_deferred_answers() -> None:
    """A resource may take its time."""
    waiting: Deferred[bytes] = Deferred()

    def render(request: Any) -> int:
        waiting.addCallback(request.write)
        waiting.addCallback(lambda result: request.finish())
        return NOT_DONE_YET

    client = ask(Proxy({"/*": Calling(render)}, reactor=Reactor()))
    assert client.take() == b""
    waiting.callback(b"at last")
    assert answer(client).body_so_far == b"at last"


def slow_to_finish(request: Any) -> int:
    """Write all that was announced, and not come to an end."""
    request.setHeader(b"Content-Length", b"5")
    request.write(b"hello")
    return NOT_DONE_YET


@pytest.mark.parametrize(("method", "sent"), [(b"GET", 5), (b"HEAD", 0)])
def test_an_answer_is_complete_with_its_last_byte(method: bytes, sent: int) -> None:
    """A client that leaves with all of the answer has not broken it off, though the application is not done."""
    made = Proxy({"/*": Calling(slow_to_finish)})
    client = ask(made, method=method)
    client.close()
    (record,) = made.records
    assert (record.status, record.cause, record.bytes_sent) == (200, "", sent)
