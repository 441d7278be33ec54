"""CRC32c (RFC 9260, appendix A), with which a header of version 2 may be protected.

Rule: a checksum against accidents. It proves nothing about who made the header.
"""

from __future__ import annotations

from collections.abc import Iterable


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1  # Castagnoli's polynomial, reflected
    return value


_TABLE = tuple(map(_row, range(256)))


def crc32c(pieces: Iterable[bytes]) -> int:
    """Give the checksum of these bytes, one after the other."""
    table = _TABLE
    value = 0xFFFFFFFF
    for piece in pieces:
        for byte in piece:
            value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
