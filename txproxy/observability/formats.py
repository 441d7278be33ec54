r"""A record as one line of text, in each format of the access log.

Rule: whatever bytes a client sends, a line is ASCII, is exactly one line, and is taken apart by any
reader of its format into the fields it was made of. Credentials in a URL and the values of
token-like names in a query are not written.

JSON is `json_lines`. In the combined format a byte that is not ASCII is always escaped as ``\xNN``, as nginx does,
and so are the quotation mark and the backslash, so that not even a naive reader is misled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote

from .json_lines import JsonLines
from .private import safe_referer, safe_url
from .record import VERSIONS, Record

Format = Callable[[Record], str]

# More than any route map has in use at a time, and not a danger to memory.
_MOST_PLACES = 4096
_NOT_PLAIN = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')
_NOT_PLAIN_OR_SPACE = re.compile(rb'["\\\x00-\x20\x7f-\xff]')


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
            target = _word(safe_url(record.target))
            request = f"{_word(record.method)} {target} {VERSIONS.get(record.version, '-')}"
        referer = record.referer and safe_referer(record.referer)
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


FORMATS: dict[str, Callable[[], Format]] = {"json": JsonLines, "combined": combined_format}


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
