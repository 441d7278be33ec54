"""The run: for each case all proxies are started, probed, and measured in turn, round after round.

Rule: the proxies have a core of their own, everything else has another; one proxy is under load at
a time, and the CPU time taken is read right before and right after the load.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .backing import backend
from .cases import Case
from .load.drive import drive
from .load.result import LoadFailed
from .probe import probe
from .processes import Child, DoesNotStart, free_port
from .proxies import Place, Proxy
from .samples import Row, Sample
from .websocket_client import BadAnswer

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cores:
    """Which core the proxies have, and which one the load generator and the backends."""

    proxy: int
    load: int

    @property
    def shared(self) -> bool:
        """Whether there is only one for all, which spoils latencies but not CPU per request."""
        return self.proxy == self.load


def choose_cores() -> Cores:
    """Take the last core we may use for the proxies, the first for the rest."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(proxy=usable[-1], load=usable[0])


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    :ivar seconds: of load on a proxy in a round, a whole number because wrk counts so.
    :ivar warm_up: of load before the first round, not measured; 0 for none.
    """

    rounds: int
    seconds: int
    warm_up: int


@dataclass(frozen=True)
class Running:
    """A proxy that passed the probe."""

    proxy: Proxy
    child: Child
    place: Place
    row: Row


def run_case(case: Case, proxies: list[Proxy], plan: Plan, cores: Cores, say: Say) -> list[Row]:
    """Measure all proxies in one case, and give a row for each."""
    rows = [Row(proxy.name) for proxy in proxies]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="txproxy-bench-")))
        port = stack.enter_context(backend(case.backend, core=cores.load, directory=_below(directory, "backend")))
        running = []
        for proxy, row in zip(proxies, rows, strict=True):
            place = Place(free_port(), port, _below(directory, proxy.name))
            try:
                running.append(_start(case, proxy, place, row, cores, stack))
            except (DoesNotStart, BadAnswer) as error:
                row.problem = str(error)
                say(f"  {proxy.name}: {row.problem}")
        for each in running:
            if plan.warm_up:
                _measure(case, each, plan.warm_up, cores)
        for number in range(plan.rounds):
            for each in running:
                _measure_round(case, each, plan.seconds, cores)
            say(f"  round {number + 1} of {plan.rounds}: {_progress(running)}")
    return rows


def _below(directory: Path, name: str) -> Path:
    (directory / name).mkdir()
    return directory / name


def _start(case: Case, proxy: Proxy, place: Place, row: Row, cores: Cores, stack: ExitStack) -> Running:
    if proxy.missing():
        raise DoesNotStart("not installed")
    child = stack.enter_context(proxy.start(place, core=cores.proxy))
    try:
        child.wait_until_listening(place.port)
    except DoesNotStart as error:
        raise DoesNotStart(f"does not start: {error}") from error
    try:
        probe(case, place.port)
    except BadAnswer as error:
        raise BadAnswer(f"failed the probe: {error}") from error
    return Running(proxy, child, place, row)


def _measure_round(case: Case, running: Running, seconds: int, cores: Cores) -> None:
    row = running.row
    if row.problem:
        return
    try:
        row.samples.append(_measure(case, running, seconds, cores))
    except LoadFailed as error:
        row.problem = str(error)
    if not running.child.running():
        row.problem = f"it ended under load: {running.child.complaint()}"


def _measure(case: Case, running: Running, seconds: int, cores: Cores) -> Sample:
    child, place = running.child, running.place
    if place.log.exists():
        os.truncate(place.log, 0)  # so that hours of lines never fill the disk
    began, used_before = time.monotonic(), child.cpu_seconds()
    load = drive(case, place.port, seconds, core=cores.load, directory=place.directory)
    used = child.cpu_seconds() - used_before
    elapsed = time.monotonic() - began
    return Sample(
        cpu=used * 1e6 / load.answers if load.answers else 0.0,
        rate=load.answers / load.seconds,
        p50=load.p50,
        p99=load.p99,
        busy=used / elapsed,
        answers=load.answers,
        errors=load.errors if load.answers else max(load.errors, 1),
        log_bytes=place.log.stat().st_size if place.log.exists() else 0,
    )


def _progress(running: list[Running]) -> str:
    return ", ".join(f"{each.proxy.name} {each.row.samples[-1].cpu:.1f}" for each in running if each.row.samples)
