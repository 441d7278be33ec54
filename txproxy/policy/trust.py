"""Whose word about where a request came from is believed.

Rule: only what a trusted network says is believed, and each hop only about the one before it: the chain
is read from the right, as long as the one who wrote a member is trusted, and never past a member that is
not an address, for nobody knows who wrote what stands left of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from .addresses import AddressSet, parse

# Some proxies add the port they saw: 192.0.2.1:4711, [2001:db8::1]:4711. Brackets also come without one.
_NODE = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")


def node_address(text: str) -> str | None:
    """Read one member of X-Forwarded-For, or one `for` of Forwarded (without quotes).

    :returns: the address in its one spelling (RFC 5952; IPv4-mapped as IPv4); None for what is no address:
        empty, ``unknown``, obfuscated (RFC 7239, section 6.3), a name, garbage.
    """
    text = text.strip(" \t")
    found = _NODE.fullmatch(text)
    address = parse(text if found is None else found[1] or found[2] or "")
    return None if address is None else str(address)


class Trust:
    """The trusted networks.

    :param unix: also believe clients on unix sockets, which have no address ("").
    """

    __slots__ = ("_addresses", "_unix")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network], *, unix: bool = False) -> None:
        self._addresses = AddressSet(networks)
        self._unix = unix

    def is_trusted(self, ip: str) -> bool:
        """Tell whether an address is in a trusted network; "" stands for a unix socket."""
        return ip in self._addresses if ip else self._unix

    def client_address(self, peer_ip: str, forwarded_for: Sequence[bytes]) -> str:
        """Give the address of the client, as far as it can be believed.

        :param peer_ip: whoever the connection comes from; "" for a unix socket.
        :param forwarded_for: all values of X-Forwarded-For in the order received (RFC 9110, section 5.3:
            they are one list), or the nodes of Forwarded from `forwarded.nodes`.
        :returns: the first address from the right that is not trusted; if all are, the leftmost before
            the first member that is no address; `peer_ip` if it is not trusted or nothing else is known.
        """
        client = peer_ip
        if not forwarded_for or not self.is_trusted(peer_ip):
            return client
        for member in reversed(b",".join(forwarded_for).split(b",")):
            address = node_address(member.decode("latin-1"))
            if address is None:
                return client
            client = address
            if address not in self._addresses:
                return client
        return client

    def __repr__(self) -> str:
        return f"<Trust {', '.join(map(str, self._addresses.networks)) or 'nobody'}>"
