"""Golden route maps: beside each cases/NAME.yaml stands NAME.problems, all that is wrong with it.

To write them anew after a change of wording: TXPROXY_WRITE_GOLDEN=1 pytest tests/unit/config, then read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from txproxy.config import Loaded, load

CASES = Path(__file__).parent / "cases"
ENVIRON = {"PORT": "8000", "EMPTY": "", "LINES": "a\nb"}
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))
# What pydantic and PyYAML say when nobody has translated them.
JARGON = ("pydantic", "Input should", "validation error", "type=", "while parsing", "did not find expected", "<unicode")


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """Load a case by its bare name, so that no problem holds a path of this machine."""
    monkeypatch.chdir(CASES)
    return load(f"{name}.yaml", ENVIRON)


@pytest.mark.parametrize("name", NAMES)
def test_all_problems_are_found_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route map gives exactly the problems that stand beside it, in the order of its lines."""
    found = "".join(f"{problem}\n" for problem in loaded(name, monkeypatch).problems)
    expected = CASES / f"{name}.problems"
    if os.environ.get("TXPROXY_WRITE_GOLDEN"):
        expected.write_text(found)
    assert expected.read_text() == found


@pytest.mark.parametrize("name", NAMES)
def test_a_config_comes_exactly_with_no_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a config if and only if no problem is an error."""
    result = loaded(name, monkeypatch)
    assert (result.config is None) == any(problem.severity == "error" for problem in result.problems)


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_shows_its_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem is at a place that exists, and shows that line with a caret below it."""
    for problem in loaded(name, monkeypatch).problems:
        lines = (CASES / problem.file).read_text().split("\n")
        assert lines[problem.line - 1] == problem.source_line
        assert 1 <= problem.column <= len(problem.source_line) + 1
        if problem.source_line:
            shown = problem.render().split("\n")
            assert shown[0] == str(problem)
            assert shown[2].index("^") - shown[2].index("|") - 1 == problem.column


@pytest.mark.parametrize("name", NAMES)
def test_problems_are_in_our_own_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No library's jargon reaches the author of a route map."""
    for problem in loaded(name, monkeypatch).problems:
        assert not any(word in problem.message for word in JARGON)


def test_the_whole_language_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the language by example, each key works or is named as not supported yet; none is unknown or ignored."""
    errors = [problem for problem in loaded("reference", monkeypatch).problems if problem.severity == "error"]
    assert errors
    assert [str(problem) for problem in errors if not problem.message.endswith(": not supported yet")] == []
