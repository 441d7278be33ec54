"""The fields that tell a backend where a request came from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields
from txproxy.policy.forwarded import FORWARDED, X_FORWARDED, Forwarding, nodes
from txproxy.policy.trust import Trust

TRUST = Trust([ip_network("10.0.0.0/8")])
IP = "10.0.0.1"


def block(
    kinds: set[str],
    provenance: tuple[tuple[bytes, bytes], ...] = (),
    ip: str = IP,
    *,
    port: int = 4711,
    scheme: str = "http",
    authority: bytes = b"a.example.com",
    local_port: int = 80,
    trusted: bool = True,
) -> list[tuple[bytes, bytes]]:
    """Compute a block and give its fields."""
    return fields.items(Forwarding(kinds, TRUST).block(provenance, ip, port, scheme, authority, local_port, trusted))


def x(ip: str = IP, proto: str = "http", host: str = "a.example.com", port: str = "80") -> list[tuple[bytes, bytes]]:
    """Give the X-Forwarded-* fields that are not empty."""
    found = {"X-Forwarded-For": ip, "X-Forwarded-Proto": proto, "X-Forwarded-Host": host, "X-Forwarded-Port": port}
    return [(name.encode(), value.encode()) for name, value in found.items() if value]


SPOOFED = (
    (b"x-forwarded-for", b"1.1.1.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"1"),
    (b"x-forwarded-prefix", b"/x"),
    (b"x-real-ip", b"1.1.1.1"),
    (b"forwarded", b"for=1.1.1.1"),
    (b"x-request-id", b"7"),
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, x()),
        ({"scheme": "https", "local_port": 443}, x(proto="https", port="443")),
        ({"ip": "2001:db8::1"}, x("2001:db8::1")),
        ({"ip": "::ffff:192.0.2.1"}, x("192.0.2.1")),
        ({"ip": "::1"}, x("::1")),
        ({"ip": "", "local_port": 0}, x("", port="")),
        ({"authority": b""}, x(host="")),
        ({"authority": b"[::1]:8080"}, x(host="[::1]:8080")),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_nothing_received(changes: dict, expected: list, trusted: bool) -> None:
    """Without fields from the client, the four fields tell of this connection; what is unknown is left out."""
    assert block({X_FORWARDED}, trusted=trusted, **changes) == expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({X_FORWARDED}, x()),
        ({FORWARDED}, [(b"Forwarded", b'for="10.0.0.1:4711";proto=http;host=a.example.com')]),
        (set(), []),
    ],
)
def test_untrusted_clients_are_replaced(kinds: set[str], expected: list) -> None:
    """Nothing that an untrusted client says about its origin passes, whatever the route adds."""
    assert block(kinds, SPOOFED, trusted=False) == expected


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ([("for", "1.1.1.1")], x("1.1.1.1, 10.0.0.1")),
        ([("for", "1.1.1.1"), ("for", "2.2.2.2, unknown")], x("1.1.1.1, 2.2.2.2, unknown, 10.0.0.1")),
        ([("proto", "https"), ("host", "b.example.com"), ("port", "443")], x(IP, "https", "b.example.com", "443")),
        ([("proto", "https")], x(proto="https", port="")),
        ([("host", "b.example.com")], x(host="b.example.com", port="")),
        ([("port", "8443")], x(port="8443")),
        ([("prefix", "/p"), ("server", "s")], [*x(), (b"X-Forwarded-Prefix", b"/p"), (b"X-Forwarded-Server", b"s")]),
    ],
)
def test_trusted_clients_are_continued(received: list[tuple[str, str]], expected: list) -> None:
    """A trusted client's chain is continued and its facts are kept."""
    provenance = tuple((f"x-forwarded-{name}".encode(), value.encode()) for name, value in received)
    assert block({X_FORWARDED}, provenance) == expected


def test_trusted_unix_client_keeps_the_chain() -> None:
    """A trusted client without an address adds none to X-Forwarded-For."""
    assert block({X_FORWARDED}, ((b"x-forwarded-for", b"1.1.1.1"),), "", local_port=0) == x("1.1.1.1", port="")


