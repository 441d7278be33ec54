"""The package itself: what a program that embeds txproxy sees."""

from __future__ import annotations

import subprocess
import sys

import pytest
from twisted.web import proxy

import txproxy


def test_importing_the_package_imports_nothing_else() -> None:
    """`import txproxy` loads no floor and no Twisted, so whoever embeds it still chooses the reactor."""
    code = "import sys, txproxy; print([m for m in sys.modules if m.startswith(('twisted', 'txproxy.'))])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).strip() == "[]"


@pytest.mark.parametrize("name", txproxy.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """What `__all__` promises can be had."""
    assert getattr(txproxy, name) is not None


def test_other_names_are_refused() -> None:
    """A name that nobody promised raises AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = txproxy.nothing


def test_the_leaf_is_a_stock_leaf() -> None:
    """ReverseProxyResource takes the place of Twisted's class of that name."""
    assert issubclass(txproxy.ReverseProxyResource, proxy.ReverseProxyResource)
