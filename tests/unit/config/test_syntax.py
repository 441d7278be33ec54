"""YAML's syntax errors, in words that help."""

from __future__ import annotations

import pytest
import yaml

from txproxy.config.problem import Where
from txproxy.config.syntax import explained

SLIPS = [
    ("a:\n\tb: 1\n", 2, 1, "a tab stands here"),
    ("hosts:\n  a: b\n\tc: d\n", 3, 1, "a tab stands here"),
    ("hosts:\n  *.dev.example.com: x\n", 2, 3, "that starts with '*' needs quotes"),
    ("hosts:\n  *: x\n", 2, 3, "that starts with '*' needs quotes"),
    ("a: &\n", 1, 4, "that starts with '&' needs quotes"),
    ("a: b: c\n", 1, 5, "a second ':' in one line"),
    ("a: ~^/x[0-9]: y\n", 1, 13, "a text with ': ' in it needs quotes"),
    ("a:\n  b: x\n   c: d\n", 3, 5, "indented deeper than line 2"),
    ("a:\n  b: x\n  # comment: x\n\n    c: d\n", 5, 5, "indented deeper than line 2"),
    ("hosts:\n  app.example.com\n  b: c\n", 2, 3, "this line has no ':' after its key"),
    ("hosts:\n  a.example.com:http://x\n  b: c\n", 2, 17, "a space is missing after the ':'"),
    ("a:\n  - path:/x\n    proxy: y\n", 2, 10, "a space is missing after the ':'"),
    ("a: 1\nb\nc: 2\n", 2, 1, "this line has no ':' after its key"),
    ("a:\n    b: 1\n  c: 2\n", 3, 3, "the indentation is neither"),
    ("a: - b\n", 1, 4, "a list cannot start in the line of its key"),
    ("a:\n  - b\n  c: d\n", 3, 3, "expected '- ' as in the list that starts in line 2"),
    ("a:\n  b: c\n  - d\n", 3, 3, "a list item cannot stand here, beside the keys that start in line 2"),
    ("a: [b, c\nd: e\n", 1, 4, "the '[' that is opened here is not closed"),
    ("a: {b: c\n", 1, 4, "the '{' that is opened here is not closed"),
    ("a: {to: https://x{uri}}\n", 1, 18, "a text with '{' in it needs quotes"),
    ("a: {b: c d: e}\n", 1, 11, "a text with ':' in it needs quotes"),
    ("a: [b,,c]\n", 1, 7, "expected a value, found ','"),
    ('a: "b\nc: d\n', 1, 4, "the quote that is opened here is not closed"),
    ("a: 'b\n", 1, 4, "the quote that is opened here is not closed"),
    ("a: 'it's'\n", 1, 8, "double it: ''"),
    ('a: "b" c\n', 1, 8, 'write \\"'),
    ("a: @b\n", 1, 4, "a text cannot start with '@'"),
    ("a: `b`\n", 1, 4, "a text cannot start with '`'"),
    ("a: 1\n%x: 2\n", 2, 1, "a line that starts with '%' needs quotes"),
    ("a: !x!y z\n", 1, 4, "that starts with '!' needs quotes"),
    ("a: |b\n", 1, 5, "the text starts on the next line"),
    ("a: 1\n...\nb: 2\n", 3, 1, "after the end of the document"),
    ("%YAML 3.0\n---\na: b\n", 1, 1, "another version of YAML"),
]
LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
@pytest.mark.parametrize(("text", "line", "column", "message"), SLIPS)
def test_slips_are_explained(text: str, line: int, column: int, message: str, loader: type[yaml.SafeLoader]) -> None:
    """Each usual slip is named at its own place, whichever parser finds it."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        list(yaml.parse(text, Loader=loader))
    where, sentence = explained(caught.value, "f", text)
    assert message in sentence
    assert where == Where("f", line, column)


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
@pytest.mark.parametrize("text", ['a: "\\d"\n', 'a: "\\x4"\n'])
def test_escapes_are_explained(text: str, loader: type[yaml.SafeLoader]) -> None:
    """An escape that YAML does not have is named as one."""
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        list(yaml.parse(text, Loader=loader))
    _, sentence = explained(caught.value, "f", text)
    assert "escape" in sentence
