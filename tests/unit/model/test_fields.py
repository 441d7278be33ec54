"""A field section as one block of bytes, against a list of pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model import fields

_NAMES = st.sampled_from(
    [b"Accept", b"accept", b"Accept-Encoding", b"X", b"x", b"X-Y", b"Cookie", b"COOKIE", b"~", b"a.b"]
)
_VALUES = st.sampled_from([b"", b"a", b"a, b", b"X: y", b"\xff\xe9", b"a\tb", b"Accept:x"])
_PAIRS = st.lists(st.tuples(_NAMES, _VALUES), max_size=8)
_CHOSEN = st.lists(_NAMES, min_size=1, max_size=3)


@given(_PAIRS)
def test_a_block_is_its_pairs(pairs: list[tuple[bytes, bytes]]) -> None:
    """Order, case and multiplicity survive the way into a block and out of it."""
    assert fields.items(fields.from_items(pairs)) == pairs


@given(_PAIRS, _CHOSEN)
def test_finding(pairs: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    """A finder gives all fields of its names in any case, in order, and no others, not even by a part of a name."""
    block = fields.from_items(pairs)
    wanted = {name.lower() for name in names}
    assert fields.finder(names).findall(block) == [pair for pair in pairs if pair[0].lower() in wanted]
    name = names[0]
    values = [value for found, value in pairs if found.lower() == name.lower()]
    assert fields.get_all(block, name) == values
    assert fields.get(block, name) == (values[0] if values else None)


@given(_PAIRS, _CHOSEN)
def test_removing(pairs: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    """All three ways to remove fields leave the same others, as they were."""
    block = fields.from_items(pairs)
    wanted = {name.lower() for name in names}
    left = fields.from_items([pair for pair in pairs if pair[0].lower() not in wanted])
    assert fields.without(block, *names) == left
    assert fields.remover(names).sub(b"", block) == left
    assert fields.without_any(block, wanted) == left


def test_white_space_around_values() -> None:
    """White space around a value is no part of it, and stays in the block."""
    block = b"\r\nA:\t b c \t\r\nB:\r\nC: \t"
    assert fields.items(block) == [(b"A", b"b c"), (b"B", b""), (b"C", b"")]
    assert (fields.get(block, b"a"), fields.get_all(block, b"c")) == (b"b c", [b""])
    assert fields.without(block, b"b") == b"\r\nA:\t b c \t\r\nC: \t"


@pytest.mark.parametrize(
    "pair",
    [
        (b"", b"x"),
        (b"a b", b"x"),
        (b"a:", b"x"),
        (b"a\r\n", b"x"),
        (b"a\xe9", b"x"),
        (b"a", b"x\r\nb: c"),
        (b"a", b"\n"),
    ]
    + [(b"a", b"%c" % c) for c in range(32) if c != 9]
    + [(b"a", b"\x7f")],
)
def test_what_is_no_field_makes_no_block(pair: tuple[bytes, bytes]) -> None:
    """Nothing that could end a line, or is no name, gets into a block."""
    with pytest.raises(ValueError):
        fields.from_items([(b"ok", b"ok"), pair])


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", []),
        (b",, ,", []),
        (b"close", [b"close"]),
        (b" Close\t, keep-ALIVE ,x", [b"close", b"keep-alive", b"x"]),
        (b"a b, c", [b"a b", b"c"]),
    ],
)
def test_lists(value: bytes, members: list[bytes]) -> None:
    """A list's members are in lower case, without white space, and the empty ones are none."""
    assert fields.list_members(value) == members
