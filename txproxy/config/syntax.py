"""What a YAML parser's complaint means for the author of a route map.

Rule: a parser says what it met; an author needs to know what to change. Each complaint of libyaml (and
of PyYAML's own parser, which stands in where libyaml is missing) leads to the slip that is usually
behind it, found by a look at the lines around.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from .problem import Where, quoted

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # YAML 1.1, section 4.2


@dataclass(frozen=True, slots=True)
class Slip:
    """Where the parser stood when it gave up (counted from 0), where the thing it was reading began."""

    lines: list[str]
    line: int
    column: int
    began_line: int
    began_column: int

    @property
    def text(self) -> str:
        """The line it stood in."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def char(self) -> str:
        """The character it stood at, as the author should see it."""
        return quoted(self.text[self.column]) if self.column < len(self.text) else "the end of the line"

    def at(self, sentence: str) -> Explained:
        """Explain the place where the parser stood."""
        return self.line + 1, self.column + 1, sentence

    def at_start(self, sentence: str) -> Explained:
        """Explain the place where the thing began that it was reading."""
        return self.began_line + 1, self.began_column + 1, sentence


Explained = tuple[int, int, str]
_TOO_DEEP = "this line is indented deeper than line {line}, which has a value already"


def _not_allowed_here(slip: Slip) -> Explained:
    """Explain a ':' where no mapping can be: most often the line above is no `key: value`."""
    before, above = _line_above(slip)
    key = above.strip().removeprefix("- ")
    column = _indentation(above) + 1
    starts_line = re.fullmatch(r"\s*(- +)?[^\s:]+\s*", slip.text[: slip.column]) is not None
    if starts_line and (found := re.match(r"[\w.*-]+:(?=[^\s\\])", key)) and not re.search(r":(\s|$)", key):
        return before + 1, column + len(above.strip()) - len(key) + found.end(), "a space is missing after the ':'"
    if starts_line and key and not re.search(r":(\s|$)", key):
        return before + 1, column, f"this line has no ':' after its key; write 'key: value' or {quoted(key[:40] + ':')}"
    if starts_line and _indentation(slip.text) > _indentation(above):
        return slip.at(_TOO_DEEP.format(line=before + 1))
    return slip.at("a second ':' in one line; a text with ': ' in it needs quotes around it")


def _line_above(slip: Slip) -> tuple[int, str]:
    """Give the last line above that is not empty and no comment; (-1, "") if there is none."""
    before = slip.line - 1
    while before >= 0 and not slip.lines[before].split("#")[0].strip():
        before -= 1
    return before, slip.lines[before] if before >= 0 else ""


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _not_closed(slip: Slip) -> Explained:
    """Explain a flow collection that goes on where it should have ended."""
    opening = slip.lines[slip.began_line][slip.began_column]
    if slip.line != slip.began_line:
        return slip.at_start(
            f"the {quoted(opening)} that is opened here is not closed, or a ',' is missing after an item"
        )
    if slip.text[slip.column : slip.column + 1] in ("{", "["):
        return slip.at(f"a text with {slip.char} in it needs quotes when it stands inside {opening}...")
    return slip.at(
        f"expected ',' or the end of what {quoted(opening)} opens; a text with {slip.char} in it needs quotes"
    )


def _does_not_fit(slip: Slip) -> Explained:
    """Explain a line that continues no block."""
    ahead = slip.text[: slip.column].rstrip()
    if ahead.endswith(("'", '"')):
        hint = "to have a quote in it, double it: ''" if ahead.endswith("'") else 'to have a quote in it, write \\"'
        return slip.at(f"the quotes are closed already, and more text follows; {hint}")
    if slip.text[slip.column :].startswith("- "):
        return slip.at(f"a list item cannot stand here, beside the keys that start in line {slip.began_line + 1}")
    before, above = _line_above(slip)
    if before >= 0 and not slip.text[: slip.column].strip() and slip.column > _indentation(above):
        return slip.at(_TOO_DEEP.format(line=before + 1))
    return slip.at(
        f"the indentation is neither that of the keys from line {slip.began_line + 1} on nor below one of them"
    )


