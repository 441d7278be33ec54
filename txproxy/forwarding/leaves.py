"""The leaves that answer by themselves: Redirect and Respond.

Rule: like every leaf they are plain `twisted.web` resources with a `handle(exchange)` beside `render`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from txproxy.model import fields
from txproxy.policy.rewrite import RedirectTemplate
from txproxy.routing import host as routing_host
from txproxy.routing import path as routing_path

from .reasons import reason_phrase


class Leaf(Resource):
    """A leaf of the route map that txproxy renders itself."""

    isLeaf = True
    #: what it stands in below a stock Site (see `rendered`), and the middleware there; None: made when needed, none
    surroundings: Any = None
    pipeline: Any = None

    def handle(self, exchange: Any) -> None:
        """Answer an exchange."""
        raise NotImplementedError

    def getChild(self, path: bytes, request: Any) -> Leaf:
        """Everything below is this leaf's too."""
        return self

    def render(self, request: Any) -> int:
        """Answer a request of `twisted.web`."""
        from .rendered import handle_rendered  # noqa: PLC0415 - below a Site only; the daemon loads none of it

        handle_rendered(self, request)
        return NOT_DONE_YET


class Redirect(Leaf):
    """Send the client elsewhere.

    :param template: where to.
    :param status: 301, 302, 303, 307 or 308.
    """

    def __init__(self, template: RedirectTemplate, status: int = 308) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.template = template
        self.status = status

    def __repr__(self) -> str:
        return f"<Redirect {self.status} to {self.template.text}>"

    def location(self, exchange: Any) -> bytes:
        """Give the value of Location for this request."""
        head = exchange.head
        route = exchange.route
        captures = None if route is None else route.captures(routing_path.normalize(head.target))
        host = routing_host.normalize(head.authority) if head.authority else ""
        return self.template.expand(scheme=exchange.scheme, host=host, target=head.target, captures=captures)

    def handle(self, exchange: Any) -> None:
        """Answer with the redirect."""
        if exchange.edit_request(exchange.head):
            location = self.location(exchange)
            exchange.respond(self.status, reason_phrase(self.status), b"\r\nLocation: " + location)


class Respond(Leaf):
    """Answer with something fixed.

    :param status: 200 to 599.
    :param body: text.
    :param headers: fields; Content-Type is text/plain where none is given.
    :raises ValueError: a field is not valid.
    """

    def __init__(self, status: int = 200, body: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.status = status
        self._reason = reason_phrase(status)
        self._body = body.encode("utf-8")
        given = dict(headers or {})
        if body and "content-type" not in {name.lower() for name in given}:
            given["Content-Type"] = "text/plain; charset=utf-8"
        self._block = fields.from_items((name.encode("ascii"), value.encode("utf-8")) for name, value in given.items())

    def __repr__(self) -> str:
        return f"<Respond {self.status}>"

    def handle(self, exchange: Any) -> None:
        """Answer."""
        if exchange.edit_request(exchange.head):
            exchange.respond(self.status, self._reason, self._block, self._body)
