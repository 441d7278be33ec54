"""What is no PROXY header, or none that is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.proxy_protocol.encoding import SIGNATURE, binary, inet, line, ssl, sum_of, tlv, unix
from txproxy.protocols.proxy_protocol.codec import MAX_LINE, MAX_TLVS, HeaderReader, ProxyHeaderError, proxy_header

V4 = inet("192.0.2.1", 56324, "192.0.2.11", 443)
V6 = inet("2001:db8::1", 1, "2001:db8::2", 65535)


def tcp4(source: str = "192.0.2.1", source_port: str = "1", destination_port: str = "2") -> bytes:
    """Give a line for IPv4."""
    return line("TCP4", source, "192.0.2.11", source_port, destination_port)


# What arrives, and after how many bytes of it nothing can help any more (None: after all of them).
REFUSED = {
    # Something else.
    "HTTP": (b"GET / HTTP/1.1\r\n", 1),
    "HTTP with P": (b"POST / HTTP/1.1\r\n", 2),
    "TLS": (b"\x16\x03\x01\x02\x00", 1),
    "a NUL": (b"\0", 1),
    "another line": (b"PROXY\r\n", 6),
    "in small letters": (b"proxy TCP4", 1),
    "nearly the signature": (b"\r\n\r\n\0\r\nQUIT\r", 12),
    "an empty line": (b"\r\n\r\nGET", 5),
    # Version 1.
    "UDP": (b"PROXY UDP4 192.0.2.1 192.0.2.11 1 2\r\n", 8),
    "TCP": (b"PROXY TCP 192.0.2.1", 10),
    "TCP5": (b"PROXY TCP5", 10),
    "unknown, and something at it": (b"PROXY UNKNOWN4", 14),
    "unknown, and LF": (b"PROXY UNKNOWN\n", 14),
    "unknown, and CR without LF": (b"PROXY UNKNOWN\rX", 15),
    "unknown, too long": (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", MAX_LINE),
    "no end": (tcp4()[:-2] + b" " * 200, MAX_LINE),
    "two spaces": (b"PROXY TCP4  192.0.2.1 192.0.2.11 1 2\r\n", None),
    "two spaces in between": (b"PROXY TCP4 192.0.2.1  192.0.2.11 1 2\r\n", None),
    "a tab": (b"PROXY TCP4 192.0.2.1\t192.0.2.11 1 2\r\n", None),
    "a space at the end": (b"PROXY TCP4 192.0.2.1 192.0.2.11 1 2 \r\n", None),
    "a port too few": (b"PROXY TCP4 192.0.2.1 192.0.2.11 1\r\n", None),
    "a port too many": (b"PROXY TCP4 192.0.2.1 192.0.2.11 1 2 3\r\n", None),
    "nothing": (b"PROXY TCP4 \r\n", None),
    "LF within": (b"PROXY TCP4 192.0.2.1 192.0.2.11 1 2\nX\r\n", None),
    "CR within": (b"PROXY TCP4 192.0.2.1 192.0.2.11 1 2\rX\r\n", None),
    "a NUL within": (b"PROXY TCP4 192.0.2.1\0 192.0.2.11 1 2\r\n", None),
    "a zero in front": (tcp4("192.0.02.1"), None),
    "octal": (tcp4("0300.0.2.1"), None),
    "three numbers": (tcp4("192.0.2"), None),
    "one number": (tcp4("3221225985"), None),
    "a number too large": (tcp4("192.0.2.256"), None),
    "a name": (tcp4("a.test"), None),
    "other digits": ("PROXY TCP4 192.0.2.\u0661 192.0.2.11 1 2\r\n".encode(), None),
    "IPv6 for IPv4": (tcp4("2001:db8::1"), None),
    "IPv4 for IPv6": (line("TCP6", "192.0.2.1", "2001:db8::1", 1, 2), None),
    "IPv4 for IPv6 at the end": (line("TCP6", "2001:db8::1", "192.0.2.1", 1, 2), None),
    "two double colons": (line("TCP6", "2001::db8::1", "::1", 1, 2), None),
    "too few groups": (line("TCP6", "1:2:3:4:5:6:7", "::1", 1, 2), None),
    "too many digits": (line("TCP6", "02001::1", "::1", 1, 2), None),
    "a zone": (line("TCP6", "fe80::1%1", "::1", 1, 2), None),
    "brackets": (line("TCP6", "[::1]", "::1", 1, 2), None),
    "a port too large": (tcp4(source_port="65536"), None),
    "a port much too large": (tcp4(destination_port="99999999"), None),
    "a port with a zero in front": (tcp4(source_port="01"), None),
    "a port with a sign": (tcp4(destination_port="+1"), None),
    "a port below zero": (tcp4(destination_port="-1"), None),
    "an empty port": (tcp4(destination_port=""), None),
    "a port in hexadecimal": (tcp4(destination_port="0x1"), None),
    # Version 2.
    "version 1 in binary": (binary(0x11, V4, 0x11), 13),
    "version 3": (binary(0x11, V4, 0x31), 13),
    "command 2": (binary(0x11, V4, 0x22), 13),
    "family 4": (binary(0x41, V4), 16),
    "transport 3": (binary(0x13, V4), 16),
    "too short for IPv4": (binary(0x11, V4[:-1]), 16),
    "too short for IPv6": (binary(0x21, V4), 16),
    "too short for unix": (binary(0x31, unix(b"a", b"b")[:-1]), 16),
    "too much behind IPv4": (binary(0x11, V4 + bytes(MAX_TLVS + 1)), 16),
    "too much behind unix": (binary(0x31, unix(b"a", b"b") + bytes(MAX_TLVS + 1)), 16),
    "too much behind nothing": (binary(0, bytes(MAX_TLVS + 1)), 16),
    "too much of a local one": (binary(0, bytes(216 + MAX_TLVS + 1), 0x20), 16),
    "as long as can be told": (SIGNATURE + b"\x21\x11\xff\xff", 16),
    "one byte of a TLV": (binary(0x11, V4 + b"\xe0"), None),
    "two bytes of a TLV": (binary(0x11, V4 + b"\xe0\0"), None),
    "a TLV that reaches beyond": (binary(0x11, V4 + b"\xe0\0\2a"), None),
    "a second TLV that reaches beyond": (binary(0x11, V4 + tlv(4, b"x") + b"\xe0\xff\xffa"), None),
    "rest behind nothing": (binary(0, V4), None),
    "a short checksum": (binary(0x11, V4 + tlv(3, bytes(3))), None),
    "a long checksum": (binary(0x11, V4 + tlv(3, bytes(5))), None),
    "a wrong checksum": (binary(0x11, V4 + tlv(3, bytes(4))), None),
    "a unique id too long": (binary(0x11, V4 + tlv(5, bytes(129))), None),
    "too little of TLS": (binary(0x11, V4 + tlv(0x20, bytes(4))), None),
    "a TLV within TLS that reaches beyond": (binary(0x11, V4 + ssl(1, 0, b"\x21\0\x08TLSv1.3")), None),
    "a byte behind TLS": (binary(0x11, V4 + ssl(1, 0, tlv(0x21, b"TLSv1.3"), b"\0")), None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    """It is refused, whole and byte by byte, as soon as nothing can help any more, with a word why."""
    data, after = REFUSED[what]
    with pytest.raises(ProxyHeaderError) as raised:
        proxy_header(data)
    assert raised.value.detail == str(raised.value) != ""
    after = len(data) if after is None else after
    reader = HeaderReader()
    for at in range(after - 1):
        assert reader.feed(data[at : at + 1]) is None
    with pytest.raises(ProxyHeaderError):
        reader.feed(data[after - 1 : after])


def test_two_checksums() -> None:
    """Two checksums are refused, since each would be the other's data."""
    first = sum_of(binary(0x11, V4 + tlv(3, bytes(4)) + tlv(3, bytes(4))))
    with pytest.raises(ProxyHeaderError, match="checksum that is none"):
        proxy_header(binary(0x11, V4 + tlv(3, first.to_bytes(4, "big")) + tlv(3, bytes(4))))


