"""Where in a route's path a resource begins: what a request calls `prepath` and `postpath`.

Rule: a resource sees the path by the same reading by which its route was chosen (`policy.segments`), so
that no spelling of a path leads past a route and into its resource. It is mounted where its route's
pattern ends, as `putChild` would have it: below ``/static/*``, the path ``/static/a/b`` is ``a``, ``b``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from txproxy.policy import segments
from txproxy.routing import path as routing_path


def depth(route: Any, target: bytes, *, keep_last: bool = False) -> int:
    """Count the segments of a target that belong to its route's pattern.

    :param route: the route that was found, or None.
    :param keep_last: an exact pattern leaves its last segment to the resource: a directory's file.
    :returns: 0 for ``/*``, for a regular expression, and without a route.
    """
    if route is None or route.paths.is_everything:
        return 0
    path = routing_path.normalize(target)
    for pattern in route.paths.patterns:
        if pattern.matches(path):
            return len(pattern.steps) - (1 if keep_last and pattern.steps and not pattern.below else 0)
    return 0


def place(target: bytes, depth: int) -> tuple[list[bytes], list[bytes]]:
    """Split a target's path for `twisted.web`: the decoded segments in front of a resource, and its own.

    What is encoded within a segment stays within it (``a%2fb`` is one), parameters too; dot segments are resolved.

    :param target: origin-form, as sent.
    :param depth: how many segments are in front; empty ones do not count.
    :raises ProxyError: http_request_error, for a path that cannot be read (see `policy.segments`).
    """
    found = segments.resolve(target.partition(b"?")[0])
    prepath: list[bytes] = []
    index = 0
    while len(prepath) < depth and index < len(found):
        if found[index].name:
            prepath.append(unquote_to_bytes(found[index].raw))
        index += 1
    postpath: list[bytes] = []
    for segment in found[index:]:
        if segment.separator == b"/" or not postpath:
            postpath.append(unquote_to_bytes(segment.raw))
        else:
            postpath[-1] += unquote_to_bytes(segment.separator + segment.raw)
    return prepath, postpath
