"""Cookies of an application that knows neither of TLS nor of its place."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields
from txproxy.policy.legacy_cookies import cookie, cookie_path, with_safe_cookies
from txproxy.policy.legacy_places import Paths, Place


def place(
    scheme: bytes = b"https",
    authority: bytes = b"www.example.com",
    backend: bytes = b"app.internal.example:9000",
    prefix: str | None = None,
    base: str = "",
) -> Place:
    """Make a place."""
    return Place(scheme, authority, (backend,), Paths(prefix, base))


TLS = place()
PLAIN = place(b"http")
EXPIRES = b"Expires=Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a=b", b"a=b; Secure; SameSite=Lax"),
        (b"a=b; Secure", b"a=b; Secure; SameSite=Lax"),
        (b"a=b;secure;samesite=strict", b"a=b;secure;samesite=strict"),
        (b"a=b; SameSite=None", b"a=b; SameSite=None; Secure"),
        (b"a=b; SameSite", b"a=b; SameSite; Secure"),
        (b"a=b; SECURE = 1 ; Samesite=odd", b"a=b; SECURE = 1 ; Samesite=odd"),
        (b"a=b; Path=/; HttpOnly; " + EXPIRES, b"a=b; Path=/; HttpOnly; " + EXPIRES + b"; Secure; SameSite=Lax"),
        (b"a=b;", b"a=b; Secure; SameSite=Lax"),
        (b"a=b;;  ; x", b"a=b;;  ; x; Secure; SameSite=Lax"),
        (b"a=b \t", b"a=b; Secure; SameSite=Lax"),
        (
            b'a="b; Secure"; Priority=High; Partitioned',
            b'a="b; Secure"; Priority=High; Partitioned; Secure; SameSite=Lax',
        ),
        (b"a=secure; b=samesite", b"a=secure; b=samesite; Secure; SameSite=Lax"),
        (b"a==b=c; Max-Age=", b"a==b=c; Max-Age=; Secure; SameSite=Lax"),
        (b"secure", b"secure; Secure; SameSite=Lax"),
        (b"=b", b"=b; Secure; SameSite=Lax"),
        (b"", b""),
        (b"; Path=/", b"; Path=/"),
        (b"a=\xff\xfe", b"a=\xff\xfe; Secure; SameSite=Lax"),
        (b"__Host-a=b; Path=/", b"__Host-a=b; Path=/; Secure; SameSite=Lax"),
        (b"__Secure-a=b", b"__Secure-a=b; Secure; SameSite=Lax"),
    ],
)
def test_what_tls_asks_for(value: bytes, expected: bytes) -> None:
    """Secure and SameSite are added where they lack, behind everything else, which stays octet for octet."""
    assert cookie(value, TLS) == expected
    assert cookie(value, PLAIN) == value


@pytest.mark.parametrize(
    ("domain", "gone"),
    [
        (b"app.internal.example", True),
        (b".app.internal.example", True),
        (b"APP.Internal.Example", True),
        (b"internal.example", True),
        (b".example", True),
        (b"www.example.com", False),
        (b".example.com", False),
        (b"other.example.com", False),
        (b"x.app.internal.example", False),
        (b"p.internal.example", False),
        (b"", False),
        (b".", False),
    ],
)
def test_domains(domain: bytes, gone: bool) -> None:
    """A Domain of the backend's is taken away, for browsers drop such cookies; any other stays."""
    value = b"a=b; Domain=" + domain + b"; Path=/"
    assert cookie(value, PLAIN) == (b"a=b; Path=/" if gone else value)


@pytest.mark.parametrize(
    ("backend", "authority", "domain", "gone"),
    [
        (b"127.0.0.1:9000", b"a.example", b"127.0.0.1", True),
        (b"127.0.0.1:9000", b"a.example", b"0.0.1", False),
        (b"127.0.0.1:9000", b"127.0.0.1:8443", b"127.0.0.1", False),
        (b"localhost:9000", b"a.example", b"localhost", True),
        (b"app.example.com", b"www.example.com", b"example.com", False),
        (b"", b"a.example", b"localhost", False),
    ],
)
def test_domains_of_other_backends(backend: bytes, authority: bytes, domain: bytes, gone: bool) -> None:
    """An address is only itself, and a domain that is above both hosts is good for the public one."""
    value = b"a=b; Domain=" + domain
    assert cookie(value, place(b"http", authority, backend)) == (b"a=b" if gone else value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a=b; Domain=www.example.com; domain=internal.example", b"a=b"),
        (b"a=b; Domain=internal.example; domain=www.example.com", None),
        (b"a=b; Domain", None),
    ],
)
def test_the_last_domain_counts(value: bytes, expected: bytes | None) -> None:
    """If the Domain that browsers take is the backend's, none is left that could widen the cookie."""
    assert cookie(value, PLAIN) == (value if expected is None else expected)


