"""From host and path to a route."""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.routing import Route, RouteTable
from txproxy.routing import table as module


def table(*hosts: str) -> RouteTable[str]:
    """Make a table with one route for all, named like its host, for each host."""
    return RouteTable([Route(host, host, host) for host in hosts])


def find(routes: RouteTable[str], host: str = "a", path: str = "/", **more: object) -> str | None:
    """Give the name of the route found."""
    asked = {"method": b"GET", "target": path.encode(), "block": b"", "client": "192.0.2.1", **more}
    found = routes.find(host=host, path=path, **asked)  # type: ignore[arg-type]
    return None if found is None else found.name


ALL = (
    "a.example.com",
    "*.example.com",
    "**.example.com",
    "*.b.example.com",
    "**.c.b.example.com",
    "**.com",
    "*",
    "::1",
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.example.com", "a.example.com"),
        ("b.example.com", "*.example.com"),
        ("a.b.example.com", "*.b.example.com"),
        ("a.a.b.example.com", "**.example.com"),
        ("a.c.b.example.com", "**.c.b.example.com"),
        ("a.a.c.b.example.com", "**.c.b.example.com"),
        ("c.b.example.com", "*.b.example.com"),
        ("a.a.example.com", "**.example.com"),
        ("example.com", "**.com"),
        ("x.y.z.com", "**.com"),
        ("com", "*"),
        ("::1", "::1"),
        ("::2", "*"),
        ("10.0.0.1", "*"),
        ("", "*"),
    ],
)
def test_most_specific_host(host: str, expected: str) -> None:
    """Exact beats one label beats the longest of any depth beats the rest, in whatever order they are given."""
    assert find(table(*ALL), host) == expected
    assert find(table(*reversed(ALL)), host) == expected
    assert table(*ALL).pattern(host) == expected


def test_no_host() -> None:
    """Without a pattern for a host nothing is found, and the trace says so."""
    routes = table("a.example.com", "*.b.example.com", "**.c.example.com")
    for host in ("b.example.com", "b.b.b.example.com", "c.example.com", ""):
        assert find(routes, host) is None
        assert routes.trace(b"GET", host, "/", b"/", b"", "") == module.Trace(None, (), None)


def test_first_route_wins() -> None:
    """Within a host, routes are tried in order."""
    routes = RouteTable(
        [
            Route("api", "a", 1, paths=["/api/*", "/rpc"], methods=["GET", "POST"]),
            Route("v2", "a", 2, paths=["/api/*"], headers={"X-Version": "2"}),
            Route("search", "a", 3, query={"q": "~."}),
            Route("inside", "a", 4, clients=[ip_network("10.0.0.0/8")]),
            Route("rest", "a", 5),
            Route("never", "a", 6),
        ]
    )
    version = fields.from_items([(b"X-Version", b"2")])
    assert find(routes, path="/api/x") == "api"
    assert find(routes, path="/rpc") == "api"
    assert find(routes, path="/api", method=b"PUT", block=version) == "v2"
    assert find(routes, path="/x", target=b"/x?q=1") == "search"
    assert find(routes, path="/x", target=b"/x?q=", client="10.0.0.1") == "inside"
    assert find(routes, path="/x") == "rest"


def test_no_fall_through_to_a_broader_host() -> None:
    """If no route of the most specific host matches, nothing is found, even if a broader host has one."""
    routes = RouteTable(
        [Route("a", "a.example.com", 1, paths=["/a"]), Route("w", "*.example.com", 2), Route("r", "*", 3)],
        hosts=["b.example.com"],
    )
    assert [find(routes, host, "/b") for host in ("a.example.com", "b.example.com", "c.example.com")] == [
        None,
        None,
        "w",
    ]


def test_routes_of_one_host_may_be_spelled_apart() -> None:
    """Two spellings of a host are one host, its routes in the order given."""
    routes = RouteTable(
        [Route("1", "A.example.com.", 1, paths=["/1"]), Route("x", "b", 0), Route("2", "a.example.com", 2)]
    )
    assert [find(routes, "a.example.com", path) for path in ("/1", "/2")] == ["1", "2"]


