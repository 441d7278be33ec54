"""The run: for each case all proxies are started, probed, and measured in turn, round after round.

Rule: one proxy is under load at a time, and the next follows at once, so that the machine's noise
meets all of them alike. Where memory is measured each proxy is started anew and has the machine alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answers import BadAnswer
from .backing import backend
from .cases import Case, Kind
from .identity import Identity, make
from .load.result import LoadFailed
from .measuring import Cores, Running, load, take
from .probe import probe
from .processes import Child, DoesNotStart, free_port
from .proxies import DIRECT, Place, Proxy
from .samples import Row

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    :ivar rounds: by the kind of case.
    :ivar seconds: of load on a proxy in a round, a whole number because wrk counts so.
    :ivar warm_up: of load before the first round, not measured; 0 for none.
    """

    rounds: Mapping[Kind, int]
    seconds: int
    warm_up: int


@dataclass(frozen=True)
class Site:
    """What a case is measured with: its backend, a directory for each proxy, and with TLS who all of them are."""

    case: Case
    plan: Plan
    cores: Cores
    directory: Path
    backend: Child
    backend_port: int
    say: Say
    identity: Identity | None = None

    @property
    def rounds(self) -> int:
        """How often each proxy is measured."""
        return self.plan.rounds[self.case.kind]

    def start(self, proxy: Proxy, row: Row[Any], stack: ExitStack) -> list[Running]:
        """Start and probe a proxy; give nothing where it fails, and write into its row why."""
        try:
            return [self._start(proxy, row, stack)]
        except (DoesNotStart, BadAnswer) as error:
            row.problem = str(error)
            self.say(f"  {proxy.name}: {row.problem}")
            return []

    def _start(self, proxy: Proxy, row: Row[Any], stack: ExitStack) -> Running:
        if reason := proxy.missing():
            raise DoesNotStart(reason)
        directory = Path(tempfile.mkdtemp(prefix=f"{proxy.name}-", dir=self.directory))
        place = Place(free_port(), self.backend_port, directory, self.identity)
        child = stack.enter_context(proxy.start(place, core=self.cores.proxy))
        try:
            child.wait_until_listening(place.port)
        except DoesNotStart as error:
            raise DoesNotStart(f"does not start: {error}") from error
        try:
            probe(self.case, place)
        except BadAnswer as error:
            raise BadAnswer(f"failed the probe: {error}") from error
        return Running(child, place, row)

    def direct(self, row: Row[Any]) -> Running:
        """Give the backend as if it were a proxy."""
        directory = Path(tempfile.mkdtemp(prefix=f"{DIRECT}-", dir=self.directory))
        return Running(self.backend, Place(self.backend_port, self.backend_port, directory), row)


def run_case(case: Case, proxies: list[Proxy], plan: Plan, cores: Cores, say: Say) -> list[Row[Any]]:
    """Measure all proxies in one case, and give a row for each."""
    rows: list[Row[Any]] = [Row(proxy.name, case.logged) for proxy in proxies]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="txproxy-bench-")))
        behind = directory / "backend"
        behind.mkdir()
        child, port = stack.enter_context(backend(case.backend, core=cores.load, directory=behind))
        identity = make(directory / "identity") if case.tls else None
        site = Site(case, plan, cores, directory, child, port, say, identity)
        if case.kind is Kind.MEMORY:
            _one_alone(site, proxies, rows)
            return rows
        running = [each for proxy, row in zip(proxies, rows, strict=True) for each in site.start(proxy, row, stack)]
        if case.kind is Kind.LATENCY:
            # A backend has no access log.
            running.insert(0, site.direct(Row(DIRECT, logged=False)))
            rows.insert(0, running[0].row)
        _interleaved(site, running)
    return rows


def _interleaved(site: Site, running: list[Running]) -> None:
    for each in running if site.plan.warm_up else ():
        try:
            load(site.case, each, site.plan.warm_up, site.cores)
        except LoadFailed as error:
            each.row.problem = str(error)
    for number in range(site.rounds):
        for each in running:
            take(site.case, each, site.plan.seconds, site.cores)
        site.say(f"  round {number + 1} of {site.rounds}: {_progress([each.row for each in running])}")


def _one_alone(site: Site, proxies: list[Proxy], rows: list[Row[Any]]) -> None:
    for number in range(site.rounds):
        for proxy, row in zip(proxies, rows, strict=True):
            if row.problem:
                continue
            with ExitStack() as stack:
                for running in site.start(proxy, row, stack):
                    take(site.case, running, site.plan.seconds, site.cores)
        site.say(f"  start {number + 1} of {site.rounds}: {_progress(rows)}")


def _progress(rows: list[Row[Any]]) -> str:
    return ", ".join(f"{row.proxy} {row.samples[-1].figure:.2f}" for row in rows if row.samples)
