"""The report: the same tables as text, as Markdown and as JSON.

Rule: a figure never stands alone. With it come the machine, the versions, the date, what failed, and
how far the rounds lie apart.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .cases import Case
from .proxies import YARDSTICK, Proxy
from .run import Cores, Plan
from .samples import Row, find, ratio

BEGIN = "<!-- written by `python -m bench --markdown`: begin -->"
END = "<!-- written by `python -m bench --markdown`: end -->"

_COLUMNS = ("proxy", "CPU us/{unit}", "{unit}s/s", "p50 ms", "p99 ms", "core used", "failed", f"CPU, {YARDSTICK} = 1")


@dataclass(frozen=True)
class Setting:
    """Under what circumstances the figures came about."""

    plan: Plan
    cores: Cores
    versions: dict[str, str]

    def lines(self) -> list[str]:
        """Say it in sentences, one a line."""
        place = "one core for everything" if self.cores.shared else "proxies on one core, load and backend on another"
        named = "; ".join(f"{name} {version}" for name, version in self.versions.items())
        today = datetime.now(UTC).date().isoformat()
        return [
            f"{today}, {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}.",
            f"{self.plan.rounds} interleaved rounds of {self.plan.seconds} s, {place}.",
            f"{named}.",
        ]


def setting(proxies: Iterable[Proxy], plan: Plan, cores: Cores) -> Setting:
    """Describe the run that is about to be made."""
    versions = {proxy.name: "not installed" if proxy.missing() else proxy.version() for proxy in proxies}
    return Setting(plan, cores, versions)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _cells(row: Row, rows: list[Row]) -> list[str]:
    if not row.samples:
        return [row.proxy, *["-"] * (len(_COLUMNS) - 1)]
    compared = ratio(row, find(rows, YARDSTICK))
    return [
        row.proxy,
        f"{row.median(lambda sample: sample.cpu):.1f}",
        f"{row.median(lambda sample: sample.rate):.0f}",
        f"{row.median(lambda sample: sample.p50):.2f}",
        f"{row.median(lambda sample: sample.p99):.2f}",
        f"{row.median(lambda sample: sample.busy):.0%}",
        str(row.errors),
        str(compared) if compared else "-",
    ]


def _table(case: Case, rows: list[Row]) -> list[list[str]]:
    return [[column.format(unit=case.unit) for column in _COLUMNS], *(_cells(row, rows) for row in rows)]


def _remarks(rows: list[Row]) -> list[str]:
    return [f"{row.proxy}: {_last_line(remark)}" for row in rows for remark in row.remarks()]


def _last_line(remark: str) -> str:
    # Where a program ended with a traceback or a log, its last line says why; all of it was shown during the run.
    first, *more = remark.splitlines()
    return f"{first.partition(': ')[0]}: {more[-1].strip()}" if more else first


def text(case: Case, rows: list[Row]) -> str:
    """Give a case's table for a terminal."""
    table = _table(case, rows)
    widths = [max(len(line[index]) for line in table) for index in range(len(_COLUMNS))]
    lines = [f"{case.name}: {case.title}"]
    for cells in table:
        first, *rest = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append("  " + "  ".join([first.strip().ljust(widths[0]), *rest]))
    return "\n".join([*lines, *(f"  ! {remark}" for remark in _remarks(rows))])


def markdown(circumstances: Setting, results: list[tuple[Case, list[Row]]]) -> str:
    """Give all tables for docs/performance.md."""
    lines = [*circumstances.lines()]
    for case, rows in results:
        head, *body = _table(case, rows)
        lines += ["", f"### {case.name}: {case.title}", ""]
        lines += [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
        lines += [f"| {' | '.join(cells)} |" for cells in body]
        remarks = _remarks(rows)
        lines += ["", *(f"- {remark}" for remark in remarks)] if remarks else []
    return "\n".join(lines) + "\n"


def put_between_marks(document: str, generated: str) -> str:
    """Give the document with what stands between BEGIN and END replaced.

    :raises ValueError: it has no such place.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place marked by {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{generated}{END}{after}"


def as_json(circumstances: Setting, results: list[tuple[Case, list[Row]]]) -> dict[str, object]:
    """Give everything measured, round by round, as plain values."""
    return {
        "setting": circumstances.lines(),
        "versions": circumstances.versions,
        "cases": [{"case": case.name, "rows": [row.as_json() for row in rows]} for case, rows in results],
    }
