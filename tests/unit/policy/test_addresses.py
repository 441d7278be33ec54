"""Client addresses and sets of networks."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy import addresses
from txproxy.policy.addresses import AddressSet, parse, unmapped

V4_NETWORKS = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda p: ip_network(p, strict=False))
V6_NETWORKS = st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda p: ip_network(p, strict=False))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", IPv4Address("192.0.2.1")),
        ("2001:DB8::1", IPv6Address("2001:db8::1")),
        ("::ffff:192.0.2.1", IPv4Address("192.0.2.1")),
        ("::ffff:c000:201", IPv4Address("192.0.2.1")),
        ("fe80::1%eth0", None),
        ("192.0.2.1:80", None),
        ("[::1]", None),
        (" 192.0.2.1", None),
        ("192.0.2.01", None),
        ("192.0.2", None),
        ("3221225985", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_parse(text: str, address: IPv4Address | IPv6Address | None) -> None:
    """Only text that is exactly an address is one; an IPv4-mapped one is the IPv4 address."""
    assert parse(text) == address


@given(st.lists(V4_NETWORKS | V6_NETWORKS, max_size=5), st.ip_addresses())
def test_membership(networks: list, address: IPv4Address | IPv6Address) -> None:
    """The set holds what one of its networks holds, asked once or again."""
    wanted = parse(str(address))
    expected = any(wanted in unmapped(network) for network in networks)
    members = AddressSet(networks)
    assert [str(address) in members, str(address) in members] == [expected, expected]


@given(V4_NETWORKS, st.ip_addresses(v=4))
def test_mapped_networks_mean_ipv4(network, address: IPv4Address) -> None:
    """A network written as IPv4-mapped IPv6 holds the same IPv4 clients, in either spelling."""
    mapped = ip_network((ip_address(f"::ffff:{network.network_address}"), network.prefixlen + 96))
    expected = address in network
    assert [str(address) in AddressSet([mapped]), f"::ffff:{address}" in AddressSet([network])] == [expected, expected]


def test_nothing_else_is_a_member() -> None:
    """Garbage and the empty text are in no set, not even in one of everything."""
    everything = AddressSet([ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert [text in everything for text in ("", "x", "1.2.3.4:5", "::1%1")] == [False] * 4


def test_memory_is_bounded() -> None:
    """However many addresses are asked for, only so many answers are kept."""
    members = AddressSet([ip_network("10.0.0.0/8")])
    for number in range(3 * addresses._REMEMBERED):
        assert f"10.0.{number >> 8}.{number & 255}" in members
    assert len(members._remembered) <= addresses._REMEMBERED
