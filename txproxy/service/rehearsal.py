"""One request, played through the code that serves, without a socket and without a running reactor.

Rule: nothing is decided here. Codec, frontend, route table, leaf, upstream and dialing are the daemon's
own; only the transports at both ends are replaced, and a placeholder stands for each application.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from txproxy.config.model import (
    CLIENT_CERT_FIELDS,
    Config,
    FilesLeaf,
    HostConfig,
    ResourceLeaf,
    RouteConfig,
    UpstreamConfig,
    WsgiLeaf,
)
from txproxy.forwarding.exchange import Client, Exchange
from txproxy.forwarding.frontend import Frontend, Generation, RouteValue
from txproxy.model.errors import DESTINATION_NOT_FOUND, ProxyError
from txproxy.model.head import RequestHead
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.protocols.http1.server import ServerConnection, ServerSettings
from txproxy.reactor.deadlines import Deadlines
from txproxy.routing import Route, Trace
from txproxy.routing import host as routing_host
from txproxy.routing import path as routing_path
from txproxy.tls.policies import HostPolicy
from txproxy.upstream.upstream import Backends, Upstream

from .asking import CLIENT_PORT, Asked
from .certificates import NamedCertificates
from .clock import utc_now
from .compose import Composer

_APPLICATIONS = (FilesLeaf, WsgiLeaf, ResourceLeaf)


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a request.

    :ivar trace: how the route was found; None if the request did not come so far.
    :ivar upstream, backend: names, "" if none was asked.
    :ivar sent: what the backend got. :ivar given: what the application got: its request as lines.
    :ivar answer: what the client got from txproxy itself.
    :ivar error: why txproxy answered with a failure.
    """

    trace: Trace[RouteValue] | None
    upstream: str
    backend: str
    sent: bytes
    given: tuple[str, ...]
    answer: bytes
    error: ProxyError | None

    @property
    def route(self) -> Route[RouteValue] | None:
        """The route that was chosen."""
        return None if self.trace is None else self.trace.chosen


class Rehearsal:
    """A route map, ready to play requests.

    Applications (`files`, `wsgi`, `resource`) are neither imported nor called, so that a question about a
    route has no effect on the world: behind the bridge stands a placeholder that notes what it gets.

    :param certificates: those of this very config; None: they are loaded.
    :raises ComposeError, ValueError: it could not be served either.
    """

    def __init__(self, config: Config, certificates: NamedCertificates | None = None) -> None:
        reactor = _StageReactor()
        deadlines = Deadlines(reactor)
        self.certificates = NamedCertificates(config, utc_now()) if certificates is None else certificates
        composer = _StageComposer(
            _without_unusable(config, self.certificates),
            reactor,
            deadlines,
            Backends(reactor, deadlines),
            covers=self.certificates.covers,
        )
        self._reactor = reactor
        self._trust = composer.trust
        self._settings = ServerSettings(
            deadlines, config.limits.header_bytes, config.limits.header_fields, config.limits.requests_per_connection
        )
        self.generation: Generation = composer.generation()

    def play(self, asked: Asked) -> Played:
        """Play one request, the first of its client; those of one rehearsal take the backends in turn."""
        frontend = _WatchedFrontend(self._reactor, self.generation)
        trusted = self._trust.is_trusted(asked.client_ip)
        port = CLIENT_PORT if asked.client_ip else 0
        client = Client(asked.client_ip, port, asked.local_port, asked.scheme, asked.listener, trusted)
        if asked.scheme == "https":
            client.tls = _Facts(
                self.generation.policies.of(asked.server_name or asked.local_ip or None), asked.server_name
            )
        received = partial(_plain_received, frontend, asked) if asked.is_plain else frontend.request_received
        connection = ServerConnection(self._settings, received, frontend.malformed, lambda _: None, client)
        downstream = _Wire()
        connection.makeConnection(downstream)
        connection.dataReceived(asked.wire)
        upstream = self._reactor.connect()
        exchange, error = frontend.exchange, frontend.error
        played = Played(
            self._trace(frontend),
            "" if exchange is None else exchange.upstream,
            "" if exchange is None else exchange.backend,
            b"" if upstream is None else upstream.written,
            _given(exchange),
            downstream.written,
            error,
        )
        connection.abort()  # a request that waits for its backend waits no more
        return played

    def _trace(self, frontend: _WatchedFrontend) -> Trace[RouteValue] | None:
        exchange, error = frontend.exchange, frontend.error
        if exchange is None:
            return None
        if exchange.route is None and not (error is not None and error.cause is DESTINATION_NOT_FOUND):
            return None  # refused before anybody looked for a route
        head = exchange.head
        host = routing_host.normalize(head.authority) if head.authority else ""
        path = routing_path.normalize(head.target)
        trace = self.generation.table.trace(head.method, host, path, head.target, frontend.block, exchange.client_ip)
        assert trace.chosen is exchange.route, "the route table explains something else than it does"
        return trace


