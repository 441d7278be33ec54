"""Finding a route: among few hosts and among many, which must not differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from txproxy.routing.path import normalize
from txproxy.routing.table import Route, RouteTable


def subjects() -> Mapping[str, Callable[[], object]]:
    """Time look-ups as a request makes them, and the normal form of a path."""

    def table(hosts: int) -> RouteTable[int]:
        routes = [Route(f"r{n}", f"h{n}.example.com", n) for n in range(hosts)]
        routes += [Route(f"api{n}", "app.example.com", n, paths=[f"/api{n}/*"]) for n in range(10)]
        return RouteTable([*routes, Route("rest", "app.example.com", 0), Route("any", "*", 0)])

    few, many = table(10), table(10_000)

    def find(routes: RouteTable[int], authority: bytes, target: bytes) -> Callable[[], object]:
        return lambda: routes.lookup(authority, b"GET", target, b"", "127.0.0.1")

    return {
        "find a route, 10 hosts, matches all": find(few, b"h7.example.com", b"/some/page"),
        "find a route, 10 000 hosts, matches all": find(many, b"h7777.example.com", b"/some/page"),
        "find a route, 10 000 hosts, the host *": find(many, b"nobody.example.org", b"/some/page"),
        "find a route, the last of 11 by path": find(few, b"app.example.com", b"/some/page"),
        "normal form of a plain path": lambda: normalize(b"/some/page?with=query"),
        "normal form of an encoded path": lambda: normalize(b"/some/../p%C3%A4ge?with=query"),
    }
