"""One route's leaf, and whether its keys go together.

Rule: a key that would have no effect is a problem. A route does one thing; what it says besides must
matter to that one thing, and must not contradict itself.
"""

from __future__ import annotations

from collections.abc import Callable

from . import values
from .destinations import Destination
from .model import FilesLeaf, Leaf, ProxyLeaf, RedirectLeaf, ResourceLeaf, RespondLeaf, WsgiLeaf
from .patterns import captured, redirect_template
from .problem import Report, listed, nearest, quoted
from .routes import LEAVES, RouteEntry
from .settings import HeaderEdits

_PASSED_ON = ("proxy", "files", "wsgi", "resource")
# Keys that mean something to some leaves only.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "strip_prefix": _PASSED_ON,
    "host_header": ("proxy",),
    "timeouts": ("proxy",),
    "request_headers": _PASSED_ON,
    "forwarded": ("proxy",),
    "legacy": ("proxy",),
}
_NOTHING = RespondLeaf(status=404)
_BODILESS = (204, 205, 304)


def leaf_of(route: RouteEntry, report: Report, upstream: Callable[[Destination], str]) -> Leaf:
    """Give what the route does, and report what is wrong with it.

    :param upstream: gives the name of the upstream that a destination means.
    """
    keys = route.keys
    # A short form has no key that was written, but a value.
    present = [key for key in LEAVES if key in keys] or ["proxy"] * (route.proxy is not None)
    if not present:
        # After a slip in a key's name the route has a leaf, only not one that we know of.
        if not (route.is_wrong or route.has_unknown_keys):
            report.error(route.where, f"the route does nothing; add one of {listed(LEAVES)}")
        return _NOTHING
    kind = present[0]
    for other in present[1:]:
        line = route.key_where(kind).line
        report.error(
            route.key_where(other),
            f"{other}: a route does one thing, and this one has {kind} (line {line}) already; remove one",
        )
    if len(present) == 1:
        _check_keys(kind, route, report)
    return _made(kind, route, report, upstream)


def _check_keys(kind: str, route: RouteEntry, report: Report) -> None:
    keys = route.keys
    for key, leaves in _ONLY_FOR.items():
        if key in keys and kind not in leaves:
            report.error(
                route.key_where(key), f"{key}: has no effect with {kind}, only with {listed(leaves)}; remove it"
            )


def _made(kind: str, route: RouteEntry, report: Report, upstream: Callable[[Destination], str]) -> Leaf:
    if route.proxy is not None:
        return ProxyLeaf(upstream=upstream(route.proxy), base_path=route.proxy.base_path)
    if route.redirect is not None:
        return _redirect(route, report)
    if route.respond is not None:
        answer = route.respond
        if answer.status in _BODILESS and answer.body:
            report.error(
                answer.value_where("body"),
                f"body: an answer with status {answer.status} has no body; remove one of the two",
            )
        return RespondLeaf(status=answer.status, body=answer.body, headers=answer.headers)
    if kind == "files":
        return FilesLeaf(path=route.files or "/")
    if kind == "wsgi":
        return WsgiLeaf(application=route.wsgi or "")
    return ResourceLeaf(resource=route.resource or "") if kind == "resource" else _NOTHING


def _redirect(route: RouteEntry, report: Report) -> Leaf:
    redirect = route.redirect
    assert redirect is not None
    names = [captured(pattern) for pattern in route.path]
    if redirect.text("to"):
        try:
            redirect_template(redirect.to, frozenset.intersection(*names) if names else frozenset())
        except ValueError as error:
            report.error(redirect.value_where("to"), f"redirect: {error}")
    elif "to" in redirect.keys:
        report.error(redirect.value_where("to"), "redirect: the text is empty; expected a URL")
    return RedirectLeaf(to=redirect.to, status=redirect.status)


def check_details(route: RouteEntry, report: Report) -> None:
    """Report what contradicts itself, and what is allowed but most likely a slip."""
    if "none" in route.forwarded and len(set(route.forwarded)) > 1:
        report.error(route.value_where("forwarded"), "forwarded: none stands alone; remove it or the others")
    for key, edits in (("request_headers", route.request_headers), ("response_headers", route.response_headers)):
        _check_edits(key, edits, report)
    for method in route.methods:
        near = None if method in values.METHODS else nearest(method, values.METHODS)
        if near:
            report.warning(
                route.value_where("methods"), f"methods: {quoted(method)} is no standard method; did you mean {near}?"
            )
    words = ("preserve", "backend")
    near = None if route.host_header in words else nearest(route.host_header, words)
    if near is not None:
        report.warning(
            route.value_where("host_header"),
            f"host_header: {quoted(route.host_header)} is sent as a host name; did you mean {near}?",
        )


def _check_edits(key: str, edits: HeaderEdits, report: Report) -> None:
    removed = {name.lower() for name in edits.remove}
    for name in edits.set:
        if name.lower() in removed:
            where = edits.inner_keys("set").get(name, edits.where)
            report.error(where, f"{key}: {name} is in set and in remove; set replaces it already")
