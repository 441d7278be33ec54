"""The middleware of routes, out of what their route map says.

Rule: the order here is the order on the way to the backend; answers pass it from the end to the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from txproxy.config.model import Config, RouteConfig
from txproxy.middleware.client_certificates import CertificateHeaders, ForgedFields, names_certificate
from txproxy.middleware.header_edits import BlockEdit, RequestHeaders, ResponseHeaders
from txproxy.middleware.pipeline import Middleware
from txproxy.middleware.strict_transport import StrictTransport

from .compose_legacy import legacy_middleware


def common_middleware(config: Config) -> Iterator[Middleware]:
    """Make what all routes have before their own; its part for answers is for requests without a route, too."""
    if config.tls is not None and (hsts := config.tls.hsts) is not None:
        yield StrictTransport(hsts.max_age, include_subdomains=hsts.include_subdomains)
    routes = [route for host in config.hosts.values() for route in host.routes]
    if names := sorted({name for route in routes for name, _ in _of_certificates(route)}):
        yield ForgedFields(names)


def route_middleware(config: RouteConfig) -> Iterator[Middleware]:
    """Make the middleware of a route."""
    before, behind = legacy_middleware(config)
    yield from before
    wanted, sent = config.request_headers, config.response_headers
    if request := BlockEdit(_plain(wanted.set), _plain(wanted.add), wanted.remove):
        yield RequestHeaders(request)
    if of_certificates := _of_certificates(config):
        yield CertificateHeaders(of_certificates)
    if response := BlockEdit(sent.set, sent.add, sent.remove):
        yield ResponseHeaders(response)
    yield from behind


def _of_certificates(config: RouteConfig) -> list[tuple[str, str]]:
    wanted = config.request_headers
    return [pair for pair in (*wanted.set.items(), *wanted.add.items()) if names_certificate(pair[1])]


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not names_certificate(value)}