def _without_unusable(config: Config, certificates: NamedCertificates) -> Config:
    """Give the config without the files that keep it from being served: on the stage nobody shows a certificate."""

    def usable(host: HostConfig) -> HostConfig:
        if host.tls is None or host.pattern not in certificates.client_ca:
            return host
        return host.model_copy(update={"tls": host.tls.model_copy(update={"client_ca": None})})

    if not certificates.client_ca:
        return config
    return config.model_copy(update={"hosts": {pattern: usable(host) for pattern, host in config.hosts.items()}})


def _plain_received(frontend: Frontend, asked: Asked, stream: Any, head: RequestHead, _end: bool) -> None:
    """Do as a listener that speaks TLS does with a request that comes without."""
    frontend.plain_received(stream, head, redirects=asked.is_redirected)


class _WatchedFrontend(Frontend):
    """The frontend that serves, with its exchange and its failure remembered."""

    def __init__(self, reactor: Any, generation: Generation) -> None:
        # Ids are random in service; here one that is easily recognised as none.
        super().__init__(reactor, generation, Counters(), None, RequestIds(bytes))
        self.exchange: Exchange | None = None
        #: the fields as the route table sees them, before any middleware
        self.block = b""
        self.error: ProxyError | None = None

    def handle(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.block = exchange.head.block
        super().handle(exchange)

    def tell(self, exchange: Exchange, error: ProxyError) -> None:
        self.error = self.error or error


class _Facts:
    """What is known of a TLS connection (see `tls.facts`).

    A client that must show a certificate has shown one, of which nothing is known but that.
    """

    def __init__(self, policy: HostPolicy, server_name: str | None) -> None:
        self.policy = policy
        self.server_name = server_name
        self.served: Any = None

    def client_certificate(self) -> dict[str, str]:
        if self.policy.client_auth != "require":
            return {}
        return {name: f"({name} of the client's certificate)" for name in CLIENT_CERT_FIELDS}


class _Wire:
    """A transport that only remembers what is written to it."""

    disconnecting = False

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class _Connector:
    """A connection that is being made."""

    def stopConnecting(self) -> None:
        """Nobody waits for it any more."""


class _Resolver:
    """Looks no name up: the name stands for its address."""

    def resolveHostName(self, receiver: Any, name: str, port: int) -> object:
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", name, port))
        receiver.resolutionComplete()
        return self

    def cancel(self) -> None:
        """It has been looked up already."""


class _StageReactor(Clock):
    """A reactor in which no time passes, and whose every connection is to a wire."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = _Resolver()
        self._wanted: list[Callable[[], Any]] = []

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float | None = None) -> _Connector:
        self._wanted.append(lambda: factory.buildProtocol(IPv4Address("TCP", host, port)))
        return _Connector()

    def connectUNIX(self, path: str, factory: Any, timeout: float | None = None) -> _Connector:
        self._wanted.append(lambda: factory.buildProtocol(None))
        return _Connector()

    def connect(self) -> _Wire | None:
        """Let the connection that is wanted come to be; None if none is."""
        wanted, self._wanted = self._wanted, []
        if not wanted:
            return None
        protocol, wire = wanted[0](), _Wire()
        protocol.makeConnection(wire)
        return wire


class _StageComposer(Composer):
    """Composes as for serving, with a placeholder for each application, and no TLS to backends: no wire speaks it."""

    def _upstream(self, config: UpstreamConfig) -> Upstream:
        backends = tuple(backend.model_copy(update={"tls": False}) for backend in config.backends)
        return super()._upstream(config.model_copy(update={"backends": backends, "tls": None}))

    def _leaf(self, config: RouteConfig) -> IResource:
        return _Placeholder() if isinstance(config.leaf, _APPLICATIONS) else super()._leaf(config)


class _Placeholder(Resource):
    """Notes the request that it gets, and answers with nothing."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.given: tuple[str, ...] = ()

    def render(self, request: Request) -> bytes:
        """Take any method."""
        line = b"%b %b %b" % (request.method, request.uri, request.clientproto)
        fields = [
            b"%b: %b" % (name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values
        ]
        self.given = tuple(octets.decode("utf-8", "backslashreplace") for octets in (line, *fields))
        return b""


def _given(exchange: Exchange | None) -> tuple[str, ...]:
    """Take the note of the placeholder that was asked, if one was."""
    leaf = None if exchange is None or exchange.route is None else exchange.route.value.leaf
    if not isinstance(leaf, _Placeholder):
        return ()
    given, leaf.given = leaf.given, ()
    return given
