"""The path of a request."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError
from txproxy.policy.segments import join, resolve
from txproxy.routing.path import normalize


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/a", "/a"),
        (b"/a/", "/a/"),
        (b"/a/b.c/~d-e_f", "/a/b.c/~d-e_f"),
        (b"/a?b=/../c%00//d", "/a"),
        (b"/?", "/"),
        (b"/??a", "/"),
        (b"/a?b?c\xff", "/a"),
        (b"*", "*"),
        (b"/*", "/*"),
        (b"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="),
        (b"/%61%2Fb", "/a/b"),
        (b"/a%20b", "/a b"),
        (b"/a+b", "/a+b"),
        (b"/caf%C3%A9", "/café"),
        (b"/caf%E9", "/caf\udce9"),
        (b"/%3Fa%23", "/?a#"),
        (b"/%2561", "/%61"),
        (b"/a%0Ab%7F", "/a\nb\x7f"),
        (b"//", "/"),
        (b"//a///b//", "/a/b/"),
        (b"/./a/./b/.", "/a/b/"),
        (b"/a/b/../c/..", "/a/"),
        (b"/a/..", "/"),
        (b"/a/%2E%2e/b", "/b"),
        (b"/..a/.b/c..", "/..a/.b/c.."),
        (b"/.../a", "/.../a"),
        (b"/a;b=c/d;e", "/a/d"),
        (b"/a%3bb", "/a"),
        (b"/a/;b", "/a/"),
        (b"/;x/a", "/a"),
        (b'/[a]|{b}"<>^`', '/[a]|{b}"<>^`'),
    ],
)
def test_paths(target: bytes, path: str) -> None:
    """A target gives its path, decoded once, without query, dot segments, empty segments and parameters."""
    assert normalize(target) == path


@pytest.mark.parametrize(
    "target",
    [
        b"/admin/x",
        b"/%61dmin/x",
        b"/%61%64%6D%69%6e/x",
        b"//admin/x",
        b"///admin///x",
        b"/./admin/x",
        b"/%2e/admin/x",
        b"/x/../admin/x",
        b"/x/%2e%2E/admin/x",
        b"/x/./../admin/./x",
        b"/admin%2fx",
        b"/%2Fadmin%2Fx",
        b"/admin\\x",
        b"/admin%5cx",
        b"/\\admin\\x",
        b"/admin;x=1/x",
        b"/admin%3bx/x",
        b"/;a/admin/x",
        b"/admin//x",
        b"/admin/x/y/..;/../../x",
        b"/admin/x;y",
    ],
)
def test_a_guarded_path_cannot_be_spelled_around(target: bytes) -> None:
    """Every spelling that some backend reads as /admin/x is matched as that, or refused."""
    try:
        found = normalize(target)
    except ProxyError as error:
        found = "/admin/x" if error.status == 400 else ""
    assert found == "/admin/x"


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"a",
        b"?a",
        b"**",
        b"http://example.com/",
        b"\\a",
        b"%2fa",
        b"/..",
        b"/../a",
        b"/a/../..",
        b"/a/../../a",
        b"/%2e%2e/a",
        b"/./..",
        b"//..",
        b"//../a",
        b"/a//../b",
        b"/a%2f../b",
        b"/a%5c..%5cb",
        b"/a\\..\\b",
        b"/a/b/../c%2fd",
        b"/..%2fa",
        b"/..;/a",
        b"/a/..;x=1/b",
        b"/a/.;/b",
        b"/a/%2e%2e%3b/b",
        b"/%00",
        b"/a%00b",
        b"/a;%00",
        b"/%",
        b"/%4",
        b"/%zz",
        b"/%u0061",
        b"/100%/",
        b"/a;%zz",
        b"/%c0%af",
        b"/%c0%ae%c0%ae/",
        b"/%C1%9C",
        b"/%e0%80%af",
        b"/%f0%80%80%af",
        b"/a b",
        b"/a\tb",
        b"/a\x00",
        b"/a\x7f",
        b"/a#b",
        b"/a\x85",
        b"/a\xa0b",
        "/ä".encode(),
        b"/a\r\n",
        b"/a\n",
    ],
)
def test_refused_paths(target: bytes) -> None:
    """A path that leaves its root, or that has more than one reading, is 400."""
    with pytest.raises(ProxyError) as raised:
        normalize(target)
    assert (raised.value.cause, raised.value.status) == (HTTP_REQUEST_ERROR, 400)


TARGETS = st.lists(
    st.sampled_from([*"ab/.?*:@%", "//", "/.", "/..", "%2e", "%2f", "%41", "%C3%A4", "%00", "\\", ";", "#", " ", "é"]),
    max_size=10,
).map(lambda pieces: ("/" + "".join(pieces)).encode("latin-1"))


@given(TARGETS)
def test_short_way_is_the_long_way(target: bytes) -> None:
    """The quick pattern for plain targets agrees with the one reading of paths."""
    try:
        expected = join(resolve(target.partition(b"?")[0]))
    except ProxyError:
        with pytest.raises(ProxyError):
            normalize(target)
    else:
        assert normalize(target) == expected


@given(TARGETS)
def test_normal_paths_stay(target: bytes) -> None:
    """The normal form, encoded again, is its own normal form, and holds no way up."""
    try:
        path = normalize(target)
    except ProxyError:
        return
    assert normalize(quote(path.encode("utf-8", "surrogateescape"), safe="/").encode()) == path
    assert not {".", ".."} & set(path.split("/"))
    assert "//" not in path


@given(st.binary(max_size=30))
def test_any_octets(target: bytes) -> None:
    """Any octets behind a slash give a path or a ProxyError, nothing else."""
    try:
        assert normalize(b"/" + target).startswith("/")
    except ProxyError as error:
        caught = error.cause
    else:
        caught = HTTP_REQUEST_ERROR
    assert caught is HTTP_REQUEST_ERROR
