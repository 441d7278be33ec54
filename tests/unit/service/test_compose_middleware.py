"""The middleware of a route, as the route map says it."""

from __future__ import annotations

from collections.abc import Callable

from txproxy.config import Config
from txproxy.service.compose_middleware import common_middleware, route_middleware

Reader = Callable[[str], Config]


def names(config: Config) -> list[str]:
    """Give the middleware of the map's only route."""
    (host,) = config.hosts.values()
    return [type(each).__name__ for each in route_middleware(host.routes[0])]


def test_nothing_is_made_of_nothing(config: Reader) -> None:
    """A route that changes nothing carries no middleware."""
    assert names(config("hosts: {a: {proxy: http://127.0.0.1:1}}")) == []


def test_what_certificates_say_is_apart_from_fixed_fields(config: Reader) -> None:
    """A value with `{client_cert.*}` is filled for each request, the others are compiled; both in one mapping."""
    text = (
        'hosts: {a: {proxy: "http://127.0.0.1:1", request_headers: {set: {X-A: "{client_cert.subject}", X-B: y}}, '
        "response_headers: {remove: [Server]}}}"
    )
    assert names(config(text)) == ["RequestHeaders", "CertificateHeaders", "ResponseHeaders"]


def test_what_one_route_makes_of_certificates_no_route_takes_from_clients(config: Reader) -> None:
    """All routes drop it, of whichever host; HSTS is for all likewise."""
    text = (
        "tls: {internal: a.localhost, hsts: {max_age: 1d}}\nlisten: https://127.0.0.1\n"
        "hosts: {a: {proxy: http://127.0.0.1:1, request_headers: {add: {X-A: '<{client_cert.san}>'}}}, "
        "b: {proxy: http://127.0.0.1:1}}"
    )
    assert [type(each).__name__ for each in common_middleware(config(text))] == ["StrictTransport", "ForgedFields"]
    assert list(common_middleware(config("hosts: {a: {proxy: http://127.0.0.1:1}}"))) == []
