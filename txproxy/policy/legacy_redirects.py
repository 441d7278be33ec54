"""Location, Content-Location and Refresh of an application that does not know where it is.

Rule: an address of the application (`legacy_places`) gets the client's scheme, host and path; any other, and
every octet around it, stays as it was sent. What comes out leads to no host that the application did not name.
"""

from __future__ import annotations

import re

from .legacy_places import Place

_FIELD = re.compile(rb"(\r\n(?=[CcLlRr])(?i:(?:content-)?location|(refresh)):[ \t]*+)([^\r]*+)")
_ABSOLUTE = re.compile(rb"(?:([Hh][Tt][Tt][Pp][Ss]?):)?//([^/?#\\\s\"'<>]*+)")
# HTML, "shared declarative refresh steps": a time, a separator, perhaps url=, perhaps quotes around the address.
_REFRESH = re.compile(rb"([ \t]*+[0-9.]++[ \t]*+[;,][ \t]*+(?:[Uu][Rr][Ll][ \t]*+=[ \t]*+)?+)([\"']?)(.*)")


def with_public_addresses(block: bytes, place: Place) -> bytes:
    """Give a response's block with its redirects mended.

    :param block: valid (see `model.fields`); so is what comes out.
    """

    def mended(found: re.Match[bytes]) -> bytes:
        value = found[3]
        return found[1] + (refresh(value, place) if found[2] else address(value, place))

    return _FIELD.sub(mended, block)


def address(value: bytes, place: Place) -> bytes:
    """Give what a client has to be told in place of this URI-reference (RFC 3986, section 4.1)."""
    if value.startswith(b"/") and value[1:2] not in {b"/", b"\\"}:
        return place.paths.local(value)
    found = _ABSOLUTE.match(value)
    if found is None or not place.names(found[1] or place.scheme, found[2]):
        return value
    front = b"//" if found[1] is None else place.scheme + b"://"
    return front + place.authority + place.paths.public(value[found.end() :])


def refresh(value: bytes, place: Place) -> bytes:
    """Give the same for the value of a Refresh field."""
    found = _REFRESH.fullmatch(value)
    if found is None:
        return value
    front, quote, rest = found.groups()
    end = rest.find(quote) if quote else -1
    inside, behind = (rest, b"") if end < 0 else (rest[:end], rest[end:])
    return front + quote + address(inside, place) + behind
