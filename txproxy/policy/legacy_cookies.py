"""Set-Cookie of an application that knows neither of TLS nor of where it is.

Rule: what the browser would refuse, or send in the clear, or send past the application's own paths is mended;
every other octet of a cookie, and the cookies' order, stay. A cookie is read as browsers do (RFC 6265, section
5.2): cut at each semicolon, whatever quotes there are; the last attribute of a name counts.

- Secure, where the client came by https, and SameSite=Lax there if the cookie says nothing about it.
- Domain is taken away if it names the backend (or a domain above it) and not the public host: browsers drop
  such a cookie. Without it the cookie is for the public host alone.
- Path is turned into the public one. One that covers all that the route leads to (``/``, the base path or what is
  above it) becomes the prefix, so that other routes of the host do not get the cookie.
- ``__Host-`` cookies have neither Domain nor another Path than ``/``; browsers insist on it, so these stay.
"""

from __future__ import annotations

import re

from .legacy_places import Paths, Place

_FIELD = re.compile(rb"(\r\n[Ss][Ee][Tt]-[Cc][Oo][Oo][Kk][Ii][Ee]:[ \t]*+)([^\r]*+)")
_HOST_ONLY = (b"__host-", b"__host-http-")
_ADDRESS = re.compile(rb"[0-9.]++|\[.*")
# Nothing in a value before the first of these is looked at for its name.
_ATTRIBUTE = re.compile(rb";([^;=]*+)(?:=([^;]*+))?+")


def with_safe_cookies(block: bytes, place: Place, target: bytes) -> bytes:
    """Give a response's block with its cookies mended.

    :param block: valid (see `model.fields`); so is what comes out.
    :param target: what the client asked for: a cookie without Path gets one from it.
    """
    return _FIELD.sub(lambda found: found[1] + cookie(found[2], place, target), block)


def cookie(value: bytes, place: Place, target: bytes = b"/") -> bytes:
    """Give the cookie to send in place of this one; both as the value of Set-Cookie."""
    semicolon = value.find(b";")
    pair = value if semicolon < 0 else value[:semicolon]
    attributes = [] if semicolon < 0 else [(m[0], m[1].strip(b" \t").lower(), m[2]) for m in _ATTRIBUTE.finditer(value)]
    if not pair.strip(b" \t"):
        return value  # no cookie to a browser
    host_only = pair.lstrip(b" \t").lower().startswith(_HOST_ONLY)
    names = {name for _, name, _ in attributes}
    if not host_only:
        if b"domain" in names and _names_the_backend(_last(attributes, b"domain"), place):
            attributes = [one for one in attributes if one[1] != b"domain"]
        if place.paths.changes:
            attributes = [_with_public_path(one, place.paths) for one in attributes]
    made = pair + b"".join([text for text, _, _ in attributes])
    has_path = b"path" in names and _last(attributes, b"path").strip(b" \t").startswith(b"/")
    if not host_only and not has_path and target.partition(b"?")[0] == place.paths.prefix:
        # The browser's default is the folder (RFC 6265, section 5.1.4), which for the prefix itself is above it.
        made = _with(made, b"Path=" + place.paths.prefix)
    if place.scheme == b"https":
        if b"secure" not in names:
            made = _with(made, b"Secure")
        if b"samesite" not in names:
            made = _with(made, b"SameSite=Lax")
    return made


def _with(made: bytes, attribute: bytes) -> bytes:
    bare = made.rstrip(b" \t")
    return bare + (b" " if bare.endswith(b";") else b"; ") + attribute


def _last(attributes: list[tuple[bytes, bytes, bytes | None]], wanted: bytes) -> bytes:
    return [value or b"" for _, name, value in attributes if name == wanted][-1]


def _names_the_backend(domain: bytes, place: Place) -> bool:
    domain = domain.strip(b" \t").lower().removeprefix(b".")
    if not domain or _covers(domain, place.host):
        return False
    return any(_covers(domain, host) for host in place.backend_hosts)


def _covers(domain: bytes, host: bytes) -> bool:
    # RFC 6265, section 5.1.3: an address is matched by itself only.
    return host == domain or (host.endswith(b"." + domain) and not _ADDRESS.fullmatch(host))


def _with_public_path(attribute: tuple[bytes, bytes, bytes | None], paths: Paths) -> tuple[bytes, bytes, bytes | None]:
    text, name, value = attribute
    path = (value or b"").strip(b" \t")
    if name != b"path" or not path.startswith(b"/"):  # anything else is no path to a browser either
        return attribute
    before = text[: text.index(b"=") + 1]
    space = text[len(before) :][: len(value or b"") - len((value or b"").lstrip(b" \t"))]
    return before + space + cookie_path(path, paths), name, value


def cookie_path(path: bytes, paths: Paths) -> bytes:
    """Give the public Path of a cookie: it covers the same of what this route leads to, and no more."""
    bare = path.rstrip(b"/")
    # Not a slash at its end: the prefix alone leads to the application as well.
    if bare == paths.base or paths.base.startswith(bare + b"/"):
        return paths.prefix or b"/"
    return paths.public(path)
