"""How problems are told."""

from __future__ import annotations

import pytest

from txproxy.config.problem import MAX_HINTS, Problem, Report, Where, listed, nearest, quoted

LINE = "    - pth: /static/*"


def test_a_problem_is_one_line_that_editors_can_click() -> None:
    """`str()` gives file, line, column and message; a warning says that it is one."""
    assert str(Problem("routes.yaml", 12, 7, "no")) == "routes.yaml:12:7: no"
    assert str(Problem("routes.yaml", 12, 7, "no", "warning")) == "routes.yaml:12:7: warning: no"


@pytest.mark.parametrize(
    ("line", "column", "shown", "caret"),
    [
        (LINE, 7, LINE, "      ^"),
        ("\tkey: x", 2, "\tkey: x", "\t^"),
        ("名前: x", 5, "名前: x", "      ^"),
        ("e\u0301a: x", 4, "e\u0301a: x".replace("\u0301", "\u0301"), "  ^"),
        ("a\x1b[31m: x", 8, "a\\x1b[31m: x", "          ^"),
        ("short", 6, "short", "     ^"),
    ],
    ids=["plain", "tab", "wide", "combining", "escape", "end"],
)
def test_the_caret_stands_below_the_place(line: str, column: int, shown: str, caret: str) -> None:
    """The caret is where a terminal shows the column, whatever takes one, two or no columns before it."""
    assert Problem("f", 3, column, "no", source_line=line).render().split("\n") == [
        f"f:3:{column}: no",
        f"    3 | {shown}",
        f"      | {caret}",
    ]


@pytest.mark.parametrize("column", [1, 80, 500, 999, 1001])
def test_a_long_line_is_shown_around_the_place(column: int) -> None:
    """Of a line of a thousand characters only a window is shown, with the caret in it."""
    line = "".join(chr(97 + index % 26) for index in range(1000))
    _, shown, caret = Problem("f", 1, column, "no", source_line=line).render().split("\n")
    assert len(shown) <= 170
    if column <= len(line):
        assert shown[caret.index("^")] == line[column - 1]


def test_a_problem_without_a_line_is_told_without_one() -> None:
    """Where there is nothing to show, nothing is shown."""
    assert Problem("f", 1, 1, "no").render() == "f:1:1: no"


def test_problems_come_in_the_order_of_the_files_and_lines() -> None:
    """A report gives its problems as an author reads, each once, however they were found."""
    report = Report()
    report.add_source("b.yaml", "/b", ["one", "two"])
    report.add_source("a.yaml", "/a", ["three"])
    for where in (Where("a.yaml", 1, 2), Where("b.yaml", 2, 1), Where("b.yaml", 1, 9), Where("b.yaml", 2, 1)):
        report.error(where, "no")
    assert [(problem.file, problem.line) for problem in report.problems()] == [
        ("b.yaml", 1),
        ("b.yaml", 2),
        ("a.yaml", 1),
    ]
    assert [problem.source_line for problem in report.problems()] == ["one", "two", "three"]
    assert report.directory(Where("a.yaml", 1, 1)) == "/a"


def test_only_errors_fail_a_report() -> None:
    """A warning leaves a route map usable."""
    report = Report()
    report.warning(Where("f", 1, 1), "hm")
    assert not report.failed
    report.error(Where("f", 1, 1), "no")
    assert report.failed


def test_messages_stay_on_one_line() -> None:
    """What a route map holds cannot end the line of a message or move a terminal's cursor."""
    report = Report()
    report.error(Where("f", 1, 1), f"{quoted('a' + chr(10) + chr(27))} and \r{chr(0x2028)}")
    (problem,) = report.problems()
    assert problem.message == "'a\\x0a\\x1b' and \\x0d\\x2028"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("proyx", "proxy"), ("Hosts", "hosts"), ("strip-prefix", "strip_prefix"), ("frobnicate", None), ("", None)],
)
def test_the_nearest_word(word: str, expected: str | None) -> None:
    """A slip, another case or a hyphen finds the word that was meant; anything else finds none."""
    assert nearest(word, ["proxy", "hosts", "strip_prefix"]) == expected


def test_hints_are_bounded() -> None:
    """After many hints no more are looked for: looking is dear, and nobody reads on."""
    report = Report()
    assert [bool(report.near("proyx", ["proxy"])) for _ in range(MAX_HINTS + 1)] == [True] * MAX_HINTS + [False]


def test_lists_in_words() -> None:
    """Lists read as in a sentence."""
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "and")] == ["a", "a or b", "a, b and c"]


def test_quoted_text_is_cut() -> None:
    """A long text is quoted in part."""
    assert len(quoted("x" * 1000)) < 70