@pytest.mark.parametrize("kinds", [set(), {FORWARDED}])
def test_other_fields_of_a_trusted_client_pass(kinds: set[str]) -> None:
    """What the route does not write itself passes from a trusted client; the request id is not of this kind."""
    passed = dict(block(kinds, SPOOFED))
    passed.pop(b"Forwarded")
    assert passed == {
        **dict(x("1.1.1.1", "https", "evil.example", "1")),
        b"X-Forwarded-Prefix": b"/x",
        b"X-Real-IP": b"1.1.1.1",
    }


@pytest.mark.parametrize(
    ("received", "arguments", "expected"),
    [
        ([], {}, 'for="10.0.0.1:4711";proto=http;host=a.example.com'),
        ([], {"port": 0}, "for=10.0.0.1;proto=http;host=a.example.com"),
        ([], {"ip": "2001:db8::1", "port": 0}, 'for="[2001:db8::1]";proto=http;host=a.example.com'),
        ([], {"ip": "2001:db8::1"}, 'for="[2001:db8::1]:4711";proto=http;host=a.example.com'),
        ([], {"ip": "", "port": 0}, "for=unknown;proto=http;host=a.example.com"),
        ([], {"authority": b"a.example.com:8080"}, 'for="10.0.0.1:4711";proto=http;host="a.example.com:8080"'),
        ([], {"authority": b""}, 'for="10.0.0.1:4711";proto=http'),
        ([], {"authority": b'a"b\\c'}, 'for="10.0.0.1:4711";proto=http;host="a\\"b\\\\c"'),
        (
            [("forwarded", 'for="[2001:db8::1]:9"'), ("forwarded", "for=_hidden, for=unknown;by=_x")],
            {"port": 0},
            'for="[2001:db8::1]:9", for=_hidden, for=unknown;by=_x, for=10.0.0.1;proto=http;host=a.example.com',
        ),
        # An open quote would swallow what is added.
        ([("forwarded", 'for="1.1.1.1')], {"port": 0}, "for=10.0.0.1;proto=http;host=a.example.com"),
        ([("forwarded", 'for=1.1.1.1;host="a\\')], {"port": 0}, "for=10.0.0.1;proto=http;host=a.example.com"),
        (
            [("x-forwarded-for", "1.1.1.1, 2001:db8::1:7,unknown,_x, <script>, ::1")],
            {"port": 0},
            (
                'for=1.1.1.1, for="[2001:db8::1:7]", for=unknown, for=_x, for=unknown, for="[::1]", '
                "for=10.0.0.1;proto=http;host=a.example.com"
            ),
        ),
    ],
)
def test_rfc_7239(received: list[tuple[str, str]], arguments: dict, expected: str) -> None:
    """Forwarded quotes what is no token, brackets IPv6, keeps well-formed chains and carries X-Forwarded-For over."""
    provenance = tuple((name.encode(), value.encode()) for name, value in received)
    assert dict(block({FORWARDED}, provenance, **arguments))[b"Forwarded"] == expected.encode()


def test_both_kinds() -> None:
    """A route may add both kinds, each once."""
    assert [name for name, _ in block({X_FORWARDED, FORWARDED}, SPOOFED)] == [
        b"X-Forwarded-For",
        b"X-Forwarded-Proto",
        b"X-Forwarded-Host",
        b"X-Forwarded-Port",
        b"Forwarded",
        b"X-Forwarded-Prefix",
        b"X-Real-IP",
    ]


def test_unknown_kind() -> None:
    """A kind that does not exist is refused when the route is made."""
    with pytest.raises(ValueError, match="x-forwared"):
        Forwarding({"x-forwared"}, TRUST)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=1.1.1.1", ["1.1.1.1"]),
        ("FOR=1.1.1.1;proto=https, by=x;for=2.2.2.2", ["1.1.1.1", "2.2.2.2"]),
        ('for="[2001:db8::1]:80"', ["[2001:db8::1]:80"]),
        ('for="\\1.1.1.1"', ["1.1.1.1"]),
        ("proto=http", [""]),
        ("for=1.1.1.1;for=2.2.2.2", [""]),
        ('host="a;for=6.6.6.6"', [""]),
        ('host="a, for=6.6.6.6";for=1.1.1.1', ["1.1.1.1"]),
        ('for="1.1.1.1, 6.6.6.6"', ["1.1.1.1  6.6.6.6"]),
        ('for="1.1.1.1', [""]),
        ("for=1.1.1.1 ; proto=http ,for=2.2.2.2", ["1.1.1.1", "2.2.2.2"]),
        ("for", [""]),
        ("for=1.1.1.1; ;", ["1.1.1.1"]),
    ],
)
def test_nodes(value: str, expected: list[str]) -> None:
    """Each element gives its one `for`, and text inside quotes is never taken for a pair."""
    assert nodes([value.encode()]) == [node.encode() for node in expected]