def _no_item(slip: Slip) -> Explained:
    return slip.at(f"expected '- ' as in the list that starts in line {slip.began_line + 1}; check the indentation")


def _cannot_start(slip: Slip) -> Explained:
    return slip.at(f"a text cannot start with {slip.char}; put it in quotes")


def _no_content(slip: Slip) -> Explained:
    return slip.at(f"expected a value, found {slip.char}; if it is meant as text, put it in quotes")


# In order: the parser's problem, its context, and either the sentence for the place where it stood
# (a leading ^: for the place where the thing began) or the function that looks closer.
_SLIPS: tuple[tuple[str, str, str | Callable[[Slip], Explained]], ...] = (
    (r"\\t|a tab character", "", "a tab stands here; indent with spaces only"),
    ("alphabetic or numeric", "an alias", "^a text that starts with '*' needs quotes, as in \"*.example.com\""),
    ("alphabetic or numeric", "an anchor", "^a text that starts with '&' needs quotes"),
    ("mapping values are not allowed", "", _not_allowed_here),
    (
        "sequence entries are not allowed",
        "",
        "a list cannot start in the line of its key; put it on the next",
    ),
    ("collections are not allowed", "", "a list or mapping cannot start in this line; put it on the next one"),
    ("end of (stream|document)|document indicator", "scalar", "^the quote that is opened here is not closed"),
    ("escape", "", "YAML has no such escape in double quotes; in single quotes a backslash is only a backslash"),
    ("hexadecimal|hexdecimal", "", "YAML's escapes are \\xNN, \\uNNNN and \\UNNNNNNNN, with hexadecimal digits"),
    ("',' or ", "flow", _not_closed),
    ("could not find expected ':'", "", "^this line has no ':' after its key; write 'key: value'"),
    ("cannot start any token", "", _cannot_start),
    ("comment or|chomping|indentation indicator", "block scalar", "after '|' or '>' the text starts on the next line"),
    (
        "",
        "(scanning|parsing) a (tag|node)$",
        "^a text that starts with '!' needs quotes; the only tag is !include",
    ),
    ("", "directive", "^a line that starts with '%' needs quotes"),
    (
        "incompatible YAML document",
        "",
        "this is another version of YAML; remove the line with %YAML",
    ),
    ("document start", "", "something follows after the end of the document ('...'); a route map is one document"),
    ("node content", "", _no_content),
    ("", "block mapping", _does_not_fit),
    ("", "block collection", _no_item),
)


def explained(error: yaml.MarkedYAMLError, file: str, text: str) -> tuple[Where, str]:
    """Give the place and the sentence for a syntax error in this text."""
    problem, context = error.problem or "", error.context or ""
    stood = error.problem_mark or error.context_mark
    began = error.context_mark or error.problem_mark
    if stood is None or began is None:
        return Where(file, 1, 1), f"this is not valid YAML: {problem or context}"
    slip = Slip(LINE_BREAK.split(text), stood.line, stood.column, began.line, began.column)
    if (slip.text[: slip.column].isspace() and slip.text[slip.column : slip.column + 1] == "\t") or slip.text[
        :1
    ] == "\t":
        problem = "a tab character"
    for pattern, around, meaning in _SLIPS:
        if re.search(pattern, problem) and re.search(around, context):
            line, column, sentence = _applied(meaning, slip)
            return Where(file, line, column), sentence
    return Where(file, stood.line + 1, stood.column + 1), f"this is not valid YAML: {problem or context}"


def _applied(meaning: str | Callable[[Slip], Explained], slip: Slip) -> Explained:
    if callable(meaning):
        return meaning(slip)
    return slip.at_start(meaning[1:]) if meaning.startswith("^") else slip.at(meaning)
