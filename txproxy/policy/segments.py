"""The one reading of a path: which segments it has once escapes and dot segments are resolved.

Rule: routes are chosen on this reading and prefixes are stripped by it, so that no spelling of a
path is judged in one way and forwarded in another; and where software is known to read one path in
two ways, either the reading here is the one that a guarded path cannot be spelled around, or the
path is refused. The request itself is forwarded as it was sent.

What is read how, and why:

- ``%61`` is ``a``, ``%2e`` is a dot: RFC 3986, section 6.2.2.2 says they are the same. Decoded once:
  ``%2561`` is the text ``%61``, for whoever decodes twice is broken on ordinary paths as well.
- ``%2f``, a backslash and ``%5c`` separate segments like ``/``. Many applications decode before they
  split, and Windows software takes both slashes. Were they kept apart, ``/admin%2fx`` would walk
  around a route for ``/admin/*``. Price: one segment that means a slash is two segments to `{name}`.
- Empty segments do not count (``//admin`` is ``/admin``): most servers merge them, some do not.
- A segment ends at ``;`` (or ``%3b``): servlet containers cut ``;params`` off before they look
  (``/admin;x/y`` is ``/admin/y`` there). A segment ``..;`` or ``.;`` is refused: dots for some and a
  plain name for others, and no honest client sends it.
- ``.`` and ``..`` are resolved as in RFC 3986, section 5.2.4. Refused: ``..`` above the root; ``..``
  in a path with encoded or backward slashes (``/a%2fb/../c``), and ``..`` after an empty segment
  (``/a//../b``): what these remove depends on who reads.
- Refused: an encoded NUL (ends the string in C software); a ``%`` without two hexadecimal digits
  (``%u0061`` is an ``a`` to some, and the rest of such a path is guesswork); overlong UTF-8 (``%c0%af``
  is a slash to old decoders); octets above 0x7E, controls, space and ``#`` as they are (RFC 3986 has
  none of them in a path, and request parsers exist that split the line at 0x85 or 0xA0).
- Other encoded controls, and octets that are not UTF-8, are data: legacy applications name things in
  Latin-1 or with line ends. They become control characters and lone surrogates in the text compared.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError

_SEPARATOR = re.compile(rb"(/|\\|%2[Ff]|%5[Cc])")
_NOT_IN_A_PATH = re.compile(rb"[^!-~]|#")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# RFC 3629, section 3: two octets for what fits in one, three for two, four for three.
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}")

# Of a path that is not in its plain form already, each segment costs some 2 us to read: a target of
# 15 KiB of slashes would cost as much as hundreds of requests. No application's paths come near.
MOST_SEGMENTS = 256


class Segment(NamedTuple):
    """One segment of a path.

    `separator` and `raw` are the octets as sent; `name` is what is compared: decoded, without
    parameters. A last segment without a name stands for a slash at the end.
    """

    separator: bytes
    raw: bytes
    name: bytes


def refuse(why: str, what: bytes) -> NoReturn:
    """Raise the ProxyError of a request that cannot be routed (400)."""
    raise ProxyError(HTTP_REQUEST_ERROR, f"{why}: {what[:200]!r}")


def resolve(path: bytes) -> list[Segment]:
    """Give the segments of a path (no query) that are left when its dot segments are resolved.

    :raises ProxyError: http_request_error, for each kind of path refused above.
    """
    if not path.startswith(b"/"):
        refuse("the path does not start with a slash", path)
    if _NOT_IN_A_PATH.search(path):
        refuse("the path holds a character that has to be encoded", path)
    if _BAD_ESCAPE.search(path):
        refuse("a % in the path is not followed by two hexadecimal digits", path)
    pieces = _SEPARATOR.split(path)
    if len(pieces) > 2 * MOST_SEGMENTS + 1:
        refuse(f"the path has more than {MOST_SEGMENTS} segments and an escape, an empty or a dot segment", path)
    separators, raws = pieces[1::2], pieces[2::2]
    ambiguous = any(separator != b"/" for separator in separators)
    segments: list[Segment] = []
    name = b""
    for separator, raw in zip(separators, raws, strict=True):
        name = _name(raw, path)
        if name == b"..":
            if not segments:
                refuse("the path leaves its root", path)
            if ambiguous or not segments[-1].name:
                refuse("what .. removes from the path depends on who reads it", path)
            segments.pop()
        elif name != b".":
            segments.append(Segment(separator, raw, name))
    if name in {b".", b".."}:  # "/a/.." is "/", not "": RFC 3986, section 5.2.4, steps 2.B and 2.C
        segments.append(Segment(b"/", b"", b""))
    return segments


def _name(raw: bytes, path: bytes) -> bytes:
    text = unquote_to_bytes(raw)
    if b"\0" in text:
        refuse("the path holds an encoded NUL", path)
    if _OVERLONG.search(text):
        refuse("the path holds overlong UTF-8", path)
    name, semicolon, _ = text.partition(b";")
    if semicolon and name in {b".", b".."}:
        refuse("the path holds a dot segment with parameters", path)
    return name


def join(segments: list[Segment]) -> str:
    """Give the text that path patterns are compared with: ``/`` and the names, joined by ``/``.

    Octets that are not UTF-8 become lone surrogates (PEP 383).
    """
    path = b"/" + b"/".join([segment.name for segment in segments if segment.name])
    if len(path) > 1 and not segments[-1].name:
        path += b"/"
    return path.decode("utf-8", "surrogateescape")
