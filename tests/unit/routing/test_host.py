"""The host of a request, and host patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError
from txproxy.model.hostname import normalize_name
from txproxy.routing.host import normalize, normalize_pattern

LABEL = "a" * 63
LONGEST = f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}"


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"example.com", "example.com"),
        (b"example.com:8080", "example.com"),
        (b"example.com:1", "example.com"),
        (b"example.com:65535", "example.com"),
        (b"Example.COM", "example.com"),
        (b"example.com.", "example.com"),
        (b"EXAMPLE.com.:443", "example.com"),
        (b"localhost", "localhost"),
        (b"a_b.example.com", "a_b.example.com"),
        (b"1.example.com", "1.example.com"),
        (b"127.0.0.1", "127.0.0.1"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"[::1]", "::1"),
        (b"[::1]:8080", "::1"),
        (b"[2001:DB8:0:0::0001]", "2001:db8::1"),
        (b"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        (b"XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example"),
        ("münchen.example".encode(), "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example:80".encode(), "xn--mnchen-3ya.example"),
        ("münchen。example".encode(), "xn--mnchen-3ya.example"),
        (LABEL.encode(), LABEL),
        (LONGEST.encode(), LONGEST),
        (LONGEST.encode() + b".:80", LONGEST),
    ],
)
def test_hosts(authority: bytes, host: str) -> None:
    """Every spelling of one host is one text, without port."""
    assert normalize(authority) == host


@pytest.mark.parametrize(
    "authority",
    [
        b"",
        b":80",
        b".",
        b"..",
        b".example.com",
        b"example..com",
        b"example.com..",
        b"example.com:",
        b"example.com:0",
        b"example.com:080",
        b"example.com:65536",
        b"example.com:123456",
        b"example.com:80:80",
        b"example.com:http",
        b"example.com:-1",
        b"example.com:+1",
        b"example.com: 80",
        b"example.com :80",
        b" example.com",
        b"example.com ",
        b"example.com\t",
        b"a b",
        b"a,b",
        b"example.com, example.com",
        b"user@example.com",
        b"user:password@example.com",
        b"example.com/",
        b"example.com/x",
        b"example.com?x",
        b"example.com#x",
        b"http://example.com",
        b"exam%70le.com",
        b"example.com%00",
        b"example.com\x00",
        b"example.com\r\nX: y",
        b"example.com\n",
        b"example.com:80\n",
        b"*.example.com",
        b"*",
        b"-a.example.com",
        b"a-.example.com",
        b"a'b",
        b'"example.com"',
        b"a\\b",
        b"::1",
        b"[::1",
        b"::1]",
        b"[]",
        b"[::1]x",
        b"[::1]:",
        b"[::1]:80:80",
        b"[::1%eth0]",
        b"[fe80::1%25eth0]",
        b"[127.0.0.1]",
        b"[example.com]",
        b"[v1.x]",
        b"[1:2:3:4:5:6:7:8:9]",
        b"[:::1]",
        b"127.0.0.01",
        b"127.0.0.256",
        b"a" + LABEL.encode(),
        b"a" + LONGEST.encode(),
        b"\xff.example",
        "ex\u00adample\u2028.com".encode(),
        "a\u200b/b".encode(),
        "example\uff0ecom/x".encode(),
        "example.com\uff1a80".encode(),
    ],
)
def test_malformed_hosts(authority: bytes) -> None:
    """A value that is not one host with at most one port is 400."""
    with pytest.raises(ProxyError) as raised:
        normalize(authority)
    assert (raised.value.cause, raised.value.status) == (HTTP_REQUEST_ERROR, 400)


AUTHORITIES = st.one_of(
    st.text(st.sampled_from("aB1-_.:[]@ ,%/äß。٣\u200d*"), max_size=20).map(str.encode),
    st.binary(max_size=20),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded}]".encode()),
    st.ip_addresses(v=4).map(lambda address: str(address).encode()),
)


@given(AUTHORITIES)
def test_normal_hosts_stay(authority: bytes) -> None:
    """Any octets are refused with 400 or give a host that stays itself, as host and as exact pattern."""
    try:
        host = normalize(authority)
    except ProxyError as error:
        caught = error.cause
    else:
        caught = HTTP_REQUEST_ERROR
        assert normalize(f"[{host}]".encode() if ":" in host else host.encode()) == host
        assert normalize_pattern(host) == host
        assert not set(host) & set("*[]@/% ,")
    assert caught is HTTP_REQUEST_ERROR


@given(st.from_regex(r"\A[a-z0-9_-]{1,5}(\.[a-z0-9_-]{1,5}){0,4}\Z"))
def test_short_way_is_the_long_way(name: str) -> None:
    """The quick pattern for usual names agrees with the one reading of names."""
    try:
        expected = normalize_name(name)
    except ValueError:
        with pytest.raises(ProxyError):
            normalize(name.encode())
    else:
        assert normalize(name.encode()) == expected


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("*", "*"),
        ("Example.com.", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("**.example.com.", "**.example.com"),
        ("*.münchen.example", "*.xn--mnchen-3ya.example"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("*.localhost", "*.localhost"),
    ],
)
def test_patterns(text: str, pattern: str) -> None:
    """Host patterns have one spelling as well."""
    assert normalize_pattern(text) == pattern


@pytest.mark.parametrize(
    "text", ["", "**", "*.", "***.a", "a.*", "a.*.b", "*a.b", "*.*.a", "*.[::1]", "*.0.0.1", "a:80", "a/b"]
)
def test_bad_patterns(text: str) -> None:
    """What is no host pattern is refused."""
    with pytest.raises(ValueError):
        normalize_pattern(text)
