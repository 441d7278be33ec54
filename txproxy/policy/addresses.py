"""Client addresses: one spelling, and quick membership in sets of networks.

Rule: text that is not exactly one IP address is no member of any set; nothing about it is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Clients come back, so their answers are kept; bounded, because anyone may come from anywhere.
_REMEMBERED = 4096
_MAPPED = IPv6Network("::ffff:0:0/96")


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; an IPv4-mapped one (RFC 4291, section 2.5.5.2) is the IPv4 address it stands for.

    None if the text is anything else: a name, with a port, with a zone, with spaces, empty.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


class AddressSet:
    """A set of networks that tells whether an address is in one of them.

    The cost is one dictionary lookup for an address seen lately, else one for each prefix length in use.
    """

    __slots__ = ("_remembered", "_v4", "_v6", "networks")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self.networks = tuple(map(unmapped, networks))
        self._v4 = _by_shift(network for network in self.networks if isinstance(network, IPv4Network))
        self._v6 = _by_shift(network for network in self.networks if isinstance(network, IPv6Network))
        self._remembered: dict[str, bool] = {}

    def __contains__(self, text: str) -> bool:
        known = self._remembered.get(text)
        if known is None:
            known = self.has(parse(text))
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[text] = known
        return known

    def has(self, address: IPv4Address | IPv6Address | None) -> bool:
        """Tell whether an address from `parse` is in the set; None never is."""
        if address is None:
            return False
        number = int(address)
        by_shift = self._v4 if isinstance(address, IPv4Address) else self._v6
        return any(number >> shift in members for shift, members in by_shift)


def unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Give the IPv4 network that a network of IPv4-mapped addresses stands for; others as they are."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def _by_shift(networks: Iterable[IPv4Network | IPv6Network]) -> tuple[tuple[int, frozenset[int]], ...]:
    found: dict[int, set[int]] = {}
    for network in networks:
        shift = network.max_prefixlen - network.prefixlen
        found.setdefault(shift, set()).add(int(network.network_address) >> shift)
    return tuple((shift, frozenset(members)) for shift, members in found.items())
