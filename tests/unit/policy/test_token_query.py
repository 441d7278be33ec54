"""Addresses for the log."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy.token_query import NAMES, hide


def digest(value: str) -> str:
    """Give what a value is replaced by."""
    return "sha256:" + sha256(value.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/a", "/a"),
        ("/token=x", "/token=x"),
        ("/a?b=c&d", "/a?b=c&d"),
        ("/a?token=x", f"/a?token={digest('x')}"),
        ("/a?b=1&token=x%20y&c=2", f"/a?b=1&token={digest('x%20y')}&c=2"),
        ("/a?Access_Token=x", f"/a?Access_Token={digest('x')}"),
        ("/a?%74oken=x", f"/a?%74oken={digest('x')}"),
        ("/a?X-Amz-Signature=x&X-Amz-Date=2", f"/a?X-Amz-Signature={digest('x')}&X-Amz-Date=2"),
        ("/a?reset_token=x&csrfToken=y", f"/a?reset_token={digest('x')}&csrfToken={digest('y')}"),
        ("/a?user[password]=x&token[]=y", f"/a?user[password]={digest('x')}&token[]={digest('y')}"),
        ("/a?user%5Bpassword%5D=x", f"/a?user%5Bpassword%5D={digest('x')}"),
        ("/a?a=1;token=x;b=2", f"/a?a=1;token={digest('x')};b=2"),
        ("/a?password=x;y&b=2", f"/a?password={digest('x;y')}&b=2"),
        ("/a?jwt=a=b==", f"/a?jwt={digest('a=b==')}"),
        ("/a?token=x?y", f"/a?token={digest('x?y')}"),
        ("/a??token=x", f"/a??token={digest('x')}"),
        ("/a?b=/c?token=x", f"/a?b=/c?token={digest('x')}"),
        ("/a?token=", "/a?token="),
        ("/a?token", "/a?token"),
        ("/a?tokens=x&monkey=y&encode=z", "/a?tokens=x&monkey=y&encode=z"),
        ("https://a.example.com/b?code=x#token=y", f"https://a.example.com/b?code={digest('x')}#token=y"),
        ("/a?token=x&token=y", f"/a?token={digest('x')}&token={digest('y')}"),
    ],
)
def test_hide(address: str, expected: str) -> None:
    """Values of token-like names are hashed; everything else stays byte for byte."""
    assert hide(address.encode()) == expected.encode()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names(name: bytes) -> None:
    """Each name of the list is found in any case."""
    for spelled in (name, name.upper()):
        assert b"hush" not in hide(b"/?a=b&" + spelled + b"=hush&c=d")


def test_without_a_query_it_is_the_same_object() -> None:
    """An address without a query is handed back as it came."""
    address = b"/a/b/token=x"
    assert hide(address) is address


TEXT = st.text("ab=&;?%25/tokensigcode", max_size=40).map(str.encode)


@given(TEXT)
def test_hiding_twice_changes_nothing(address: bytes) -> None:
    """What was hidden stays as it is."""
    assert hide(hide(address)) == hide(address)


@given(TEXT, st.text("xyz;=?/", min_size=1, max_size=10).map(str.encode), TEXT)
def test_a_secret_between_ampersands_never_shows(before: bytes, secret: bytes, after: bytes) -> None:
    """Whatever surrounds it, a value of a token-like name is not in the result."""
    hidden = hide(b"/?" + before.replace(b"=", b"") + b"&token=" + b"HUSH" + secret + b"&" + after)
    assert b"HUSH" not in hidden
