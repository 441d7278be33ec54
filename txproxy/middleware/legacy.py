"""`legacy` of the route map: what is mended for an application that knows nothing of TLS or of its place.

Rule: what is mended is decided in `policy.legacy_*`; here is only when, and for whom. Answers that txproxy makes
itself are not touched: it knows where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from txproxy.model import fields
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.policy.forwarded import asked_authority
from txproxy.policy.legacy_cookies import with_safe_cookies
from txproxy.policy.legacy_links import Links, coding_of, for_changed_body, known_codings, weakened
from txproxy.policy.legacy_places import Paths, Place
from txproxy.policy.legacy_redirects import with_public_addresses

from .pipeline import Middleware
from .recoding import Recoded, Rewritten

# Names of hosts that wildcards let in, and of backends: the usual route has one of each.
_PLACES = 128

_said_of_tls = fields.remover((b"x-forwarded-ssl", b"front-end-https"))


class Places:
    """Tells which place an exchange is about.

    :param paths: of the route.
    :param hosts: what the route tells backends for Host in place of the client's.
    :param backend_host: or the backend's own.
    """

    def __init__(self, paths: Paths, hosts: tuple[bytes, ...] = (), *, backend_host: bool = False) -> None:
        self._paths = paths
        self._hosts = hosts
        self._backend_host = backend_host
        self._made: Callable[[str, bytes, str], Place] = lru_cache(_PLACES)(self._make)

    def of(self, exchange: Any) -> Place | None:
        """Give it, None where no backend has answered."""
        if exchange.cause or not exchange.backend:
            return None
        head, client = exchange.head, exchange.client
        authority = head.authority
        if head.provenance and client.trusted:
            authority = asked_authority(head.provenance, authority, exchange.client_ip)
        return self._made(exchange.scheme, authority, exchange.backend)

    def _make(self, scheme: str, authority: bytes, backend: str) -> Place:
        transport, _, own = backend.partition("://")
        if not own or transport.endswith("+unix"):
            own = "localhost" if self._backend_host else ""
        return Place(scheme.encode("ascii"), authority, (own.encode("ascii"), *self._hosts), self._paths)


class LegacyRequests(Middleware):
    """Tells applications of TLS in the words of their time; first on the way in, so that a route may say otherwise."""

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Replace what the client says of it."""
        head.block = _said_of_tls.sub(b"", head.block)
        if exchange.scheme == "https":
            head.block += b"\r\nX-Forwarded-Ssl: on\r\nFront-End-Https: on"


class LegacyRedirects(Middleware):
    """Mends Location, Content-Location and Refresh."""

    def __init__(self, places: Places) -> None:
        self._place_of = places.of

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Mend them."""
        place = self._place_of(exchange)
        if place is not None:
            head.block = with_public_addresses(head.block, place)


class LegacyCookies(Middleware):
    """Mends Set-Cookie."""

    def __init__(self, places: Places) -> None:
        self._place_of = places.of

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Mend them."""
        place = self._place_of(exchange)
        if place is not None:
            head.block = with_safe_cookies(head.block, place, exchange.head.target)


class LegacyLinks(Middleware):
    """Mends links in pages and style sheets; first on the way out, for it wants the application's own."""

    def __init__(self, places: Places) -> None:
        self._place_of = places.of
        self._links: Callable[[Place], Links] = lru_cache(_PLACES)(Links)

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Ask for nothing that cannot be read."""
        found = fields.get_all(head.block, b"accept-encoding")
        if found:
            accepted = known_codings(b",".join(found))
            head.block = fields.without(head.block, b"accept-encoding") + b"\r\nAccept-Encoding: " + accepted

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Choose a filter for the body, if it may hold links."""
        place = self._place_of(exchange)
        if place is None or not (links := self._links(place)).any:
            return
        head.block = links.in_fields(head.block)
        coding = coding_of(head.block)
        status = head.status
        if status == 304:
            # It mostly does not say of what type it is; a weak ETag is true of all, and like the one that was sent.
            head.block = weakened(head.block)
        elif coding is not None and status == 206:
            pass  # a part, and so counted in the backend's octets, which the Content-Range names
        elif coding is not None and (head.content_length != 0 or exchange.head.method == b"HEAD"):
            head.block = for_changed_body(head.block)
            text = links.reading()
            if head.content_length != 0:
                exchange.filter_response(Recoded(text, coding) if coding else Rewritten(text))
