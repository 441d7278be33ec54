"""Names for requests."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.observability.request_id import RequestIds


def test_ids_are_random_and_different() -> None:
    """An id is 128 bits in hexadecimal, and none comes twice, over several fillings of the pool."""
    ids = RequestIds(os.urandom)
    made = [ids.make() for _ in range(3000)]
    assert len(set(made)) == 3000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)


def test_all_randomness_is_used_once() -> None:
    """What the source gives goes into ids whole: no id shares a byte with another."""
    drawn = bytearray()

    def randomness(amount: int) -> bytes:
        drawn.extend(os.urandom(amount))
        return bytes(drawn[-amount:])

    ids = RequestIds(randomness)
    made = {ids.make() for _ in range(512)}
    whole = drawn.hex()
    assert made == {whole[start : start + 32] for start in range(0, len(whole), 32)}


def test_nothing_is_drawn_before_the_first_id() -> None:
    """Processes forked before the first id is made do not share ids."""

    def randomness(amount: int) -> bytes:
        pytest.fail("drawn too early")

    RequestIds(randomness)


@pytest.mark.parametrize("value", [b"a", b"A-Za.z0_9~+/=", b"x" * 128])
def test_accepted(value: bytes) -> None:
    """An id of inert characters and sensible length is taken over as it is."""
    assert RequestIds.accept(value) == value.decode()


@pytest.mark.parametrize(
    "value", [b"", b"x" * 129, b"a b", b"a\n", b"a\r\nX: y", b'a"', b"a,b", b"$(a)", b"\xc3\xa9", b"a\x00", b"<a>"]
)
def test_refused(value: bytes) -> None:
    """Anything that could mean something in a header, a log or a shell is refused."""
    assert RequestIds.accept(value) is None


@given(st.binary(max_size=200))
def test_accept_takes_or_leaves(value: bytes) -> None:
    """Any value is either taken over unchanged or refused."""
    assert RequestIds.accept(value) in {None, value.decode("latin-1")}
