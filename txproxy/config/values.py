"""The small values of the language: durations, sizes, numbers, words, networks, names.

Rule: a parser here takes the text as written and gives the value, or raises ValueError with one
sentence that says what to write instead. It knows neither key nor place; `reading` adds both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from .problem import listed, nearest, quoted

Network = IPv4Network | IPv6Network

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
# Longer than any daemon runs, and far from where a float of seconds loses its milliseconds.
_MAX_DURATION = 10 * 365 * 86400.0
_MULTIPLES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"([0-9]+)(KiB|MiB|GiB|TiB|)")
SIZE_PATTERN = r"^[0-9]+(KiB|MiB|GiB|TiB)?$"
_MAX_SIZE = 1 << 53
TRUE, FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})
# RFC 9110, sections 5.6.2 (token) and 5.5 (field content: no control characters but HTAB).
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
# RFC 9110, section 7.6.1, and what frames a message: these belong to one connection, and the
# protocol halves write them; a route map that sets them would break framing.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)
_FRAMING = HOP_BY_HOP | {"content-length", "expect"}


def duration(text: str) -> float:
    """Read a duration in seconds: 250ms, 5s, 10m, 1h, 7d."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(_no_duration(text))
    # Division keeps 250ms exactly what 0.25 is.
    seconds = float(found[1]) / 1000 if found[2] == "ms" else float(found[1]) * _UNITS[found[2]]
    if seconds > _MAX_DURATION:
        raise ValueError(f"{quoted(text)} is longer than ten years")
    return seconds


def positive_duration(text: str) -> float:
    """Read a duration in seconds that is more than nothing."""
    seconds = duration(text)
    if not seconds:
        raise ValueError(f"{quoted(text)} would be over at once; write a longer time")
    return seconds


