"""A route map's text: ``python -m fuzz config``.

Rule: the documented outcome is a `Loaded`, whatever the text: a config if and only if no problem is an error.
"""

from __future__ import annotations

from txproxy.config import load_text


def one_input(data: bytes) -> None:
    """Load the input as a route map and show what is wrong with it."""
    loaded = load_text(data.decode("utf-8", "replace"), "routes.yaml", "/nonexistent", {"HOME": "/home/a", "N": "8080"})
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    assert (loaded.config is None) == bool(errors)
    for problem in loaded.problems:
        assert str(problem).startswith(f"{problem.file}:{problem.line}:{problem.column}: ")
        problem.render()
