"""A route map as a tree of `twisted.web` resources.

Rule: below a stock `Site` a request finds its leaf by the same code as natively. The tree's inner nodes
are there to be looked at; they route nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from txproxy.model.errors import ProxyError
from txproxy.routing.table import Route

from .frontend import Frontend, RouteValue
from .rendered import request_head, serve


class HostResource(Resource):
    """The routes of one host pattern.

    :ivar pattern: as routes are found by it.
    :ivar routes: in the order in which they are tried; their `value` has the leaf.
    """

    def __init__(self, pattern: str, routes: tuple[Route[RouteValue], ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pattern = pattern
        self.routes = routes

    def __repr__(self) -> str:
        return f"<HostResource {self.pattern}: {', '.join(route.name for route in self.routes) or 'no routes'}>"

    @property
    def leaves(self) -> Mapping[str, IResource]:
        """The leaf of each route, by the route's name."""
        return MappingProxyType({route.name: route.value.leaf for route in self.routes})


class VirtualHostRoot(Resource):
    """A whole route map as one resource: `Site(VirtualHostRoot(frontend))`, or a child in another tree.

    :param frontend: finds the leaf of each request; its generation may be replaced.
    :param is_trusted: tells of an IP address whether what it says of its clients is believed.
    """

    isLeaf = True

    def __init__(self, frontend: Frontend, is_trusted: Callable[[str], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.frontend = frontend
        self._is_trusted = is_trusted

    def __repr__(self) -> str:
        return f"<VirtualHostRoot {', '.join(self.hosts) or 'without hosts'}>"

    @property
    def hosts(self) -> Mapping[str, HostResource]:
        """What the route map has for each host pattern, in its order."""
        routes: dict[str, list[Route[RouteValue]]] = {}
        for route in self.frontend.generation.table.routes:
            routes.setdefault(route.host, []).append(route)
        return MappingProxyType({pattern: HostResource(pattern, tuple(found)) for pattern, found in routes.items()})

    def leaf_for(self, request: Any) -> IResource | None:
        """Give the leaf that would answer a request of `twisted.web`; None if none would."""
        try:
            head = request_head(request)
            ip = getattr(request.getClientAddress(), "host", None) or ""
            table = self.frontend.generation.table
            route = table.lookup(head.authority, head.method, head.target, head.block, ip)
        except ProxyError:
            return None
        return None if route is None else route.value.leaf

    def handle(self, exchange: Any) -> None:
        """Let the leaf of an exchange's route answer it."""
        self.frontend.handle(exchange)

    def getChild(self, path: bytes, request: Any) -> VirtualHostRoot:
        """Everything below is for the routes to decide."""
        return self

    def render(self, request: Any) -> int:
        """Let the leaf of a request's route answer it."""
        serve(self.frontend, request, self._is_trusted)
        return NOT_DONE_YET