def test_trace() -> None:
    """The trace names each route passed over, the first condition that failed, and where it is written."""
    routes = RouteTable(
        [
            Route("1", "a", 1, paths=["/x"], methods=["PUT"], where="f:1", matcher_where={"path": "f:2"}),
            Route("2", "a", 2, paths=["/y"], methods=["PUT"], where="f:3"),
            Route("3", "a", 3, where="f:4"),
            Route("4", "a", 4),
        ]
    )
    trace = routes.trace(b"GET", "a", "/y", b"/y", b"", "")
    assert (trace.pattern, trace.chosen) == ("a", routes.routes[2])
    assert [(r.route.name, r.condition, r.where, r.detail) for r in trace.rejections] == [
        ("1", "path", "f:2", "/y is not /x"),
        ("2", "methods", "f:3", "GET is not PUT"),
    ]


@pytest.mark.parametrize(
    ("authority", "target", "expected"),
    [
        (b"A.example.com:80", b"/x", "a"),
        (b"a.example.com.", b"/%61pi/..", "a"),
        (b"b.example.com", b"/", "rest"),
        (b"", b"/", "rest"),
        (b"c.example.com", b"/%61dmin;x/y", "admin"),
        (b"c.example.com", b"/y", None),
    ],
)
def test_lookup(authority: bytes, target: bytes, expected: str | None) -> None:
    """A request as sent is normalised and found, the first time and again; HTTP/1.0 without Host meets only *."""
    routes = RouteTable(
        [Route("a", "a.example.com", 1), Route("admin", "c.example.com", 2, paths=["/admin/*"]), Route("rest", "*", 3)]
    )
    for _ in range(2):
        found = routes.lookup(authority, b"GET", target, b"", "")
        assert (found and found.name) == expected


@pytest.mark.parametrize(
    ("authority", "target"), [(b"a b", b"/"), (b"a:", b"/"), (b"a", b"/.."), (b"a", b"/%00"), (b"none", b"/..")]
)
def test_lookup_refuses(authority: bytes, target: bytes) -> None:
    """A malformed host and a refused path are 400, whether or not a route would have asked for the path."""
    with pytest.raises(ProxyError, match="http_request_error"):
        table("a").lookup(authority, b"GET", target, b"", "")


def test_hosts_remembered_are_bounded() -> None:
    """However many hosts clients invent, only so many are remembered, and malformed ones never."""
    routes = table("*")
    for number in range(3 * module._REMEMBERED):
        assert routes.lookup(b"h%d" % number, b"GET", b"/", b"", "") is routes.routes[0]
        assert len(routes._remembered) <= module._REMEMBERED
    before = len(routes._remembered)
    with pytest.raises(ProxyError):
        routes.lookup(b"h h", b"GET", b"/", b"", "")
    assert len(routes._remembered) == before


