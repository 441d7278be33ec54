"""How commands write: findings with their place, tables, and text that came from outside.

Rule: what a client or a backend could have chosen never reaches a terminal as control characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from txproxy.config.problem import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and lines that say how it comes about."""

    problem: Problem
    notes: tuple[str, ...] = ()

    def render(self) -> str:
        """Give it as text: the problem, its line and caret, the notes below."""
        return "\n".join((self.problem.render(), *(f"        {note}" for note in self.notes)))

    def as_json(self) -> dict[str, Any]:
        """Give it as what JSON can hold."""
        problem = self.problem
        return {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "message": problem.message,
            "notes": list(self.notes),
        }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give rows as columns that are aligned, the last one ragged; ends with a newline."""
    lines = [tuple(head), *(tuple(map(one_line, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def one_line(text: str) -> str:
    """Give the text on one line, with escapes for what is not printable."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def head_lines(head: bytes) -> list[str]:
    """Give the lines of a message's head, start line included; octets that are not UTF-8 as escapes."""
    text = head.partition(b"\r\n\r\n")[0].decode("utf-8", "backslashreplace")
    return [one_line(line) for line in text.split("\r\n")]


def counted(number: int, noun: str) -> str:
    """Give "1 route", "2 routes"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
