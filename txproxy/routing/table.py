"""From host and path to a route.

Rule: what a lookup costs depends on the routes of one host, never on how many hosts there are; and the
most specific host decides alone: exact, then ``*.`` (one label), then the longest ``**.`` (one label or
more), then ``*``. If none of its routes matches, nothing is found: a route under a broader host never
answers for a host that was configured by itself.

The table does not know what it finds: `Route.value` is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Generic, TypeVar

from .conditions import (
    ClientCondition,
    Condition,
    HeaderCondition,
    MethodCondition,
    PathCondition,
    QueryCondition,
    Request,
)
from .host import normalize as normalize_host
from .host import normalize_pattern
from .path import PLAIN
from .path import normalize as normalize_path
from .pattern import PathSet

ValueT = TypeVar("ValueT")
_is_plain = PLAIN.fullmatch

# Host values remembered with their routes. Clients choose them, so there is an end to it; more than the
# busiest sites have, and small enough (under 1 MiB even with names of 253 octets) to forget at once.
_REMEMBERED = 1024


class Route(Generic[ValueT]):
    """One route of one host, compiled.

    :param name: for logs, metrics and explain.
    :param host: a host pattern: a name, ``*.name``, ``**.name`` or ``*``.
    :param value: what `find` is asked for.
    :param paths, methods, headers, query, clients: what must hold; empty means anything.
    :param where: where it is written; shown, never read.
    :param matcher_where: by key ("path", "methods", "headers", "query", "clients"), where that is written.
    :ivar always: it matches every request of its host.
    :ivar holds: the question of each condition, in order.
    :raises ValueError: a pattern, name or regular expression in it cannot be compiled.
    """

    __slots__ = ("always", "conditions", "holds", "host", "name", "paths", "value", "where")

    def __init__(
        self,
        name: str,
        host: str,
        value: ValueT,
        *,
        paths: Iterable[str] = (),
        methods: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        clients: Iterable[IPv4Network | IPv6Network] = (),
        where: object = None,
        matcher_where: Mapping[str, object] | None = None,
    ) -> None:
        self.name = name
        self.host = normalize_pattern(host)
        self.value = value
        self.where = where
        self.paths = PathSet(paths)
        at = matcher_where or {}
        conditions: list[Condition] = []  # cheapest first; the first that fails is the one explained
        if not self.paths.is_everything:
            conditions.append(PathCondition(self.paths, at.get("path", where)))
        if methods := tuple(methods):
            conditions.append(MethodCondition(methods, at.get("methods", where)))
        if clients := tuple(clients):
            conditions.append(ClientCondition(clients, at.get("clients", where)))
        for field, value_text in (headers or {}).items():
            conditions.append(HeaderCondition(field, value_text, at.get("headers", where)))
        for key, value_text in (query or {}).items():
            conditions.append(QueryCondition(key, value_text, at.get("query", where)))
        self.conditions = tuple(conditions)
        self.holds = tuple(condition.holds for condition in conditions)
        self.always = not conditions

    def failed(self, request: Request) -> Condition | None:
        """Give the first condition that the request does not fulfil; None if the route matches."""
        for condition in self.conditions:
            if not condition.holds(request):
                return condition
        return None

    def captures(self, path: str) -> dict[str, str]:
        """Give what the route's path captures by ``{name}`` from a path in normal form."""
        return self.paths.captures(path)

    def __repr__(self) -> str:
        return f"<Route {self.name} of {self.host}>"


@dataclass(frozen=True, slots=True)
class Rejection(Generic[ValueT]):
    """Why a route was passed over: the first condition that failed, where it is written, what came instead."""

    route: Route[ValueT]
    condition: str
    where: object
    detail: str


@dataclass(frozen=True, slots=True)
class Trace(Generic[ValueT]):
    """How a route was found: the host pattern that decided (None: no host), the rejected routes, the chosen."""

    pattern: str | None
    rejections: tuple[Rejection[ValueT], ...]
    chosen: Route[ValueT] | None


