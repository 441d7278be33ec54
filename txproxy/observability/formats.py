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
from json.encoder import encode_basestring_ascii as quote

from .record import Record

Format = Callable[[Record], str]

_VERSIONS = {0: "-", 10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0", 30: "HTTP/3.0"}
_USERINFO = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*@")
_NOT_PLAIN = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')
_NOT_PLAIN_OR_SPACE = re.compile(rb'["\\\x00-\x20\x7f-\xff]')


def json_format(hash_secrets: Callable[[bytes], bytes]) -> Format:
    """Make the function that writes a record as one JSON object.

    Every line has the same keys; what does not apply is null. Times are seconds, `time` is RFC 3339 in UTC.

    :param hash_secrets: replaces the values of token-like names in the query of a URL.
    """
    latest = -1
    stamp = ""

    # Above 40 lines, and without calls of its own, because this runs once for every exchange.
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
            target = _safe_url(target, hash_secrets)
        if b"@" in host:
            host = host.rpartition(b"@")[2]
        return (
            f'{{"time":"{stamp}.{int((time - second) * 1000):03d}Z","request_id":{quote(request_id)},'
            f'"client":{quote(client) if client else "null"},"client_port":{client_port or "null"},'
            f'"listener":{quote(listener)},"scheme":{quote(scheme)},'
            f'"method":{quote(method.decode("utf-8", "backslashreplace"))},'
            f'"host":{quote(host.decode("utf-8", "backslashreplace"))},'
            f'"target":{quote(target.decode("utf-8", "backslashreplace"))},'
            f'"version":"{_VERSIONS[version]}","status":{status},"cause":{quote(cause) if cause else "null"},'
            f'"route":{quote(route) if route else "null"},"upstream":{quote(upstream) if upstream else "null"},'
            f'"backend":{quote(backend) if backend else "null"},'
            f'"bytes_received":{bytes_received},"bytes_sent":{bytes_sent},"duration":{duration:.6f},'
            f'"connect":{"null" if connect is None else f"{connect:.6f}"},'
            f'"first_byte":{"null" if first_byte is None else f"{first_byte:.6f}"},'
            f'"attempts":{attempts},"reused":{"true" if reused else "false"},"user_agent":'
            f"{'null' if user_agent is None else quote(user_agent.decode('utf-8', 'backslashreplace'))},"
            f'"referer":{"null" if referer is None else quote(_safe_text(referer, hash_secrets))}}}\n'
        )

    return line


def combined_format(hash_secrets: Callable[[bytes], bytes]) -> Format:
    """Make the function that writes a record in the combined log format.

    The usual fields come first, in UTC; after the user agent the rest follows as ``name="value"``
    or ``name=number``, where readers of the plain format do not look. "-" is what does not apply.

    :param hash_secrets: replaces the values of token-like names in the query of a URL.
    """
    latest = -1
    stamp = ""

    def line(record: Record) -> str:
        nonlocal latest, stamp
        second = int(record.time)
        if second != latest:
            stamp = _clf_time(second)
            latest = second
        request = "-"
        if record.method:
            target = _word(_safe_url(record.target, hash_secrets))
            request = f"{_word(record.method)} {target} {_VERSIONS[record.version]}"
        referer = record.referer and _safe_url(record.referer, hash_secrets)
        return (
            f'{_word(record.client.encode("utf-8", "replace"))} - - [{stamp}] "{request}" {record.status} '
            f"{record.bytes_sent} {_quoted(referer)} {_quoted(record.user_agent)}"
            f" id={_quoted_str(record.request_id)} scheme={_quoted_str(record.scheme)}"
            f" host={_quoted(record.host.rpartition(b'@')[2])} listener={_quoted_str(record.listener)}"
            f" route={_quoted_str(record.route)} upstream={_quoted_str(record.upstream)}"
            f" backend={_quoted_str(record.backend)} cause={_quoted_str(record.cause)}"
            f" received={record.bytes_received} duration={record.duration:.6f} connect={_seconds(record.connect)}"
            f" first_byte={_seconds(record.first_byte)} attempts={record.attempts} reused={record.reused:d}\n"
        )

    return line


FORMATS: dict[str, Callable[[Callable[[bytes], bytes]], Format]] = {"json": json_format, "combined": combined_format}


def _safe_url(url: bytes, hash_secrets: Callable[[bytes], bytes]) -> bytes:
    if b"@" in url:
        url = _USERINFO.sub(rb"\1//", url)
    return hash_secrets(url) if b"?" in url else url


def _safe_text(url: bytes, hash_secrets: Callable[[bytes], bytes]) -> str:
    return _safe_url(url, hash_secrets).decode("utf-8", "backslashreplace")


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
