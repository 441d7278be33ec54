"""Choosing and running the load generator of a case.

Rule: whatever it is asked to do, it is over a bounded time later.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.cases import Backend, Case, Kind
from bench.identity import RESOLVED
from bench.processes import Child
from bench.proxies import CHECKOUT, Place

from .result import Load, LoadFailed, parse

_SCRIPT = Path(__file__).with_name("report.lua")
_GRACE = 15.0


def argv(case: Case, port: int, seconds: int) -> list[str]:
    """Give the command that loads this port with the case for so many whole seconds."""
    if module := _own(case):
        return [sys.executable, "-m", f"bench.load.{module}", str(port), case.name, str(seconds)]
    if case.backend is Backend.ECHO:
        program = [sys.executable, "-m", "bench.load.websocket"]
        return [*program, str(port), str(case.connections), str(seconds)]
    headers = [part for name, value in case.headers() for part in ("-H", f"{name}: {value}")]
    return [
        "wrk",
        *("-t", "1", "-c", str(case.connections), "-d", f"{seconds}s", "--timeout", "2s", "-s", str(_SCRIPT)),
        *headers,
        f"https://{RESOLVED}:{port}{case.path}" if case.tls else f"http://127.0.0.1:{port}{case.path}",
        *("--", str(case.upload)),
    ]


def _own(case: Case) -> str:
    # Of the generators that are told a case's name; "" for all others.
    if case.kind is Kind.LATENCY:
        return "at_rate"
    return "handshakes" if case.tls and case.closing else ""


def drive(case: Case, place: Place, seconds: int, *, core: int) -> Load:
    """Load a proxy and give what came back.

    :raises LoadFailed: the generator broke, or hung.
    """
    directory = place.directory
    out = directory / "load.stdout"
    out.unlink(missing_ok=True)
    command = argv(case, place.port, seconds)
    environ = {"OPENSSL_CONF": str(place.identity.openssl_conf(case.group))} if place.identity else {}
    with Child(command, core=core, directory=directory, name="load", out=out, cwd=CHECKOUT, environ=environ) as child:
        status = child.wait(seconds + _GRACE)
        if status != 0:
            raise LoadFailed(f"the load generator {'hung' if status is None else 'broke'}: {child.complaint()}")
    return parse(out.read_text())
