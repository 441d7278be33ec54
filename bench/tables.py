"""The table of a case: which columns, and what stands in them.

Rule: the columns follow from the case's kind, and a proxy without samples has a dash in each. What is
compared is compared within rounds, with whoever took part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cases import Case, Kind
from .proxies import COMPARED, DIRECT, YARDSTICK
from .samples import KIB, LatencySample, Row, Spread, added, find, ratio

# A row's samples are of the class that belongs to the case's kind; a column reads that class.
Rows = list[Row[Any]]
Table = list[list[str]]


@dataclass(frozen=True)
class Column:
    """One column.

    :ivar title: in it {unit} is what the case counts.
    :ivar cell: gives what stands in a row that has samples, told all rows.
    :ivar against: the row that others are compared with; without it the column is left out.
    """

    title: str
    cell: Callable[[Row[Any], Rows], str]
    against: str = ""


def _median(title: str, form: str, value: Callable[[Any], float]) -> Column:
    return Column(title, lambda row, _: format(row.median(value), form))


def _ratio(title: str, name: str, show: Callable[[Spread], str]) -> Column:
    def cell(row: Row[Any], rows: Rows) -> str:
        compared = ratio(row, find(rows, name))
        return show(compared) if compared else "-"

    return Column(title, cell, name)


def _ratios(what: str) -> tuple[Column, ...]:
    # The spread is told once: those of the others are as wide.
    others = (_ratio(f"{name} = 1", name, lambda found: f"{found.middle:.2f}") for name in COMPARED)
    return (_ratio(f"{what}, {YARDSTICK} = 1", YARDSTICK, str), *others)


def _added(title: str, value: Callable[[LatencySample], float]) -> Column:
    def cell(row: Row[Any], rows: Rows) -> str:
        if row.proxy == DIRECT:
            return "-"
        return str(added(row, find(rows, DIRECT), value) or "-")

    return Column(title, cell)


_FAILED = Column("failed", lambda row, _: str(row.errors))

COLUMNS: dict[Kind, tuple[Column, ...]] = {
    Kind.CPU: (
        _median("CPU us/{unit}", ".1f", lambda sample: sample.cpu),
        _median("{unit}s/s", ".0f", lambda sample: sample.rate),
        _median("p50 ms", ".2f", lambda sample: sample.p50),
        _median("p99 ms", ".2f", lambda sample: sample.p99),
        _median("core used", ".0%", lambda sample: sample.busy),
        _FAILED,
        *_ratios("CPU"),
    ),
    Kind.MEMORY: (
        _median("MiB before", ".1f", lambda sample: sample.before / KIB**2),
        _median("MiB with all", ".1f", lambda sample: sample.after / KIB**2),
        _median("KiB/connection", ".2f", lambda sample: sample.figure),
        _FAILED,
        *_ratios("memory"),
    ),
    Kind.LATENCY: (
        _median("p50 ms", ".2f", lambda sample: sample.p50),
        _median("p99 ms", ".2f", lambda sample: sample.p99),
        _added("p50 added", lambda sample: sample.p50),
        _added("p99 added", lambda sample: sample.p99),
        _median("core used", ".0%", lambda sample: sample.busy),
        _FAILED,
    ),
}


def table(case: Case, rows: Rows) -> Table:
    """Give the titles and then the cells of each row."""
    columns = [column for column in COLUMNS[case.kind] if not column.against or find(rows, column.against)]
    lines = [["proxy", *(column.title.format(unit=case.unit) for column in columns)]]
    for row in rows:
        cells = [column.cell(row, rows) for column in columns] if row.samples else ["-"] * len(columns)
        lines.append([row.proxy, *cells])
    return lines
