"""Reading files: encodings, includes and bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from txproxy.config import load, load_text
from txproxy.config.source import MAX_INCLUDE_DEPTH

HOST = "hosts: {a.example.com: http://127.0.0.1:8000}\n"


def problems(text: str) -> list[str]:
    """Load a text and give its problems."""
    return [str(problem) for problem in load_text(text, "f", "/", {}).problems]


@pytest.mark.parametrize("data", [HOST.encode(), b"\xef\xbb\xbf" + HOST.encode(), HOST.replace("\n", "\r\n").encode()])
def test_files_as_editors_write_them(data: bytes, tmp_path: Path) -> None:
    """A byte order mark and any line ends are fine."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(data)
    assert load(str(path), {}).problems == ()


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"hosts:\n  # caf\xe9\n", 2, 8),
        (b"\xff\xfeh\x00", 1, 1),
        ("ä: ö\nb: ".encode() + b"\x80", 2, 4),
    ],
)
def test_another_encoding_is_found(data: bytes, line: int, column: int, tmp_path: Path) -> None:
    """The first octet that is not UTF-8 is named by line and column."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(data)
    (problem,) = load(str(path), {}).problems
    assert (problem.line, problem.column) == (line, column)
    assert "UTF-8" in problem.message


def test_characters_that_cannot_be_in_yaml() -> None:
    """A control character is named by its code point and place."""
    assert problems("hosts:\n  a: \x1b[31m\n") == [
        "f:2:6: the character U+001B cannot stand in a YAML file; in double quotes it can be written as an escape"
    ]


def test_a_circle_of_files(tmp_path: Path) -> None:
    """A file that includes itself over others is refused where the circle closes."""
    (tmp_path / "a.yaml").write_text("hosts: !include sub/b.yaml\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.yaml").write_text("x.example.com: !include ../a.yaml\n")
    (problem,) = load(str(tmp_path / "a.yaml"), {}).problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "sub/b.yaml"), 1, 16)
    assert "goes in a circle" in problem.message


def test_one_file_may_be_included_twice(tmp_path: Path) -> None:
    """Including a file in two places is no circle."""
    (tmp_path / "route.yaml").write_text("{respond: {status: 204}}\n")
    path = tmp_path / "a.yaml"
    path.write_text("hosts: {a: !include route.yaml, b: !include route.yaml}\n")
    assert load(str(path), {}).problems == ()


def test_includes_are_not_endlessly_deep(tmp_path: Path) -> None:
    """A chain of includes has a bound."""
    for number in range(MAX_INCLUDE_DEPTH + 5):
        (tmp_path / f"{number}.yaml").write_text(f"hosts: !include {number + 1}.yaml\n")
    assert any("too many files" in str(problem) for problem in load(str(tmp_path / "0.yaml"), {}).problems)


def test_includes_do_not_multiply(tmp_path: Path) -> None:
    """Files that each include the next several times meet the bound on their number."""
    for number in range(9):
        items = ", ".join(f"!include {number + 1}.yaml" for _ in range(9))
        (tmp_path / f"{number}.yaml").write_text(f"[{items}]\n")
    (tmp_path / "9.yaml").write_text("x\n")
    assert any("too many files" in str(problem) for problem in load(str(tmp_path / "0.yaml"), {}).problems)


@pytest.mark.parametrize(
    "text",
    ["hosts: " + "[" * 100_000, "hosts: " + "{a: " * 3000 + "}" * 3000, "".join(" " * n + "a:\n" for n in range(500))],
    ids=["open", "flow", "block"],
)
def test_depth_is_bounded(text: str) -> None:
    """A document nests so deep and no deeper; the bound is met at once."""
    # PyYAML 6.0.4 has a bound of its own (libyaml's, a thousand), which it meets while it looks ahead for ours.
    said = ("levels deep", "exceeded maximum nesting depth")
    assert any(words in problem for words in said for problem in problems(text))


def test_aliases_of_aliases_are_bounded() -> None:
    """A few lines that would expand to billions of values are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (problem,) = problems("\n".join(lines))
    assert "aliases expanded" in problem


def test_merged_mappings_are_bounded() -> None:
    """Merge keys cost what they copy."""
    wide = ", ".join(f"k{n}: x" for n in range(1000))
    merges = "\n".join(f"m{n}: {{<<: [{', '.join(['*w'] * 100)}]}}" for n in range(100))
    assert any("aliases expanded" in problem for problem in problems(f"w: &w {{{wide}}}\n{merges}\n"))


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!binary", "!x"])
def test_no_tag_makes_an_object(tag: str) -> None:
    """Every tag but !include is refused, on values of any kind."""
    for value in ("[echo]", "echo", "{a: b}"):
        assert any("is not known; the only one is !include" in line for line in problems(f"hosts: {tag} {value}\n"))


def test_harmless_tags_are_harmless() -> None:
    """Tags of YAML's own plain types change nothing."""
    assert problems("hosts: !!map {a: !!str http://127.0.0.1:8000}\n") == []