class _HostRoutes(Generic[ValueT]):
    """The routes of one host pattern.

    Routes that differ in the first segment of their paths need not be asked one after the other: each path
    is shown only to the routes that its first segment may belong to. What is left out cannot match.

    :ivar only: the route that answers everything, if the first one does.
    """

    __slots__ = ("_by_first", "_others", "only", "routes")

    def __init__(self, routes: tuple[Route[ValueT], ...]) -> None:
        self.routes = routes
        self.only = routes[0] if routes and routes[0].always else None
        firsts = {route: route.paths.first_segments for route in routes}
        known = {segment for segments in firsts.values() for segment in segments or ()}
        self._others = tuple(route for route in routes if firsts[route] is None)
        self._by_first = {
            segment: tuple(route for route in routes if (segments := firsts[route]) is None or segment in segments)
            for segment in known
        }

    def find(self, request: Request) -> Route[ValueT] | None:
        for route in self._by_first.get(request.path[1:].partition("/")[0], self._others):
            for holds in route.holds:
                if not holds(request):
                    break
            else:
                return route
        return None


class RouteTable(Generic[ValueT]):
    """All routes. Built once, never changed; a new map is a new table.

    :param routes: in the order of the map; those of one host are tried in this order.
    :param hosts: further host patterns that have no routes but still decide.
    """

    __slots__ = ("_any_depth", "_by_pattern", "_nothing", "_remembered", "routes")

    def __init__(self, routes: Iterable[Route[ValueT]], hosts: Iterable[str] = ()) -> None:
        self.routes = tuple(routes)
        by_pattern: dict[str, list[Route[ValueT]]] = {}
        for route in self.routes:
            by_pattern.setdefault(route.host, []).append(route)
        for pattern in hosts:
            by_pattern.setdefault(normalize_pattern(pattern), [])
        # Exact names are their own pattern, and no host holds a star: one dictionary serves all kinds.
        self._by_pattern = {pattern: _HostRoutes(tuple(found)) for pattern, found in by_pattern.items()}
        self._nothing: _HostRoutes[ValueT] = _HostRoutes(())
        self._any_depth = any(pattern.startswith("**.") for pattern in by_pattern)
        self._remembered: dict[bytes, _HostRoutes[ValueT]] = {}

    def lookup(self, authority: bytes, method: bytes, target: bytes, block: bytes, client: str) -> Route[ValueT] | None:
        """Find the route for a request as it was sent: normalises host and path, then as `find`.

        :param authority: host and port as asked for; ``b""`` (HTTP/1.0 without Host) meets only ``*``.
        :raises ProxyError: http_request_error (400): the host is malformed or the path is refused.
        """
        routes = self._remembered.get(authority)
        if routes is None:
            routes = self._of(normalize_host(authority) if authority else "")
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[authority] = routes
        only = routes.only
        if only is not None and _is_plain(target):
            return only
        path = normalize_path(target)  # also where it decides nothing: what it refuses goes nowhere
        return only or routes.find(Request(method, path, target, block, client))

    def find(
        self, method: bytes, host: str, path: str, target: bytes, block: bytes, client: str
    ) -> Route[ValueT] | None:
        """Find the route for a request, or None.

        :param host, path: in normal form (`host.normalize`, `path.normalize`); host "" meets only ``*``.
        :param target: as sent; read for its query, and only if a route asks for that.
        :param block: the request's fields (`model.fields`), read likewise.
        :param client: IP address as text, "" for a client that has none.
        """
        routes = self._by_pattern.get(host)
        if routes is None:
            routes = self._of(host)
        return routes.only or routes.find(Request(method, path, target, block, client))

    def trace(self, method: bytes, host: str, path: str, target: bytes, block: bytes, client: str) -> Trace[ValueT]:
        """Do as `find` does, and tell for each route that was passed over which condition failed."""
        request = Request(method, path, target, block, client)
        rejections: list[Rejection[ValueT]] = []
        for route in self._of(host).routes:
            condition = route.failed(request)
            if condition is None:
                return Trace(self.pattern(host), tuple(rejections), route)
            rejections.append(Rejection(route, condition.kind, condition.where, condition.why_not(request)))
        return Trace(self.pattern(host), tuple(rejections), None)

    def pattern(self, host: str) -> str | None:
        """Give the most specific host pattern for a host in normal form; None if no pattern is for it."""
        patterns = self._by_pattern
        if host in patterns:
            return host
        rest = host.partition(".")[2]
        if rest and (pattern := f"*.{rest}") in patterns:
            return pattern
        while rest and self._any_depth:
            if (pattern := f"**.{rest}") in patterns:
                return pattern
            rest = rest.partition(".")[2]
        return "*" if "*" in patterns else None

    def _of(self, host: str) -> _HostRoutes[ValueT]:
        pattern = self.pattern(host)
        return self._nothing if pattern is None else self._by_pattern[pattern]
