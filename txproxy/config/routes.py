"""Hosts and routes as they are written: matchers, leaves, and what a leaf needs besides.

Rule: every key of the language stands in `routes`, `language` or `settings` with what it means, those
that nothing is built for yet included, so that none is ever called unknown and none silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

from txproxy.model.hostname import normalize_name

from . import patterns, values
from .destinations import Destination, DestinationForms, PlaceForms, destination, short
from .model import FORWARDED
from .problem import listed, nearest, quoted
from .reading import NotYet, OneOrMore, Says, Scalar, Table, Written, complain, is_wrong
from .settings import FieldValue, HeaderEdits, Network, OptionalSize, Truth, UpstreamTimeouts, file_path, words
from .tls import OF_HOSTS, OF_THE_TOP, OF_UPSTREAMS, HostTlsEntry
from .tree import Blank, Broken, Mapping, Sequence, Text, is_node

REDIRECT_STATUSES = (301, 302, 303, 307, 308)
LEAVES = ("proxy", "redirect", "respond", "files", "wsgi", "resource")


def _redirect_status(text: str) -> int:
    if text not in map(str, REDIRECT_STATUSES):
        raise ValueError(f"{quoted(text)} is not a redirect; write 308 or 307 (keep the method), or 301, 302 or 303")
    return int(text)


def _status(text: str) -> int:
    if not (len(text) == 3 and text.isascii() and text.isdigit() and 200 <= int(text) <= 599):
        raise ValueError(f"{quoted(text)} is not the status of an answer; write a number from 200 to 599")
    return int(text)


class RedirectEntry(Written):
    """Where clients are sent."""

    what: ClassVar[str] = "a redirect"
    example: ClassVar[str] = "{to: /new, status: 302}"
    required: ClassVar[tuple[str, ...]] = ("to",)
    to: Annotated[str, Scalar(str, "/", "a URL such as https://app.example.com{uri}")] = Field(
        default="",
        description="A URL, or a path that starts with '/'. Placeholders: `{uri}` (path and query as sent), `{path}`, "
        "`{query}`, "
        "`{host}`, `{scheme}`, and the names that the route's path patterns capture.",
    )
    status: Annotated[int, Scalar(_redirect_status, 308, "a status", {"enum": list(REDIRECT_STATUSES)})] = Field(
        default=308, description="301, 302, 303, 307 or 308."
    )


def _answer_field(text: str) -> str:
    return values.settable_field_name(text)


class RespondEntry(Written):
    """An answer that txproxy gives by itself."""

    what: ClassVar[str] = "an answer"
    example: ClassVar[str] = "{status: 404}"
    status: Annotated[int, Scalar(_status, 200, "a status", {"type": "integer", "minimum": 200, "maximum": 599})] = (
        Field(default=200, description="200 to 599.")
    )
    body: Annotated[str, Scalar(str, "", "text")] = Field(default="", description="The body, sent in UTF-8.")
    headers: Annotated[dict[str, FieldValue], Table("a mapping of header fields", _answer_field, any_case=True)] = (
        Field(default={}, description="Header fields; Content-Type is `text/plain; charset=utf-8` unless given.")
    )


def _pattern_value(text: str) -> str:
    if text.startswith("~"):
        values.regex(text[1:])
        return text
    return values.field_value(text)


def _query_value(text: str) -> str:
    if text.startswith("~"):
        values.regex(text[1:])
    return text


def _matched_name(text: str) -> str:
    lower = values.field_name(text).lower()
    if lower == "host":
        raise ValueError("Host is matched by the keys of `hosts`")
    if lower in values.HOP_BY_HOP:
        raise ValueError(f"{text} belongs to one connection and is not passed on, so it cannot be matched")
    return text


def _query_name(text: str) -> str:
    if not text:
        raise ValueError("the name of a query parameter is empty")
    return text


def _host_header(text: str) -> str:
    if text in ("preserve", "backend"):
        return text
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text, "0"
    if not port.isascii() or not port.isdigit() or not int(port) <= 65535:
        raise ValueError(f"{quoted(text)} is not preserve, backend, or a host with or without a port")
    if name.count(":") and not name.startswith("["):
        raise ValueError(f"{quoted(text)}: write an IPv6 address in brackets")
    normalize_name(name)
    return text


def _prefix(text: str) -> str:
    return patterns.strip_prefix(text)


_PATH_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": "^[/~]",
    "examples": ["/static/*", "/users/{id}", "~^/v[0-9]+/"],
}
_REFERENCE = Scalar(values.reference, "wrong:wrong", "module:attribute", {"type": "string", "pattern": "^[^:]+:[^:]+$"})
_FORWARDED = (*FORWARDED, "none")


LegacyPart = Literal["redirects", "cookies", "links"]
LEGACY: tuple[LegacyPart, ...] = ("redirects", "cookies", "links")
_legacy_part = values.word(LEGACY)


class LegacyEntry(Written):
    """What is mended for an application that knows nothing of TLS or of being behind a proxy.

    A part that is left out is off.
    """

    what: ClassVar[str] = "`legacy`"
    example: ClassVar[str] = "{redirects: true, cookies: true}"
    redirects: Truth = Field(
        default=False,
        description="Location, Content-Location and Refresh that name the backend, or http://, name the host and "
        "scheme that the client used.",
    )
    cookies: Truth = Field(
        default=False,
        description="Cookies get Secure and SameSite where clients use https; Domain and Path become the client's.",
    )
    links: Truth = Field(
        default=False, description="Absolute http:// links to the host in HTML and CSS become the client's."
    )


def _legacy(value: object, info: ValidationInfo) -> object:
    """Read true, false, a part or a list of parts; a mapping is for the model."""
    if isinstance(value, Blank):
        is_wrong(info, value, "true, or a list such as [redirects, cookies]", Text)
        return None
    if not isinstance(value, Text | Sequence):
        return value
    if isinstance(value, Text) and value not in LEGACY:
        try:
            on = values.truth(value)
        except ValueError:
            near = nearest(value, (*LEGACY, "true", "false"))
            hint = f"did you mean {near}?" if near else f"write true, or a list of {listed(LEGACY, 'and')}"
            complain(info, value, f"{quoted(value)} is not known here; {hint}")
            return None
        return LegacyEntry.made(value.where, **dict.fromkeys(LEGACY, True)) if on else None
    parts: dict[str, Any] = dict.fromkeys(LEGACY, False)
    slips = False
    for item in [value] if isinstance(value, Text) else value:
        try:
            if not is_wrong(info, item, f"one of {listed(LEGACY)}", Text):
                parts[_legacy_part(str(item))] = True
                continue
        except ValueError as error:
            complain(info, item, str(error))
        slips = True
    if not value:
        complain(info, value, f"an empty list; write {listed(LEGACY)}, or false")
        return None
    return LegacyEntry.made(value.where, is_wrong=slips, **parts)


class RouteEntry(Written):
    """Which requests, and what becomes of them."""

    what: ClassVar[str] = "a route"
    elsewhere: ClassVar[dict[str, str]] = {
        **OF_THE_TOP,
        **OF_HOSTS,
        **OF_UPSTREAMS,
        "host": "the host is the key above the route, under `hosts`",
        "backends": "a list of URLs is written with `proxy`, named groups under `upstreams`",
        "upstream": "write `proxy`, with the upstream's name",
        "url": "write `proxy`, with the URL",
        "tls": "it belongs to the host, beside `routes`",
    }
    name: Annotated[str | None, Scalar(values.route_name, None, "a name")] = Field(
        default=None,
        description="Shown in logs, metrics and by `txproxy explain`; the host and the first path pattern unless "
        "given.",
    )
    path: Annotated[
        tuple[
            Annotated[str, Scalar(patterns.path_pattern, "/*", "a path pattern such as /static/*", _PATH_SCHEMA)], ...
        ],
        OneOrMore("a path pattern or a list of them", some=True),
    ] = Field(
        default=(),
        description="Path patterns, one of which must match: `/a` that path only, `/a/*` it and all below, `{name}` "
        "as a segment any "
        "one segment, `~` and a regular expression. Compared with the path percent-decoded and without dot segments.",
    )
    methods: Annotated[
        tuple[Annotated[str, Scalar(values.method, "GET", "a method such as GET")], ...],
        OneOrMore("a list of methods such as [GET, POST]", some=True),
    ] = Field(default=(), description="Request methods, one of which must match; case-sensitive.")
    headers: Annotated[
        dict[str, Annotated[str, Scalar(_pattern_value, "", "a value or ~regex")]],
        Table('a mapping such as {X-Version: "2"}', _matched_name, any_case=True),
    ] = Field(
        default={},
        description="Header fields, all of which must be there with this value, or one in which this `~regex` is "
        "found.",
    )
    query: Annotated[
        dict[str, Annotated[str, Scalar(_query_value, "", "a value or ~regex")]],
        Table('a mapping such as {page: "2"}', _query_name),
    ] = Field(
        default={},
        description="Query parameters, all of which must be there with this value, or one in which this `~regex` is "
        "found.",
    )
    clients: Annotated[tuple[Network, ...], OneOrMore("a list of IP addresses or networks", some=True)] = Field(
        default=(), description="Addresses or networks, one of which the client must come from (see `trusted_proxies`)."
    )
    proxy: Annotated[
        Destination | None,
        PlainValidator(destination, json_schema_input_type=DestinationForms),
        Says("the name of an upstream, a URL or a list of URLs"),
    ] = Field(
        default=None,
        description="Leaf: requests are passed on to an upstream by its name, to a URL, or to a list of URLs in turn. "
        "A path on the URL "
        "is put in front of the request's path. A split over upstreams, `{app: 95, other: 5}`, is not supported yet.",
    )
    redirect: Annotated[
        RedirectEntry | None,
        BeforeValidator(lambda value, info: short("to", value, info), json_schema_input_type=str | RedirectEntry),
        Says("a URL, or a mapping"),
    ] = Field(
        default=None, description="Leaf: clients are sent to another URL, with 308 unless `status` says otherwise."
    )
    respond: RespondEntry | None = Field(default=None, description="Leaf: txproxy answers by itself.")
    files: Annotated[str | None, Scalar(file_path, None, "the path of a directory", rooted=True)] = Field(
        default=None, description="Leaf: the files below this directory, with ranges, types and dates."
    )
    wsgi: Annotated[str | None, _REFERENCE] = Field(
        default=None, description="Leaf: a WSGI application, `module:attribute`, run in the thread pool."
    )
    resource: Annotated[str | None, _REFERENCE] = Field(
        default=None,
        description="Leaf: any `twisted.web` resource, `module:attribute`; a callable is called without arguments to "
        "make it.",
    )
    strip_prefix: Annotated[str | None, Scalar(_prefix, None, "a path such as /api")] = Field(
        default=None, description="Taken off the front of the request's path before it is passed on."
    )
    host_header: Annotated[str, Scalar(_host_header, "preserve", "preserve, backend or a host")] = Field(
        default="preserve",
        description="The Host that the backend sees: `preserve` (the client's), `backend` (the backend's own) or this "
        "literal.",
    )
    max_body: OptionalSize = Field(
        default=None, description="Size of a request's body; larger ones get 413; `limits.body` unless given."
    )
    timeouts: UpstreamTimeouts = Field(
        default=UpstreamTimeouts(), description="Waiting for the backend; what is left out is as the upstream has it."
    )
    request_headers: HeaderEdits = Field(
        default=HeaderEdits(), description="Changes to the request's header before it is passed on."
    )
    response_headers: HeaderEdits = Field(
        default=HeaderEdits(), description="Changes to the response's header before the client gets it."
    )
    forwarded: Annotated[
        tuple[Annotated[str, words(_FORWARDED)], ...], OneOrMore("a list such as [x-forwarded]", some=True)
    ] = Field(
        default=("x-forwarded",),
        description="How the backend learns of the client: `x-forwarded` (X-Forwarded-For, -Proto, -Host and -Port), "
        "`forwarded` (RFC 7239), both, or `none`.",
    )
    legacy: Annotated[
        LegacyEntry | None,
        BeforeValidator(_legacy, json_schema_input_type=bool | LegacyPart | list[LegacyPart] | LegacyEntry),
        Says("true, false, or a list or mapping of parts"),
    ] = Field(
        default=None,
        description="For an application behind `proxy` that knows nothing of TLS or of being behind a proxy: what it "
        "says of its own address is mended. `true` is all parts, a list such as `[redirects, cookies]` only these.",
    )
    hold: NotYet = Field(default=None, description="How long to wait for a backend that restarts, instead of failing.")
    mirror: NotYet = Field(
        default=None,
        description="A copy of a percentage of the requests for another upstream, and whether to compare its answers.",
    )


class HostRoute(RouteEntry):
    """A host's mapping without `routes`: one route for all its requests."""

    what: ClassVar[str] = "a host's only route"
    tls: HostTlsEntry | None = Field(default=None, description="TLS with this host's clients.")


