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
TlsVersion = Literal["1.2", "1.3"]
# What `{client_cert.NAME}` in a route's `request_headers` can name; `pem` is percent-encoded.
CLIENT_CERT_FIELDS: tuple[str, ...] = ("subject", "issuer", "serial", "san", "fingerprint", "pem")
FORWARDED: tuple[ForwardedKind, ...] = ("x-forwarded", "forwarded")


class Frozen(BaseModel):
    """A value that cannot be changed once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class ProxyProtocol(Frozen):
    """Who must begin with a PROXY header, and how long it may take, in seconds."""

    sources: tuple[Network, ...]
    timeout: float = 5.0


class Listen(Frozen):
    """One address that clients connect to.

    `host` and `port` for "tcp" (port 0: any free one), `path` and `mode` for "unix"; `tls`: clients speak TLS.
    """

    address: str
    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    mode: int | None = None
    tls: bool = False
    redirect_plain_http: bool = False
    proxy_protocol: ProxyProtocol | None = None
    where: Where = NOWHERE


class CertificateFiles(Frozen):
    """A certificate with its chain; `key` None: the key is in the same file."""

    cert: str
    key: str | None = None
    where: Where = NOWHERE


class CertificateDirectory(Frozen):
    """A directory, every *.pem in which is a certificate with its key."""

    directory: str
    where: Where = NOWHERE


class Hsts(Frozen):
    """What Strict-Transport-Security says (RFC 6797); `max_age` in seconds."""

    max_age: float
    include_subdomains: bool = False


class Tls(Frozen):
    """Certificates, and how TLS is spoken with clients.

    :ivar default: the host name whose certificate a client without a usable server name gets.
    :ivar internal: host patterns, exact names and "*.name", that the development CA issues for.
    :ivar key_where: by key, where its value is written.
    """

    certificates: tuple[CertificateFiles | CertificateDirectory, ...] = ()
    default: str | None = None
    internal: tuple[str, ...] = ()
    minimum: TlsVersion = "1.2"
    http_redirect: bool = False
    hsts: Hsts | None = None
    where: Where = NOWHERE
    key_where: dict[str, Where] = {}


class HostTls(Frozen):
    """TLS for one host; `minimum` None: as `tls.minimum` has it."""

    client_ca: str | None = None
    client_auth: Literal["none", "request", "require"] = "none"
    minimum: TlsVersion | None = None
    where: Where = NOWHERE
    key_where: dict[str, Where] = {}


class BackendConfig(Frozen):
    """One address of an upstream; `authority` is what its Host field is with `host_header: backend`.

    `tls`: TLS is spoken with it, as the upstream's `tls` has it.
    """

    url: str
    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    authority: str = ""
    tls: bool = False


class UpstreamTls(Frozen):
    """TLS to backends.

    :ivar ca: a file of the CAs that are believed; None: the system's.
    :ivar server_name: the name that is asked for and verified; None: each backend's own host.
    :ivar client_certificate: a file with a certificate chain and its key.
    """

    ca: str | None = None
    server_name: str | None = None
    client_certificate: str | None = None
    verify: bool = True
    where: Where = NOWHERE
    key_where: dict[str, Where] = {}


class UpstreamConfig(Frozen):
    """A named group of backends; `anonymous` if it was made of URLs written in place.

    Its `timeouts` are complete: none of them is None.
    """

    name: str
    backends: tuple[BackendConfig, ...]
    balance: Literal["round_robin"] = "round_robin"
    timeouts: UpstreamTimeouts = UpstreamTimeouts(connect=3.0, response=60.0, idle=60.0)
    keepalive: KeepAlive = KeepAlive()
    tls: UpstreamTls | None = None
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


class Legacy(Frozen):
    """What is mended for an application that knows nothing of TLS or of being behind a proxy."""

    redirects: bool = False
    cookies: bool = False
    links: bool = False


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
    legacy: Legacy | None = None


class HostConfig(Frozen):
    """A host pattern and its routes, in the order in which they are tried."""

    pattern: str
    routes: tuple[RouteConfig, ...]
    tls: HostTls | None = None
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
    """Everything that a route map says.

    `state` None: the service manager's state directory, else the user's.
    """

    listen: tuple[Listen, ...] = DEFAULT_LISTEN
    tls: Tls | None = None
    upstreams: dict[str, UpstreamConfig] = {}
    hosts: dict[str, HostConfig] = {}
    trusted_proxies: tuple[Network, ...] = ()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    log: Log = Log()
    tests: tuple[RouteTest, ...] = ()
    state: str | None = None
