"""The rules of docs/style.md that a machine can hold and that ruff, mypy and import-linter do not."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "txproxy").rglob("*.py")) + sorted((ROOT / "twisted").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
EXCUSE = "Longer than a file should be: "  # and then the reason, in the module's docstring
EMPTY_WORDS = re.compile(r"(Manager|Engine|Helper|Utils?|Peer|Remote|Target)(?![a-z])")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """Give a file's name as a test id."""
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[Function]:
    """Give every function and method below a node."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Count a function's lines, without its docstring and without inner functions, which count by themselves."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    inner = (node for node in ast.walk(function) if isinstance(node, Function) and node is not function)
    nested = sum((node.end_lineno or 0) - node.lineno + 1 for node in inner)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 - nested


def is_excused(function: Function, lines: list[str]) -> bool:
    """Tell whether a comment stands right above the function or opens its body."""
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    above = (lines[first - 2], lines[body[0].lineno - 2])
    return any(line.lstrip().startswith("#") for line in above)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_rooms_are_small(path: Path) -> None:
    """A file of more than 400 lines, or a function of more than 40, says why it is so long."""
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= MAX_FILE_LINES or EXCUSE in (ast.get_docstring(ast.parse(text)) or "")
    long = [f for f in functions(ast.parse(text)) if length(f) > MAX_FUNCTION_LINES and not is_excused(f, lines)]
    assert [f"{function.name}: {length(function)} lines" for function in long] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_types_have_names_that_say_something(path: Path) -> None:
    """No class is called manager, engine, helper, util, peer, remote or target."""
    classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if EMPTY_WORDS.search(name)] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_says_what_it_shows(path: Path) -> None:
    """Each test function has a docstring that states behaviour."""
    tests = [f for f in functions(ast.parse(path.read_text())) if f.name.startswith("test_")]
    assert [f.name for f in tests if not ast.get_docstring(f)] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_sleeps(path: Path) -> None:
    """No test waits by `time.sleep`: it waits for what it wants to see, or turns a clock."""
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert "time.sleep" not in called


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "unit").rglob("test_*.py")), ids=name_of)
def test_unit_tests_mirror_the_tree(path: Path) -> None:
    """A file tests/unit/<floor>/test_<module>[_<aspect>].py stands for a module or package of that floor."""
    folder = ROOT / "txproxy" / path.parent.relative_to(ROOT / "tests" / "unit")
    subject = path.stem.removeprefix("test_")
    modules = {module.stem for module in folder.glob("*.py")} | {"init", folder.name}
    packages = {package.name for package in folder.iterdir() if package.is_dir()}
    assert any(subject == name or subject.startswith(f"{name}_") for name in modules | packages)


def test_the_contract_names_every_codec() -> None:
    """Each module called codec is in the import contract that keeps Twisted and OpenSSL out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["id"] == "pure"]
    codecs = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if "codec" in path.stem]
    assert [codec for codec in codecs if codec not in pure["source_modules"]] == []
