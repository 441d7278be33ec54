"""Leaves in somebody else's tree of `twisted.web` resources."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.support.wiring import Answer, Reactor, Wire
from txproxy.forwarding.leaves import Redirect, Respond
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.policy.forwarded import X_FORWARDED, Forwarding
from txproxy.policy.rewrite import RedirectTemplate
from txproxy.policy.trust import Trust

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def connect(root: Resource, reactor: Reactor) -> Wire:
    """Connect to a Site with this root."""
    wire = Wire()
    wire.protocol = Site(root, reactor=reactor).buildProtocol(wire.getPeer())
    wire.protocol.makeConnection(wire)
    return wire


def get(target: bytes, *lines: bytes) -> bytes:
    """Write a request."""
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: a.example", *lines, b"", b""])


def tree(*path: bytes, leaf: Any) -> Resource:
    """Put a leaf below other resources."""
    root = inner = Resource()
    for name in path[:-1]:
        child = Resource()
        inner.putChild(name, child)
        inner = child
    inner.putChild(path[-1], leaf)
    return root


@pytest.mark.parametrize(
    ("path", "base", "target", "expected"),
    [
        ((b"app",), b"", b"/app/a%2fb/c%20d?x=%2f", b"/a%2fb/c%20d?x=%2f"),
        ((b"app",), b"", b"/app", b"/"),
        ((b"app",), b"", b"/app?x", b"/?x"),
        ((b"app",), b"", b"/app/", b"/"),
        ((b"app",), b"/base", b"/app/a", b"/base/a"),
        ((b"a", b"b"), b"", b"/a/b/c//d/", b"/c//d/"),
        ((b"a b",), b"", b"/a%20b/c", b"/c"),
    ],
)
def test_the_rest_of_the_path_goes_to_the_backend(
    path: tuple[bytes, ...], base: bytes, target: bytes, expected: bytes
) -> None:
    """What the tree has used up of a path is taken off, and the rest goes out as it was sent."""
    reactor = Reactor()
    leaf = ReverseProxyResource("192.0.2.9", 80, base, reactor=reactor)
    client = connect(tree(*path, leaf=leaf), reactor)
    client.send(get(target))
    (backend,) = reactor.backends
    assert backend.take().startswith(b"GET " + expected + b" HTTP/1.1\r\n")
    backend.send(OK)
    assert Answer().read(client.take()).body_so_far == b"hi"


def test_a_path_that_was_rewritten_on_the_way() -> None:
    """Where a resource on the way has changed the rest of the path, that is what counts, encoded anew."""

    class Rewriting(Resource):
        def getChild(self, path: bytes, request: Any) -> Resource:
            request.postpath[:] = [b"new path", b"\xe4"]
            return leaf

    reactor = Reactor()
    leaf = ReverseProxyResource("192.0.2.9", 80, reactor=reactor)
    client = connect(Rewriting(), reactor)
    client.send(get(b"/x/old?q"))
    assert reactor.backends[0].take().startswith(b"GET /new%20path/%E4?q HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("leaf", "status"), [(Respond(200, "hello"), 200), (Redirect(RedirectTemplate("https://b{uri}"), 301), 301)]
)
def test_every_leaf_stands_for_itself(leaf: Any, status: int) -> None:
    """A leaf answers in any tree without a route map, again and again."""
    client = connect(tree(b"x", leaf=leaf), Reactor())
    for _ in range(2):
        client.send(get(b"/x/y"))
        answer = Answer().read(client.take())
        assert (answer.status, answer.complete) == (status, True)
    assert leaf.surroundings.counters.requests == 2


def test_one_connection_serves_many_requests() -> None:
    """The backend's connection is kept for the next request."""
    reactor = Reactor()
    client = connect(ReverseProxyResource("192.0.2.9", 80, reactor=reactor), reactor)
    for _ in range(3):
        client.send(get(b"/"))
        reactor.backends[0].send(OK)
    assert len(reactor.backends) == 1
    assert client.take().count(b"\r\n\r\nhi") == 3


@pytest.mark.parametrize(
    ("networks", "expected"), [((), b"192.0.2.1"), ((ip_network("192.0.2.0/24"),), b"203.0.113.7, 192.0.2.1")]
)
def test_forwarded_fields(networks: Any, expected: bytes) -> None:
    """What a client says of where it comes from is believed as the leaf's own `forwarding` says."""
    reactor = Reactor()
    forwarding = Forwarding((X_FORWARDED,), Trust(networks))
    client = connect(ReverseProxyResource("192.0.2.9", 80, reactor=reactor, forwarding=forwarding), reactor)
    client.send(get(b"/", b"X-Forwarded-For: 203.0.113.7"))
    assert b"\r\nX-Forwarded-For: " + expected + b"\r\n" in reactor.backends[0].take()


def test_what_the_tree_sets_stays() -> None:
    """Fields and cookies that a resource above has set are sent with the backend's own."""

    class Above(Resource):
        def getChild(self, path: bytes, request: Any) -> Resource:
            request.setHeader(b"Strict-Transport-Security", b"max-age=1")
            request.addCookie(b"above", b"1")
            return leaf

    reactor = Reactor()
    leaf = ReverseProxyResource("192.0.2.9", 80, reactor=reactor)
    client = connect(Above(), reactor)
    client.send(get(b"/x"))
    reactor.backends[0].send(b"HTTP/1.1 200 OK\r\nSet-Cookie: below=1\r\nContent-Length: 0\r\n\r\n")
    data = client.take()
    for line in (b"Strict-Transport-Security: max-age=1", b"Set-Cookie: above=1", b"Set-Cookie: below=1"):
        assert b"\r\n" + line + b"\r\n" in data


def test_a_body_that_was_chunked_has_a_length() -> None:
    """A Site takes a request's framing off; the backend gets the body by its length."""
    reactor = Reactor()
    client = connect(ReverseProxyResource("192.0.2.9", 80, reactor=reactor), reactor)
    client.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
        b"2\r\nab\r\n0\r\nX: y\r\n\r\n"
    )
    seen = reactor.backends[0].take()
    assert seen.endswith(b"\r\n\r\nab")
    assert b"\r\nContent-Length: 2\r\n" in seen
    assert b"ransfer" not in seen
    assert b"railers" not in seen
    reactor.backends[0].send(OK)
    client.close()


def test_control_characters_are_refused() -> None:
    """What `twisted.web` lets into a field and we do not is a 400."""
    reactor = Reactor()
    client = connect(ReverseProxyResource("192.0.2.9", 80, reactor=reactor), reactor)
    client.send(get(b"/", b"X: a\x01b"))
    assert Answer().read(client.take()).status == 400
    assert reactor.backends == []
