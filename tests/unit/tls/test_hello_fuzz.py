"""The fuzz harness holds for what the tables have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import hello
from tests.unit.tls import test_hello_any, test_hello_refused

CORPUS = test_hello_any.HELLOS + [data for data, _, _ in test_hello_refused.REFUSED.values()]


def test_the_harness_passes_its_corpus() -> None:
    """Every input of the tables gives what is documented, as it is and as the inside of a message."""
    for data in CORPUS:
        hello.one_input(data)
        for first in (b"\x20", b"\xff"):
            hello.one_input(first + data[9:])
    hello.one_input(b"")


@given(st.binary(max_size=200))
def test_the_harness_passes_anything(data: bytes) -> None:
    """Any bytes give what is documented."""
    hello.one_input(data)