def calls(function: Callable[[], object]) -> int:
    """Count the calls, of Python and of C functions, that a function makes."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("host", ["h5.example.com", "x.w5.example.com", "x.y.d5.example.com", "nobody.example.org"])
@pytest.mark.parametrize("path", ["/api/x", "/x"])
def test_cost_does_not_grow_with_hosts(host: str, path: str) -> None:
    """A table of 10 000 hosts makes exactly as many calls per request as one of 10, for every kind of host."""

    def of(count: int) -> RouteTable[int]:
        kinds = ("h{}.example.com", "*.w{}.example.com", "**.d{}.example.com")
        names = [kind.format(number) for number in range(count // 3 + 3) for kind in kinds]
        routes = []
        for name in names:
            routes.append(Route("api", name, 1, paths=["/api/*"], methods=["GET"]))
            routes.append(Route("re", name, 2, paths=["~^/x$"]))
        return RouteTable(routes)

    def cost(routes: RouteTable[int]) -> list[int]:
        authority, target = host.encode(), path.encode()
        return [
            calls(lambda: routes.find(b"GET", host, path, target, b"", "")),
            calls(lambda: routes.lookup(authority, b"GET", target, b"", "")),
            calls(lambda: routes.lookup(authority, b"GET", target, b"", "")),
        ]

    assert cost(of(10_000)) == cost(of(10))


def test_a_route_for_all_makes_no_objects() -> None:
    """For a host with one route for everything, `find` is one call of ours and one dictionary lookup."""
    routes = table("a.example.com")
    find_route, arguments = routes.find, (b"GET", "a.example.com", "/", b"/", b"", "")
    assert calls(lambda: find_route(*arguments)) - calls(lambda: None) == 2


# --- against a naive linear matcher ---------------------------------------------------------------

LABELS = st.sampled_from(["a", "b", "com"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(st.just("*"), NAMES, NAMES.map("*.{}".format), NAMES.map("**.{}".format))
PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/b", "/b/c/d"])
METHODS = st.sampled_from(["GET", "POST"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "paths": st.lists(st.sampled_from(["/a", "/a/*", "/*", "/{x}", "~b", "/b/{x}/*"]), max_size=2),
        "methods": st.lists(METHODS, max_size=1),
        "headers": st.dictionaries(st.sampled_from(["X-A", "x-b"]), st.sampled_from(["1", "~^[12]"]), max_size=2),
        "query": st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["1", "~2"]), max_size=2),
        "clients": st.lists(st.sampled_from([ip_network("10.0.0.0/8"), ip_network("::/1")]), max_size=1),
    },
)
REQUESTS = st.fixed_dictionaries(
    {
        "host": NAMES | st.sampled_from(["", "::1"]),
        "path": PATHS,
        "method": METHODS.map(str.encode),
        "query": st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from(["1", "2", "32"])), max_size=2),
        "headers": st.lists(
            st.tuples(st.sampled_from([b"x-a", b"X-B"]), st.sampled_from([b"1", b"2", b"3"])), max_size=2
        ),
        "client": st.sampled_from(["10.1.1.1", "192.0.2.1", "1::1", ""]),
    }
)


def specificity(pattern: str, host: str) -> tuple[int, int] | None:
    """Say how specific a pattern is for a host; None if it is not for it."""
    stars, _, name = pattern.partition(".")
    labels = host.split(".")
    if pattern == "*":
        return (0, 0)
    if stars in {"*", "**"}:
        depth = len(labels) - len(name.split("."))
        if depth < 1 or labels[depth:] != name.split(".") or (stars == "*" and depth > 1):
            return None
        return (2 if stars == "*" else 1, len(name))
    return (3, 0) if pattern == host else None


def holds(options: dict, asked: dict) -> bool:
    """Judge one route by its options alone."""

    def value(wanted: str, values: list[str]) -> bool:
        if wanted.startswith("~"):
            return any({"~^[12]": v[0] in "12", "~2": "2" in v}[wanted] for v in values)
        return wanted in values

    path = asked["path"]
    judged = {
        "/a": path == "/a",
        "/a/*": path == "/a" or path.startswith("/a/"),
        "/*": True,
        "/{x}": path.count("/") == 1 and len(path) > 1,
        "~b": "b" in path,
        "/b/{x}/*": path == "/b/c/d",
    }
    networks = options.get("clients") or ()
    v4, v6 = ip_network("10.0.0.0/8") in networks, ip_network("::/1") in networks
    return (
        any(judged[p] for p in options.get("paths") or ["/*"])
        and asked["method"].decode() in (options.get("methods") or ["GET", "POST"])
        and all(
            value(want, [v.decode() for n, v in asked["headers"] if n.lower() == name.lower().encode()])
            for name, want in options.get("headers", {}).items()
        )
        and all(
            value(want, [v for n, v in asked["query"] if n == name]) for name, want in options.get("query", {}).items()
        )
        and (not networks or (v4 and asked["client"] == "10.1.1.1") or (v6 and asked["client"] == "1::1"))
    )


@given(st.lists(st.tuples(PATTERNS, OPTIONS), max_size=8), REQUESTS)
def test_against_a_naive_linear_matcher(entries: list[tuple[str, dict]], asked: dict) -> None:
    """`find`, `lookup` and `trace` choose the route that walking all of them by the rules chooses."""
    ranks = {pattern: specificity(pattern, asked["host"]) for pattern, _ in entries}
    best = max((rank for rank in ranks.values() if rank is not None), default=None)
    candidates = [number for number, (pattern, _) in enumerate(entries) if best is not None and ranks[pattern] == best]
    expected = next((number for number in candidates if holds(entries[number][1], asked)), None)

    routes = RouteTable(
        [Route(str(number), pattern, number, **options) for number, (pattern, options) in enumerate(entries)]
    )
    path, host = asked["path"], asked["host"]
    target = f"{path}?{'&'.join(f'{name}={value}' for name, value in asked['query'])}".encode()
    rest = (target, fields.from_items(asked["headers"]), asked["client"])
    found = routes.find(asked["method"], host, path, *rest)
    assert (None if found is None else found.value) == expected
    authority = f"[{host}]" if ":" in host else host
    assert routes.lookup(authority.encode(), asked["method"], *rest) is found
    trace = routes.trace(asked["method"], host, path, *rest)
    assert trace.chosen is found
    passed = candidates if expected is None else candidates[: candidates.index(expected)]
    assert [rejection.route.value for rejection in trace.rejections] == passed
