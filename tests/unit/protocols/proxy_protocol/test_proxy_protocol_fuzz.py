"""The fuzz harness holds for what the tables have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import proxy_header
from tests.unit.protocols.proxy_protocol import test_codec, test_codec_refused

CORPUS = [data for data, _ in test_codec.GOOD.values()] + [data for data, _ in test_codec_refused.REFUSED.values()]


def test_the_harness_passes_its_corpus() -> None:
    """Every input of the tables, in several pieces, gives what is documented."""
    for data in CORPUS:
        for first in (b"\0", b"\x06", b"\x3c"):
            proxy_header.one_input(first + data)
        proxy_header.one_input(b"\x04" + data[12:])
    proxy_header.one_input(b"")


@given(st.binary(max_size=200))
def test_the_harness_passes_anything(data: bytes) -> None:
    """Any bytes give what is documented."""
    proxy_header.one_input(data)
