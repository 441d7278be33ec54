"""A reactor for Twisted whose connections are uvloop's own transports.

Rule: it knows Twisted and uvloop and nothing of txproxy, so that it could be a package of its own. Nothing
of uvloop is imported before `install` is called.
"""

from __future__ import annotations

from typing import Any


def install(loop: Any = None) -> Any:
    """Install the reactor; see `reactor.install`.

    :raises ImportError: uvloop is not there.
    """
    from .reactor import install as install_it  # noqa: PLC0415 - uvloop may be missing, and that is no error before

    return install_it(loop)