class HostEntry(Written):
    """A host's mapping with `routes`: settings for the host."""

    what: ClassVar[str] = "a host with `routes`"
    required: ClassVar[tuple[str, ...]] = ("routes",)
    elsewhere: ClassVar[dict[str, str]] = {
        **OF_THE_TOP,
        **OF_HOSTS,
        **OF_UPSTREAMS,
        **dict.fromkeys(RouteEntry.model_fields, "it belongs into a route below `routes`"),
    }
    tls: HostTlsEntry | None = Field(
        default=None, description="TLS with this host's clients: their certificates, the least version."
    )
    routes: Annotated[tuple[RouteEntry, ...], OneOrMore("a list of routes", some=True)] = Field(
        default=(), description="The host's routes; the first that matches wins."
    )


HostForms = PlaceForms | list[RouteEntry] | HostEntry | HostRoute


def host_value(value: object, info: ValidationInfo) -> object:
    """Read what stands under a host, in any of its forms; anything that is no node is passed on."""
    if not is_node(value):
        return value
    assert isinstance(value, Text | Blank | Sequence | Mapping)
    where, context = value.where, info.context
    routes: tuple[RouteEntry, ...] = ()
    if isinstance(value, Mapping):
        if _has_routes(value):
            return HostEntry.model_validate(value, context=context)
        only = HostRoute.model_validate(value, context=context)
        return HostEntry.made(where, routes=(only,), tls=only.tls)
    elif isinstance(value, Sequence) and not value:
        complain(info, where, "an empty list; expected a URL, the name of an upstream, or routes")
    elif isinstance(value, Sequence) and not all(isinstance(item, Text) for item in value):
        routes = tuple(RouteEntry.model_validate(item, context=context) for item in value)
    elif isinstance(value, Text | Sequence):
        routes = (RouteEntry.made(where, proxy=destination(value, info)),)
    elif not isinstance(value, Broken):
        complain(info, where, "nothing is written here; expected a URL, the name of an upstream, or routes")
    return HostEntry.made(where, routes=routes)


def _has_routes(value: Mapping) -> bool:
    # A slip in the one key that tells the two forms apart must not make every other key look wrong.
    if "routes" in value:
        return True
    return not any(key in value for key in LEAVES) and any(
        nearest(key, ["routes", *RouteEntry.model_fields]) == "routes" for key in value
    )
