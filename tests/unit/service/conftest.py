"""A route map in an empty directory, as whoever types a command has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from txproxy.config import Config, load

RouteMap = Callable[[str], Path]


@pytest.fixture
def route_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RouteMap:
    """Write routes.yaml into the directory that the test runs in."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        file = Path("routes.yaml")
        file.write_text(text)
        return file

    return write


@pytest.fixture
def config(route_map: RouteMap) -> Callable[[str], Config]:
    """Read a route map that has no errors."""

    def read(text: str) -> Config:
        loaded = load(str(route_map(text)), {})
        assert loaded.config is not None, loaded.problems
        return loaded.config

    return read
