"""What a YAML parser's complaint means for the author of a route map.

Rule: a parser says what it met; an author needs to know what to change. The table gives for each
complaint of libyaml (and of PyYAML's own parser) the sentence that names the usual slip behind it.
"""

from __future__ import annotations

import re

import yaml

from .problem import Where

# (the parser's problem, its context, our sentence, whether the context's place is the one to show).
# {line} is the line where the thing began, {char} the character met.
_SENTENCES: tuple[tuple[str, str, str, bool], ...] = (
    (r"\\t|tab character", "", "a tab stands here; YAML is indented with spaces only", False),
    ("alphabetic or numeric", "an alias", "a '*' must stand in quotes, as in \"*.example.com\"", True),
    ("alphabetic or numeric", "an anchor", "a '&' in front of a text must stand in quotes", True),
    ("alias", "block mapping|flow", "a '*' must stand in quotes, as in \"*.example.com\"", False),
    ("mapping values are not allowed", "", "a ': ' cannot stand here; either this line is indented wrongly, or a text with ': ' in it needs quotes", False),
    ("block sequence entries|sequence entries are not allowed", "", "a list item cannot stand here; start the list on a line of its own, below its key", False),
    ("block collections are not allowed", "", "a list or mapping cannot start on this line; start it on a line of its own", False),
    ("end of stream|end of document", "quoted scalar", "the quote that is opened here is never closed", True),
    ("document indicator", "quoted scalar", "the quote that is opened here is not closed before the '---'", True),
    ("escape", "", "this is no escape that YAML knows; in single quotes a backslash needs no escape", False),
    (r"',' or '\]'|',' or \"\]\"", "", "the list that starts with '[' in line {line} is not closed, or a ',' is missing in it", False),
    (r"',' or '\}'|',' or \"\}\"", "", "the mapping that starts with '{{' in line {line} is not closed, or a ',' is missing in it", False),
    ("could not find expected ':'", "", "a key without its ':' (write 'key: value', with a space after the ':')", True),
    ("expected '-' indicator|<block end>.*block collection", "block collection", "this line is not indented like the list that starts in line {line}", False),
    ("expected key|<block end>", "block mapping", "this line does not fit the mapping that starts in line {line}: check its indentation, and quotes in the line above", False),
    ("cannot start any token", "", "a text cannot start with {char}; put it in quotes", False),
    ("comment from preceding|block scalar", "", "after '|' or '>' the text starts on the next line", False),
    ("undefined tag handle|tag", "tag", "a '!' in front of a text must stand in quotes; the only tag is !include", True),
    ("directive|version", "", "a '%' at the start of a line must stand in quotes", False),
    ("<document start>", "", "there is more after the end of the document; everything must stand below the same top-level keys", False),
    ("expected node content", "", "something is missing or superfluous here: a value cannot start with {char}", False),
)


def explained(error: yaml.MarkedYAMLError, file: str, text: str) -> tuple[Where, str]:
    """Give the place and the sentence for a syntax error in this text."""
    problem, context = error.problem or "", error.context or ""
    mark, began = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    assert mark is not None and began is not None
    char = _char_at(text, mark)
    if char == "\t":
        problem = "tab character"
    for pattern, around, sentence, at_start in _SENTENCES:
        if re.search(pattern, problem) and re.search(around, context):
            shown = began if at_start else mark
            return _where(file, shown), sentence.format(line=began.line + 1, char=repr(char) if char else "the end of the file")
    return _where(file, mark), f"this is not valid YAML here: {problem or context}"


def _where(file: str, mark: yaml.Mark) -> Where:
    return Where(file, mark.line + 1, mark.column + 1)


def _char_at(text: str, mark: yaml.Mark) -> str:
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    return lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
