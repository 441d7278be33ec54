"""A route map as a tree of resources."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.support.wiring import Answer, Reactor, Wire
from txproxy.forwarding.leaves import Respond
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.forwarding.tree import VirtualHostRoot
from txproxy.service.embedding import resource_tree

MAP = {
    "hosts": {
        "a.example": [
            {"path": "/api/*", "proxy": "http://192.0.2.9:8000", "strip_prefix": "/api", "name": "api"},
            {"respond": {"status": 200, "body": "a"}, "name": "rest"},
        ],
        "*.b.example": {"respond": {"body": "b"}},
    }
}


def tree(reactor: Reactor) -> VirtualHostRoot:
    """Make the tree."""
    return resource_tree(MAP, reactor, environ={})


def connect(root: Resource, reactor: Reactor) -> Wire:
    """Connect to a Site with this root."""
    wire = Wire()
    wire.protocol = Site(root, reactor=reactor).buildProtocol(wire.getPeer())
    wire.protocol.makeConnection(wire)
    return wire


def get(host: str, target: str = "/") -> bytes:
    """Write a request."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("host", "target", "status", "body"),
    [
        ("a.example", "/", 200, b"a"),
        ("A.Example.:8080", "/x/y", 200, b"a"),
        ("x.b.example", "/", 200, b"b"),
        ("b.example", "/", 404, None),
        ("x.y.b.example", "/", 404, None),
        ("nobody.example", "/", 404, None),
        ("a example", "/", 400, None),
        ("a.example", "/../x", 400, None),
    ],
)
def test_hosts_and_paths(host: str, target: str, status: int, body: bytes | None) -> None:
    """Below a stock Site hosts and paths are matched as natively, errors have the same pages."""
    reactor = Reactor()
    client = connect(tree(reactor), reactor)
    client.send(get(host, target))
    answer = Answer().read(client.take())
    assert (answer.status, answer.complete) == (status, True)
    assert body is None or answer.body_so_far == body
    assert (answer.field(b"proxy-status") is None) == (status == 200)


def test_a_proxy_route() -> None:
    """A proxy route strips its prefix and forwards."""
    reactor = Reactor()
    client = connect(tree(reactor), reactor)
    client.send(get("a.example", "/api/x?y"))
    assert reactor.backends[0].take().startswith(b"GET /x?y HTTP/1.1\r\nHost: a.example\r\n")


def test_as_a_child_of_another_tree() -> None:
    """Below another resource, routes match what is left of the path."""
    reactor = Reactor()
    root = Resource()
    root.putChild(b"below", tree(reactor))
    client = connect(root, reactor)
    client.send(get("a.example", "/below/api/x"))
    assert reactor.backends[0].take().startswith(b"GET /x HTTP/1.1\r\n")
    client.send(get("a.example", "/api/x"))


def test_it_can_be_looked_at() -> None:
    """The tree shows its hosts, their routes and the leaves."""
    root = tree(Reactor())
    assert list(root.hosts) == ["a.example", "*.b.example"]
    host = root.hosts["a.example"]
    assert [route.name for route in host.routes] == ["api", "rest"]
    assert isinstance(host.leaves["api"], ReverseProxyResource)
    assert isinstance(host.leaves["rest"], Respond)
    assert repr(root) == "<VirtualHostRoot a.example, *.b.example>"
    assert repr(host) == "<HostResource a.example: api, rest>"


def test_it_tells_the_leaf_of_a_request() -> None:
    """`leaf_for` gives the leaf that would answer, without asking it."""
    found: list[Any] = []

    class Asking(Resource):
        isLeaf = True

        def render(self, request: Any) -> bytes:
            found.append(root.leaf_for(request))
            return b""

    reactor = Reactor()
    root = tree(reactor)
    client = connect(Asking(), reactor)
    for host, target in [("a.example", "/api/x"), ("a.example", "/x"), ("nobody.example", "/"), ("a b", "/")]:
        client.send(get(host, target))
    leaves = root.hosts["a.example"].leaves
    assert found == [leaves["api"], leaves["rest"], None, None]
    assert root.getChildWithDefault(b"x", None) is root