@pytest.mark.parametrize(
    ("provenance", "client"),
    [
        ((), IP),
        (((b"x-forwarded-for", b"1.1.1.1"),), "1.1.1.1"),
        (((b"forwarded", b'for="[2001:db8::1]:9", for=10.0.0.7'),), "2001:db8::1"),
        (((b"forwarded", b"for=1.1.1.1, for=_x"),), IP),
        (((b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"1.1.1.1")), "1.1.1.1"),
        (((b"x-real-ip", b"6.6.6.6"),), IP),
    ],
)
def test_client_address(provenance: tuple, client: str) -> None:
    """X-Forwarded-For tells who the client is and, where there is none, Forwarded does."""
    assert Forwarding((), TRUST).client_address(IP, provenance) == client


@pytest.mark.parametrize(
    ("provenance", "scheme"),
    [
        ((), "http"),
        (((b"x-forwarded-proto", b"https"),), "https"),
        (((b"x-forwarded-proto", b"HTTPS"),), "https"),
        (((b"x-forwarded-proto", b"https, http"),), "http"),
        (((b"x-forwarded-proto", b"http"), (b"x-forwarded-proto", b"https")), "https"),
        (((b"x-forwarded-proto", b"javascript"),), "http"),
        (((b"x-forwarded-proto", b""), (b"forwarded", b"for=1.1.1.1;proto=https")), "http"),
        (((b"forwarded", b"for=1.1.1.1;proto=https"),), "https"),
        (((b"forwarded", b'For="1.1.1.1:9";Proto="https", for=10.0.0.7;proto=http'),), "https"),
        (((b"forwarded", b"for=6.6.6.6;proto=https, for=1.1.1.1"),), "http"),
        (((b"forwarded", b"for=1.1.1.1;proto=https;proto=http"),), "http"),
        (((b"forwarded", b'for=1.1.1.1;proto="https'),), "http"),
    ],
)
def test_client_scheme(provenance: tuple, scheme: str) -> None:
    """X-Forwarded-Proto tells the scheme and, where there is none, the client's element of Forwarded does."""
    assert Forwarding((), TRUST).client_scheme("http", "1.1.1.1", provenance) == scheme


def test_client_address_of_an_untrusted_client() -> None:
    """An untrusted client is the address it comes from."""
    assert Forwarding((), TRUST).client_address("192.0.2.1", SPOOFED) == "192.0.2.1"


NAMES = st.sampled_from([name for name, _ in SPOOFED])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")).map(
    lambda text: text.strip().encode("latin-1")
)


@given(
    st.sets(st.sampled_from([X_FORWARDED, FORWARDED])), st.lists(st.tuples(NAMES, VALUES), max_size=5), st.booleans()
)
def test_always_a_block(kinds: set[str], provenance: list, trusted: bool) -> None:
    """Whatever the fields held, the result is a block of valid fields in which our own Forwarded can be read."""
    found = block(kinds, tuple(provenance), trusted=trusted)
    assert fields.from_items(found) is not None
    if FORWARDED in kinds:
        assert nodes([dict(found)[b"Forwarded"]])[-1] == b"10.0.0.1:4711"


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_untrusted_fields_change_nothing(provenance: list) -> None:
    """For an untrusted client the block is the same whatever it sent."""
    for kinds in ({X_FORWARDED}, {FORWARDED}, {X_FORWARDED, FORWARDED}, set()):
        assert block(kinds, tuple(provenance), trusted=False) == block(kinds, trusted=False)


def test_hostile_chains_are_read_in_one_pass() -> None:
    """A long field made to be read in many ways is judged at once: the patterns never go back."""
    for hostile in (b"; " * 4000 + b"\x01", b" " * 8000 + b"\x01", b'for="' + b"\\a" * 4000, b"a=b;" * 3000 + b'"'):
        assert nodes([hostile]) == [b""]
