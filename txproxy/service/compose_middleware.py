"""The middleware of one route, out of what its route map says.

Rule: the order here is the order on the way to the backend; answers pass it from the end to the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from txproxy.config.model import RouteConfig
from txproxy.middleware.client_certificates import CertificateHeaders, names_certificate
from txproxy.middleware.header_edits import BlockEdit, RequestHeaders, ResponseHeaders
from txproxy.middleware.pipeline import Middleware

from .compose_legacy import legacy_middleware


def route_middleware(config: RouteConfig) -> Iterator[Middleware]:
    """Make the middleware of a route."""
    before, behind = legacy_middleware(config)
    yield from before
    wanted, sent = config.request_headers, config.response_headers
    if request := BlockEdit(_plain(wanted.set), _plain(wanted.add), wanted.remove):
        yield RequestHeaders(request)
    if of_certificate := [pair for pair in (*wanted.set.items(), *wanted.add.items()) if names_certificate(pair[1])]:
        yield CertificateHeaders(of_certificate)
    if response := BlockEdit(sent.set, sent.add, sent.remove):
        yield ResponseHeaders(response)
    yield from behind


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not names_certificate(value)}
