"""The backends of a case, started on the load generator's core.

Rule: a backend is checked to answer before any proxy is put in front of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cases import CASES, SMALL_BODY, Backend
from .processes import START_SECONDS, Child, DoesNotStart, free_port
from .proxies import CHECKOUT, account, fill

_OWN = {Backend.UPLOADS: "bench.backends.uploads", Backend.ECHO: "bench.backends.echo"}


@contextmanager
def backend(kind: Backend, *, core: int, directory: Path) -> Iterator[tuple[Child, int]]:
    """Run a backend and give it and its port.

    :raises DoesNotStart: with what it had to say.
    """
    child, port = _files(core, directory) if kind is Backend.FILES else _own(_OWN[kind], core, directory)
    with child:
        port = port or _announced(child)
        child.wait_until_listening(port)
        yield child, port


def _files(core: int, directory: Path) -> tuple[Child, int]:
    port = free_port()
    files = directory / "files"
    files.mkdir()
    for case in CASES:
        if case.backend is Backend.FILES and case.path != "/":
            (files / case.path.lstrip("/")).write_bytes(case.answer)
    small = SMALL_BODY.decode("ascii").replace("\n", "\\n")
    values = {"PORT": port, "DIRECTORY": directory, "SMALL": small, **account()}
    config = fill("backend.conf", values, directory / "backend.conf")
    argv = ["nginx", "-p", str(directory), "-e", str(directory / "backend.error.log"), "-c", str(config)]
    return Child(argv, core=core, directory=directory, name="backend"), port


def _own(module: str, core: int, directory: Path) -> tuple[Child, int]:
    return Child([sys.executable, "-m", module], core=core, directory=directory, name="backend", cwd=CHECKOUT), 0


def _announced(child: Child) -> int:
    # Our own backends choose a port themselves and print it.
    deadline = time.monotonic() + START_SECONDS
    while child.running() and time.monotonic() < deadline:
        line = child.out.read_text()
        if line.endswith("\n"):
            return int(line)
        time.sleep(0.02)
    raise DoesNotStart(child.complaint())
