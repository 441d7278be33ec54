"""The header of the PROXY protocol, versions 1 and 2, without I/O.

Source: "The PROXY protocol, versions 1 & 2" (HAProxy's doc/proxy-protocol.txt); sections below are its own.

Rule: whoever sends it is believed in everything, so it is read exactly or refused: nothing is guessed,
and a wrong byte is refused as soon as it is there. No byte behind the header is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from txproxy.policy.addresses import parse

from .checksum import crc32c

# The longest line of version 1, with CR LF (2.1).
MAX_LINE = 107
# What may follow the addresses. HAProxy and the large clouds send a few hundred bytes at most.
MAX_TLVS = 4096

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
_BEGINNINGS = (b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ")
_PORT = rb"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) " + _PORT + b" " + _PORT + rb"\r\n")

_LOCAL = 0x20
_PROXY = 0x21
# Bytes of the two addresses, with their ports, by the family's number: none, IPv4, IPv6, unix.
_ADDRESSES = (0, 12, 36, 216)
_UNIX = 3
_UNIX_PATH = 108

# Types (2.2.1 to 2.2.7).
_ALPN = 0x01
_AUTHORITY = 0x02
_CHECKSUM = 0x03
_NOTHING = 0x04
_UNIQUE_ID = 0x05
_SSL = 0x20

Tlvs = tuple[tuple[int, bytes], ...]


class ProxyHeaderError(Exception):
    """What arrived is no PROXY header, or one that is not accepted.

    :ivar detail: what is wrong, for the log.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What the client's TLS, which the proxy ended, was like (2.2.6).

    :ivar over_tls: whether the client came by TLS at all.
    :ivar certificate: whether it has shown a certificate, on this connection or earlier in its session.
    :ivar verified: whether that certificate was found good. The field for it alone does not say so: senders
        give zero, "good", also where there is no certificate.
    :ivar version: as the proxy calls it, such as ``TLSv1.3``; None, as all that follow, where it was not told.
    :ivar cn: the common name of the certificate's subject.
    :ivar cipher: the cipher suite.
    :ivar signature: how the proxy's own certificate is signed.
    :ivar key: the kind of the proxy's own key.
    """

    over_tls: bool
    certificate: bool
    verified: bool
    version: str | None = None
    cn: str | None = None
    cipher: str | None = None
    signature: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What the proxy says of its client.

    :ivar source: the client's IP address in its one spelling (IPv4-mapped as IPv4); "" if there is none:
        for a connection that is the proxy's own, an unknown one, and one by a unix socket.
    :ivar source_port: 0 where there is none.
    :ivar destination: the IP address that the client came to, and its port.
    :ivar local: the addresses of the connection itself count: it is the proxy's own (a health check), or the
        proxy does not know its client's.
    :ivar source_path: of a unix socket, "@" in front of an abstract one; "" where the socket has no name.
    :ivar tlvs: type and value of all that was said beyond it, in order, without padding.
    """

    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    local: bool = False
    source_path: str = ""
    destination_path: str = ""
    tlvs: Tlvs = ()

    def first(self, kind: int) -> bytes | None:
        """Give the first value of this type; None: there is none."""
        for found, value in self.tlvs:
            if found == kind:
                return value
        return None

    @property
    def alpn(self) -> bytes | None:
        """The protocol that was agreed upon between client and proxy."""
        return self.first(_ALPN)

    @property
    def authority(self) -> str | None:
        """The host name that the client asked for: its SNI."""
        return _text(self.first(_AUTHORITY))

    @property
    def unique_id(self) -> bytes | None:
        """The proxy's own name for this connection, any bytes."""
        return self.first(_UNIQUE_ID)

    @property
    def ssl(self) -> ClientTls | None:
        """What the client's TLS was like; None: nothing was said of it."""
        value = self.first(_SSL)
        if value is None:
            return None
        told = {kind: _text(text) for kind, text in _tlvs(value[5:])}
        certificate = bool(value[0] & 6)
        verified = certificate and value[1:5] == b"\0\0\0\0"
        return ClientTls(bool(value[0] & 1), certificate, verified, *map(told.get, range(0x21, 0x26)))


