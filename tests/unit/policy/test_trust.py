"""Whose word about the client is believed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy.trust import Trust, node_address

TRUSTED = Trust([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1\t", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("localhost", None),
        ("192.0.2.1:", None),
        ("192.0.2.1:123456", None),
        ("192.0.2.1 192.0.2.2", None),
        ("[192.0.2.1", None),
        ("[]", None),
        ("[fe80::1%eth0]", None),
        ("192.0.2.256", None),
        ('"192.0.2.1"', None),
        ("1.2.3.4\n", None),
    ],
)
def test_node_address(text: str, address: str | None) -> None:
    """A member is an address with perhaps a port, in one spelling, or it is none."""
    assert node_address(text) == address


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("192.0.2.9", [b"198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"1.1.1.1", b"198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"198.51.100.1:99,10.0.0.2:4711"], "198.51.100.1"),
        ("10.0.0.1", [b"[2001:db8::1]:5"], "2001:db8::1"),
        ("10.0.0.1", [b"198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b"198.51.100.1, "], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1", b""], "10.0.0.1"),
        ("10.0.0.1", [b"\xff\xfe"], "10.0.0.1"),
        ("::ffff:10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("fd00::1", [b"198.51.100.1"], "198.51.100.1"),
        ("", [b"198.51.100.1"], ""),
    ],
)
def test_client_address(peer: str, values: list[bytes], client: str) -> None:
    """The chain is read from the right through trusted hops and never past what is no address."""
    assert TRUSTED.client_address(peer, values) == client


def test_unix_sockets() -> None:
    """A client on a unix socket is believed only if that was asked for."""
    believing = Trust([ip_network("10.0.0.0/8")], unix=True)
    assert [TRUSTED.is_trusted(""), believing.is_trusted("")] == [False, True]
    assert believing.client_address("", [b"198.51.100.1, 10.0.0.2"]) == "198.51.100.1"
    # An empty member is no unix socket: nobody knows who left it empty.
    assert believing.client_address("", [b"198.51.100.1, "]) == ""


ADDRESSES = st.sampled_from(["10.0.0.1", "10.9.9.9", "fd00::7", "192.0.2.1", "198.51.100.2", "2001:db8::1"])
MEMBERS = ADDRESSES | st.sampled_from(["", "unknown", "_x", "nonsense"])


@given(ADDRESSES, st.lists(MEMBERS, max_size=6), st.integers(0, 6))
def test_against_a_naive_model(peer: str, members: list[str], split: int) -> None:
    """However the chain is spread over fields, the answer is that of walking it hop by hop."""

    def trusted(text: str) -> bool:
        return any(ip_address(text) in ip_network(net) for net in ("10.0.0.0/8", "fd00::/8"))

    expected, rest = peer, list(members)
    while rest and trusted(expected):
        member = rest.pop()
        if not member or not (member[0].isdigit() or ":" in member):
            break
        expected = member
    fields = [part for part in (members[:split], members[split:]) if part]
    assert TRUSTED.client_address(peer, [", ".join(part).encode() for part in fields]) == expected


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_garbage_never_raises(values: list[bytes]) -> None:
    """Whatever octets a trusted hop passes on, the answer is an address."""
    assert ip_address(TRUSTED.client_address("10.0.0.1", values))


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_untrusted_clients_are_who_they_are(values: list[bytes]) -> None:
    """Nothing that an untrusted client sends changes its address."""
    assert TRUSTED.client_address("192.0.2.1", values) == "192.0.2.1"
