"""A reverse proxy on Twisted, steered by one YAML route map.

Rule: importing this package imports no floor and no Twisted, so that commands start fast and choose
the reactor themselves; what programs embed is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .forwarding.proxy import ReverseProxyResource
    from .service.embedding import resource_tree

__all__ = ["ReverseProxyResource", "__version__", "resource_tree"]
__version__ = "0.1.0"

_HOMES = {"ReverseProxyResource": "forwarding.proxy", "resource_tree": "service.embedding"}


def __getattr__(name: str) -> object:
    """Load what a program embeds (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
