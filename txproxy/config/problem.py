"""What is wrong with a route map, where, and what the author probably meant.

Rule: nothing in `config` raises because of what a route map says. Whoever finds something wrong tells
the `Report`, goes on with a harmless value, and so every problem is found in one reading.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

# Looking for a near word is quadratic; a file with thousands of errors needs no more hints than these.
MAX_HINTS = 200
_MAX_WORD = 80
_MAX_QUOTED = 60
_MAX_LINE = 160


class Where(NamedTuple):
    """A place in a route map; lines and columns count from 1 (0: no place in a file)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


NOWHERE = Where("", 0, 0)

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, as one sentence and its place.

    `str()` gives "file:line:column: message", which editors and terminals make clickable.
    """

    file: str
    line: int
    column: int
    message: str
    severity: Severity = "error"
    source_line: str = ""

    def __str__(self) -> str:
        warning = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.line}:{self.column}: {warning}{self.message}"

    def render(self) -> str:
        """Give the problem with the offending line below it and a caret under the place."""
        if not self.source_line.strip():
            return str(self)
        line, column = _window(self.source_line, self.column)
        margin = f"{self.line:>5} | "
        return f"{self}\n{margin}{_shown(line)}\n{' ' * (len(margin) - 2)}| {_padding(line[: column - 1])}^"


class Report:
    """Collects the problems of one reading; made for it, handed down to everything that reads."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._lines: dict[str, Sequence[str]] = {}
        self._directories: dict[str, str] = {}
        self._hints = 0

    def add_source(self, file: str, directory: str, lines: Sequence[str]) -> None:
        """Make a file's lines known, and the directory its relative paths start from."""
        self._lines[file] = lines
        self._directories[file] = directory

    def directory(self, where: Where) -> str:
        """Give the directory that relative paths written here start from."""
        return self._directories.get(where.file, "")

    def error(self, where: Where, message: str) -> None:
        """Note something that keeps the route map from being used."""
        self._add(where, message, "error")

    def warning(self, where: Where, message: str) -> None:
        """Note something that is probably not meant, but can be done."""
        self._add(where, message, "warning")

    def _add(self, where: Where, message: str, severity: Severity) -> None:
        lines = self._lines.get(where.file, ())
        text = lines[where.line - 1] if 0 < where.line <= len(lines) else ""
        # A dict, because an aliased node is read once per alias but is wrong only once.
        problem = Problem(where.file, where.line, where.column, _printable(message), severity, text)
        self._problems[problem] = None

    def near(self, word: str, known: Iterable[str]) -> str:
        """Give "; did you mean 'x'?" if a known word is near this one, else ""."""
        self._hints += 1
        found = None if self._hints > MAX_HINTS else nearest(word, known)
        return "" if found is None else f"; did you mean {quoted(found)}?"

    @property
    def failed(self) -> bool:
        """Whether there is any error so far."""
        return any(problem.severity == "error" for problem in self._problems)

    def problems(self) -> tuple[Problem, ...]:
        """Give all problems in the order of the files as read, then of their lines."""
        order = {file: index for index, file in enumerate(self._lines)}
        return tuple(
            sorted(self._problems, key=lambda problem: (order.get(problem.file, -1), problem.line, problem.column))
        )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that is most like this one, if any is like it at all."""
    folded: Mapping[str, str] = {_folded(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_folded(word[:_MAX_WORD]), folded, n=1, cutoff=0.65)
    return folded[found[0]] if found else None


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def quoted(text: str) -> str:
    """Give the text in quotes, on one line, without control characters, cut to a length that can be read."""
    short = text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3] + "..."
    return "'" + _printable(short).replace("'", "\\'") + "'"


def listed(words: Iterable[str], last: str = "or") -> str:
    """Give "a, b or c"."""
    *front, end = words
    return f"{', '.join(front)} {last} {end}" if front else end


def _printable(text: str) -> str:
    # What a route map holds must not move a terminal's cursor, nor make two lines of one in a log.
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _shown(line: str) -> str:
    return "\t".join(map(_printable, line.split("\t")))


def _padding(text: str) -> str:
    # What the text before the caret takes on a terminal: wide characters take two columns, combining none.
    widths = []
    for char in text:
        if char == "\t":
            widths.append("\t")
        elif not char.isprintable():
            widths.append(" " * len(_printable(char)))
        elif not unicodedata.combining(char):
            widths.append("  " if unicodedata.east_asian_width(char) in "WF" else " ")
    return "".join(widths)


def _window(line: str, column: int) -> tuple[str, int]:
    if len(line) <= _MAX_LINE:
        return line, column
    start = max(0, min(column - _MAX_LINE // 2, len(line) - _MAX_LINE))
    cut = line[start : start + _MAX_LINE]
    return cut, column - start
