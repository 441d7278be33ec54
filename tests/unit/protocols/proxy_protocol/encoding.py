"""PROXY headers, written by hand from the specification, and a checksum that is found bit by bit."""

from __future__ import annotations

import socket
import struct

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")


def line(family: str, source: str, destination: str, source_port: object, destination_port: object) -> bytes:
    """Give a header of version 1."""
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode("latin-1")


def tlv(kind: int, value: bytes) -> bytes:
    """Give one TLV."""
    return struct.pack("!BH", kind, len(value)) + value


def ssl(client: int, verify: int, *tlvs: bytes) -> bytes:
    """Give the TLV about the client's TLS."""
    return tlv(0x20, struct.pack("!BI", client, verify) + b"".join(tlvs))


def binary(family: int, block: bytes, command: int = 0x21) -> bytes:
    """Give a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


def inet(source: str, source_port: int, destination: str, destination_port: int) -> bytes:
    """Give two addresses of a family, with their ports."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return addresses + struct.pack("!HH", source_port, destination_port)


def unix(source: bytes, destination: bytes) -> bytes:
    """Give two addresses of unix sockets."""
    return struct.pack("108s108s", source, destination)


def sum_of(data: bytes) -> int:
    """Give CRC32c by division of polynomials, as it is defined: with no table and bits not reflected."""
    register = 0xFFFFFFFF
    for byte in data:
        for place in range(8):
            bit = byte >> place & 1 ^ register >> 31
            register = (register << 1 & 0xFFFFFFFF) ^ (0x1EDC6F41 if bit else 0)
    return int(f"{register:032b}"[::-1], 2) ^ 0xFFFFFFFF


def summed(family: int, addresses: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """Give a header of version 2 with its checksum."""
    value = sum_of(binary(family, addresses + before + tlv(3, bytes(4)) + after))
    return binary(family, addresses + before + tlv(3, struct.pack("!I", value)) + after)
