"""What becomes of a request's target on its way to a backend, and of a redirect's address.

Rule: what is not changed stays byte for byte as the client sent it; what comes out is a path within the
one it was given (never empty, never above its root, never starting with ``//``), and an address that a
client could not have turned to another site or into a second header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from txproxy.model.errors import ProxyError

from .segments import Segment, resolve

# What makes a slice at a fixed place wrong: an escape, a backslash, parameters, empty or dot segments.
_NEEDS_READING = re.compile(rb"[%\\;]|/[/.]")
# All that RFC 3986 allows in an address as it is, and % for what is escaped already.
_ADDRESS = "%:/?#[]@!$&'()*+,;=-._~"
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def raw_path(path: str) -> bytes:
    """Give a path of the route map as it stands in targets: escaped, a slash at its front and none at its end."""
    return b"/" + quote(path, safe="%:@!$&'()*+,;=/").strip("/").encode("ascii")


def _configured(path: str) -> tuple[bytes, list[Segment]]:
    raw = raw_path(path)
    try:
        return raw, [segment for segment in resolve(raw) if segment.name]
    except ProxyError as error:
        raise ValueError(f"{path!r} cannot be part of a path: {error.detail}") from error


class Rewrite:
    """How a route changes the targets it forwards; made once, when the map is loaded.

    :param strip_prefix: taken off the front, by whole segments; None or "/" for nothing.
    :param base_path: put in front afterwards; "" or "/" for nothing.
    :ivar changes: False if every target stays as it is.
    :raises ValueError: one of the two is no path.
    """

    __slots__ = ("_base", "_names", "_prefix", "changes")

    def __init__(self, strip_prefix: str | None = None, base_path: str = "") -> None:
        self._names = tuple(segment.name for segment in _configured(strip_prefix or "")[1])
        self._prefix = b"".join(b"/" + name for name in self._names)
        self._base = _configured(base_path)[0]
        self.changes = bool(self._names) or self._base != b"/"

    def __call__(self, target: bytes) -> bytes:
        """Give the target to ask the backend for.

        :param target: as sent, accepted by `routing.path.normalize`; ``b"*"`` stays what it is.
        :raises ProxyError: the path cannot be read (see `policy.segments`).
        """
        if not self.changes or target == b"*":
            return target
        path, mark, query = target.partition(b"?")
        if _NEEDS_READING.search(path):
            path = self._read(path)
        elif path.startswith(self._prefix) and path[len(self._prefix) : len(self._prefix) + 1] in {b"", b"/"}:
            path = path[len(self._prefix) :] or b"/"
        return (path if self._base == b"/" else self._base + path) + mark + query

    def _read(self, path: bytes) -> bytes:
        segments = resolve(path)
        if not self._names:
            return path  # it does not leave its root: resolve() has refused the ones that do
        left = _without(segments, self._names)
        if left is None:
            return path
        # A separator that the prefix took along, or that was encoded, comes back as a plain one.
        return b"/" + b"".join([segment.separator + segment.raw for segment in left])[len(left[0].separator) :]

    def __repr__(self) -> str:
        return f"<Rewrite {self._prefix.decode('latin-1') or '/'} to {self._base.decode('latin-1')}>"


def _without(segments: list[Segment], names: tuple[bytes, ...]) -> list[Segment] | None:
    """Give the segments behind these names; None if the path starts otherwise. Empty ones do not count."""
    wanted = list(names)
    for index, segment in enumerate(segments):
        if not wanted and segment.raw:
            return segments[index:]
        if wanted and segment.name and segment.name != wanted.pop(0):
            return None
    return None if wanted else [Segment(b"/", b"", b"")]


def strip_prefix(target: bytes, prefix: str) -> bytes:
    """Give the target without a prefix of its path, as `Rewrite` does."""
    return Rewrite(prefix)(target)


def base_path(target: bytes, base: str) -> bytes:
    """Give the target with a path in front of its own, as `Rewrite` does."""
    return Rewrite(None, base)(target)


_FROM_REQUEST = frozenset({"uri", "path", "query", "host", "scheme"})
# Where the authority of an address starts, and where it ends: {uri} and {path} start with a slash.
_SCHEME = re.compile(r"(?:(?:[A-Za-z][A-Za-z0-9+.\-]*|\{scheme\}):)?//")
_AUTHORITY_END = re.compile(r"[/?#]|\{uri\}|\{path\}|\Z")


class RedirectTemplate:
    """Where a redirect leads: text with ``{uri}``, ``{path}``, ``{query}``, ``{host}``, ``{scheme}`` and captures.

    ``{uri}`` is path and query as sent, ``{path}`` and ``{query}`` its parts, ``{host}`` the host asked for
    without its port, and ``{name}`` what the route's path captured, percent-encoded anew.

    :param text: as the route map has it.
    :param captures: the names that the route's path captures.
    :raises ValueError: an unknown name, a brace that is none, or a place where a client's text would
        decide which site the address leads to.
    """

    __slots__ = ("_pieces", "_site", "text")

    def __init__(self, text: str, captures: Iterable[str] = ()) -> None:
        self.text = text
        known = _FROM_REQUEST | frozenset(captures)
        pieces = _NAME.split(text)  # text, name, text, name, ..., text
        for name in pieces[1::2]:
            if name not in known:
                raise ValueError(f"{{{name}}} is not known here; there is {', '.join(sorted(known))}")
        if any("{" in piece or "}" in piece for piece in pieces[::2]):
            raise ValueError(f"{text!r} has a brace that belongs to no {{name}}")
        if re.search(r"[\x00-\x20\x7f\\]", text):
            raise ValueError(f"{text!r} holds a space, a control character or a backslash")
        self._site = _site(text)
        self._pieces = tuple(pieces)

    def expand(self, *, scheme: str, host: str, target: bytes, captures: Mapping[str, str] | None = None) -> bytes:
        """Give the value for Location: visible ASCII only.

        :param scheme: "http" or "https".
        :param host: in normal form (`routing.host.normalize`).
        :param target: as sent; one without a path (``b"*"``) counts as ``/``.
        :param captures: of `Route.captures`.
        """
        path, mark, query = target.partition(b"?")
        path = path if path.startswith(b"/") else b"/"
        values = {
            "uri": quote(path + mark + query, safe=_ADDRESS),
            "path": quote(path, safe=_ADDRESS),
            "query": quote(query, safe=_ADDRESS),
            "host": f"[{host}]" if ":" in host else host,
            "scheme": scheme,
        }
        found = captures or {}
        address, length = "", 0
        for index, piece in enumerate(self._pieces):
            if index % 2 == 0:
                address += quote(piece, safe=_ADDRESS)
                length += len(piece)
            else:
                # In the authority not even a slash stays, so that what is captured cannot end it.
                safe = "-._~" if length < self._site else "/-._~!$'()*,="
                captured = found.get(piece, "").encode("utf-8", "surrogateescape")
                address += values[piece] if piece in values else quote(captured, safe=safe)
                length += len(piece) + 2
        if not self._site:  # to a browser, //name at the start is another site
            address = re.sub(r"\A/{2,}", "/", address)
        return address.encode("ascii")

    def __repr__(self) -> str:
        return f"<RedirectTemplate {self.text}>"


def _site(text: str) -> int:
    """Give the place in a template where the site is named to the end, 0 for an address on the same site.

    :raises ValueError: text of the client's could name another site.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        if text.startswith(("/", "?", "{uri}", "{path}")):
            return 0
        raise ValueError(f"{text!r} has to start with http://, https:// or /")
    end = _AUTHORITY_END.search(text, scheme.end())
    assert end is not None  # \Z always matches
    authority = text[scheme.end() : end.start()]
    if not authority:
        raise ValueError(f"{text!r} names no host")
    for found in _NAME.finditer(authority):
        if found[1] in {"query", "scheme"}:
            raise ValueError(f"{text!r}: {{{found[1]}}} cannot be part of a host")
        if found[1] != "host" and not re.match(r"\.[^{}:]", authority[found.end() :]):
            raise ValueError(f"{text!r}: {{{found[1]}}} would decide which site this leads to; put a / in front of it")
    return end.start()
