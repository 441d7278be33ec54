"""The benchmark's tables, on a terminal, on the page and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import report
from bench.cases import CASES, Case, Kind
from bench.measuring import Cores
from bench.proxies import COMPARED, DIRECT, PROXIES, YARDSTICK
from bench.run import Plan
from bench.samples import CpuSample, LatencySample, MemorySample, Row
from bench.tables import Rows, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
SAMPLES = {
    Kind.CPU: CpuSample(20.0, rate=1000, p50=1, p99=2, busy=0.5, answers=1000, errors=0, log_bytes=1),
    Kind.MEMORY: MemorySample(1 << 20, 3 << 20, 5000, answers=5000, errors=0, log_bytes=1),
    Kind.LATENCY: LatencySample(0.2, 0.6, busy=0.1, answers=1000, errors=0, log_bytes=1),
}


def rows_of(case: Case, *names: str) -> Rows:
    """Make a row with one sample for each name."""
    return [Row(name, case.logged, [SAMPLES[case.kind]]) for name in names]


ALL = [DIRECT, *(proxy.name for proxy in PROXIES)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_table_fits_its_case(case: Case):
    """Each case has a table whose rows are as long as its head, also where a proxy has no samples."""
    rows = [*rows_of(case, *ALL), Row("broken", problem="does not start: why")]
    head, *body = table(case, rows)
    assert [line[0] for line in body] == [*ALL, "broken"]
    assert {len(line) for line in body} == {len(head)}
    assert set(body[-1][1:]) == {"-"}
    assert "  ! broken: does not start: why" in report.text(case, rows)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind is not Kind.LATENCY], ids=lambda case: case.name)
def test_what_is_compared_is_compared_with_who_took_part(case: Case):
    """A column of ratios for each of those compared with, and none for one that was not asked."""
    compared = (YARDSTICK, *COMPARED)
    heads = [table(case, rows_of(case, "txproxy", *compared[:number]))[0] for number in range(4)]
    assert [sum(title.endswith(" = 1") for title in head) for head in heads] == [0, 1, 2, 3]


def test_every_case_has_its_paragraph():
    """What dominates a case is written in dominates.md, under the name of a case, for all of them."""
    assert list(report.paragraphs(report.DOMINATES.read_text())) == [case.name for case in CASES]


def test_a_paragraph_stands_below_its_table():
    """On the page come table, remarks and paragraph of one case, and then the next."""
    first, second = CASES[:2]
    results = [(first, rows_of(first, "txproxy")), (second, [Row("txproxy", problem="not installed")])]
    page = report.markdown(report.Report(["Today."], results), {first.name: "Why one.", second.name: "Why two."})
    parts = ["Today.", f"### {first.name}: ", "| txproxy | 20.0 ", "Why one.", f"### {second.name}: ", "- txproxy: not"]
    places = [page.index(part) for part in [*parts, "Why two."]]
    assert places == sorted(places)


def test_the_page_has_the_paragraphs_as_they_are_written():
    """docs/performance.md says of each case what dominates.md says; `--again` brings it up to date."""
    page = PAGE.read_text()
    written = report.paragraphs(report.DOMINATES.read_text())
    assert [name for name, said in written.items() if f"### {name}: " in page and said not in page] == []


def test_a_report_is_made_again_from_its_json():
    """What --json wrote gives the same tables and the same page."""
    results = [(case, [*rows_of(case, *ALL), Row("broken", problem="why\nat length")]) for case in CASES]
    made = report.Report(["Today.", "On this machine."], results)
    again = report.from_json(json.loads(json.dumps(report.as_json(made))))
    assert again == made
    assert report.markdown(again, {}) == report.markdown(made, {})


def test_only_what_is_between_the_marks_is_replaced():
    """The rest of the page stays; a page without marks is refused."""
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.put_between_marks(page, "new\n") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        report.put_between_marks("before\nafter\n", "new\n")


def test_the_setting_names_machine_plan_and_versions():
    """Date, processor and kernel, how long was measured, and the version of each proxy."""
    first, second, third = report.setting(PROXIES[:2], Plan(dict.fromkeys(Kind, 3), 2, 1), Cores(1, 0))
    assert "cores, Linux " in first
    assert "2 s" in second
    assert "3 for latency" in second
    assert third.startswith("txproxy ")
    assert "; txproxy-epoll " in third