def outcome(data: bytes) -> object:
    """Give what is documented; anything else is raised."""
    try:
        found = proxy_header(data)
    except ProxyHeaderError:
        return ProxyHeaderError
    if found is not None:
        header, size = found
        assert size <= min(len(data), 16 + 216 + MAX_TLVS)
        assert proxy_header(data[: size - 1]) is None
        assert header.ssl is None or header.ssl.certificate or not header.ssl.verified
        assert len([header.alpn, header.authority, header.unique_id]) == 3  # none of them raises
    return found


BEGINNINGS = (b"", b"PROXY TCP4 ", b"PROXY TCP6 ::1 ", b"PROXY UNKNOWN", SIGNATURE, SIGNATURE + b"\x21")


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=120), st.sampled_from((b"", b"\r\n")))
def test_anything(beginning: bytes, data: bytes, end: bytes) -> None:
    """Any bytes give a header, a wish for more, or the documented error."""
    outcome(beginning + data + end)


@given(st.sampled_from((0x20, 0x21)), st.integers(0, 255), st.binary(max_size=300))
def test_anything_in_a_block(command: int, family: int, block: bytes) -> None:
    """So does any block behind the right beginning."""
    assert outcome(binary(family, block, command)) is not None


@given(st.binary(min_size=0, max_size=80))
def test_anything_behind_the_addresses(data: bytes) -> None:
    """So do any TLVs, and any bytes within the one about TLS."""
    assert outcome(binary(0x11, V4 + data)) is not None
    assert outcome(binary(0x21, V6 + tlv(0x20, data))) is not None


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=60), st.binary(max_size=120))
def test_what_was_found_stays(beginning: bytes, data: bytes, rest: bytes) -> None:
    """More bytes change neither a header nor a refusal."""
    found = outcome(beginning + data)
    if found is not None:
        assert outcome(beginning + data + rest) == found
