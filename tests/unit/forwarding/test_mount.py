"""Where a resource begins in its route's path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.forwarding.mount import depth, place
from txproxy.model.errors import ProxyError
from txproxy.routing import path as routing_path
from txproxy.routing.table import Route


@pytest.mark.parametrize(
    ("patterns", "target", "keep_last", "expected"),
    [
        ((), b"/a/b", False, 0),
        (("/*",), b"/a/b", False, 0),
        (("/a/*",), b"/a/b", False, 1),
        (("/a/*",), b"/a/b", True, 1),
        (("/a/b",), b"/a/b", False, 2),
        (("/a/b",), b"/a/b", True, 1),
        (("/",), b"/", True, 0),
        (("~.",), b"/a/b", False, 0),
        (("/x", "/{a}/{b}/*"), b"/a/b/c", False, 2),
        (("/x/*",), b"/a", False, 0),
    ],
)
def test_depth(patterns: tuple[str, ...], target: bytes, keep_last: bool, expected: int) -> None:
    """The first pattern that matches says how many segments are in front of the resource."""
    route = Route("r", "*", None, paths=patterns)
    assert depth(route, target, keep_last=keep_last) == expected
    assert depth(None, target) == 0


@pytest.mark.parametrize("target", [b"/../x", b"/%00", b"/a%2f..", b"/%zz", b"/a;/..;/b"])
def test_paths_that_cannot_be_read(target: bytes) -> None:
    """What the router refuses is refused here."""
    with pytest.raises(ProxyError):
        place(target, 0)


PIECES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", "%61", "%2e%2e", "a%2fb", "a%5cb", "x;p=1", "%c3%a4", "%20"]), max_size=6
)


@given(PIECES, st.integers(0, 3), st.sampled_from(["", "?x=/../y"]))
def test_what_a_resource_sees_is_what_was_routed(pieces: list[str], mounted: int, query: str) -> None:
    """No spelling shows a resource a dot segment, or other segments than the ones its route was chosen by."""
    target = ("/" + "/".join(pieces) + query).encode()
    try:
        normal = routing_path.normalize(target)
        prepath, postpath = place(target, mounted)
    except ProxyError:
        return
    seen = b"/".join([*prepath, *postpath]).replace(b"\\", b"/")
    names = [piece.partition(b";")[0] for piece in seen.split(b"/")]
    assert [name for name in names if name] == [
        name for name in normal.encode("utf-8", "surrogateescape").split(b"/") if name
    ]
    assert b".." not in names
    assert b"." not in names
