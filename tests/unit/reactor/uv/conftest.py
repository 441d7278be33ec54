"""The stage for stories that are played on both reactors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("uvloop")

from tests.unit.reactor.uv.scene import Scene


@pytest.fixture(params=["epoll", "uvloop"])
def scene(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give a reactor of Twisted's, and one of ours."""
    made = Scene(request.param)
    yield made
    made.close()


@pytest.fixture
def uv() -> Iterator[Any]:
    """Give one of ours."""
    made = Scene("uvloop")
    yield made
    made.close()