def _no_duration(text: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return f"{quoted(text)} has no unit; write {text}s for seconds or {text}ms for milliseconds"
    spaced = "".join(text.split())
    if spaced != text and _DURATION.fullmatch(spaced):
        return f"{quoted(text)} has a space in it; write {spaced}"
    words = {
        "sec": "s",
        "secs": "s",
        "second": "s",
        "seconds": "s",
        "min": "m",
        "mins": "m",
        "minute": "m",
        "minutes": "m",
    }
    words |= {"hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d", "msec": "ms"}
    found = re.fullmatch(r"([0-9.]+)([a-z]+)", spaced.lower())
    if found and (found[2] in words or found[2] in _UNITS):
        return f"{quoted(text)} is not a duration; write {found[1]}{words.get(found[2], found[2])}"
    return f"{quoted(text)} is not a duration such as 250ms, 5s, 10m, 1h or 7d (one number, one unit)"


def size(text: str) -> int:
    """Read a size in octets: 512, 16KiB, 1MiB, 2GiB."""
    found = _SIZE.fullmatch(text)
    if found is None:
        hint = re.fullmatch(r"([0-9]+)\s*([kmgt])i?b?", text.lower())
        if hint:
            raise ValueError(
                f"{quoted(text)} is not a size; write {hint[1]}{hint[2].upper()}iB (units are powers of 1024)"
            )
        raise ValueError(f"{quoted(text)} is not a size such as 512, 16KiB, 1MiB or 2GiB")
    octets = int(found[1][:20]) * _MULTIPLES[found[2]]
    if octets > _MAX_SIZE:
        raise ValueError(f"{quoted(text)} is larger than anything that can be sent")
    return octets


def show_duration(seconds: float) -> str:
    """Write a duration as the language has it, with the largest unit that fits."""
    for unit, factor in reversed(_UNITS.items()):
        # 60s and not 1m, as people write it.
        if unit != "ms" and seconds >= factor * (2 if unit == "m" else 1) and seconds % factor == 0:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds else "0s"


def show_size(octets: int) -> str:
    """Write a size as the language has it, with the largest unit that fits."""
    for unit, factor in reversed(_MULTIPLES.items()):
        if unit and octets >= factor and octets % factor == 0:
            return f"{octets // factor}{unit}"
    return str(octets)


def number(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of whole numbers between these two."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError(f"{quoted(text)} is not a whole number")
        if not low <= int(text) <= high:
            raise ValueError(f"{text} is not between {low} and {high}")
        return int(text)

    return read


def word(known: Iterable[str], later: Iterable[str] = ()) -> Callable[[str], str]:
    """Make a parser of one out of several words; those in `later` are known, but not built yet."""
    now, not_yet = tuple(known), frozenset(later)

    def read(text: str) -> str:
        if text in now:
            return text
        if text in not_yet:
            raise ValueError(f"{text}: not supported yet")
        near = nearest(text, (*now, *not_yet))
        hint = f"did you mean {quoted(near)}?" if near else f"write {listed(now)}"
        raise ValueError(f"{quoted(text)} is not known here; {hint}")

    return read


def truth(text: str) -> bool:
    """Read yes or no."""
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError(f"{quoted(text)} is neither true nor false")


def network(text: str) -> Network:
    """Read an IP address or a network in CIDR form; bits below the prefix are dropped."""
    try:
        if "%" not in text:  # a zone names an interface of one machine, and no client can be told by it
            return ip_network(text, strict=False)
    except ValueError:
        pass
    address, slash, prefix = text.partition("/")
    bare = address.removeprefix("[").removesuffix("]")
    try:
        bits = ip_network(bare.replace("%", "?")).max_prefixlen
    except ValueError:
        raise ValueError(f"{quoted(text)} is not an IP address or network such as 10.0.0.0/8 or ::1/128") from None
    if not slash or bare != address:
        raise ValueError(f"{quoted(text)} is not an address; write {bare}{slash}{prefix} (without brackets)")
    raise ValueError(f"{quoted('/' + prefix)} is not a prefix length; write /0 to /{bits}")


def field_name(text: str) -> str:
    """Read the name of a header field (RFC 9110, section 5.1)."""
    if not _TOKEN.fullmatch(text):
        wrong = next((char for char in text if not _TOKEN.fullmatch(char)), "")
        what = f"holds {quoted(wrong)}" if wrong else "is empty"
        raise ValueError(f"{quoted(text)} is not the name of a header field: it {what}")
    return text


def field_value(text: str) -> str:
    """Read the value of a header field (RFC 9110, section 5.5)."""
    wrong = _CONTROL.search(text)
    if wrong:
        names = {"\r": "a carriage return", "\n": "a line break", "\0": "a NUL"}
        raise ValueError(f"a header field cannot hold {names.get(wrong[0], 'a control character')}")
    if text.strip(" \t") != text:
        # The value is not repeated: it may be a secret out of the environment.
        raise ValueError("the value has white space at an end, which is no part of a header field")
    return text


def settable_field_name(text: str) -> str:
    """Read the name of a header field that a route may set, add or remove."""
    lower = field_name(text).lower()
    if lower in _FRAMING:
        raise ValueError(f"{text} belongs to one connection or to a message's framing; txproxy writes it itself")
    return text


def method(text: str) -> str:
    """Read a request method, which is case-sensitive (RFC 9110, section 9.1)."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a request method")
    if text != text.upper():
        raise ValueError(f"{quoted(text)} would never match: methods are in upper case; write {text.upper()}")
    return text


def reference(text: str) -> str:
    """Read where a Python object is: module:attribute."""
    if _REFERENCE.fullmatch(text):
        return text
    module, dot, attribute = text.rpartition(".")
    if dot and ":" not in text and _REFERENCE.fullmatch(f"{module}:{attribute}"):
        raise ValueError(f"{quoted(text)} has no ':' between module and attribute; write {module}:{attribute}")
    raise ValueError(f"{quoted(text)} is not of the form module:attribute, such as reports.app:application")


def upstream_name(text: str) -> str:
    """Read the name of an upstream."""
    if not _UPSTREAM_NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a name for an upstream; use letters, digits, '_', '-' and '.'")
    return text


def route_name(text: str) -> str:
    """Read the name of a route."""
    if not text or len(text) > 200 or not text.isprintable() or text != text.strip():
        raise ValueError(f"{quoted(text)} is not a name for a route; use up to 200 printable characters")
    return text


def regex(text: str) -> re.Pattern[str]:
    """Compile a regular expression."""
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{quoted(text)} is not a regular expression: {error}") from None


def file_mode(text: str) -> int:
    """Read the permissions of a socket file, in octal."""
    if not re.fullmatch(r"0[0-7]{3}", text):
        raise ValueError(f'{quoted(text)} is not a file mode; write four octal digits such as "0660"')
    return int(text, 8)
