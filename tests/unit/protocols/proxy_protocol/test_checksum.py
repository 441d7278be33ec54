"""CRC32c."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.proxy_protocol.encoding import sum_of
from txproxy.protocols.proxy_protocol.checksum import crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, appendix B.4, which prints them in the order of bytes on the wire.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_sums(data: bytes, expected: int) -> None:
    """The sums are those that were published."""
    assert crc32c([data]) == sum_of(data) == expected


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    """The sum is that of all bytes in a row, and that of the definition."""
    assert crc32c(pieces) == crc32c([b"".join(pieces)]) == sum_of(b"".join(pieces))
