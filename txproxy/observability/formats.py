r"""A record as one line of text, in each format of the access log.

Rule: whatever bytes a client sends, a line is ASCII, is exactly one line, and is taken apart by any
reader of its format into the fields it was made of. Credentials in a URL and the values of
token-like names in a query are not written.

JSON is a template and the C encoder of the standard library, because `json.dumps` of a mapping
costs five times as much. In both formats a byte that is not ASCII is escaped: in JSON as the character
if the text is UTF-8, else as ``\xNN``; in the combined format always as ``\xNN``, as nginx does, and
so are the quotation mark and the backslash, so that not even a naive reader is misled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from txproxy.policy.token_query import hide

from .record import Record

Format = Callable[[Record], str]

_VERSIONS = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0", 30: "HTTP/3.0"}
# More than any route map has in use at a time, and not a danger to memory.
_MOST_PLACES = 4096
# Shapes of lines that are remembered; clients choose what is in them, so long ones are not: 2 MiB at most.
_MOST_SHAPES = 1024
_LONG = 512
_THOUSANDTHS = tuple(f".{number:03d}Z" for number in range(1000))
_USERINFO = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*:)//[^/?#]*@")
_NOT_PLAIN = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')
_NOT_PLAIN_OR_SPACE = re.compile(rb'["\\\x00-\x20\x7f-\xff]')


def json_format() -> Format:
    """Make the function that writes a record as one JSON object.

    Every line has the same keys; what does not apply is null (`host` and `target`: empty). Times
    are seconds, `time` is RFC 3339 in UTC.
    """
    latest = -1
    stamp = ""
    # One exchange of a connection is mostly like the other in all but its target and its times.
    shape_of = lru_cache(_MOST_SHAPES)(_json_shape)

    # Without calls of its own where it can, because this runs once for every exchange.
    def line(record: Record) -> str:
        nonlocal latest, stamp
        (
            time,
            request_id,
            client,
            client_port,
            listener,
            scheme,
            method,
            host,
            target,
            version,
            status,
            cause,
            route,
            upstream,
            backend,
            bytes_received,
            bytes_sent,
            duration,
            connect,
            first_byte,
            attempts,
            reused,
            user_agent,
            referer,
        ) = record
        second = int(time)
        if second != latest:
            stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            latest = second
        if b"?" in target or target[:1] != b"/":
            target = _safe_url(target)
        shape: tuple[Any, ...] = (client, listener, scheme, method, host, version, status, cause, route, upstream)
        shape = (*shape, backend, attempts, reused, user_agent, referer)
        long = len(host) + len(method) + len(user_agent or b"") + len(referer or b"") > _LONG
        who, what, where, how = (_json_shape if long else shape_of)(*shape)
        # An answer that comes in one piece ends with its first byte: written once, for that takes longest.
        took = f"{duration:.6f}"
        first = "null" if first_byte is None else took if first_byte == duration else f"{first_byte:.6f}"
        return (
            f'{{"time":"{stamp}{_THOUSANDTHS[int((time - second) * 1000)]}","request_id":{quote(request_id)},'
            f'"client":{who},"client_port":{client_port or "null"},{what},'
            f'"target":{quote(target.decode("utf-8", "backslashreplace"))},{where},"bytes_received":{bytes_received},'
            f'"bytes_sent":{bytes_sent},"duration":{took},"connect":{"null" if connect is None else f"{connect:.6f}"},'
            f'"first_byte":{first},{how}}}\n'
        )

    return line


def _json_shape(
    client: str,
    listener: str,
    scheme: str,
    method: bytes,
    host: bytes,
    version: int,
    status: int,
    cause: str,
    route: str,
    upstream: str,
    backend: str,
    attempts: int,
    reused: bool,
    user_agent: bytes | None,
    referer: bytes | None,
) -> tuple[str, str, str, str]:
    """Write what an exchange has in common with others, in the four pieces that it makes of a line."""
    if b"@" in host:
        host = host.rpartition(b"@")[2]
    who = _or_null(client)
    what = f'"method":{_json_text(method) if method else "null"},"host":{_json_text(host)}'
    where = (
        f'"version":{_or_null(_VERSIONS.get(version, ""))},"listener":{quote(listener)},"scheme":{quote(scheme)},'
        f'"route":{_or_null(route)},"upstream":{_or_null(upstream)},"backend":{_or_null(backend)},'
        f'"cause":{_or_null(cause)},"status":{status}'
    )
    how = (
        f'"attempts":{attempts},"reused":{"true" if reused else "false"},'
        f'"user_agent":{"null" if user_agent is None else _json_text(user_agent)},'
        f'"referer":{"null" if referer is None else _json_text(_safe_referer(referer))}'
    )
    return who, what, where, how


def _json_text(value: bytes) -> str:
    return quote(value.decode("utf-8", "backslashreplace"))


def _or_null(text: str) -> str:
    return quote(text) if text else "null"


def combined_format() -> Format:
    """Make the function that writes a record in the combined log format.

    The usual fields come first, in UTC; after the user agent the rest follows as ``name="value"``
    or ``name=number``, where readers of the plain format do not look. "-" is what does not apply.
    """
    latest = -1
    stamp = ""
    place_of = lru_cache(_MOST_PLACES)(_combined_place)

    def line(record: Record) -> str:
        nonlocal latest, stamp
        second = int(record.time)
        if second != latest:
            stamp = _clf_time(second)
            latest = second
        request = "-"
        if record.method:
            target = _word(_safe_url(record.target))
            request = f"{_word(record.method)} {target} {_VERSIONS.get(record.version, '-')}"
        referer = record.referer and _safe_referer(record.referer)
        place = place_of(record.listener, record.scheme, record.route, record.upstream, record.backend, record.cause)
        return (
            f'{_word(record.client.encode("utf-8", "replace"))} - - [{stamp}] "{request}" {record.status} '
            f"{record.bytes_sent} {_quoted(referer)} {_quoted(record.user_agent)}"
            f" id={_quoted_str(record.request_id)} host={_quoted(record.host.rpartition(b'@')[2])} {place}"
            f" received={record.bytes_received} duration={record.duration:.6f} connect={_seconds(record.connect)}"
            f" first_byte={_seconds(record.first_byte)} attempts={record.attempts} reused={record.reused:d}\n"
        )

    return line


def _combined_place(listener: str, scheme: str, route: str, upstream: str, backend: str, cause: str) -> str:
    return (
        f"listener={_quoted_str(listener)} scheme={_quoted_str(scheme)} route={_quoted_str(route)}"
        f" upstream={_quoted_str(upstream)} backend={_quoted_str(backend)} cause={_quoted_str(cause)}"
    )


FORMATS: dict[str, Callable[[], Format]] = {"json": json_format, "combined": combined_format}


def _safe_url(url: bytes) -> bytes:
    if b"@" in url:
        url = _USERINFO.sub(rb"\1//", url)
    return hide(url) if b"?" in url else url


def _safe_referer(url: bytes) -> bytes:
    # A fragment has no business in a request (RFC 9110, section 10.1.3), and may hold an access token.
    return _safe_url(url.partition(b"#")[0])


def _clf_time(second: int) -> str:
    # Not by strftime's %b, which speaks the language of the locale.
    when = datetime.fromtimestamp(second, UTC)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * when.month - 3 : 3 * when.month]
    return f"{when:%d}/{month}/{when:%Y:%H:%M:%S} +0000"


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\x%02X" % found[0][0]


def _quoted(value: bytes | None) -> str:
    if not value:
        return '"-"'
    # The C encoder tells faster than a pattern whether anything is to be escaped: then it grew.
    text = quote(value.decode("latin-1"))
    if len(text) == len(value) + 2:
        return text
    return f'"{_NOT_PLAIN.sub(_escaped, value).decode("ascii")}"'


def _quoted_str(value: str) -> str:
    return _quoted(value.encode("utf-8", "replace"))


def _word(value: bytes) -> str:
    return _NOT_PLAIN_OR_SPACE.sub(_escaped, value).decode("ascii") or "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"
