"""What the documents say, held against the program."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from txproxy.config import load_value
from txproxy.observability.record import Record

ROOT = Path(__file__).resolve().parents[2]
# Only what is written by hand: pages that a build has generated may be older than the program.
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"route-map.md", "causes.md"}
WRITTEN = [page for page in PAGES if page.name not in GENERATED and "_build" not in page.parts]
COMMAND = re.compile(r"(?:^\$ |^    .*&& .*/|`)txproxy ([a-z]+)", re.MULTILINE)
FENCED_MAP = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)")

MAPS = [
    pytest.param(found, id=f"{page.stem}-{number}")
    for page in WRITTEN
    for number, found in enumerate(FENCED_MAP.findall(page.read_text()))
]


@pytest.mark.parametrize("text", MAPS)
def test_every_route_map_in_the_documents_loads(text: str, tmp_path: Path) -> None:
    """A map that a reader copies out of a page has no problem."""
    loaded = load_value(yaml.safe_load(text), str(tmp_path), {})
    assert [problem.message for problem in loaded.problems if problem.severity == "error"] == []


def test_every_command_in_the_documents_exists() -> None:
    """Each `txproxy <command>` in a page is one that `txproxy --help` offers."""
    said = {command for page in WRITTEN for command in COMMAND.findall(page.read_text())}
    shown = subprocess.run(
        [sys.executable, "-m", "txproxy", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert said >= {"check", "explain", "routes", "run", "schema", "demo"}
    assert [command for command in sorted(said) if not re.search(rf"\b{command}\b", shown)] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A link from one page to another names a file that is there, or that the build writes."""
    targets = [page.parent / link for link in LINK.findall(page.read_text())]
    assert [str(target) for target in targets if target.name not in GENERATED and not target.exists()] == []


def test_the_readme_has_exactly_two_commands_for_a_fresh_machine() -> None:
    """One starts the demo, one runs all tests; each makes its own environment, with extras that exist."""
    commands = re.findall(r"^ {4}(\S.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [command.rsplit("/", 1)[1] for command in commands] == ["txproxy demo", "pytest"]
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")
        assert {extra for found in re.findall(r"'\.\[([a-z,]+)\]'", command) for extra in found.split(",")} <= set(
            known
        )


def test_architecture_stays_short_and_names_what_exists() -> None:
    """ARCHITECTURE.md has at most 200 lines, and every path of txproxy/ that it names is in the tree."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 200
    named = set(re.findall(r"`(txproxy/[\w/.]+)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_access_log_page_names_every_field() -> None:
    """Each field of a record is a key that docs/reference/access-log.md explains."""
    page = (ROOT / "docs" / "reference" / "access-log.md").read_text()
    assert [field for field in Record._fields if f"`{field}`" not in page] == []
