"""The top of the route map's language: listeners, upstreams, tests and everything else around hosts.

Rule: every key of the language stands in `routes`, `language` or `settings` with what it means, those
that nothing is built for yet included, so that none is ever called unknown and none silently ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

from txproxy.model.hostname import normalize_name

from . import patterns, values
from .addresses import Address, listen_address
from .destinations import BackendUrl, UrlText, short
from .problem import quoted
from .reading import NotYet, OneOrMore, Says, Scalar, Table, Written, complain
from .routes import HostEntry, HostForms, host_value
from .settings import (
    Duration,
    FieldValue,
    KeepAlive,
    Limits,
    Log,
    Network,
    Timeouts,
    Truth,
    UpstreamTimeouts,
    file_path,
    words,
)
from .tls import OF_LISTENERS, OF_THE_TOP, OF_UPSTREAMS, TlsEntry, UpstreamTlsEntry
from .tree import Mapping

_LISTEN_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(https?://|https?\+unix:|https?\+systemd:)",
    "examples": ["http://127.0.0.1:8080", "http://[::]:80", "https://[::]:443", "http+unix:/run/txproxy/http.sock"],
}
_MODE_SCHEMA = {"type": "string", "pattern": "^0[0-7]{3}$"}
_NO_ADDRESS = Address("tcp")


class ProxyProtocolEntry(Written):
    """The PROXY protocol, versions 1 and 2, in front of what clients send (and of TLS)."""

    what: ClassVar[str] = "`proxy_protocol`"
    example: ClassVar[str] = "{from: [10.0.0.0/8]}"
    required: ClassVar[tuple[str, ...]] = ("from",)
    from_: Annotated[tuple[Network, ...], OneOrMore("a list of IP addresses or networks", some=True)] = Field(
        default=(),
        alias="from",
        description="Addresses or networks of the proxies that must send a PROXY header first. Of all others none is "
        "read. Clients of a Unix socket count as 127.0.0.1.",
    )
    timeout: Duration = Field(default=5.0, description="For the whole PROXY header.")


class ListenEntry(Written):
    """One address, with what is special about it."""

    what: ClassVar[str] = "a listener"
    required: ClassVar[tuple[str, ...]] = ("address",)
    elsewhere: ClassVar[dict[str, str]] = OF_THE_TOP
    address: Annotated[
        Address,
        Scalar(listen_address, _NO_ADDRESS, "an address such as http://0.0.0.0:80", _LISTEN_SCHEMA, rooted=True),
    ] = Field(
        default=_NO_ADDRESS,
        description="`http://ADDRESS:PORT` (an IP address; port 80 unless given, 0 for any free one) or "
        "`http+unix:PATH`; with TLS `https://ADDRESS:PORT` (port 443 unless given) or `https+unix:PATH`. "
        "`http+systemd:` and `https+systemd:` are not supported yet.",
    )
    mode: Annotated[
        int | None, Scalar(values.file_mode, None, 'a file mode such as "0660"', _MODE_SCHEMA, "{:04o}".format)
    ] = Field(
        default=None,
        description='Permissions of a Unix socket\'s file, four octal digits such as "0660"; as the umask has it '
        "unless given.",
    )
    proxy_protocol: ProxyProtocolEntry | None = Field(
        default=None, description="Proxies in front of this one that say in a PROXY header whom they speak for."
    )
    redirect_plain_http: Truth = Field(
        default=False, description="Plain HTTP that arrives on this https listener is redirected to https."
    )


class BackendEntry(Written):
    """One backend, with what is special about it."""

    what: ClassVar[str] = "a backend"
    required: ClassVar[tuple[str, ...]] = ("url",)
    url: BackendUrl = Field(
        default=None,
        description="`http://HOST:PORT` (port 80 unless given) or `http+unix:PATH`; with TLS `https://HOST:PORT` (port "
        "443 unless given) or `https+unix:PATH`.",
    )
    weight: NotYet = Field(default=None, description="Share of the requests, beside the weights of the other backends.")
    max_connections: NotYet = Field(default=None, description="Connections to this backend at one time.")
    backup: NotYet = Field(default=None, description="Used only when no other backend is available.")


_LATER_BALANCE = ("least_requests", "random", "power_of_two", "first", "hash")
_BALANCE = words(("round_robin",), _LATER_BALANCE)


def _balance(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Mapping):
        complain(info, value, "hash: not supported yet")
        return "round_robin"
    return _BALANCE.read(value, info)


class UpstreamEntry(Written):
    """A named group of backends."""

    what: ClassVar[str] = "an upstream"
    example: ClassVar[str] = "{backends: [http://127.0.0.1:8000]}"
    required: ClassVar[tuple[str, ...]] = ("backends",)
    instead: ClassVar[dict[str, str]] = {"backends": "discover"}
    elsewhere: ClassVar[dict[str, str]] = {
        **dict.fromkeys(OF_UPSTREAMS, "it belongs to `tls` of the upstream"),
        **dict.fromkeys(("url", "proxy"), "write `backends: [URL]`"),
    }
    backends: Annotated[
        tuple[
            Annotated[
                BackendEntry,
                BeforeValidator(
                    lambda value, info: short("url", value, info), json_schema_input_type=UrlText | BackendEntry
                ),
            ],
            ...,
        ],
        OneOrMore("a list of URLs", some=True),
    ] = Field(default=(), description="The addresses that requests are spread over.")
    balance: Annotated[
        Literal["round_robin"],
        BeforeValidator(
            _balance, json_schema_input_type=Literal["round_robin", *_LATER_BALANCE] | dict[Literal["hash"], str]
        ),
        Says("round_robin"),
    ] = Field(
        default="round_robin",
        description="How a backend is chosen: in turn. `least_requests`, `random`, `power_of_two`, `first`, `hash` and "
        "`{hash: KEY}` are not supported yet.",
    )
    timeouts: UpstreamTimeouts = Field(default=UpstreamTimeouts(), description="Waiting for a backend.")
    keepalive: KeepAlive = Field(default=KeepAlive(), description="Connections that are kept open between requests.")
    sticky: NotYet = Field(default=None, description="A signed cookie keeps a client on its backend.")
    health: NotYet = Field(default=None, description="Active checks of each backend.")
    eject: NotYet = Field(default=None, description="A backend that fails several requests is left out for a while.")
    retries: NotYet = Field(default=None, description="How often, and after which failures, a request is tried again.")
    queue: NotYet = Field(default=None, description="Requests that wait when every backend is at `max_connections`.")
    slow_start: NotYet = Field(default=None, description="How long a backend that comes back gets less than its share.")
    tls: UpstreamTlsEntry | None = Field(
        default=None,
        description="TLS to the `https` backends; unless given, their certificates are verified with the system's CAs.",
    )
    http: NotYet = Field(default=None, description="Version of HTTP to the backends; 1.1 for now.")
    discover: NotYet = Field(default=None, description="Backends taken from DNS, A/AAAA or SRV.")
    refresh: NotYet = Field(default=None, description="How often `discover` asks again.")


def _request(text: str) -> str:
    method, space, url = text.partition(" ")
    url = url.strip()
    if not space or not url:
        raise ValueError(f'{quoted(text)} is not a method and a URL, such as "GET http://app.example.com/"')
    values.method(method)
    if not re.match(r"https?://", url) or re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError(f"{quoted(url)} is not a whole URL; begin with http:// or https:// and the host")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{quoted(url)} is not a URL") from None
    normalize_name(host or "")
    return f"{method} {url}"


def _test_status(text: str) -> int:
    return values.number(100, 599)(text)


_TEXT = Scalar(str, None, "text")


class TestEntry(Written):
    """A request, and what is expected of it."""

    __test__: ClassVar[bool] = False  # for pytest, which takes the name for a test's
    what: ClassVar[str] = "a test"
    required: ClassVar[tuple[str, ...]] = ("request",)
    request: Annotated[str, Scalar(_request, "GET http://localhost/", "a method and a URL")] = Field(
        default="GET http://localhost/", description="Method and URL, such as `GET https://app.example.com/`."
    )
    headers: Annotated[dict[str, FieldValue], Table("a mapping of header fields", values.field_name, any_case=True)] = (
        Field(default={}, description="Header fields that the request has.")
    )
    route: Annotated[str | None, _TEXT] = Field(default=None, description="Name of the route that must be chosen.")
    upstream: Annotated[str | None, _TEXT] = Field(
        default=None, description="Name of the upstream, or the URL, that it must go to."
    )
    path: Annotated[str | None, _TEXT] = Field(default=None, description="Path, with query, that the backend must see.")
    redirect: Annotated[str | None, _TEXT] = Field(default=None, description="URL that the client must be sent to.")
    status: Annotated[
        int | None, Scalar(_test_status, None, "a status", {"type": "integer", "minimum": 100, "maximum": 599})
    ] = Field(default=None, description="Status that txproxy itself must answer with.")


def _workers(text: str) -> int:
    if text == "auto" or (text.isascii() and text.isdigit() and int(text[:9]) > 1):
        raise ValueError(f"{text[:9]}: not supported yet; write 1 or leave it out")
    return values.number(1, 1)(text)


_WORKERS_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}


class RouteMap(Written):
    """A whole route map."""

    what: ClassVar[str] = "a route map"
    required: ClassVar[tuple[str, ...]] = ("hosts",)
    elsewhere: ClassVar[dict[str, str]] = (
        OF_LISTENERS
        | dict.fromkeys(OF_THE_TOP, "it belongs to `tls`")
        | {
            "routes": "routes stand below a host, under `hosts`",
            "backends": "backends stand below an upstream, under `upstreams`",
            "proxy": "write `hosts`, below it a host, and the URL as its value",
        }
    )
    listen: Annotated[
        tuple[
            Annotated[
                ListenEntry,
                BeforeValidator(
                    lambda value, info: short("address", value, info), json_schema_input_type=str | ListenEntry
                ),
            ],
            ...,
        ],
        OneOrMore("a list of addresses such as http://0.0.0.0:80", some=True),
    ] = Field(default=(), description="Where HTTP clients connect; `http://127.0.0.1:8080` unless given.")
    tls: TlsEntry | None = Field(default=None, description="Certificates, and how TLS is spoken with clients.")
    upstreams: Annotated[dict[str, UpstreamEntry], Table("a mapping of names to upstreams", values.upstream_name)] = (
        Field(default={}, description="Named groups of backends.")
    )
    hosts: Annotated[
        dict[str, Annotated[HostEntry, PlainValidator(host_value, json_schema_input_type=HostForms)]],
        Table("a mapping of hosts to where their requests go", patterns.host_pattern),
    ] = Field(
        default={},
        description="Hosts, and where their requests go. A host is a name, an IP address, `*.name` (exactly one label "
        "more), `**.name` "
        "(any number of labels more) or `*` (all that nothing else matches); the most specific one wins.",
    )
    streams: NotYet = Field(default=None, description="Everything that is not HTTP: TCP, TLS by server name, UDP.")
    state: Annotated[str | None, Scalar(file_path, None, "the path of a directory", rooted=True)] = Field(
        default=None,
        description="Directory for what txproxy keeps, such as the CA of `tls.internal`. Unless given it is "
        "`$STATE_DIRECTORY`, as systemd sets it, else the user's state directory.",
    )
    reload: NotYet = Field(default=None, description="Whether to reload when this file or an included one changes.")
    trusted_proxies: Annotated[tuple[Network, ...], OneOrMore("a list of IP addresses or networks")] = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-* and Forwarded are believed, read from right "
        "to left.",
    )
    limits: Limits = Field(default=Limits(), description="Bounds on what one client, or all together, can take.")
    timeouts: Timeouts = Field(default=Timeouts(), description="How long to wait for clients.")
    workers: Annotated[int, Scalar(_workers, 1, "1", _WORKERS_SCHEMA)] = Field(
        default=1, description="Number of processes; more than 1, or `auto`, one a core, is not supported yet."
    )
    log: Log = Field(default=Log(), description="What is written down.")
    admin: NotYet = Field(
        default=None, description="Read-only views, metrics, drain and reload, on an address of their own."
    )
    tests: Annotated[tuple[TestEntry, ...], OneOrMore("a list of tests")] = Field(
        default=(), description="Requests and what is expected of them; run by `txproxy check`."
    )