@pytest.mark.parametrize(
    ("prefix", "base", "path", "public"),
    [
        (None, "", b"/", b"/"),
        (None, "", b"/x", b"/x"),
        ("/app", "", b"/", b"/app"),
        ("/app", "", b"/x", b"/app/x"),
        ("/app", "", b"/x/", b"/app/x/"),
        (None, "/base", b"/base", b"/"),
        (None, "/base", b"/base/", b"/"),
        (None, "/base", b"/base/x", b"/x"),
        (None, "/base", b"/", b"/"),
        (None, "/base", b"/other", b"/other"),
        (None, "/base", b"/bas", b"/bas"),
        (None, "/base/deep", b"/base", b"/"),
        ("/app", "/base", b"/base", b"/app"),
        ("/app", "/base", b"/", b"/app"),
        ("/app", "/base/deep", b"/base/", b"/app"),
        ("/app", "/base", b"/base/x", b"/app/x"),
    ],
)
def test_paths(prefix: str | None, base: str, path: bytes, public: bytes) -> None:
    """A Path is turned into the public one; one that covers all of the route becomes the prefix and not more."""
    assert cookie_path(path, Paths(prefix, base)) == public
    made = cookie(b"a=b;path = " + path + b" ; HttpOnly", place(b"http", prefix=prefix, base=base))
    if prefix or base:
        assert made == b"a=b;path = " + public + b"; HttpOnly"
    else:
        assert made == b"a=b;path = " + path + b" ; HttpOnly"


PREFIXED = place(b"http", prefix="/app")


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        (b"a=b", b"/app", b"a=b; Path=/app"),
        (b"a=b", b"/app?x=/y", b"a=b; Path=/app"),
        (b"a=b; Path=", b"/app", b"a=b; Path=; Path=/app"),
        (b"a=b", b"/app/", b"a=b"),
        (b"a=b", b"/app/x", b"a=b"),
        (b"a=b; Path=/x", b"/app", b"a=b; Path=/app/x"),
        (b"a=b; Path=x", b"/app/y", b"a=b; Path=x"),
        (b"a=b; Path", b"/app/y", b"a=b; Path"),
        (b"a=b; Path=/x; path=/y", b"/app/y", b"a=b; Path=/app/x; path=/app/y"),
        (b"__Host-a=b; Path=/; Secure", b"/app", b"__Host-a=b; Path=/; Secure"),
        (b"__host-a=b; Path=/; Secure", b"/app", b"__host-a=b; Path=/; Secure"),
        (b"__Host-a=b; Domain=internal.example", b"/app", b"__Host-a=b; Domain=internal.example"),
    ],
)
def test_paths_of_odd_cookies(value: bytes, target: bytes, expected: bytes) -> None:
    """Without a usable Path browsers take the folder asked for, and the prefix has none; __Host- cookies stay."""
    assert cookie(value, PREFIXED, target) == expected


def test_each_field_by_itself() -> None:
    """Cookies keep their order and their fields' spelling; fields that are none are not touched."""
    block = b"\r\nset-cookie:a=b\r\nX-Set-Cookie: c\r\nSet-Cookie: d=e; Secure\r\nSET-COOKIE: \tf"
    assert with_safe_cookies(block, TLS, b"/") == (
        b"\r\nset-cookie:a=b; Secure; SameSite=Lax\r\nX-Set-Cookie: c"
        b"\r\nSet-Cookie: d=e; Secure; SameSite=Lax\r\nSET-COOKIE: \tf; Secure; SameSite=Lax"
    )


PIECES = st.sampled_from([
    b"a", b"=", b";", b" ", b"\t", b'"', b",", b"Path=", b"/", b"/x", b"Domain=", b"internal.example", b"Secure",
    b"SameSite=None", b"__Host-", b"\xff", EXPIRES,
])  # fmt: skip
VALUES = st.lists(PIECES, max_size=12).map(b"".join)
PLACES = st.sampled_from([TLS, PLAIN, PREFIXED, place(prefix="/app", base="/base"), place(base="/base")])


@given(VALUES, PLACES, st.sampled_from([b"/app", b"/app/x", b"*"]))
def test_whatever_comes_stays_valid(value: bytes, where: Place, target: bytes) -> None:
    """Any value gives one valid field; a second time adds nothing, and the pair in front is never touched."""
    block = fields.from_items([(b"Set-Cookie", value)])
    made = with_safe_cookies(block, where, target)
    ((name, got),) = fields.items(made)
    assert fields.from_items([(name, got)]).count(b"\r\n") == 1
    assert got.split(b";")[0].rstrip(b" \t") == value.split(b";")[0].strip(b" \t")
    if not where.paths.changes:
        assert with_safe_cookies(made, where, target) == made


def test_what_is_made_is_read_by_others() -> None:
    """Another implementation reads the attributes as meant."""
    made = cookie(b"sid=abc; Domain=app.internal.example; Path=/base; HttpOnly", place(prefix="/app", base="/base"))
    morsel = SimpleCookie(made.decode())["sid"]
    got = (morsel.value, morsel["path"], morsel["domain"], morsel["secure"], morsel["samesite"], morsel["httponly"])
    assert got == ("abc", "/app", "", True, "Lax", True)
