"""The config: what a route map says, complete, checked, with every short form spelled out.

Rule: one config is one immutable value. It holds no file handles, sockets or compiled state; whoever
needs those makes them from it. Times are seconds, sizes octets, paths absolute, hosts in the form
that is compared.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .problem import NOWHERE, Where
from .settings import HeaderEdits, KeepAlive, Limits, Log, Timeouts, UpstreamTimeouts
from .values import Network

ForwardedKind = Literal["x-forwarded", "forwarded"]
FORWARDED: tuple[ForwardedKind, ...] = ("x-forwarded", "forwarded")


class Frozen(BaseModel):
    """A value that cannot be changed once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Listen(Frozen):
    """One address that clients connect to.

    `host` and `port` for "tcp" (port 0: any free one), `path` and `mode` for "unix".
    """

    address: str
    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    mode: int | None = None
    where: Where = NOWHERE


class BackendConfig(Frozen):
    """One address of an upstream; `authority` is what its Host field is with `host_header: backend`."""

    url: str
    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    authority: str = ""


class UpstreamConfig(Frozen):
    """A named group of backends; `anonymous` if it was made of URLs written in place.

    Its `timeouts` are complete: none of them is None.
    """

    name: str
    backends: tuple[BackendConfig, ...]
    balance: Literal["round_robin"] = "round_robin"
    timeouts: UpstreamTimeouts = UpstreamTimeouts(connect=3.0, response=60.0, idle=60.0)
    keepalive: KeepAlive = KeepAlive()
    anonymous: bool = False
    where: Where = NOWHERE


class ProxyLeaf(Frozen):
    """Passes requests on; `base_path` ("" or "/base") comes in front of their path."""

    upstream: str
    base_path: str = ""


class RedirectLeaf(Frozen):
    """Sends clients elsewhere; `to` is a template."""

    to: str
    status: int = 308


class RespondLeaf(Frozen):
    """Answers by itself."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = {}


class FilesLeaf(Frozen):
    """Serves the files of a directory."""

    path: str


class WsgiLeaf(Frozen):
    """Calls a WSGI application, "module:attribute"."""

    application: str


class ResourceLeaf(Frozen):
    """Renders a `twisted.web` resource, "module:attribute"."""

    resource: str


Leaf = ProxyLeaf | RedirectLeaf | RespondLeaf | FilesLeaf | WsgiLeaf | ResourceLeaf


class RouteConfig(Frozen):
    """Which requests, and what becomes of them.

    Empty matchers match everything. `max_body` None: `limits.body`; a None in `timeouts`: the upstream's.
    """

    name: str
    host: str
    leaf: Leaf
    where: Where = NOWHERE
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    clients: tuple[Network, ...] = ()
    matcher_where: dict[str, Where] = {}
    strip_prefix: str | None = None
    host_header: str = "preserve"
    max_body: int | None = None
    timeouts: UpstreamTimeouts = UpstreamTimeouts()
    request_headers: HeaderEdits = HeaderEdits()
    response_headers: HeaderEdits = HeaderEdits()
    forwarded: frozenset[ForwardedKind] = frozenset({"x-forwarded"})


class HostConfig(Frozen):
    """A host pattern and its routes, in the order in which they are tried."""

    pattern: str
    routes: tuple[RouteConfig, ...]
    where: Where = NOWHERE


class RouteTest(Frozen):
    """A request and what is expected of it; None: not looked at. Headers as (name, value)."""

    method: str
    url: str
    headers: dict[str, str] = {}
    route: str | None = None
    upstream: str | None = None
    path: str | None = None
    redirect: str | None = None
    status: int | None = None
    where: Where = NOWHERE


# Loopback, because whoever tries txproxy out has not decided yet to let the world in.
DEFAULT_LISTEN = (Listen(address="http://127.0.0.1:8080", kind="tcp", host="127.0.0.1", port=8080),)


class Config(Frozen):
    """Everything that a route map says."""

    listen: tuple[Listen, ...] = DEFAULT_LISTEN
    upstreams: dict[str, UpstreamConfig] = {}
    hosts: dict[str, HostConfig] = {}
    trusted_proxies: tuple[Network, ...] = ()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    log: Log = Log()
    tests: tuple[RouteTest, ...] = ()
