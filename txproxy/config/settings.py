"""The keys that stand for a value or a group of values: limits, timeouts, log, header edits.

Rule: a default stands here and nowhere else; each limit's comment says whose precedent it follows.
The models are what the rest of the program reads, and their descriptions are the reference.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from . import values
from .problem import listed, quoted
from .reading import OneOrMore, Says, Scalar, Table, Written, complain
from .tree import Text


def _duration(*, zero: bool = False) -> Scalar:
    parse = values.duration if zero else values.positive_duration
    schema = {"type": "string", "pattern": values.DURATION_PATTERN, "examples": ["250ms", "5s", "10m", "1h", "7d"]}
    return Scalar(parse, 1.0, "a duration such as 5s", schema, values.show_duration)


def _whole(low: int, high: int) -> Scalar:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Scalar(values.number(low, high), low, "a whole number", schema)


def words(known: tuple[str, ...], later: tuple[str, ...] = ()) -> Scalar:
    """Make the reader of one of several words."""
    schema = {"enum": [*known, *later]}
    if later:
        schema["description"] = f"({listed(later, 'and')}: not supported yet)"  # type: ignore[assignment]
    return Scalar(values.word(known, later), known[0], listed(known), schema)


def file_path(text: str, directory: str) -> str:
    """Make a path absolute: relative ones start from the directory of the file that names them."""
    if not text or "\0" in text:
        raise ValueError(f"{quoted(text)} is not a path")
    return os.path.normpath(os.path.join(directory, text))


def log_path(text: str, directory: str) -> str:
    """Make a path absolute, unless it is "-", standard output."""
    return text if text == "-" else file_path(text, directory)


_TRUTH_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "boolean"}, {"enum": ["on", "off", "yes", "no"]}]}


def truth(*, fallback: bool = False) -> Scalar:
    """Make the reader of a yes or no."""
    return Scalar(values.truth, fallback, "true or false", _TRUTH_SCHEMA, lambda value: str(value).lower())


_SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": values.SIZE_PATTERN}],
    "examples": ["512", "16KiB", "1MiB", "2GiB"],
}
_SIZE = Scalar(values.size, 1 << 20, "a size such as 1MiB", _SIZE_SCHEMA, values.show_size)
Truth = Annotated[bool, truth()]
OptionalFile = Annotated[str | None, Scalar(file_path, None, "the path of a file", rooted=True)]
Duration = Annotated[float, _duration()]
AnyDuration = Annotated[float, _duration(zero=True)]
OptionalDuration = Annotated[float | None, _duration()]
Size = Annotated[int, _SIZE]
OptionalSize = Annotated[int | None, _SIZE]
Network = Annotated[
    values.Network,
    Scalar(values.network, values.network("127.0.0.1"), "an IP address or network such as 10.0.0.0/8"),
]


class Limits(Written):
    """Bounds on what one client, or all together, can take."""

    what: ClassVar[str] = "`limits`"
    example: ClassVar[str] = "{body: 2MiB}"
    # 10 000: a descriptor each way fits the 20 000 or more that service files commonly grant.
    connections: Annotated[int, _whole(1, 1_000_000)] = Field(
        default=10_000, description="Client connections open at one time, on all listeners together."
    )
    # 16 KiB and 100 fields: where browsers with many cookies still pass; nginx and HAProxy are near it.
    header_bytes: Size = Field(
        default=16 << 10, description="Size of a request's header, start line included; larger ones get 431."
    )
    header_fields: Annotated[int, _whole(1, 10_000)] = Field(
        default=100, description="Number of fields in a request's header; more get 431."
    )
    # 1 MiB as nginx has it: an application that takes uploads says so on the route.
    body: Size = Field(
        default=1 << 20,
        description="Size of a request's body; larger ones get 413. A route's `max_body` goes before it.",
    )
    requests_per_connection: Annotated[int, _whole(1, 1_000_000_000)] = Field(
        default=10_000, description="Requests on one client connection, after which it is closed."
    )


class Timeouts(Written):
    """How long txproxy waits for clients, in seconds."""

    what: ClassVar[str] = "`timeouts`"
    example: ClassVar[str] = "{header: 30s}"
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        ("connect", "response", "idle"), "it waits for a backend, so it belongs to `timeouts` of an upstream or a route"
    )
    header: Duration = Field(
        default=60.0,
        description="For a request's whole header, from its first byte on; a hard limit, whatever trickles in.",
    )
    handshake: Duration = Field(default=10.0, description="For a TLS handshake.")
    keepalive: Duration = Field(default=75.0, description="For the next request on a connection that is kept open.")
    body: Duration = Field(
        default=60.0, description="For the next piece of a request's body; each piece starts it again."
    )
    write: Duration = Field(
        default=60.0, description="For a client to take a piece of the response; each piece taken starts it again."
    )
    tunnel: Duration = Field(
        default=3600.0, description="For the next byte, either way, in a tunnel (WebSocket and other upgrades)."
    )
    drain: AnyDuration = Field(
        default=30.0, description="For requests in flight to end when txproxy stops; 0s ends them at once."
    )


class UpstreamTimeouts(Written):
    """How long txproxy waits for a backend, in seconds; None: as the upstream has it."""

    what: ClassVar[str] = "`timeouts`"
    example: ClassVar[str] = "{response: 5m}"
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        ("header", "handshake", "keepalive", "body", "write", "tunnel", "drain"),
        "it waits for clients, so it belongs to `timeouts` at the top of the route map",
    )
    connect: OptionalDuration = Field(
        default=None, description="For a connection to a backend to stand; 3s unless given."
    )
    response: OptionalDuration = Field(
        default=None, description="For the first byte of the response; 60s unless given."
    )
    idle: OptionalDuration = Field(
        default=None,
        description="For the next piece of the response's body; each piece starts it again; 60s unless given.",
    )


class KeepAlive(Written):
    """Connections to backends that are kept open between requests."""

    what: ClassVar[str] = "`keepalive`"
    example: ClassVar[str] = "{max_idle: 16}"
    max_idle: Annotated[int, _whole(0, 100_000)] = Field(
        default=64, description="Idle connections kept to one backend; 0 opens a new connection for each request."
    )
    idle_timeout: Duration = Field(default=90.0, description="How long an idle connection is kept.")


class AccessLog(Written):
    """Where and how each request is noted."""

    what: ClassVar[str] = "`access`"
    path: Annotated[str, Scalar(log_path, "-", "a file's path", rooted=True)] = Field(
        default="-", description='The file; "-" is standard output. It is opened anew on SIGUSR1, for log rotation.'
    )
    format: Annotated[Literal["json", "combined"], words(("json", "combined"))] = Field(
        default="json",
        description="`json`: one object a line; `combined`: as Apache and nginx write it, with more at the end.",
    )


def _access(value: object, info: ValidationInfo) -> object:
    # `access: off`; anything else is for the model.
    if isinstance(value, Text):
        try:
            if not values.truth(value):
                return None
        except ValueError:
            pass
        complain(
            info, value.where, f'expected off, or a mapping such as {{path: "-", format: json}}, found {quoted(value)}'
        )
        return None
    return None if value is False else value


class Log(Written):
    """What is written down."""

    what: ClassVar[str] = "`log`"
    example: ClassVar[str] = "{level: debug}"
    level: Annotated[str, words(("debug", "info", "warn", "error", "critical"))] = Field(
        default="info", description="The least severe event of the application log that is written."
    )
    access: Annotated[
        AccessLog | None,
        BeforeValidator(_access, json_schema_input_type=AccessLog | Literal[False, "off", "no", "false"]),
        Says("off, or a mapping"),
    ] = Field(default=AccessLog(), description="The access log; `off` for none.")


FieldValue = Annotated[str, Scalar(values.field_value, "", "text")]


def _edited_name(text: str) -> str:
    name = values.settable_field_name(text)
    if name.lower() == "host":
        raise ValueError("Host is set by the route's `host_header`")
    return name


EditedFields = Annotated[
    dict[str, FieldValue], Table("a mapping of header fields such as {X-Env: prod}", _edited_name, any_case=True)
]


class HeaderEdits(Written):
    """Changes to a header: first `remove`, then `set`, then `add`.

    In `request_headers` of a host with `client_auth` a value may hold `{client_cert.NAME}`, which stands for the
    client's verified certificate and is empty without one. NAME is subject, issuer, serial, san, fingerprint or pem
    (percent-encoded). What clients themselves send under the name of such a field is dropped, on all routes of the map.
    """

    what: ClassVar[str] = "header changes"
    example: ClassVar[str] = "{set: {X-Env: prod}}"
    set: EditedFields = Field(default={}, description="Fields that get this value in place of whatever they have.")
    add: EditedFields = Field(default={}, description="Fields that are put beside those of the same name.")
    remove: Annotated[
        tuple[Annotated[str, Scalar(_edited_name, "X-Wrong", "the name of a header field")], ...],
        OneOrMore("a list of names"),
    ] = Field(default=(), description="Names of fields that are taken out, in any case.")
