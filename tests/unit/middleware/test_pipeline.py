"""Pipelines: which phases run, in which order, and that what nobody overrides is not there."""

from __future__ import annotations

from typing import Any

import pytest

from txproxy.middleware.pipeline import EMPTY, Middleware, Pipeline
from txproxy.model.head import RequestHead, ResponseHead

PHASES = ("on_request", "on_request_body", "on_response", "on_response_body", "on_response_end", "on_finish")


class Noting(Middleware):
    """Notes its calls."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Note."""
        self._notes.append(f"{self._name} request")

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Note."""
        self._notes.append(f"{self._name} response")

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Note."""
        self._notes.append(f"{self._name} body")
        return data

    def on_finish(self, exchange: Any) -> None:
        """Note."""
        self._notes.append(f"{self._name} finish")


class Derived(Noting):
    """Inherits everything."""


def test_a_phase_that_nobody_overrides_is_empty() -> None:
    """The empty pipeline, and one of middleware that does nothing, have nothing to call."""
    for pipeline in (EMPTY, Pipeline(), Pipeline([Middleware(), Middleware()])):
        assert [getattr(pipeline, phase) for phase in PHASES] == [(), (), (), (), (), ()]


@pytest.mark.parametrize("kind", [Noting, Derived])
def test_only_what_is_overridden_is_called(kind: type[Noting]) -> None:
    """A phase has the methods of those who override it, themselves or by inheritance."""
    pipeline = Pipeline([kind("a", []), Middleware()])
    assert [len(getattr(pipeline, phase)) for phase in PHASES] == [1, 0, 1, 1, 1, 1]


def test_the_order() -> None:
    """What is first on the way in is last on the way out."""
    notes: list[str] = []
    pipeline = Pipeline([Noting("a", notes), Noting("b", notes)])
    for phase in PHASES:
        for method in getattr(pipeline, phase):
            method(None) if phase in {"on_finish", "on_response_end"} else method(None, b"")
    assert notes == [
        "a request",
        "b request",
        "b response",
        "a response",
        "b body",
        "a body",
        "b finish",
        "a finish",
    ]


def test_the_base_changes_nothing() -> None:
    """The base's filters give what they are given."""
    base = Middleware()
    head = RequestHead(b"GET", b"/", b"a", b"\r\nHost: a")
    base.on_request(None, head)
    base.on_response(None, ResponseHead(200, b"OK", b""))
    base.on_finish(None)
    assert head.block == b"\r\nHost: a"
    assert (base.on_request_body(None, b"x"), base.on_response_body(None, b"y")) == (b"x", b"y")


class Adding(Middleware):
    """Adds its letter to each piece, and twice at the end."""

    def __init__(self, letter: bytes) -> None:
        self._letter = letter

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Add."""
        return data + self._letter

    def on_response_end(self, exchange: Any) -> bytes:
        """Add."""
        return self._letter * 2


def test_an_end_goes_through_the_filters_behind_it() -> None:
    """What one filter has kept back is a piece of the body to those behind it, and each gives its own after it."""
    pipeline = Pipeline([Adding(b"b"), Adding(b"a")])
    assert pipeline.response_body(None, b"-") == b"-ab"
    assert pipeline.response_end(None) == b"aabbb"


def test_a_filter_for_one_response() -> None:
    """A filter that is added for a response is behind the route's own, and the route's pipeline stays what it is."""
    notes: list[str] = []
    route = Pipeline([Adding(b"a"), Noting("n", notes)])
    once = route.filtering(Adding(b"b"))
    twice = once.filtering(Adding(b"c"))
    assert (route.response_body(None, b"-"), route.response_end(None)) == (b"-a", b"aa")
    assert (twice.response_body(None, b"-"), twice.response_end(None)) == (b"-abc", b"aabbbccc")
    assert (once.route, twice.route, route.route) == (route, route, None)
    for phase in ("on_request", "on_request_body", "on_response", "on_finish"):
        assert getattr(twice, phase) == getattr(route, phase)


def test_what_is_left_of_a_pipeline_that_failed() -> None:
    """Messages pass untouched from then on; the end is still told."""
    left = Pipeline([Noting("n", [])]).filtering(Adding(b"a")).without_messages()
    assert [len(getattr(left, phase)) for phase in PHASES] == [0, 0, 0, 0, 0, 1]
