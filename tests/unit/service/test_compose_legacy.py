"""The middleware for a route's `legacy`: which there is, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from txproxy.config.model import Legacy, ProxyLeaf, RouteConfig
from txproxy.config.settings import HeaderEdits
from txproxy.middleware.header_edits import RequestHeaders, ResponseHeaders
from txproxy.middleware.legacy import LegacyCookies, LegacyLinks, LegacyRedirects, LegacyRequests
from txproxy.service.compose_legacy import legacy_middleware
from txproxy.service.compose_middleware import route_middleware


def route(legacy: Legacy | None, **more: Any) -> RouteConfig:
    """Make a route with a base path."""
    return RouteConfig(name="r", host="*", leaf=ProxyLeaf(upstream="app", base_path="/base"), legacy=legacy, **more)


@pytest.mark.parametrize(
    ("legacy", "kinds"),
    [
        (None, []),
        (Legacy(), []),
        (Legacy(redirects=True), [LegacyRequests, LegacyRedirects]),
        (Legacy(cookies=True), [LegacyRequests, LegacyCookies]),
        (Legacy(links=True), [LegacyRequests, LegacyLinks]),
        (
            Legacy(redirects=True, cookies=True, links=True),
            [LegacyRequests, LegacyRedirects, LegacyCookies, LegacyLinks],
        ),
    ],
)
def test_parts(legacy: Legacy | None, kinds: list[type]) -> None:
    """Each part is there if it is asked for; without any there is none."""
    assert [type(one) for one in route_middleware(route(legacy))] == kinds


def test_the_routes_own_edits_stand_between() -> None:
    """What the route says of fields has the last word in both directions."""
    edits = HeaderEdits(set={"X": "y"}, add={}, remove=())
    made = route_middleware(route(Legacy(redirects=True), request_headers=edits, response_headers=edits))
    assert [type(one) for one in made] == [LegacyRequests, RequestHeaders, ResponseHeaders, LegacyRedirects]


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("preserve", {b"127.0.0.1:9000": True, b"localhost": False, b"app.internal": False}),
        ("backend", {b"127.0.0.1:9000": True, b"localhost": False, b"app.internal": False}),
        ("app.internal", {b"127.0.0.1:9000": True, b"localhost": False, b"app.internal": True}),
    ],
)
def test_names_and_paths(told: str, named: dict[bytes, bool]) -> None:
    """The place knows the route's paths, and the Host that the backend is told."""
    _, (redirects,) = legacy_middleware(route(Legacy(redirects=True), strip_prefix="/app", host_header=told))
    assert isinstance(redirects, LegacyRedirects)
    place = redirects._place_of.__self__._make("https", b"example.com", "http://127.0.0.1:9000")
    assert {name: place.names(b"http", name) for name in named} == named
    assert (place.paths.prefix, place.paths.base) == (b"/app", b"/base")
    unix = redirects._place_of.__self__._make("https", b"example.com", "http+unix:/run/app.sock")
    assert unix.names(b"http", b"localhost") is (told == "backend")
