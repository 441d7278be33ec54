r"""Links to an application within its pages and style sheets, as they come, in pieces.

Rule: what is replaced is ``http://`` with an authority of the application (`legacy_places`) behind it, wherever it
stands: in attributes, scripts and style sheets alike, also as ``http:\/\/`` in JSON. The authority has to end there:
``http://example.com.evil`` is another host. However the bytes are cut into pieces, the result is the same, and
no more is kept back than could be the beginning of a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from txproxy.model import fields

from .legacy_places import Place

_TYPES = frozenset({b"text/html", b"application/xhtml+xml", b"text/css"})
# No ASCII in these looks like ASCII.
_WIDE = re.compile(rb"(?i)(?:utf-?|iso-10646-)?(?:16|32|ucs-?[24])(?:[lb]e)?|iso-10646-ucs-[24]|unicode|ucs-?[24]")
_CHARSET = re.compile(rb"(?i);[ \t]*charset[ \t]*=[ \t]*\"?([^\";, \t]*)")
#: codings of a body that can be undone and done again
CODINGS = frozenset({b"", b"gzip", b"x-gzip", b"deflate", b"identity"})

# All that a browser could take for one authority: what goes on with a host, a port or user information is of it.
_GOES_ON = rb"[A-Za-z0-9.\-_~:@%\x80-\xff]"
_AUTHORITY = rb"(" + _GOES_ON + rb"++|\[[0-9A-Fa-f:.]++\]" + _GOES_ON + rb"*+)"
# What goes on with a segment of a path.
_SEGMENT_GOES_ON = rb"(?![A-Za-z0-9.\-_~:@%!$*+=\x80-\xff])"
_H = re.compile(rb"[Hh]")
_LINK_FIELD = re.compile(rb"(?i)(\r\nlink:)([^\r]*+)")
_ETAG = re.compile(rb"(?i)(\r\netag:[ \t]*+)(\")")
_VALID_FOR_THE_OLD = fields.remover((
    b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges", b"content-length",
))  # fmt: skip


def coding_of(block: bytes) -> bytes | None:
    """Give the content coding of a response whose body may have links in it, b"" for none; None: not such a one."""
    content_type = fields.get(block, b"content-type")
    if content_type is None or content_type.partition(b";")[0].strip(b" \t").lower() not in _TYPES:
        return None
    charset = _CHARSET.search(content_type)
    if charset is not None and _WIDE.fullmatch(charset[1]):
        return None
    coding = b",".join(fields.get_all(block, b"content-encoding")).strip(b" \t").lower()
    if coding == b"identity":
        return b""
    return coding if coding in CODINGS else None


def for_changed_body(block: bytes) -> bytes:
    """Give the block without what is true of the backend's body only; ETag becomes a weak one (RFC 9110, 8.8.1)."""
    return weakened(_VALID_FOR_THE_OLD.sub(b"", block))


def weakened(block: bytes) -> bytes:
    """Give the block with a weak ETag: the same page, not the same octets."""
    return _ETAG.sub(rb"\1W/\2", block)


def known_codings(accepted: bytes) -> bytes:
    """Give the value of Accept-Encoding without the codings that cannot be undone here (RFC 9110, section 12.5.3)."""
    members = [member.strip(b" \t") for member in accepted.split(b",")]
    kept = [one for one in members if one.partition(b";")[0].rstrip(b" \t").lower() in CODINGS - {b""}]
    # Nothing left must not mean that everything is welcome.
    return b", ".join(kept) or b"identity"


