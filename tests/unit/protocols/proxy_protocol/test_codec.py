"""What PROXY headers mean."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from tests.unit.protocols.proxy_protocol.encoding import binary, inet, line, ssl, summed, tlv, unix
from txproxy.protocols.proxy_protocol.codec import (
    MAX_TLVS,
    ClientTls,
    HeaderReader,
    ProxyHeader,
    ProxyHeaderError,
    proxy_header,
)

LOCAL = ProxyHeader(local=True)
V4 = inet("192.0.2.1", 56324, "192.0.2.11", 443)
V6 = inet("2001:db8::1", 1, "2001:db8::2", 65535)
IS_V4 = ("192.0.2.1", 56324, "192.0.2.11", 443)
IS_V6 = ("2001:db8::1", 1, "2001:db8::2", 65535)
LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

GOOD = {
    # Version 1.
    "IPv4": (line("TCP4", "192.0.2.1", "192.0.2.11", 56324, 443), ProxyHeader(*IS_V4)),
    "IPv4, the longest": (
        line("TCP4", "255.255.255.255", "255.255.255.255", 65535, 65535),
        ProxyHeader("255.255.255.255", 65535, "255.255.255.255", 65535),
    ),
    "IPv4, the least": (line("TCP4", "0.0.0.0", "0.0.0.0", 0, 0), ProxyHeader("0.0.0.0", 0, "0.0.0.0", 0)),
    "IPv6": (line("TCP6", "2001:db8::1", "2001:db8::2", 1, 65535), ProxyHeader(*IS_V6)),
    "IPv6, in capitals": (line("TCP6", "2001:DB8:0:0::1", "2001:DB8::2", 1, 65535), ProxyHeader(*IS_V6)),
    "IPv6, the longest": (
        line("TCP6", LONGEST, LONGEST, 65535, 65535),
        ProxyHeader(LONGEST, 65535, LONGEST, 65535),
    ),
    "IPv6, mapped": (
        line("TCP6", "::ffff:192.0.2.1", "::ffff:c000:20b", 56324, 443),
        ProxyHeader(*IS_V4),
    ),
    "unknown": (b"PROXY UNKNOWN\r\n", LOCAL),
    "unknown, with addresses": (line("UNKNOWN", LONGEST, LONGEST, 65535, 65535), LOCAL),
    "unknown, with anything": (b"PROXY UNKNOWN \r\xff\n\0\r\n", LOCAL),
    # Version 2.
    "TCP over IPv4": (binary(0x11, V4), ProxyHeader(*IS_V4)),
    "UDP over IPv4": (binary(0x12, V4), ProxyHeader(*IS_V4)),
    "TCP over IPv6": (binary(0x21, V6), ProxyHeader(*IS_V6)),
    "UDP over IPv6": (binary(0x22, V6), ProxyHeader(*IS_V6)),
    "TCP over IPv6, mapped": (
        binary(0x21, inet("::ffff:192.0.2.1", 56324, "::ffff:192.0.2.11", 443)),
        ProxyHeader(*IS_V4),
    ),
    "unix": (
        binary(0x31, unix(b"/run/a", b"/run/b")),
        ProxyHeader(source_path="/run/a", destination_path="/run/b"),
    ),
    "unix, abstract and without a name": (
        binary(0x32, unix(b"\0abc\0d", b"")),
        ProxyHeader(source_path="@abc@d"),
    ),
    "unix, as long as it can be": (
        binary(0x31, unix(b"a" * 108, b"\xff")),
        ProxyHeader(source_path="a" * 108, destination_path="\\xff"),
    ),
    "unix, with rest behind the end": (
        binary(0x31, unix(b"/run/a\0rest", b"/run/b\0\xff")),
        ProxyHeader(source_path="/run/a", destination_path="/run/b"),
    ),
    "local": (binary(0, b"", 0x20), LOCAL),
    "local, with addresses that do not count": (binary(0x11, V4, 0x20), LOCAL),
    "local, with a family that nobody knows": (binary(0xF7, b"anything", 0x20), LOCAL),
    "local, as long as it can be": (binary(0x31, bytes(216 + MAX_TLVS), 0x20), LOCAL),
    "unspecified": (binary(0, b""), LOCAL),
    "unspecified, with more": (binary(0, tlv(5, b"id")), ProxyHeader(local=True, tlvs=((5, b"id"),))),
    "unspecified transport": (binary(0x10, V4 + tlv(5, b"id")), ProxyHeader(local=True, tlvs=((5, b"id"),))),
    "unspecified family": (binary(0x01, b""), LOCAL),
    "unspecified transport of unix": (binary(0x30, unix(b"/a", b"/b")), LOCAL),
    # TLVs.
    "unknown types, one of them twice": (
        binary(0x11, V4 + tlv(0xE0, b"a") + tlv(0xEA, b"") + tlv(0xE0, b"b")),
        ProxyHeader(*IS_V4, tlvs=((0xE0, b"a"), (0xEA, b""), (0xE0, b"b"))),
    ),
    "padding": (
        binary(0x11, V4 + tlv(4, b"") + tlv(5, b"id") + tlv(4, bytes(300))),
        ProxyHeader(*IS_V4, tlvs=((5, b"id"),)),
    ),
    "as much as there may be": (
        binary(0x21, V6 + tlv(0xE0, bytes(MAX_TLVS - 3))),
        ProxyHeader(*IS_V6, tlvs=((0xE0, bytes(MAX_TLVS - 3)),)),
    ),
    "a unique id, the longest": (
        binary(0x11, V4 + tlv(5, b"i" * 128)),
        ProxyHeader(*IS_V4, tlvs=((5, b"i" * 128),)),
    ),
}


def read(data: bytes) -> ProxyHeader:
    """Read a header and nothing behind it."""
    found = proxy_header(data)
    assert found is not None
    assert found[1] == len(data)
    return found[0]


@pytest.mark.parametrize("what", GOOD)
def test_a_header(what: str) -> None:
    """It means this: whole, with bytes behind it, and byte by byte; cut anywhere it needs more."""
    data, expected = GOOD[what]
    assert read(data) == expected
    for rest in (b"G", b"\r\n", data, b"\xff" * 5000):
        assert proxy_header(data + rest) == (expected, len(data))
        assert HeaderReader().feed(data + rest) == (expected, rest)
    reader = HeaderReader()
    for at in range(len(data) - 1):
        assert proxy_header(data[:at]) is None
        assert reader.feed(data[at : at + 1]) is None
    assert reader.feed(data[-1:] + b"rest") == (expected, b"rest")


def test_a_checksum() -> None:
    """A header with a checksum that fits is taken, wherever in the header it stands."""
    for before, after in ((b"", b""), (tlv(4, b"xyz"), b""), (b"", tlv(5, b"id")), (tlv(5, b"id"), tlv(0xE0, b"a"))):
        assert read(summed(0x11, V4, before, after)).source == "192.0.2.1"
    assert read(summed(0, b"")).local


@pytest.mark.parametrize("place", [*range(16, 28), *range(29, 40)])
def test_a_checksum_covers_every_byte(place: int) -> None:
    """With any one bit changed behind the fixed part the header is refused.

    But for the one byte that makes the checksum a checksum (28): with another type it is something unknown.
    """
    data = bytearray(summed(0x11, V4, after=tlv(5, b"id")))
    for bit in range(8):
        data[place] ^= 1 << bit
        with pytest.raises(ProxyHeaderError):
            proxy_header(bytes(data))
        data[place] ^= 1 << bit


def test_a_checksum_covers_the_family() -> None:
    """A header that was one of UDP is not taken for one of TCP."""
    data = bytearray(summed(0x12, V4))
    data[13] = 0x11
    with pytest.raises(ProxyHeaderError, match="checksum is wrong"):
        proxy_header(bytes(data))


def test_what_was_said_beyond_the_addresses() -> None:
    """Protocol, host name and unique id are there by name; what is absent is None."""
    header = read(binary(0x11, V4 + tlv(1, b"h2") + tlv(2, "bücher.test".encode()) + tlv(5, b"\xff1")))
    assert (header.alpn, header.authority, header.unique_id) == (b"h2", "bücher.test", b"\xff1")
    assert header.ssl is None
    plain = read(binary(0x11, V4))
    assert (plain.alpn, plain.authority, plain.unique_id, plain.ssl) == (None, None, None, None)
    assert read(binary(0x11, V4 + tlv(2, b"a\xff"))).authority == "a\\xff"


SUBTYPES = (
    tlv(0x21, b"TLSv1.3")
    + tlv(0x22, b"Alice")
    + tlv(0x23, b"TLS_AES_128_GCM_SHA256")
    + tlv(0x24, b"SHA256")
    + tlv(0x25, b"EC256")
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            ssl(7, 0, SUBTYPES),
            ClientTls(True, True, True, "TLSv1.3", "Alice", "TLS_AES_128_GCM_SHA256", "SHA256", "EC256"),
        ),
        (ssl(1, 0, tlv(0x21, b"TLSv1.2")), ClientTls(True, False, False, "TLSv1.2")),
        (ssl(5, 0, tlv(0x29, b"?")), ClientTls(True, True, True)),
        (ssl(3, 18, tlv(0x22, b"\xff")), ClientTls(True, True, False, None, "\\xff")),
        (ssl(0, 1), ClientTls(False, False, False)),
    ],
    ids=["all of it", "no certificate", "a certificate of the session", "one that is not good", "no TLS"],
)
def test_the_clients_tls(value: bytes, expected: ClientTls) -> None:
    """A certificate was verified only if there was one: senders tell 0, "good", without one as well."""
    assert read(binary(0x11, V4 + value)).ssl == expected


addresses = st.one_of(
    st.tuples(st.just(0x11), st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.just(0x21), st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
ports = st.integers(0, 65535)
tlvs = st.lists(st.tuples(st.integers(0xE0, 0xFF), st.binary(max_size=30)), max_size=5)


@given(addresses, ports, ports, tlvs, st.binary(max_size=20))
def test_round_trip(
    given_addresses: tuple[int, object, object],
    source_port: int,
    destination_port: int,
    said: list[tuple[int, bytes]],
    rest: bytes,
) -> None:
    """What was written is read, in both versions; Twisted reads the same of it, as far as it reads it."""
    family, source, destination = given_addresses
    expected = [str(getattr(address, "ipv4_mapped", None) or address) for address in (source, destination)]
    numbers = (str(source), source_port, str(destination), destination_port)
    block = inet(*numbers) + b"".join(tlv(*one) for one in said)
    data = binary(family, block)
    header = ProxyHeader(expected[0], source_port, expected[1], destination_port, tlvs=tuple(said))
    assert proxy_header(data + rest) == (header, len(data))
    text = line("TCP4" if family == 0x11 else "TCP6", str(source), str(destination), source_port, destination_port)
    assert proxy_header(text + rest) == (
        ProxyHeader(expected[0], source_port, expected[1], destination_port),
        len(text),
    )
    for info in (V2Parser.parse(data), V1Parser.parse(text[:-2])):
        assert (ip_address(info.source.host), info.source.port) == (source, source_port)
        assert (ip_address(info.destination.host), info.destination.port) == (destination, destination_port)
