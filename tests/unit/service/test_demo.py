"""The demo's route map."""

from __future__ import annotations

import os
from pathlib import Path

from txproxy.service.checking import check
from txproxy.service.demo import configured, route_map

SHOWN = Path(__file__).resolve().parents[3] / "etc" / "demo.yaml"


def test_the_map_that_is_served_is_the_one_that_is_shown() -> None:
    """What the wheel holds and what etc/ shows are the same, byte for byte."""
    assert route_map() == SHOWN.read_text(encoding="utf-8")


def test_the_map_is_without_a_problem() -> None:
    """`txproxy check etc/demo.yaml` finds nothing, and its tests pass."""
    found = check(str(SHOWN), os.environ)
    assert found.findings == ()
    assert found.config is not None
    assert len(found.config.tests) == 8


def test_the_port_is_set_in_both_places() -> None:
    """The listeners and the route that leads back to the first have the ports that were asked for."""
    config = configured(1234, 1235)
    assert [(listen.port, listen.tls) for listen in config.listen] == [(1234, False), (1235, True)]
    assert [backend.port for upstream in config.upstreams.values() for backend in upstream.backends] == [1234]
