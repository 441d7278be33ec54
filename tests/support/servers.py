"""Real servers for the scenarios, each started with the command its users type.

Rule: nothing here is adapted to the proxy: default settings, on loopback, on a free port.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from .addresses import HOST, free_port

APPS = Path(__file__).with_name("apps")
Start = Callable[..., object]


def url(port: int) -> str:
    """Give the address of a server on loopback, as a route map writes it."""
    return f"http://{HOST}:{port}"


def gunicorn(start_child: Start, application: str, env: Mapping[str, str] | None = None) -> str:
    """Start `gunicorn APPLICATION` with threads, from the folder of the tests' applications; give its URL."""
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", "--chdir", APPS, "--bind", f"{HOST}:{port}", "--threads", "8"]
    start_child([*argv, "--graceful-timeout", "1", application], (HOST, port), env)
    return url(port)


def file_server(start_child: Start, folder: Path) -> str:
    """Start `python -m http.server` for a folder; give its URL."""
    port = free_port()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", folder]
    start_child([*argv, "--protocol", "HTTP/1.1"], (HOST, port))
    return url(port)
