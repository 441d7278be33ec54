"""Redirects that an application behind TLS makes of what it believes of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields
from txproxy.policy.legacy_places import Paths, Place
from txproxy.policy.legacy_redirects import address, refresh, with_public_addresses


def place(
    scheme: bytes = b"https", authority: bytes = b"example.com", prefix: str | None = None, base: str = ""
) -> Place:
    """Make a place with the backend 127.0.0.1:9000."""
    return Place(scheme, authority, (b"127.0.0.1:9000",), Paths(prefix, base))


PLAIN = place()
ODD_PORT = place(authority=b"example.com:8443")
BOTH = place(prefix="/app", base="/base")


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        (PLAIN, b"http://example.com/login?next=/#top", b"https://example.com/login?next=/#top"),
        (PLAIN, b"HTTP://EXAMPLE.com/Login", b"https://example.com/Login"),
        (PLAIN, b"http://example.com", b"https://example.com"),
        (PLAIN, b"http://example.com?x", b"https://example.com?x"),
        (PLAIN, b"http://127.0.0.1:9000/x", b"https://example.com/x"),
        (PLAIN, b"https://127.0.0.1:9000/x", b"https://example.com/x"),
        (PLAIN, b"//127.0.0.1:9000/x", b"//example.com/x"),
        (PLAIN, b"//example.com/x", b"//example.com/x"),
        (PLAIN, b"http://example.com/a b", b"https://example.com/a b"),
        (PLAIN, b"http://example.com/\xe4", b"https://example.com/\xe4"),
        (PLAIN, b"http://example.com\\x", b"https://example.com\\x"),
        (PLAIN, b"/x", b"/x"),
        (PLAIN, b"x", b"x"),
        (PLAIN, b"", b""),
        (PLAIN, b"http://other.example/?u=http://example.com/", b"http://other.example/?u=http://example.com/"),
        (PLAIN, b"http://example.com.evil/", b"http://example.com.evil/"),
        (PLAIN, b"http://example.com@evil/", b"http://example.com@evil/"),
        (PLAIN, b"http://user@example.com/", b"http://user@example.com/"),
        (PLAIN, b"http:/example.com/", b"http:/example.com/"),
        (PLAIN, b"ftp://example.com/", b"ftp://example.com/"),
        (PLAIN, b"mailto:a@example.com", b"mailto:a@example.com"),
        (ODD_PORT, b"http://example.com:8443/x", b"https://example.com:8443/x"),
        (ODD_PORT, b"http://example.com/x", b"https://example.com:8443/x"),
        (ODD_PORT, b"https://example.com:8443/x", b"https://example.com:8443/x"),
        (BOTH, b"http://127.0.0.1:9000/base/x", b"https://example.com/app/x"),
        (BOTH, b"http://127.0.0.1:9000/base", b"https://example.com/app"),
        (BOTH, b"http://example.com/base/", b"https://example.com/app/"),
        (BOTH, b"http://example.com/other", b"https://example.com/other"),
        (BOTH, b"/base/x", b"/app/x"),
        (BOTH, b"/other", b"/other"),
        (BOTH, b"//evil.example/base/x", b"//evil.example/base/x"),
        (BOTH, b"/\\evil.example/base/x", b"/\\evil.example/base/x"),
        (place(prefix="/app"), b"/x", b"/app/x"),
        (place(prefix="/app"), b"x/y", b"x/y"),
        (place(prefix="/app"), b"../x", b"../x"),
        (place(prefix="/app"), b"?x", b"?x"),
        (place(prefix="/app"), b"http://example.com", b"https://example.com/app/"),
        (place(base="/base"), b"/base//evil.example", b"/evil.example"),
        (place(b"http"), b"http://127.0.0.1:9000/x", b"http://example.com/x"),
        (place(b"http"), b"https://example.com/x", b"https://example.com/x"),
        (place(b"http", b"example.com:8080"), b"http://example.com/x", b"http://example.com:8080/x"),
        (place(authority=b""), b"http://127.0.0.1:9000/x", b"http://127.0.0.1:9000/x"),
        (place(authority=b"a'b"), b"http://127.0.0.1:9000/x", b"http://127.0.0.1:9000/x"),
    ],
)
def test_addresses(where: Place, value: bytes, expected: bytes) -> None:
    """An address of the application gets the client's scheme, host and path; any other stays octet for octet."""
    assert address(value, where) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0; url=http://example.com/x", b"0; url=https://example.com/x"),
        (b"0;URL='http://example.com/x'", b"0;URL='https://example.com/x'"),
        (b'5 ; Url = "http://127.0.0.1:9000"; x', b'5 ; Url = "https://example.com"; x'),
        (b"0,http://example.com/", b"0,https://example.com/"),
        (b"0.5;url='http://example.com/x", b"0.5;url='https://example.com/x"),
        (b"0;url=http://other/'http://example.com/", b"0;url=http://other/'http://example.com/"),
        (b"5", b"5"),
        (b"", b""),
        (b"soon; url=http://example.com/", b"soon; url=http://example.com/"),
    ],
)
def test_refresh(value: bytes, expected: bytes) -> None:
    """The address within Refresh is changed, in quotes or not; time, spelling and what is behind it stay."""
    assert refresh(value, PLAIN) == expected


def test_refresh_with_paths() -> None:
    """A path in Refresh is turned into the public one."""
    assert refresh(b"0; url=/base/x", BOTH) == b"0; url=/app/x"


def test_all_fields_and_only_those() -> None:
    """Each of several fields is mended in its place; other fields with the same address in them are not."""
    block = (
        b"\r\nLink: <http://example.com/>\r\nlocation:http://example.com/a\r\nX-Location: http://example.com/"
        b"\r\nLOCATION: http://other/\r\nContent-Location: \t http://127.0.0.1:9000/b \r\nRefresh: 0;http://example.com/c"
    )
    assert with_public_addresses(block, PLAIN) == (
        b"\r\nLink: <http://example.com/>\r\nlocation:https://example.com/a\r\nX-Location: http://example.com/"
        b"\r\nLOCATION: http://other/\r\nContent-Location: \t https://example.com/b \r\nRefresh: 0;https://example.com/c"
    )
    assert with_public_addresses(b"", PLAIN) == b""


PIECES = st.sampled_from([
    b"http:", b"https:", b"//", b"/", b"\\", b"example.com", b"127.0.0.1", b":9000", b":", b"@", b"evil.example",
    b"/base", b"?", b"#", b";", b"0;url=", b"'", b'"', b" ", b"\t", b"\xff", b"%0d%0a",
])  # fmt: skip
VALUES = st.lists(PIECES, max_size=7).map(b"".join)


@given(VALUES, st.sampled_from([PLAIN, ODD_PORT, BOTH, place(base="/base"), place(b"http")]))
def test_whatever_comes_the_block_stays_valid(value: bytes, where: Place) -> None:
    """Any value gives a valid block with the same fields, and a second time changes nothing more without paths."""
    block = fields.from_items([(b"Location", value), (b"Refresh", value), (b"X", value)])
    made = with_public_addresses(block, where)
    pairs = fields.items(made)
    assert fields.from_items(pairs).count(b"\r\n") == 3
    assert [name for name, _ in pairs] == [b"Location", b"Refresh", b"X"]
    if not where.paths.changes:
        assert with_public_addresses(made, where) == made
