"""The report: the same tables as text, as Markdown and as JSON.

Rule: a figure never stands alone. With it come the machine, the versions, the date, what failed, and
how far the rounds lie apart; and below its table on the page what it consists of, which people write
in dominates.md.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .cases import CASES, Case
from .measuring import Cores
from .proxies import Proxy
from .run import Plan
from .samples import CLASSES, Row
from .tables import Rows, table

BEGIN = "<!-- written by `python -m bench --markdown`: begin -->"
END = "<!-- written by `python -m bench --markdown`: end -->"
DOMINATES = Path(__file__).with_name("dominates.md")


@dataclass(frozen=True)
class Report:
    """What a run found.

    :ivar setting: under what circumstances, in sentences, one a line.
    """

    setting: list[str]
    results: list[tuple[Case, Rows]]


def setting(proxies: Iterable[Proxy], plan: Plan, cores: Cores) -> list[str]:
    """Describe the run that is about to be made."""
    place = "one core for everything" if cores.shared else "proxies on one core, load and backend on another"
    rounds = ", ".join(f"{number} for {kind.value}" for kind, number in plan.rounds.items())
    named = "; ".join(f"{proxy.name} {proxy.missing() or proxy.version()}" for proxy in proxies)
    today = datetime.now(UTC).date().isoformat()
    return [
        f"{today}, {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}.",
        f"Rounds of {plan.seconds} s, interleaved: {rounds}; {place}.",
        f"{named}.",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _remarks(rows: Rows) -> list[str]:
    return [f"{row.proxy}: {_last_line(remark)}" for row in rows for remark in row.remarks()]


def _last_line(remark: str) -> str:
    # Where a program ended with a traceback or a log, its last line says why; all of it was shown during the run.
    first, *more = remark.splitlines()
    return f"{first.partition(': ')[0]}: {more[-1].strip()}" if more else first


def text(case: Case, rows: Rows) -> str:
    """Give a case's table for a terminal."""
    cells = table(case, rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{case.name}: {case.title}"]
    for line in cells:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        lines.append("  " + "  ".join([first.strip().ljust(widths[0]), *rest]))
    return "\n".join([*lines, *(f"  ! {remark}" for remark in _remarks(rows))])


def paragraphs(document: str) -> dict[str, str]:
    """Give what stands below each heading `## name` of a document, by name."""
    _, *parts = re.split(r"^## (.+)\n", document, flags=re.MULTILINE)
    return {name.strip(): below.strip() for name, below in zip(parts[::2], parts[1::2], strict=True)}


def markdown(report: Report, explained: Mapping[str, str]) -> str:
    """Give all tables for docs/performance.md, and below each what is said about its case."""
    lines = [*report.setting]
    for case, rows in report.results:
        head, *body = table(case, rows)
        lines += ["", f"### {case.name}: {case.title}", ""]
        lines += [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
        lines += [f"| {' | '.join(cells)} |" for cells in body]
        if remarks := _remarks(rows):
            lines += ["", *(f"- {remark}" for remark in remarks)]
        if case.name in explained:
            lines += ["", explained[case.name]]
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


def as_json(report: Report) -> dict[str, object]:
    """Give everything measured, round by round, as plain values, and the tables made of it."""
    return {
        "setting": report.setting,
        "cases": [
            {"case": case.name, "rows": [row.as_json() for row in rows], "table": table(case, rows)}
            for case, rows in report.results
        ],
    }


def from_json(found: Mapping[str, Any]) -> Report:
    """Make a report of what `as_json` gave, without its tables.

    :raises KeyError: it names a case that is no more, or is something else.
    :raises TypeError: samples had other fields then.
    """
    by_name = {case.name: case for case in CASES}
    results: list[tuple[Case, Rows]] = []
    for part in found["cases"]:
        case = by_name[part["case"]]
        rows: Rows = []
        for row in part["rows"]:
            samples = [CLASSES[case.kind](**sample) for sample in row["samples"]]
            rows.append(Row(row["proxy"], row["logged"], samples, row["problem"]))
        results.append((case, rows))
    return Report(list(found["setting"]), results)
