"""Code that a route map names, imported by a child process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from txproxy.service.references import Reference, complaints

MODULES = {
    "good": "from twisted.web.resource import Resource\nroot = Resource()\ndef app(environ, start_response): ...\n",
    "broken": "import nosuch_module_at_all\n",
    "syntax": "def (\n",
    "raising": "raise ValueError('no\\nway')\n",
    "exiting": "raise SystemExit(3)\n",
    "dying": "import os; os._exit(7)\n",
    "printing": 'print(\'{"not": "an answer"}\'); app = print\n',
    "threads": "import threading; threading.Thread(target=threading.Event().wait).start(); app = print\n",
    "hanging": "import threading; threading.Event().wait()\n",
    "reactors": "from twisted.internet import selectreactor; selectreactor.install(); app = print\n",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the modules where the command is given."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("wsgi", "good:app", None),
        ("resource", "good:root", None),
        ("resource", "good:Resource", None),
        ("wsgi", "printing:app", None),
        ("wsgi", "threads:app", None),
        ("wsgi", "good:apq", "has no attribute 'apq'; did you mean good:app?"),
        ("wsgi", "nosuch_module_at_all:app", "ModuleNotFoundError: No module named 'nosuch_module_at_all'"),
        ("wsgi", "broken:app", "ModuleNotFoundError: No module named 'nosuch_module_at_all'"),
        ("wsgi", "syntax:app", "SyntaxError"),
        ("wsgi", "raising:app", "ValueError: no"),
        ("wsgi", "exiting:app", "importing exiting:app ended the process with status 3"),
        ("wsgi", "dying:app", "importing dying:app ended the process with status 7"),
        ("wsgi", "reactors:app", "ReactorAlreadyInstalledError"),
        ("wsgi", "good:__doc__", "good:__doc__ is no WSGI application: a NoneType cannot be called"),
        ("resource", "good:__name__", "is neither a twisted.web resource nor something that makes one"),
    ],
)
def test_what_can_be_had(kind: str, name: str, words: str | None) -> None:
    """A name is fine if it can be imported and used as what it is named for; else the reason is told."""
    reference = Reference(kind, name)
    found = complaints([reference])
    assert (reference in found) == (words is not None)
    assert (words or "") in found.get(reference, "")


def test_one_that_ends_its_process_does_not_hide_the_others() -> None:
    """Every name gets its own answer, also behind one that takes the process with it; none is asked twice."""
    names = ["good:app", "dying:app", "broken:app", "exiting:app", "good:app"]
    found = complaints([Reference("wsgi", name) for name in names])
    assert [reference.name for reference in found] == ["dying:app", "broken:app", "exiting:app"]


def test_one_that_hangs_is_given_up() -> None:
    """Importing has a time limit, which counts as a problem."""
    reference = Reference("wsgi", "hanging:app")
    assert complaints([reference], patience=2.0) == {reference: "importing hanging:app took longer than 2 s"}


def test_nothing_is_imported_here() -> None:
    """The process that asks stays as it is."""
    complaints([Reference("wsgi", "good:app")])
    assert "good" not in sys.modules
