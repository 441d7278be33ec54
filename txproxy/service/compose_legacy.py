"""The middleware for a route's `legacy`: what comes before the route's own, and what comes behind it.

Rule: on the way in a route's own edits have the last word, so what an application is told of TLS comes first; on the
way out they have it too, so what is mended is the backend's own answer.
"""

from __future__ import annotations

from txproxy.config.model import ProxyLeaf, RouteConfig
from txproxy.forwarding.proxy import BACKEND, PRESERVE
from txproxy.middleware.legacy import LegacyCookies, LegacyLinks, LegacyRedirects, LegacyRequests, Places
from txproxy.middleware.pipeline import Middleware
from txproxy.policy.legacy_places import Paths


def legacy_middleware(config: RouteConfig) -> tuple[list[Middleware], list[Middleware]]:
    """Make the middleware that stands before that of the route, and behind it."""
    legacy, leaf = config.legacy, config.leaf
    if legacy is None or not (legacy.redirects or legacy.cookies or legacy.links):
        return [], []
    assert isinstance(leaf, ProxyLeaf)  # the config refuses it elsewhere
    told = config.host_header
    places = Places(
        Paths(config.strip_prefix, leaf.base_path),
        () if told in {PRESERVE, BACKEND} else (told.encode("ascii"),),
        backend_host=told == BACKEND,
    )
    behind: list[Middleware] = []
    if legacy.redirects:
        behind.append(LegacyRedirects(places))
    if legacy.cookies:
        behind.append(LegacyCookies(places))
    if legacy.links:
        behind.append(LegacyLinks(places))
    return [LegacyRequests()], behind
