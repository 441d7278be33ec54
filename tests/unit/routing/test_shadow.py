"""Routes that can never be reached."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields
from txproxy.routing import Route, RouteTable, shadows, unreachable


def route(name: str = "r", host: str = "a", **options: object) -> Route[None]:
    """Make a route."""
    return Route(name, host, None, **options)  # type: ignore[arg-type]


NET, SUBNET, NET6 = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("fd00::/8")


@pytest.mark.parametrize(
    ("earlier", "later", "certain"),
    [
        ({}, {}, True),
        ({}, {"paths": ["/a"], "methods": ["GET"]}, True),
        ({"paths": ["/*"]}, {}, True),
        ({"paths": ["/a"]}, {}, False),
        ({"paths": ["/a"]}, {"paths": ["/*"]}, False),
        ({"paths": ["/a/*"]}, {"paths": ["/a"]}, True),
        ({"paths": ["/a/*"]}, {"paths": ["/a/"]}, True),
        ({"paths": ["/a/*"]}, {"paths": ["/a/b/c", "/a/d/*"]}, True),
        ({"paths": ["/a/*"]}, {"paths": ["/ab"]}, False),
        ({"paths": ["/a/*"]}, {"paths": ["/a/b", "/c"]}, False),
        ({"paths": ["/a/*", "/c"]}, {"paths": ["/a/b", "/c"]}, True),
        ({"paths": ["/a/b/*"]}, {"paths": ["/a/*"]}, False),
        ({"paths": ["/a"]}, {"paths": ["/a/"]}, False),
        ({"paths": ["/a"]}, {"paths": ["/%61"]}, True),
        ({"paths": ["/a"]}, {"paths": ["/a/*"]}, False),
        ({"paths": ["/{x}"]}, {"paths": ["/a"]}, True),
        ({"paths": ["/{x}"]}, {"paths": ["/{y}"]}, True),
        ({"paths": ["/{x}"]}, {"paths": ["/"]}, False),
        ({"paths": ["/{x}"]}, {"paths": ["/a/*"]}, False),
        ({"paths": ["/a"]}, {"paths": ["/{x}"]}, False),
        ({"paths": ["/{x}/*"]}, {"paths": ["/a/*"]}, True),
        ({"paths": ["/{x}/*"]}, {"paths": ["/*"]}, False),
        ({"paths": ["/u/{x}/*"]}, {"paths": ["/u/{id}/posts"]}, True),
        ({"paths": ["/a/*"]}, {"paths": ["~^/a/b"]}, False),
        ({"paths": ["~^/a"]}, {"paths": ["~^/a"]}, True),
        ({"paths": ["~^/a"]}, {"paths": ["/ab"]}, True),
        ({"paths": ["~^/a"]}, {"paths": ["/ab/"]}, True),
        ({"paths": ["~^/a/$"]}, {"paths": ["/a"]}, False),
        ({"paths": ["~^/a"]}, {"paths": ["/a/*"]}, False),
        ({"paths": ["~^/a"]}, {"paths": ["/{x}"]}, False),
        ({"paths": ["/*"]}, {"paths": ["~^/a"]}, True),
        ({"methods": ["GET", "POST"]}, {"methods": ["GET"]}, True),
        ({"methods": ["GET"]}, {"methods": ["GET", "POST"]}, False),
        ({"methods": ["GET"]}, {}, False),
        ({"headers": {"X-A": "1"}}, {"headers": {"x-a": "1", "X-B": "2"}}, True),
        ({"headers": {"X-A": "1", "X-B": "2"}}, {"headers": {"x-a": "1"}}, False),
        ({"headers": {"X-A": "~^[12]$"}}, {"headers": {"X-A": "2"}}, True),
        ({"headers": {"X-A": "~^[12]$"}}, {"headers": {"X-A": "~2"}}, False),
        ({"headers": {"X-A": "2"}}, {"headers": {"X-A": "~^2$"}}, False),
        ({"query": {"a": "1"}}, {"query": {"a": "1"}, "methods": ["GET"]}, True),
        ({"query": {"a": "1"}}, {"query": {"A": "1"}}, False),
        ({"query": {"a": "1"}}, {"headers": {"a": "1"}}, False),
        ({"clients": [NET]}, {"clients": [SUBNET]}, True),
        ({"clients": [SUBNET]}, {"clients": [NET]}, False),
        ({"clients": [NET]}, {"clients": [SUBNET, NET6]}, False),
        ({"clients": [NET6, NET]}, {"clients": [SUBNET, NET6]}, True),
        ({"clients": [NET]}, {}, False),
    ],
)
def test_shadows(earlier: dict, later: dict, certain: bool) -> None:
    """An earlier route shadows a later one if each of its conditions certainly holds where the later's do."""
    assert shadows(route(**earlier), route(**later)) is certain


def test_other_hosts() -> None:
    """Routes of different hosts never shadow each other; two spellings of a host are one."""
    assert not shadows(route(host="*"), route(host="a"))
    assert shadows(route(host="A.example.com."), route(host="a.example.com"))


def test_unreachable() -> None:
    """Each shadowed route is named once, with the first route that shadows it."""
    routes = [
        route("1", paths=["/a/*"]),
        route("2", paths=["/a/b"]),
        route("3", "b", paths=["/a/b"]),
        route("4"),
        route("5", paths=["/a/b"]),
        route("6", "b"),
        route("7"),
    ]
    found = [(earlier.name, later.name) for earlier, later in unreachable(routes)]
    assert found == [("1", "2"), ("1", "5"), ("4", "7")]


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "paths": st.lists(
            st.sampled_from(["/a", "/a/", "/a/*", "/*", "/{x}", "/{x}/*", "/a/{x}", "~^/a", "~b$", "/a/b/*"]),
            max_size=2,
        ),
        "methods": st.lists(st.sampled_from(["GET", "POST"]), max_size=2),
        "headers": st.dictionaries(st.just("X-A"), st.sampled_from(["1", "~1", "~^[12]$"]), max_size=1),
        "query": st.dictionaries(st.just("q"), st.sampled_from(["1", "~1", "~."]), max_size=1),
        "clients": st.lists(st.sampled_from([NET, SUBNET, NET6]), max_size=2),
    },
)


@given(
    OPTIONS,
    OPTIONS,
    st.sampled_from(["/", "/a", "/a/", "/b", "/a/b", "/a/b/c", "/b/c/"]),
    st.sampled_from([b"GET", b"POST", b"PUT"]),
    st.lists(st.sampled_from([b"1", b"2", b"11"]), max_size=2),
    st.sampled_from([b"", b"?q=1", b"?q=12&q=2", b"?q="]),
    st.sampled_from(["10.1.0.1", "10.2.0.1", "fd00::1", "192.0.2.1"]),
)
def test_certain_means_certain(
    earlier: dict, later: dict, path: str, method: bytes, values: list[bytes], query: bytes, client: str
) -> None:
    """No request ever reaches a route that is said to be shadowed."""
    first, second = route("first", **earlier), route("second", **later)
    block = fields.from_items([(b"X-A", value) for value in values])
    found = RouteTable([first, second]).find(method, "a", path, path.encode() + query, block, client)
    assert not (shadows(first, second) and found is second)