class Links:
    """Finds and replaces the links to one place; made once for it.

    Clients choose the place's authority, as far as ports, case and wildcards go: so nothing is compiled for one, which
    would take longer than the rest of a request.

    :ivar any: False if there is nothing to look for.
    """

    __slots__ = ("_longest", "_names", "_needles", "_replacements", "_search", "any")

    def __init__(self, place: Place) -> None:
        self._needles: tuple[bytes, ...] = ()
        self.any = False
        if not place.known:
            return
        # Links to the public host by https, or by http where the client came so, are right as they are.
        own = place.own
        plain = own | (place.public if place.scheme == b"https" else frozenset())
        if not plain:
            return
        self.any = True
        self._names = (plain, own)
        self._search = _search_for(place.paths.base)
        self._replacements, needles = {}, []
        for slash in (b"/", b"\\/"):
            base = place.paths.base.replace(b"/", slash)
            bare = place.scheme + b":" + slash * 2 + place.authority
            self._replacements[slash, True] = bare + place.paths.prefix.replace(b"/", slash)
            self._replacements[slash, False] = bare if base else self._replacements[slash, True]
            for letter, names in ((b"", plain), (b"s", own)):
                needles += [b"http" + letter + b":" + slash * 2 + name + base for name in names]
        self._needles = tuple(needle.lower() for needle in needles)
        self._longest = max(map(len, needles))

    def whole(self, data: bytes) -> bytes:
        """Give what becomes of a text that is there as a whole."""
        return self._replaced(data, len(data))[0] if self.any else data

    def in_fields(self, block: bytes) -> bytes:
        """Give the block with the links of its Link fields replaced (RFC 8288): browsers load what they name."""
        return _LINK_FIELD.sub(lambda found: found[1] + self.whole(found[2]), block) if self.any else block

    def reading(self) -> Reading:
        """Begin with a body."""
        return Reading(self)

    def undecided(self, data: bytes) -> int:
        """Give where something begins that may become a link with what comes next; the length if nothing does."""
        for found in _H.finditer(data, max(0, len(data) - self._longest)):
            rest = data[found.start() :].lower()
            if any(needle.startswith(rest) for needle in self._needles):
                return found.start()
        return len(data)

    def _replaced(self, data: bytes, limit: int) -> tuple[bytes, int]:
        """Give what becomes of the links that begin before `limit`, and how far that reaches."""
        done, pieces = 0, []
        for found in self._search(data):
            start = found.start()
            if start >= limit:
                break
            slash, authority, base = (b"/", 2, 3) if found[2] is not None else (b"\\/", 4, 5)
            if start < done or found[authority].lower() not in self._names[bool(found[1])]:
                continue
            pieces += [data[done:start], self._replacements[slash, found[base] is not None]]
            done = max(found.end(authority), found.end(base))
        reached = max(done, limit)
        if not pieces:
            return (data if reached == len(data) else data[:reached]), reached
        pieces.append(data[done:reached])
        return b"".join(pieces), reached

    def __repr__(self) -> str:
        return f"<Links {len(self._needles)}>"


class Reading:
    """One body on its way through `Links`."""

    __slots__ = ("_kept", "_links")

    def __init__(self, links: Links) -> None:
        self._links = links
        self._kept = b""

    def piece(self, data: bytes) -> bytes:
        """Give what is certain once this piece is there."""
        data = self._kept + data
        made, reached = self._links._replaced(data, self._links.undecided(data))
        self._kept = data[reached:]
        return made

    def end(self) -> bytes:
        """Give the rest: nothing comes after it."""
        kept, self._kept = self._kept, b""
        return self._links.whole(kept)


@lru_cache(maxsize=256)
def _search_for(base: bytes) -> Callable[[bytes], Iterator[re.Match[bytes]]]:
    """Compile what finds all links, wherever they lead to, one after the other, for a route with this base path.

    The groups: the s of https; authority, base path; the same where slashes are escaped. The base path is None if
    another path is there. They are looked ahead at: a link may begin within what is no link of ours.
    """
    places = []
    for slash in (b"/", b"\\/"):
        path = b"(?:(" + re.escape(base.replace(b"/", slash)) + b")" + _SEGMENT_GOES_ON + b")?+" if base else b"()"
        places.append(re.escape(slash * 2) + b"(?=" + _AUTHORITY + path + b")")
    return re.compile(rb"[Hh][Tt][Tt][Pp]([Ss]?+):(?:" + b"|".join(places) + b")").finditer
