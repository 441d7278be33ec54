"""Choosing and running the load generator of a case.

Rule: whatever it is asked to do, it is over a bounded time later.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.cases import Backend, Case, Kind
from bench.processes import Child

from .result import Load, LoadFailed, parse

CHECKOUT = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).with_name("report.lua")
_GRACE = 15.0


def argv(case: Case, port: int, seconds: int) -> list[str]:
    """Give the command that loads this port with the case for so many whole seconds."""
    if case.kind is Kind.LATENCY:
        return [sys.executable, "-m", "bench.load.at_rate", str(port), case.name, str(seconds)]
    if case.backend is Backend.ECHO:
        program = [sys.executable, "-m", "bench.load.websocket"]
        return [*program, str(port), str(case.connections), str(seconds)]
    headers = [part for name, value in case.headers() for part in ("-H", f"{name}: {value}")]
    return [
        "wrk",
        *("-t", "1", "-c", str(case.connections), "-d", f"{seconds}s", "--timeout", "2s", "-s", str(_SCRIPT)),
        *headers,
        f"http://127.0.0.1:{port}{case.path}",
        *("--", str(case.upload)),
    ]


def drive(case: Case, port: int, seconds: int, *, core: int, directory: Path) -> Load:
    """Load a proxy and give what came back.

    :raises LoadFailed: the generator broke, or hung.
    """
    out = directory / "load.stdout"
    out.unlink(missing_ok=True)
    with Child(argv(case, port, seconds), core=core, directory=directory, name="load", out=out, cwd=CHECKOUT) as child:
        status = child.wait(seconds + _GRACE)
        if status != 0:
            raise LoadFailed(f"the load generator {'hung' if status is None else 'broke'}: {child.complaint()}")
    return parse(out.read_text())
