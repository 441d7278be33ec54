"""Where an application is: for those who ask for it, and as it may call itself.

Rule: a name counts only where it is this very application's: the host that the client asked for, the backend
that answered, or the Host that the backend was told. An address of the application comes back as the client's
scheme, host and path; what names any other place is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .rewrite import raw_path

# A host and a port that mean one thing in a field, in a page and in a style sheet: no quote, no escape, no space.
_AUTHORITY = re.compile(rb"([A-Za-z0-9.\-_]++|\[[0-9A-Fa-f:.]++\])(?::([0-9]{1,5}))?")
_DEFAULTS = (b"80", b"443")
# Where a path goes on behind a prefix of whole segments, or ends.
_PATH_GOES_ON = frozenset({b"", b"/", b"?", b"#", b";"})
# What browsers read as // at the start: they take \ for / and leave tabs out.
_TWO_SLASHES = re.compile(rb"[/\\\t]{2,}")


def host_of(authority: bytes) -> bytes:
    """Give the lower-case host, b"" if this is no host with or without a port."""
    found = _AUTHORITY.fullmatch(authority)
    return b"" if found is None else found[1].lower()


class Paths:
    """How a route's paths come back: what `Rewrite` did to a request's target, undone.

    :param strip_prefix: was taken off the front; comes in front again.
    :param base_path: was put in front; is taken off, by whole segments.
    :ivar prefix, base: as they stand in addresses, b"" for none.
    """

    __slots__ = ("base", "changes", "prefix")

    def __init__(self, strip_prefix: str | None = None, base_path: str = "") -> None:
        self.prefix = raw_path(strip_prefix or "").rstrip(b"/")
        self.base = raw_path(base_path).rstrip(b"/")
        self.changes = bool(self.prefix or self.base)

    def public(self, path: bytes) -> bytes:
        """Give what a client has to ask for to get this path of the backend.

        :param path: b"" or from its slash on, with query and fragment. One outside the base path stays as it is:
            this route does not lead there.
        """
        if not self.changes:
            return path
        base = self.base
        if base:
            if not path.startswith(base) or path[len(base) : len(base) + 1] not in _PATH_GOES_ON:
                return path
            path = path[len(base) :]
        elif not path.startswith(b"/"):
            path = b"/" + path
        path = self.prefix + path
        return path if path.startswith(b"/") else b"/" + path

    def local(self, path: bytes) -> bytes:
        """Give the same for an address without a host: what comes out names none either."""
        public = self.public(path)
        if public != path and _TWO_SLASHES.match(public):
            public = _TWO_SLASHES.sub(b"/", public, count=1)
        return public


class Place:
    """One application, as one kind of client sees it.

    :param scheme: b"http" or b"https", as the client came.
    :param authority: what the client asked for.
    :param backends: authorities under which the application may know itself.
    :ivar known: whether the authority is one that can be written anywhere; nothing is rewritten otherwise.
    :ivar host: the client's, lower case.
    :ivar public: lower-case authorities that mean the public place, if behind http:// (the client may have come to
        another port than the application believes).
    :ivar own: those of the backend, without the ones in `public`.
    """

    __slots__ = ("authority", "backend_hosts", "host", "known", "own", "paths", "public", "scheme")

    def __init__(self, scheme: bytes, authority: bytes, backends: Iterable[bytes], paths: Paths) -> None:
        self.scheme = scheme
        self.authority = authority
        self.paths = paths
        self.host = host_of(authority)
        self.known = bool(self.host)
        ports, own = list(_DEFAULTS), set()
        hosts = []
        for backend in backends:
            found = _AUTHORITY.fullmatch(backend)
            if found is None:
                continue
            host, port = found[1].lower(), found[2]
            hosts.append(host)
            own |= {host + b":" + port} if port else {host, *(host + b":" + one for one in _DEFAULTS)}
            ports += [port] if port else []
        self.backend_hosts = frozenset(hosts)
        self.public = frozenset({authority.lower(), self.host, *(self.host + b":" + port for port in ports)})
        self.own = frozenset(own - self.public)

    def names(self, scheme: bytes, authority: bytes) -> bool:
        """Whether an address with this scheme and authority (any case) is to come back as the public one.

        https with the public host is not, for a client that came by http: who sends it there means it.
        """
        if not self.known:
            return False
        authority = authority.lower()
        return authority in self.own or (
            authority in self.public and (self.scheme == b"https" or scheme.lower() == b"http")
        )

    def __repr__(self) -> str:
        return f"<Place {self.scheme.decode()}://{self.authority.decode('latin-1')}>"
