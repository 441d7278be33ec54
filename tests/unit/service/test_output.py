"""What commands write."""

from __future__ import annotations

import pytest

from txproxy.config import Problem
from txproxy.service.output import Finding, counted, head_lines, one_line, table


def test_columns_are_aligned_and_ragged_at_the_right() -> None:
    """Each column is as wide as its widest cell; no line ends in spaces."""
    assert table(("A", "LONG", "C"), [("xyz", "y", ""), ("x", "", "z")]) == "A    LONG  C\nxyz  y\nx          z\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain \u00fc", "plain \u00fc"), ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\u202e", "\\u202e")],
)
def test_one_line(text: str, shown: str) -> None:
    """What is not printable becomes an escape."""
    assert one_line(text) == shown


def test_a_heads_lines() -> None:
    """A head is split into its lines, without the body; octets that are no text become escapes."""
    assert head_lines(b"GET / HTTP/1.1\r\nA: \xff\xc3\xbc\x07\r\n\r\nbody") == ["GET / HTTP/1.1", "A: \\xff\u00fc\\x07"]


def test_a_finding_has_its_notes_below_the_caret() -> None:
    """The problem comes first, with line and caret; its notes are set off to the right."""
    finding = Finding(Problem("f", 1, 3, "wrong", source_line="a: b"), ("because", "and so"))
    assert finding.render() == "f:1:3: wrong\n    1 | a: b\n      |   ^\n        because\n        and so"


def test_counting() -> None:
    """One is singular, all else plural."""
    assert [counted(number, "route") for number in (0, 1, 2)] == ["0 routes", "1 route", "2 routes"]