class HeaderReader:
    """Reads the header of one connection from the pieces that arrive."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> tuple[ProxyHeader, bytes] | None:
        """Take what has arrived.

        :returns: the header, and what follows it; None: more is needed.
        :raises ProxyHeaderError: no more will help.
        """
        self._data = data = self._data + data
        found = proxy_header(data)
        if found is None:
            return None
        self._data = b""
        header, size = found
        return header, data[size:]


def proxy_header(data: bytes) -> tuple[ProxyHeader, int] | None:
    """Read the header at the front of all that has arrived.

    :returns: the header, and its length in bytes; None: more is needed.
    :raises ProxyHeaderError: no more will help.
    """
    if data[:1] == b"\r":
        return _read_binary(data)
    beginning = data[:15]
    if not any(beginning.startswith(known[: len(beginning)]) for known in _BEGINNINGS):
        raise ProxyHeaderError(f"it begins with {beginning!r}, not with a PROXY header")
    end = data.find(b"\r\n", 0, MAX_LINE) + 2
    if end >= 2:
        return _read_line(data[:end]), end
    if len(data) >= MAX_LINE:
        raise ProxyHeaderError(f"a PROXY header of version 1 without CR LF in its first {MAX_LINE} bytes")
    return None


# Version 1.


def _read_line(line: bytes) -> ProxyHeader:
    if line.startswith(b"PROXY UNKNOWN"):
        return ProxyHeader(local=True)  # what else is in the line is to be ignored
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProxyHeaderError(f"not a PROXY header: {line!r}")
    family, source, destination, source_port, destination_port = found.groups()
    return ProxyHeader(
        _address(family, source), _port(source_port), _address(family, destination), _port(destination_port)
    )


def _address(family: bytes, text: bytes) -> str:
    address = parse(text.decode("ascii"))
    if address is None or (b":" in text) is not (family == b"6"):
        raise ProxyHeaderError(f"a PROXY header for TCP{family.decode()} with the address {text.decode()!r}")
    return str(address)


def _port(text: bytes) -> int:
    port = int(text)
    if port > 65535:
        raise ProxyHeaderError(f"a PROXY header with the port {port}")
    return port


# Version 2.


def _read_binary(data: bytes) -> tuple[ProxyHeader, int] | None:
    if not _SIGNATURE.startswith(data[:12]):
        raise ProxyHeaderError(f"it begins with {data[:12]!r}, not with a PROXY header")
    if len(data) > 12 and data[12] not in (_LOCAL, _PROXY):
        raise ProxyHeaderError(f"a PROXY header with version and command {data[12]:#04x}")
    if len(data) < _FIXED:
        return None
    is_local = data[12] == _LOCAL
    family, kind = divmod(data[13], 16)
    if not is_local and (family > _UNIX or kind > 2):
        raise ProxyHeaderError(f"a PROXY header with the family {data[13]:#04x}")
    size = data[14] << 8 | data[15]
    addresses = _ADDRESSES[_UNIX] if is_local else _ADDRESSES[family]
    if size > addresses + MAX_TLVS:
        raise ProxyHeaderError(f"a PROXY header of {size} bytes; at most {addresses + MAX_TLVS} are accepted")
    if size < addresses and not is_local:
        raise ProxyHeaderError(f"a PROXY header with {size} bytes where {addresses} of addresses belong")
    end = _FIXED + size
    if len(data) < end:
        return None
    if is_local:
        return ProxyHeader(local=True), end  # all of the block is to be discarded, its family as well
    tlvs = _checked(data[:end], _FIXED + addresses)
    if not family or not kind:
        return ProxyHeader(local=True, tlvs=tlvs), end
    return _with_addresses(family, data[_FIXED : _FIXED + addresses], tlvs), end


def _with_addresses(family: int, block: bytes, tlvs: Tlvs) -> ProxyHeader:
    if family == _UNIX:
        source_path, destination_path = _path(block[:_UNIX_PATH]), _path(block[_UNIX_PATH:])
        return ProxyHeader(source_path=source_path, destination_path=destination_path, tlvs=tlvs)
    size = (len(block) - 4) // 2
    source, destination = _ip(block[:size]), _ip(block[size : 2 * size])
    ports = block[-4:]
    return ProxyHeader(source, ports[0] << 8 | ports[1], destination, ports[2] << 8 | ports[3], tlvs=tlvs)


def _ip(packed: bytes) -> str:
    if len(packed) == 4:
        return str(IPv4Address(packed))
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _path(field: bytes) -> str:
    # A leading NUL is an abstract name on Linux (unix(7)); all NUL is a socket without a name.
    if field[0]:
        name = field.partition(b"\0")[0]
    else:
        name = field.rstrip(b"\0").replace(b"\0", b"@")
    return name.decode("utf-8", "backslashreplace")


def _checked(header: bytes, at: int) -> Tlvs:
    """Read the TLVs from there to the end, and hold the header to its checksum if there is one (2.2.3)."""
    found = []
    summed = False
    for kind, value in _tlvs(header[at:]):
        at += 3
        if kind == _CHECKSUM:
            if summed or len(value) != 4:
                raise ProxyHeaderError("a PROXY header with a checksum that is none")
            summed = True
            if crc32c((header[:at], b"\0\0\0\0", header[at + 4 :])) != int.from_bytes(value):
                raise ProxyHeaderError("a PROXY header whose checksum is wrong")
        elif kind == _SSL:
            _judge_ssl(value)
        elif kind == _UNIQUE_ID and len(value) > 128:
            raise ProxyHeaderError(f"a PROXY header with a unique id of {len(value)} bytes; 128 are allowed")
        if kind != _NOTHING:
            found.append((kind, value))
        at += len(value)
    return tuple(found)


def _judge_ssl(value: bytes) -> None:
    if len(value) < 5:
        raise ProxyHeaderError("a PROXY header that says too little of the client's TLS")
    for _ in _tlvs(value[5:]):
        pass  # so that it can be read later without an error


def _tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at : at + 3]
        at += 3
        end = at + int.from_bytes(head[1:])
        if len(head) < 3 or end > len(data):
            raise ProxyHeaderError("a PROXY header with a TLV that reaches beyond its end")
        yield head[0], data[at:end]
        at = end


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
