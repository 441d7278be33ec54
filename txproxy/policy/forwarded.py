"""The fields that tell a backend where a request came from.

Rule: what an untrusted client says about itself never reaches a backend in these fields: they are
replaced. From a trusted one (`policy.trust`), chains are kept and continued, single facts are kept.

- X-Forwarded-For: the chain, continued with the address the connection came from. A client on a unix
  socket has none; nothing is added then, and without a kept chain the field is left out, since those who
  read it expect addresses (an ``unknown`` there crashes some and is taken for a name by others).
- X-Forwarded-Proto, -Host, -Port: kept if the trusted client sent them, else ours. If it sent -Proto or
  -Host but no -Port, no port is added: ours would be that of another hop than the one described.
- Forwarded (RFC 7239): the chain is kept if it is well-formed (after an open quote our own element would
  be part of a text), and continued with for, proto and host; a unix socket is ``for=unknown`` (section 6.2).
  If there is no such chain but one in X-Forwarded-For, that is carried over, as section 7.4 has it.
- With neither configured, or only the other kind: a trusted client's fields pass as they are.
- X-Forwarded-* of other names and X-Real-IP pass from a trusted client and are dropped from others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .addresses import parse
from .trust import Trust, node_address

X_FORWARDED = "x-forwarded"
FORWARDED = "forwarded"
Provenance = Sequence[tuple[bytes, bytes]]

_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"})
_NAMES = {
    b"x-forwarded-for": b"X-Forwarded-For",
    b"x-forwarded-proto": b"X-Forwarded-Proto",
    b"x-forwarded-host": b"X-Forwarded-Host",
    b"x-forwarded-port": b"X-Forwarded-Port",
    b"x-real-ip": b"X-Real-IP",
    b"forwarded": b"Forwarded",
}

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # RFC 9110, section 5.6.2: a token
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+"'
_PAIR = re.compile(rf"({_WORD})=({_WORD}|{_QUOTED})")
# RFC 7239, section 4. Empty pairs and members are in its grammar; space beside ; is not, but is sent.
# Possessive throughout: who sends it may not make it slow.
_ELEMENT = rf"[ \t]*+(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?+(?:[ \t]*+;[ \t]*+(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?+)*+[ \t]*+"
_CHAIN = re.compile(rf"{_ELEMENT}(?:,{_ELEMENT})*+")
_MEMBER = re.compile(rf'(?:[^,"]++|{_QUOTED})++')
_PLAIN = re.compile(_WORD)
_PORT = re.compile(rb":[0-9]*\Z")
_OBFUSCATED = re.compile(r"(?i:unknown)|_[A-Za-z0-9._\-]+")


def nodes(values: Iterable[bytes]) -> list[bytes]:
    """Give the `for` of each element of Forwarded, in order and unquoted, as `Trust.client_address` reads them.

    An element without exactly one, or a field that is malformed, gives an empty node: the reading ends there.
    """
    return [_said(member, "for").replace(",", " ").encode("latin-1") for member in _members(values)]


def _members(values: Iterable[bytes]) -> list[str]:
    found: list[str] = []
    for value in values:
        text = value.decode("latin-1")
        found += _MEMBER.findall(text) if _CHAIN.fullmatch(text) else [""]
    return found


def _said(member: str, wanted: str) -> str:
    """Give what an element says under this name if it says it once, else ""."""
    named = [value for name, value in _PAIR.findall(member) if name.lower() == wanted]
    return _unquoted(named[0]) if len(named) == 1 else ""


def asked_authority(provenance: Provenance, authority: bytes, client_ip: str) -> bytes:
    """Give host and port that the client asked a trusted proxy for: X-Forwarded-Host, else Forwarded, else its Host.

    A proxy that tells the port apart from the host (X-Forwarded-Port) is understood.

    :param provenance: of a trusted client.
    :param authority: what that client, the proxy, asks us for.
    :param client_ip: of `client_address`; in Forwarded its element is the one that counts.
    """
    said = _last_said(provenance, b"x-forwarded-host")
    if not said:
        for member in _members(_values(provenance, b"forwarded")):
            if node_address(_said(member, "for")) == client_ip:
                said = _said(member, "host").encode("latin-1")
    asked = said or authority
    port = _last_said(provenance, b"x-forwarded-port")
    # 80 and 443 are not told apart from a proxy that does not know better.
    if port.isdigit() and port not in {b"80", b"443"} and not _PORT.search(asked):
        asked += b":" + port
    return asked


def _last_said(provenance: Provenance, name: bytes) -> bytes:
    # Where every hop has added its own, the last is that of the hop before us.
    values = _values(provenance, name)
    return values[-1].rpartition(b",")[2].strip(b" \t") if values else b""


class Forwarding:
    """What one route adds to its requests; made once, when the map is loaded.

    :param kinds: `X_FORWARDED`, `FORWARDED`, both or none.
    """

    __slots__ = ("_forwarded", "_trust", "_usual", "_x_forwarded")

    def __init__(self, kinds: Iterable[str], trust: Trust) -> None:
        kinds = frozenset(kinds)
        if unknown := kinds - {X_FORWARDED, FORWARDED}:
            raise ValueError(f"no such way to forward: {', '.join(sorted(unknown))}")
        self._x_forwarded = X_FORWARDED in kinds
        self._forwarded = FORWARDED in kinds
        self._usual = kinds == {X_FORWARDED}
        self._trust = trust

    def is_trusted(self, ip: str) -> bool:
        """Tell whether what an address says of its clients is believed; "" stands for a unix socket."""
        return self._trust.is_trusted(ip)

    def client_address(self, peer_ip: str, provenance: Provenance) -> str:
        """Give the believed address of the client from what it sent: X-Forwarded-For, else Forwarded."""
        if not provenance or not self._trust.is_trusted(peer_ip):
            return peer_ip
        chain = [value for name, value in provenance if name == b"x-forwarded-for"]
        chain = chain or nodes(value for name, value in provenance if name == b"forwarded")
        return self._trust.client_address(peer_ip, chain)

    def client_scheme(self, scheme: str, client_ip: str, provenance: Provenance) -> str:
        """Give the believed scheme of the client, from what a trusted one sent: X-Forwarded-Proto, else Forwarded.

        :param scheme: of the connection, which it is if nothing else is said: "http" or "https".
        :param client_ip: of `client_address`; in Forwarded its element is the one that counts.
        """
        said = ""
        if values := _values(provenance, b"x-forwarded-proto"):
            # Where every hop has added its own, the last is that of the hop before us.
            said = values[-1].rpartition(b",")[2].strip().decode("latin-1")
        else:
            for member in _members(_values(provenance, b"forwarded")):
                if node_address(_said(member, "for")) == client_ip:
                    said = _said(member, "proto")
        said = said.lower()
        return said if said in {"http", "https"} else scheme

    def block(
        self,
        provenance: Provenance,
        client_ip: str,
        client_port: int,
        scheme: str,
        authority: bytes,
        local_port: int,
        trusted: bool,
    ) -> bytes:
        """Give the block to append to a request from which the fields in `provenance` were removed.

        :param provenance: (lower-case name, value) of the fields the client sent, in order.
        :param client_ip: where the connection comes from, "" for a unix socket; `client_port` likewise or 0.
        :param scheme: "http" or "https".
        :param authority: what the client asked for, as sent; checked by the codec; may be empty.
        :param local_port: the port that the client connected to, 0 for a unix socket.
        :param trusted: `Trust.is_trusted` of the address the connection comes from.
        """
        if client_ip.startswith("::") and (address := parse(client_ip)) is not None:
            client_ip = str(address)  # an IPv4 client on an IPv6 socket
        if self._usual and client_ip and authority and local_port and not (trusted and provenance):
            return (
                b"\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Port: %d"
                % (client_ip.encode("ascii"), scheme.encode("ascii"), authority, local_port)
            )
        kept = list(provenance) if trusted else []
        pieces = []
        if self._x_forwarded:
            pieces.append(_x_forwarded(kept, client_ip, scheme, authority, local_port))
        if self._forwarded:
            pieces.append(_forwarded(kept, client_ip, client_port, scheme, authority))
        for name, value in kept:
            continued = self._x_forwarded if name in _OURS else self._forwarded if name == b"forwarded" else False
            if not continued and (name in _NAMES or name.startswith(b"x-forwarded-")):
                pieces.append(b"\r\n%b: %b" % (_NAMES.get(name, name.title()), value))
        return b"".join(pieces)


def _values(kept: Provenance, wanted: bytes) -> list[bytes]:
    return [value for name, value in kept if name == wanted]


def _x_forwarded(kept: Provenance, client_ip: str, scheme: str, authority: bytes, local_port: int) -> bytes:
    proto, host, port = (_values(kept, b"x-forwarded-" + name) for name in (b"proto", b"host", b"port"))
    if not port and not proto and not host and local_port:
        port = [b"%d" % local_port]
    chain = _values(kept, b"x-forwarded-for")
    if client_ip:
        chain.append(client_ip.encode("ascii"))
    values = (
        (b"X-Forwarded-For", chain),
        (b"X-Forwarded-Proto", proto or [scheme.encode("ascii")]),
        (b"X-Forwarded-Host", host or ([authority] if authority else [])),
        (b"X-Forwarded-Port", port),
    )
    return b"".join([b"\r\n%b: %b" % (name, b", ".join(found)) for name, found in values if found])


def _forwarded(kept: Provenance, client_ip: str, client_port: int, scheme: str, authority: bytes) -> bytes:
    chain = [value for value in _values(kept, b"forwarded") if _CHAIN.fullmatch(value.decode("latin-1"))]
    if not chain:
        chain = [_carried_over(member) for member in b",".join(_values(kept, b"x-forwarded-for")).split(b",") if member]
    pairs = [f"for={_node(client_ip, client_port)}", f"proto={scheme}"]
    if authority:
        pairs.append(f"host={_quoted(authority.decode('latin-1'))}")
    chain.append(";".join(pairs).encode("latin-1"))
    return b"\r\nForwarded: " + b", ".join(chain)


def _carried_over(member: bytes) -> bytes:
    text = member.decode("latin-1").strip(" \t")
    if (address := node_address(text)) is not None:
        return b"for=" + _node(address, 0).encode("ascii")
    # RFC 7239, section 6: what is neither an address nor a proper identifier has no place in it.
    return b"for=" + (text if _OBFUSCATED.fullmatch(text) else "unknown").encode("ascii")


def _node(ip: str, port: int) -> str:
    # RFC 7239, section 6: IPv6 in brackets; a colon makes the quotes necessary (section 4).
    if not ip:
        return "unknown"
    name = f"[{ip}]" if ":" in ip else ip
    return _quoted(f"{name}:{port}" if port else name)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
