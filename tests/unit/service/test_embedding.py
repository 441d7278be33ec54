"""A route map inside of another Twisted program."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import IResource

import txproxy
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.service.embedding import RouteMapError


def test_a_mapping_becomes_a_tree_that_can_be_looked_at() -> None:
    """The tree names its hosts and their leaves, and is itself a resource."""
    tree = txproxy.resource_tree({"hosts": {"App.Example.com": "http://127.0.0.1:8000"}}, Clock())
    assert IResource.providedBy(tree)
    (leaf,) = tree.hosts["app.example.com"].leaves.values()
    assert isinstance(leaf, ReverseProxyResource)
    assert [backend.url for backend in leaf.upstream.backends] == ["http://127.0.0.1:8000"]


def test_a_file_becomes_a_tree_with_its_variables_filled_in(tmp_path: Path) -> None:
    """A path is read as the daemon reads it, with the environment that is given."""
    file = tmp_path / "routes.yaml"
    file.write_text("hosts: {a.test: '${BACKEND}'}\n")
    tree = txproxy.resource_tree(file, Clock(), environ={"BACKEND": "http://127.0.0.1:9"})
    assert list(tree.hosts) == ["a.test"]


def test_a_wrong_map_raises_with_all_its_problems(tmp_path: Path) -> None:
    """The error holds every problem with its place."""
    file = tmp_path / "routes.yaml"
    file.write_text("hosts: {a.test: nobody, b.test: {respnd: {status: 204}}}\n")
    with pytest.raises(RouteMapError) as caught:
        txproxy.resource_tree(file, Clock())
    assert len(caught.value.problems) == 2
    assert f"{file}:1:" in str(caught.value)


def test_a_route_that_is_never_reached_raises_too() -> None:
    """What the daemon does not serve is not embedded either."""
    routes = [{"path": "/*", "proxy": "http://b:1"}, {"path": "/x", "proxy": "http://b:1"}]
    with pytest.raises(RouteMapError, match="'a/x' is never reached"):
        txproxy.resource_tree({"hosts": {"a": routes}}, Clock())


def test_nothing_runs_before_a_connection_needs_it() -> None:
    """Making a tree leaves no timer behind."""
    clock = Clock()
    txproxy.resource_tree({"hosts": {"a.test": "http://127.0.0.1:8000"}}, clock)
    assert clock.getDelayedCalls() == []
