"""The composition root: from a config to a tree of resources that serves.

Rule: whatever a route map says becomes objects in here and nowhere else, one function for each kind of
leaf, so that `twistd`, `explain` and an embedding program serve the very same thing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.web.resource import IResource

from txproxy.config.model import (
    Config,
    FilesLeaf,
    ProxyLeaf,
    RedirectLeaf,
    ResourceLeaf,
    RespondLeaf,
    RouteConfig,
    UpstreamConfig,
    WsgiLeaf,
)
from txproxy.forwarding.frontend import Generation, RouteValue
from txproxy.forwarding.leaves import Leaf, Redirect, Respond
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.middleware.pipeline import EMPTY, Middleware, Pipeline
from txproxy.policy.forwarded import FORWARDED, X_FORWARDED, Forwarding
from txproxy.policy.https_redirect import HttpsRedirect
from txproxy.policy.rewrite import RedirectTemplate
from txproxy.policy.trust import Trust
from txproxy.reactor.deadlines import Deadlines
from txproxy.routing.pattern import PathSet
from txproxy.routing.table import Route, RouteTable
from txproxy.upstream.pool import KeepAlive
from txproxy.upstream.upstream import Backends, Upstream, UpstreamTimeouts

from .clock import utc_now
from .compose_error import ComposeError
from .compose_middleware import common_middleware, route_middleware
from .compose_policies import host_policies
from .compose_upstreams import backend_settings

__all__ = ["ComposeError", "Composer", "compiled", "imported"]

ValueT = TypeVar("ValueT")


class Composer:
    """Makes one `Generation`.

    :param config: the route map.
    :param reactor: Twisted's.
    :param deadlines: the wheel.
    :param backends: the live state of all backends, of earlier generations too.
    :param covers: whether there is a certificate for a host; None: there are no certificates.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        deadlines: Deadlines,
        backends: Backends,
        covers: Callable[[str], bool] | None = None,
    ) -> None:
        self._config = config
        self._covers = covers
        self._reactor = reactor
        self._deadlines = deadlines
        self._backends = backends
        # Whoever may open a unix socket is on this machine: its clients are believed if loopback is.
        networks = config.trusted_proxies
        self.trust = Trust(networks, unix=any(network.is_loopback for network in networks))
        self._forwarding: dict[frozenset[str], Forwarding] = {}
        self._upstreams: dict[str, Upstream] = {}
        # What is done to the answers of every route, and to those that have none.
        self._for_all: list[Middleware] = list(common_middleware(config))

    def generation(self) -> Generation:
        """Make all of it.

        :raises ComposeError: code that the route map names cannot be imported, or a file cannot be used.
        """
        self._upstreams = {name: self._upstream(one) for name, one in self._config.upstreams.items()}
        routes = [self._route(route) for host in self._config.hosts.values() for route in host.routes]
        table = RouteTable(routes, self._config.hosts)
        self._backends.keep_only(backend for upstream in self._upstreams.values() for backend in upstream.backends)
        return Generation(
            self._config,
            table,
            Forwarding((X_FORWARDED, FORWARDED), self.trust),
            pipeline=Pipeline(self._for_all) if self._for_all else EMPTY,
            policies=host_policies(self._config, table.pattern),
            https_redirect=self._https_redirect(),
        )

    def _https_redirect(self) -> HttpsRedirect | None:
        tls = self._config.tls
        if tls is None or not tls.http_redirect or self._covers is None:
            return None
        ports = [each.port for each in self._config.listen if each.tls and each.kind == "tcp"]
        return HttpsRedirect(443 if 443 in ports or not ports else ports[0], self._covers)

    def _upstream(self, config: UpstreamConfig) -> Upstream:
        keepalive = KeepAlive(config.keepalive.max_idle, config.keepalive.idle_timeout)
        tls = backend_settings(config, utc_now())
        backends = [
            self._backends.get(config.name, backend, keepalive, tls.get(backend)) for backend in config.backends
        ]
        times = config.timeouts
        return Upstream(config.name, backends, UpstreamTimeouts(times.connect, times.response, times.idle))

    def _route(self, config: RouteConfig) -> Route[RouteValue]:
        leaf = self._leaf(config)
        handle = leaf.handle if isinstance(leaf, Leaf | ReverseProxyResource) else self._bridge(leaf, config).handle
        return compiled(config, RouteValue(leaf, handle, self._pipeline(config)))

    def _pipeline(self, config: RouteConfig) -> Pipeline:
        middleware = [*self._for_all, *route_middleware(config)]
        return Pipeline(middleware) if middleware else EMPTY

    def _leaf(self, config: RouteConfig) -> IResource:
        made: Callable[[Any, RouteConfig], IResource] = self._KINDS[type(config.leaf)]
        return made(self, config)

    def _proxy(self, config: RouteConfig) -> IResource:
        leaf = config.leaf
        assert isinstance(leaf, ProxyLeaf)
        upstream = self._upstreams[leaf.upstream]
        own, common = config.timeouts, upstream.timeouts
        return ReverseProxyResource(
            path=leaf.base_path.encode("ascii"),
            reactor=self._reactor,
            upstream=upstream,
            deadlines=self._deadlines,
            strip_prefix=config.strip_prefix,
            host_header=config.host_header,
            forwarding=self._forwarding_of(config.forwarded),
            max_body=self._max_body(config),
            timeouts=UpstreamTimeouts(
                common.connect if own.connect is None else own.connect,
                common.response if own.response is None else own.response,
                common.idle if own.idle is None else own.idle,
            ),
            tunnel_timeout=self._config.timeouts.tunnel,
        )

    def _redirect(self, config: RouteConfig) -> IResource:
        leaf = config.leaf
        assert isinstance(leaf, RedirectLeaf)
        return Redirect(RedirectTemplate(leaf.to, PathSet(config.paths).names), leaf.status)

    def _respond(self, config: RouteConfig) -> IResource:
        leaf = config.leaf
        assert isinstance(leaf, RespondLeaf)
        return Respond(leaf.status, leaf.body, leaf.headers)

    def _files(self, config: RouteConfig) -> IResource:
        from txproxy.forwarding.files import Files

        assert isinstance(config.leaf, FilesLeaf)
        return Files(config.leaf.path)

    def _wsgi(self, config: RouteConfig) -> IResource:
        from txproxy.forwarding.wsgi import WsgiApplication  # imports threads, which most maps do not need

        assert isinstance(config.leaf, WsgiLeaf)
        application = imported(config.leaf.application, config.where)
        if not callable(application):
            raise ComposeError(
                config.where, f"{config.leaf.application} is not a WSGI application: it cannot be called"
            )
        return WsgiApplication(self._reactor, self._reactor.getThreadPool(), application)

    def _resource(self, config: RouteConfig) -> IResource:
        assert isinstance(config.leaf, ResourceLeaf)
        found = imported(config.leaf.resource, config.where)
        resource = found if IResource.providedBy(found) else found() if callable(found) else found
        if not IResource.providedBy(resource):
            raise ComposeError(config.where, f"{config.leaf.resource} is not a twisted.web resource")
        return resource

    _KINDS = {  # noqa: RUF012 - never changed
        ProxyLeaf: _proxy,
        RedirectLeaf: _redirect,
        RespondLeaf: _respond,
        FilesLeaf: _files,
        WsgiLeaf: _wsgi,
        ResourceLeaf: _resource,
    }

    def _bridge(self, resource: IResource, config: RouteConfig) -> Any:
        from txproxy.forwarding.bridge import Bridge

        return Bridge(
            resource,
            max_body=self._max_body(config),
            strip_prefix=config.strip_prefix,
            # Files are not told where a request comes from: they do not ask.
            forwarding=None if isinstance(config.leaf, FilesLeaf) else self._forwarding_of(config.forwarded),
            reactor=self._reactor,
            parse_forms=not isinstance(config.leaf, WsgiLeaf),
        )

    def _max_body(self, config: RouteConfig) -> int:
        return self._config.limits.body if config.max_body is None else config.max_body

    def _forwarding_of(self, kinds: frozenset[str]) -> Forwarding:
        if kinds not in self._forwarding:
            self._forwarding[kinds] = Forwarding(kinds, self.trust)
        return self._forwarding[kinds]


def compiled(config: RouteConfig, value: ValueT) -> Route[ValueT]:
    """Compile what a route matches; `value` is what is found by it."""
    return Route(
        config.name,
        config.host,
        value,
        paths=config.paths,
        methods=config.methods,
        headers=config.headers,
        query=config.query,
        clients=config.clients,
        where=config.where,
        matcher_where=config.matcher_where,
    )


def imported(name: str, where: object) -> Any:
    """Import what the route map names as "module:attribute".

    :param where: where it is named, for the error.
    :raises ComposeError: it cannot be imported, for whatever reason.
    """
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # the module is the user's: importing it may raise anything
        raise ComposeError(where, f"cannot import {name}: {type(error).__name__}: {error}") from error
    return found
