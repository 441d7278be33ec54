"""The one reading of a path."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError
from txproxy.policy.segments import MOST_SEGMENTS, join, resolve

ESCAPED = [f"%{number:02X}" for number in range(1, 256)]
PIECES = st.sampled_from(
    ["/", "//", ".", "..", "%2e", "%2E.", "a", "b", "admin", "%61", "%2f", "%5C", "\\", ";", ";x=1", *ESCAPED]
)
PATHS = st.lists(PIECES, max_size=12).map(lambda pieces: ("/" + "".join(pieces)).encode())


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"/", [b""]),
        (b"/a", [b"a"]),
        (b"/a/", [b"a", b""]),
        (b"/a//b", [b"a", b"", b"b"]),
        (b"/a/./b", [b"a", b"b"]),
        (b"/a/.", [b"a", b""]),
        (b"/a/..", [b""]),
        (b"/a/b/../c", [b"a", b"c"]),
        (b"/a;x=1/b;y", [b"a", b"b"]),
        (b"/a%2fb", [b"a", b"b"]),
        (b"/a\\b%5cc", [b"a", b"b", b"c"]),
        (b"/...", [b"..."]),
        (b"/%252e%252e", [b"%2e%2e"]),
    ],
)
def test_segments(path: bytes, names: list[bytes]) -> None:
    """A path gives the names of its segments, an empty last one for a slash at the end."""
    assert [segment.name for segment in resolve(path)] == names


@given(PATHS)
def test_only_one_kind_of_error(path: bytes) -> None:
    """Any path is read or refused with 400, and what is read holds no dot segment, NUL or separator."""
    try:
        segments = resolve(path)
    except ProxyError as error:
        segments = []
        found = (error.cause, error.status)
    else:
        found = (HTTP_REQUEST_ERROR, 400)
    assert found == (HTTP_REQUEST_ERROR, 400)
    for segment in segments:
        assert segment.name not in {b".", b".."}
        assert not re.search(rb"[\0/\\;]", segment.name)


@given(PATHS)
def test_reading_the_result_again_changes_nothing(path: bytes) -> None:
    """The joined text, encoded and read again, is itself."""
    try:
        text = join(resolve(path))
    except ProxyError:
        return
    again = quote(text.encode("utf-8", "surrogateescape"), safe="/").encode()
    assert join(resolve(again)) == text


@given(PATHS)
def test_segments_hold_the_octets_as_sent(path: bytes) -> None:
    """Without dot segments, the segments put together again are the path, byte for byte."""
    try:
        segments = resolve(path)
    except ProxyError:
        return
    if not re.search(rb"(?i)(?:/|\\|%2f|%5c)(?:\.|%2e)+(?=/|\\|%2f|%5c|\Z)", path):
        assert b"".join(segment.separator + segment.raw for segment in segments) == path


@pytest.mark.parametrize("separator", [b"/", b"\\", b"%2f"])
def test_a_path_of_separators_is_refused_before_it_is_read(separator: bytes) -> None:
    """So many segments are read and one more is not: what a target costs is bounded."""
    assert len(resolve(b"/" + separator * (MOST_SEGMENTS - 1))) == MOST_SEGMENTS
    with pytest.raises(ProxyError, match="segments"):
        resolve(b"/" + separator * MOST_SEGMENTS)
