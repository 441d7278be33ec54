"""Where requests come in: from a Stream with a head to the leaf that answers it.

Rule: one `Generation` is everything that a route map says, immutable; the frontend refers to one, and a
new map is one assignment. Whatever code of a leaf or middleware raises ends its exchange with a 500, and only that one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.web.resource import IResource

from txproxy.middleware.pipeline import EMPTY, Pipeline
from txproxy.model.errors import (
    DESTINATION_NOT_FOUND,
    HTTP_REQUEST_ERROR,
    MISDIRECTED_REQUEST,
    PROXY_INTERNAL_ERROR,
    ProxyError,
)
from txproxy.model.head import RequestHead
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.policy.forwarded import Forwarding
from txproxy.policy.https_redirect import HttpsRedirect, https_url
from txproxy.routing.host import normalize as normalize_host
from txproxy.routing.table import RouteTable
from txproxy.tls.policies import HostPolicies, HostPolicy

from .exchange import Exchange

_UNREADABLE = RequestHead(b"", b"", b"", b"")


class RouteValue:
    """What a route leads to: its leaf and its middleware.

    :ivar handle: the leaf's own, or the bridge's for a plain IResource.
    """

    __slots__ = ("handle", "leaf", "pipeline")

    def __init__(self, leaf: IResource, handle: Callable[[Exchange], None], pipeline: Pipeline = EMPTY) -> None:
        self.leaf = leaf
        self.handle = handle
        self.pipeline = pipeline


class Generation:
    """One route map, ready to serve.

    :ivar origin: reads what trusted proxies say of clients.
    :ivar pipeline: of exchanges that have no route, or none yet.
    :ivar policies: what each host asks of TLS. :ivar https_redirect: of plain requests, None: there are none.
    :ivar asks_of_plain: whether requests that come without TLS have to be looked at for either of the two.
    """

    __slots__ = ("asks_of_plain", "config", "https_redirect", "origin", "pipeline", "policies", "table")

    def __init__(
        self,
        config: Any,
        table: RouteTable[RouteValue],
        origin: Forwarding,
        *,
        pipeline: Pipeline = EMPTY,
        policies: HostPolicies | None = None,
        https_redirect: HttpsRedirect | None = None,
    ) -> None:
        self.config = config
        self.table = table
        self.origin = origin
        self.pipeline = pipeline
        self.policies = policies or HostPolicies(HostPolicy(), {}, table.pattern)
        self.https_redirect = https_redirect
        self.asks_of_plain = https_redirect is not None or self.policies.require_certificates


class Frontend:
    """Gives each request to its leaf.

    :param clock: for durations.
    :param counters: counts.
    :param access_log: takes the record of each exchange, or None.
    :param request_ids: makes ids.
    :param level: of the failures that are logged: formatting what nobody reads costs more than the rest of a failure.
    :ivar generation: may be replaced at any time, between two requests.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        generation: Generation,
        counters: Counters,
        access_log: Any,
        request_ids: RequestIds,
        *,
        level: str = "info",
    ) -> None:
        self.generation = generation
        self.counters = counters
        self.access_log = access_log
        self.seconds = clock.seconds
        self.time = time.time
        self._make_id = request_ids.make
        self._accept_id = request_ids.accept
        self._level = LogLevel.levelWithName(level)

    def request_received(self, stream: Any, head: RequestHead, end: bool) -> None:
        """A request has come on a Stream; its Receiver will be the exchange."""
        counters = self.counters
        counters.requests += 1
        counters.active_exchanges += 1
        exchange = Exchange(self, stream, head, stream.client, self._make_id())
        stream.receiver = exchange
        self.handle(exchange)

    def handle(self, exchange: Exchange) -> None:
        """Find the route and let its leaf answer."""
        head = exchange.head
        try:
            generation = self.generation
            exchange.pipeline = generation.pipeline
            if head.provenance and exchange.client.trusted:
                self._believe(exchange, generation)
            facts = exchange.client.tls
            if facts is not None:
                served = facts.served
                # Nearly always the last request's host.
                if served is None or served[0] != head.authority or served[1] is not generation:
                    self._check_policy(exchange, generation)
            elif generation.asks_of_plain and self._turned_away(exchange, generation):
                return
            if head.method == b"TRACE":
                # It would show a script what the browser and trusted proxies added.
                raise ProxyError(HTTP_REQUEST_ERROR, "TRACE is not allowed", status=405)
            route = generation.table.lookup(head.authority, head.method, head.target, head.block, exchange.client_ip)
            if route is None:
                raise ProxyError(DESTINATION_NOT_FOUND, "no route matches")
            exchange.route = route
            value = route.value
            exchange.pipeline = value.pipeline
            value.handle(exchange)
        except ProxyError as error:
            exchange.fail(error)
        except Exception:  # noqa: BLE001
            # Code that the route map names may raise anything; the others' requests go on.
            self.log.failure("{exchange!r} failed", exchange=exchange)
            exchange.fail(ProxyError(PROXY_INTERNAL_ERROR, "an exception, logged above"))

    def plain_received(self, stream: Any, head: RequestHead, *, redirects: bool) -> None:
        """A request has come without TLS to a port where TLS is spoken: send it to https, or say what is wrong.

        It is the last one of its connection.
        """
        stream.closing = True
        exchange = self._begin(stream, head)
        try:
            host = _host(head)
            # Only to hosts of the map: a cache in front would keep for all what one client put into Host.
            known = host and self.generation.table.pattern(host) is not None
            if redirects and known and head.target.startswith(b"/"):
                redirect(exchange, https_url(host, stream.client.local_port, head.target))
                return
        except ProxyError as error:
            exchange.fail(error)
            return
        hint = "This port speaks TLS: write https:// instead of http://."
        exchange.fail(ProxyError(HTTP_REQUEST_ERROR, "plain HTTP on a port that speaks TLS", hint=hint))

    def malformed(self, stream: Any, error: ProxyError) -> None:
        """Bytes came that make no request: say so, as an exchange without a route."""
        self._begin(stream, _UNREADABLE).fail(error)

    def _begin(self, stream: Any, head: RequestHead) -> Exchange:
        """Make an exchange that is answered here, without a route."""
        self.counters.exchange_started()
        exchange = Exchange(self, stream, head, stream.client, self._make_id())
        exchange.pipeline = self.generation.pipeline
        stream.receiver = exchange
        return exchange

    @staticmethod
    def _check_policy(exchange: Exchange, generation: Generation) -> None:
        """Hold a request to the TLS policy of its own host (RFC 9110, section 7.4).

        The connection was let in for the host that it named: another one may ask for client certificates.
        """
        facts = exchange.client.tls
        if generation.policies.of(_host(exchange.head) or None) != facts.policy:
            raise ProxyError(
                MISDIRECTED_REQUEST,
                f"the connection is for {facts.server_name or 'no host'}, whose TLS policy is not this host's",
            )
        facts.served = (exchange.head.authority, generation)

    @staticmethod
    def _turned_away(exchange: Exchange, generation: Generation) -> bool:
        """Tell whether a request that came without TLS has been sent to https.

        :raises ProxyError: misdirected_request (421): its host requires a certificate, which no such client can show.
        """
        head = exchange.head
        host = _host(head)
        redirects = generation.https_redirect
        if redirects is not None and exchange.scheme == "http":
            location = redirects.location(host, head.target)
            if location is not None:
                redirect(exchange, location)
                return True
        if generation.policies.of(host or None).client_auth == "require":
            detail, hint = "this is no TLS", "Use https:// and show a client certificate."
            if exchange.client.scheme == "https":
                detail, hint = "this is another server's TLS, which has not checked one (see embedding)", ""
            raise ProxyError(MISDIRECTED_REQUEST, f"the host requires a client certificate, and {detail}", hint=hint)
        return False

    def _believe(self, exchange: Exchange, generation: Generation) -> None:
        provenance = exchange.head.provenance
        origin, client = generation.origin, exchange.client
        exchange.client_ip = origin.client_address(client.ip, provenance)
        exchange.scheme = origin.client_scheme(client.scheme, exchange.client_ip, provenance)
        for name, value in provenance:
            if name == b"x-request-id":
                exchange.request_id = self._accept_id(value) or exchange.request_id

    def tell(self, exchange: Exchange, error: ProxyError) -> None:
        """Write down why an exchange failed: what the client must not see stands here."""
        status = error.status
        # Clients that leave and addresses that nobody has are every second's news: the access log has them.
        level = LogLevel.warn if status >= 500 else LogLevel.debug if status in (404, 499) else LogLevel.info
        if level < self._level:
            return
        self.log.emit(
            level,
            "{cause}: {detail} [{method} {host}{target}, route {route}, backend {backend}, client {client}, "
            "request {request_id}]",
            cause=error.cause.token,
            detail=error.detail or error.cause.sentence,
            method=exchange.head.method.decode("latin-1") or "-",
            host=exchange.head.authority.decode("latin-1"),
            target=exchange.head.target.partition(b"?")[0].decode("latin-1"),
            route="-" if exchange.route is None else exchange.route.name,
            backend=exchange.backend or "-",
            client=exchange.client_ip or "-",
            request_id=exchange.request_id,
        )


def _host(head: RequestHead) -> str:
    """Give the host that a request asks for, in normal form; "": none (HTTP/1.0).

    :raises ProxyError: http_request_error (400): it is malformed.
    """
    return normalize_host(head.authority) if head.authority else ""


def redirect(exchange: Exchange, location: bytes) -> None:
    """Send a client elsewhere for good, with its method."""
    block = b"\r\nLocation: %b\r\nContent-Type: text/plain; charset=utf-8" % location
    exchange.respond(308, b"Permanent Redirect", block, b"This page is at %b\n" % location)
