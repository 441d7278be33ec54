"""What survives a new route map."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.upstream.dialing import Place, Reactor
from txproxy.reactor.deadlines import Deadlines
from txproxy.upstream.pool import KeepAlive
from txproxy.upstream.upstream import Backends, Upstream, UpstreamTimeouts


@dataclass(frozen=True)
class Address(Place):
    """A backend of the route map."""

    url: str = "http://192.0.2.1"
    authority: str = "192.0.2.1"


def test_a_backend_keeps_its_pool() -> None:
    """The same address of the same upstream is the same backend; its new limits hold."""
    reactor = Reactor()
    backends = Backends(reactor, Deadlines(reactor))
    first = backends.get("app", Address(), KeepAlive(1))
    again = backends.get("app", Address(), KeepAlive(2))
    assert again is first
    assert first.pool.keepalive == KeepAlive(2)
    assert backends.get("other", Address(), KeepAlive(1)) is not first
    assert backends.get("app", Address(url="http://192.0.2.1:81"), KeepAlive(1)) is not first


def test_what_is_not_wanted_any_more_goes() -> None:
    """A backend that no map has is forgotten: the next of its address is a new one."""
    reactor = Reactor()
    backends = Backends(reactor, Deadlines(reactor))
    kept, gone = (backends.get(name, Address(), KeepAlive()) for name in ("kept", "gone"))
    backends.keep_only([kept])
    assert backends.get("kept", Address(), KeepAlive()) is kept
    assert backends.get("gone", Address(), KeepAlive()) is not gone
    backends.close()
    assert backends.get("kept", Address(), KeepAlive()) is not kept


def test_backends_take_turns() -> None:
    """An upstream gives its backends one after the other."""
    reactor = Reactor()
    backends = Backends(reactor, Deadlines(reactor))
    two = [backends.get("app", Address(url=url), KeepAlive()) for url in ("http://a", "http://b")]
    upstream = Upstream("app", two, UpstreamTimeouts())
    picked = [upstream.pick() for _ in range(4)]
    assert picked[:2] == picked[2:]
    assert {backend.url for backend in picked} == {"http://a", "http://b"}
