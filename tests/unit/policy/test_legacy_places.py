"""Places: which names mean the application, and what its paths are to its clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy.legacy_places import Paths, Place, host_of
from txproxy.policy.rewrite import Rewrite

NO_PATHS = Paths()


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"Example.COM", b"example.com"),
        (b"example.com:8443", b"example.com"),
        (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
        (b"127.0.0.1:80", b"127.0.0.1"),
        (b"", b""),
        (b":80", b""),
        (b"a b", b""),
        (b'a"b', b""),
        (b"a'b", b""),
        (b"a:", b""),
        (b"a:x", b""),
        (b"a:123456", b""),
        (b"user@a", b""),
        (b"\xc3\xa4", b""),
    ],
)
def test_hosts(authority: bytes, host: bytes) -> None:
    """An authority is a host with or without a port, of letters that need no quoting anywhere."""
    assert host_of(authority) == host
    assert Place(b"https", authority, (), NO_PATHS).known == bool(host)


@pytest.mark.parametrize(
    ("prefix", "base", "path", "public"),
    [
        (None, "", b"/a?b#c", b"/a?b#c"),
        (None, "", b"", b""),
        ("/app", "", b"/", b"/app/"),
        ("/app/", "", b"/a", b"/app/a"),
        ("/app", "", b"", b"/app/"),
        ("/app", "", b"?q", b"/app/?q"),
        ("/app", "", b"/app", b"/app/app"),
        ("/", "/base", b"/base", b"/"),
        (None, "/base/", b"/base/", b"/"),
        (None, "/base", b"/base/a", b"/a"),
        (None, "/base", b"/base?q", b"/?q"),
        (None, "/base", b"/base#f", b"/#f"),
        (None, "/base", b"/base;p", b"/;p"),
        (None, "/base", b"/based", b"/based"),
        (None, "/base", b"/", b"/"),
        (None, "/base", b"", b""),
        ("/app", "/base", b"/base", b"/app"),
        ("/app", "/base", b"/base/x", b"/app/x"),
        ("/app", "/base", b"/other", b"/other"),
        ("/a b", "", b"/x", b"/a%20b/x"),
    ],
)
def test_public_paths(prefix: str | None, base: str, path: bytes, public: bytes) -> None:
    """The base path is taken off by whole segments, the prefix put in front; what is outside the base path stays."""
    assert Paths(prefix, base).public(path) == public


@pytest.mark.parametrize("path", [b"/base//evil.example", b"/base/\\evil.example", b"/base/\t/evil", b"/base//\\/evil"])
def test_a_path_never_becomes_another_host(path: bytes) -> None:
    """What is left of a path does not begin with two slashes, nor with what browsers take for them."""
    local = Paths(None, "/base").local(path)
    assert local in {b"/evil.example", b"/evil"}
    assert Paths("/app", "/base").local(path) == b"/app" + path[5:]


@pytest.mark.parametrize("path", [b"/\\x", b"/a//b"])
def test_what_the_application_says_itself_stays(path: bytes) -> None:
    """A path that needs no change keeps every slash."""
    assert NO_PATHS.local(path) == path


SEGMENTS = st.lists(st.text("abA0-_~", min_size=1, max_size=3), max_size=3)


@given(SEGMENTS, SEGMENTS, SEGMENTS)
def test_public_paths_undo_the_rewriting(prefix: list[str], base: list[str], rest: list[str]) -> None:
    """What a client asks for below the prefix comes back as just that, whatever the route does to it on the way."""
    front = "".join("/" + one for one in prefix)
    behind = "".join("/" + one for one in base)
    asked = front + "/" + "/".join(rest)
    sent = Rewrite(front, behind)(asked.encode())
    assert Paths(front, behind).public(sent) == asked.encode()


HTTPS = Place(b"https", b"Www.Example.com:8443", (b"127.0.0.1:9000", b"app.internal"), NO_PATHS)
HTTP = Place(b"http", b"www.example.com", (b"127.0.0.1:9000",), NO_PATHS)


@pytest.mark.parametrize(
    ("place", "scheme", "authority", "named"),
    [
        (HTTPS, b"http", b"127.0.0.1:9000", True),
        (HTTPS, b"https", b"127.0.0.1:9000", True),
        (HTTPS, b"http", b"127.0.0.1", False),
        (HTTPS, b"http", b"127.0.0.1:9001", False),
        (HTTPS, b"http", b"APP.internal", True),
        (HTTPS, b"http", b"app.internal:80", True),
        (HTTPS, b"http", b"app.internal:8080", False),
        (HTTPS, b"http", b"x.app.internal", False),
        (HTTPS, b"http", b"www.example.com:8443", True),
        (HTTPS, b"HTTP", b"WWW.example.com", True),
        (HTTPS, b"http", b"www.example.com:80", True),
        (HTTPS, b"http", b"www.example.com:443", True),
        (HTTPS, b"http", b"www.example.com:9000", True),
        (HTTPS, b"http", b"www.example.com:9001", False),
        (HTTPS, b"http", b"example.com", False),
        (HTTPS, b"http", b"www.example.com.evil.example", False),
        (HTTPS, b"https", b"www.example.com", True),
        (HTTPS, b"http", b"", False),
        (HTTP, b"http", b"127.0.0.1:9000", True),
        (HTTP, b"http", b"www.example.com:80", True),
        (HTTP, b"https", b"www.example.com", False),
        (HTTP, b"https", b"127.0.0.1:9000", True),
        (Place(b"https", b"", (b"127.0.0.1:9000",), NO_PATHS), b"http", b"127.0.0.1:9000", False),
        (Place(b"https", b"a", (b"",), NO_PATHS), b"http", b"", False),
        (Place(b"https", b"[::1]", (b"[::2]:9000",), NO_PATHS), b"http", b"[::1]:9000", True),
    ],
)
def test_names(place: Place, scheme: bytes, authority: bytes, named: bool) -> None:
    """The public host and the backend mean the application, other ports and hosts do not; nobody is sent off TLS."""
    assert place.names(scheme, authority) is named


def test_repr() -> None:
    """A place shows its address."""
    assert repr(HTTPS) == "<Place https://Www.Example.com:8443>"
