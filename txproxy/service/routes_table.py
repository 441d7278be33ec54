"""The routes of a map as a table, for `txproxy routes`.

Rule: one row for each route, in the order in which a host's routes are tried, and nothing that the map
does not say: conditions that hold for everything are left out.
"""

from __future__ import annotations

from typing import Any

from txproxy.config.model import (
    Config,
    FilesLeaf,
    ProxyLeaf,
    RedirectLeaf,
    ResourceLeaf,
    RespondLeaf,
    RouteConfig,
    WsgiLeaf,
)

from .output import table

HEAD = ("HOST", "PATH", "CONDITIONS", "DESTINATION", "NAME", "WHERE")


def as_text(config: Config) -> str:
    """Give the table, aligned."""
    rows = [
        (
            route.host,
            " ".join(route.paths) or "/*",
            conditions(route) or "-",
            f"-> {destination(route)}",
            route.name,
            str(route.where),
        )
        for host in config.hosts.values()
        for route in host.routes
    ]
    return table(HEAD, rows)


def as_json(config: Config) -> list[dict[str, Any]]:
    """Give the same as what JSON can hold."""
    return [
        {
            "host": route.host,
            "paths": list(route.paths),
            "methods": list(route.methods),
            "headers": dict(route.headers),
            "query": dict(route.query),
            "clients": list(map(str, route.clients)),
            "destination": destination(route),
            "name": route.name,
            "where": str(route.where),
        }
        for host in config.hosts.values()
        for route in host.routes
    ]


def conditions(route: RouteConfig) -> str:
    """Give what a route asks for beyond host and path, as few words."""
    parts = [",".join(route.methods)] if route.methods else []
    parts += [f"{name}:{_value(value)}" for name, value in route.headers.items()]
    parts += [f"?{name}={_value(value)}" for name, value in route.query.items()]
    if route.clients:
        parts.append(f"from {','.join(map(str, route.clients))}")
    return " ".join(parts)


def _value(text: str) -> str:
    return repr(text) if not text or " " in text else text


def destination(route: RouteConfig) -> str:
    """Give where a route leads, as few words."""
    leaf = route.leaf
    if isinstance(leaf, ProxyLeaf):
        stripped = f" without {route.strip_prefix}" if route.strip_prefix else ""
        return f"{leaf.upstream}{leaf.base_path}{stripped}"
    if isinstance(leaf, RedirectLeaf):
        return f"{leaf.status} {leaf.to}"
    if isinstance(leaf, RespondLeaf):
        return f"respond {leaf.status}"
    if isinstance(leaf, FilesLeaf):
        return f"files {leaf.path}"
    if isinstance(leaf, WsgiLeaf):
        return f"wsgi {leaf.application}"
    assert isinstance(leaf, ResourceLeaf)
    return f"resource {leaf.resource}"
