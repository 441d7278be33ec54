"""Taking one sample of one proxy: a function for each kind of case.

Rule: what the kernel knows of the proxy (CPU time, memory) is read right before and right after, and
the proxies have a core of their own while everything else has another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cases import Case, Kind
from .load.drive import drive
from .load.idle import Held
from .load.result import Load, LoadFailed
from .processes import Child, files_allowed
from .proxies import Place
from .samples import CpuSample, LatencySample, MemorySample, Row

# Before memory is read for the first time: so many connections, which stay open, and requests on each. They
# are as many requests as there will be more connections, so that the heap is as large as so much traffic makes
# it, with what starting left free filled, and grows by nothing but idle connections after that.
_WARM_CONNECTIONS, _WARM_REQUESTS = 64, 80
# Descriptors that a process needs besides those of its clients.
_SPARE_FILES = 200
# What a proxy puts off until it is idle, such as giving memory back, it does meanwhile.
_SETTLE_SECONDS = 0.5


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
class Running:
    """Something that listens: a proxy that passed the probe, or the backend, to be measured without one."""

    child: Child
    place: Place
    row: Row[Any]

    def log_bytes(self) -> int:
        """Tell how large its access log is."""
        return self.place.log.stat().st_size if self.place.log.exists() else 0


def take(case: Case, running: Running, seconds: int, cores: Cores) -> None:
    """Measure once and put the sample into the row; or the reason why there is none, and never again."""
    row = running.row
    if row.problem:
        return
    if running.place.log.exists():
        os.truncate(running.place.log, 0)  # so that hours of lines never fill the disk
    try:
        row.samples.append(_KINDS[case.kind](case, running, seconds, cores))
    except LoadFailed as error:
        row.problem = str(error)
    if not running.child.running():
        row.problem = f"it ended under load: {running.child.complaint()}"


def load(case: Case, running: Running, seconds: int, cores: Cores) -> tuple[Load, float, float]:
    """Load it, and give what came back, the CPU seconds that it used, and how long that took.

    :raises LoadFailed: the load generator broke, or hung.
    """
    began, used_before = time.monotonic(), running.child.cpu_seconds()
    came = drive(case, running.place, seconds, core=cores.load)
    used = running.child.cpu_seconds() - used_before
    return came, used, time.monotonic() - began


def _errors(came: Load) -> int:
    return came.errors if came.answers else max(came.errors, 1)


def _cpu(case: Case, running: Running, seconds: int, cores: Cores) -> CpuSample:
    came, used, elapsed = load(case, running, seconds, cores)
    return CpuSample(
        cpu=used * 1e6 / came.answers if came.answers else 0.0,
        rate=came.answers / came.seconds,
        p50=came.p50,
        p99=came.p99,
        busy=used / elapsed,
        answers=came.answers,
        errors=_errors(came),
        log_bytes=running.log_bytes(),
    )


def _latency(case: Case, running: Running, seconds: int, cores: Cores) -> LatencySample:
    came, used, _ = load(case, running, seconds, cores)
    return LatencySample(
        p50=came.p50,
        p99=came.p99,
        busy=used / came.seconds,  # the generator takes as long again to start, when nothing is asked
        answers=came.answers,
        errors=_errors(came),
        log_bytes=running.log_bytes(),
    )


def _memory(case: Case, running: Running, _seconds: int, _cores: Cores) -> MemorySample:
    if (allowed := files_allowed()) < case.connections + _SPARE_FILES:
        raise LoadFailed(f"this system allows {allowed} open files, too few for {case.connections} connections")
    identity = running.place.identity
    with Held(case, running.place.port, identity.client() if identity else None) as held:
        held.open(_WARM_CONNECTIONS, requests=_WARM_REQUESTS)
        before = _settled(running.child)
        held.open(case.connections)
        after = _settled(running.child)
        return MemorySample(
            before=before,
            after=after,
            connections=case.connections,
            answers=_WARM_CONNECTIONS * _WARM_REQUESTS + case.connections,
            errors=held.lost(),
            log_bytes=running.log_bytes(),
        )


def _settled(child: Child) -> int:
    time.sleep(_SETTLE_SECONDS)
    try:
        return child.memory()
    except PermissionError as error:  # it has given up its account, and we are neither root nor who it was
        raise LoadFailed(f"its memory may not be read: {error}") from error
    except KeyError as error:
        raise LoadFailed(f"this kernel does not tell {error}") from error


_KINDS: dict[Kind, Callable[[Case, Running, int, Cores], CpuSample | LatencySample | MemorySample]] = {
    Kind.CPU: _cpu,
    Kind.LATENCY: _latency,
    Kind.MEMORY: _memory,
}
