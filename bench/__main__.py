"""``python -m bench``, run from the checkout: all proxies, all cases, one table each.

Rule: nothing is left behind. A signal ends the run as an error does, through every context manager,
so each process that was started is ended by its id and each temporary directory removed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from shutil import which
from types import FrameType
from typing import Protocol, TypeVar

from . import report
from .cases import CASES, Case, Kind
from .measuring import choose_cores
from .processes import DoesNotStart, allow_many_files
from .proxies import PROXIES
from .run import Plan, run_case

# A percentile suffers more from a stall of the machine than a mean does, so latency has more rounds where
# rounds are few; memory hardly differs from one start to the next.
_DEFAULT = Plan({Kind.CPU: 5, Kind.MEMORY: 2, Kind.LATENCY: 7}, seconds=2, warm_up=1)
_QUICK = Plan({Kind.CPU: 2, Kind.MEMORY: 1, Kind.LATENCY: 4}, seconds=1, warm_up=0)
# Without these there is neither backend nor load; proxies that are missing are only named.
_NEEDED = ("nginx", "wrk")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)


def _chosen(table: Sequence[NamedT]) -> Callable[[str], list[NamedT]]:
    by_name = {entry.name: entry for entry in table}

    def parse(text: str) -> list[NamedT]:
        names = text.split(",")
        if unknown := [name for name in names if name not in by_name]:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(by_name)}")
        return [by_name[name] for name in names]

    return parse


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("a whole number above 0, please")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure txproxy beside other proxies.")
    cases, proxies = (", ".join(entry.name for entry in table) for table in (CASES, PROXIES))
    parser.add_argument("case", nargs="*", type=_chosen(CASES), help="what --cases takes")
    parser.add_argument("--cases", type=_chosen(CASES), default=[], help=f"comma-separated, of {cases}; default all")
    parser.add_argument("--proxies", type=_chosen(PROXIES), default=list(PROXIES), help=f"of {proxies}")
    rounds, quick = (", ".join(f"{n} ({kind.value})" for kind, n in plan.rounds.items()) for plan in (_DEFAULT, _QUICK))
    parser.add_argument("--rounds", type=_positive, help=f"default {rounds}; quick {quick}")
    parser.add_argument("--seconds", type=_positive, help=f"each; default {_DEFAULT.seconds}, quick {_QUICK.seconds}")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: about five minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables between this file's marks")
    parser.add_argument("--again", type=Path, metavar="FILE", help="measure nothing: report what --json has written")
    return parser


def _cases(options: argparse.Namespace) -> list[Case]:
    return [*options.cases, *chain.from_iterable(options.case)] or list(CASES)


def _plan(options: argparse.Namespace) -> Plan:
    standard = _QUICK if options.quick else _DEFAULT
    rounds = dict.fromkeys(Kind, options.rounds) if options.rounds else standard.rounds
    return replace(standard, rounds=rounds, seconds=options.seconds or standard.seconds)


def _end(number: int, _: FrameType | None) -> None:
    # Cleaning up is bounded; a second impatient signal must not cut it short.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; give 0, or 2 where nothing can be measured."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.markdown:
        try:  # before all the measuring, not after
            report.put_between_marks(options.markdown.read_text(), "")
        except (OSError, ValueError) as error:
            parser.error(f"--markdown: {error}")
    if options.again:
        try:
            found = report.from_json(json.loads(options.again.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser.error(f"--again: {type(error).__name__}: {error}")
        print("\n".join(found.setting), *(report.text(case, rows) for case, rows in found.results), sep="\n\n")
    else:
        if absent := [program for program in _NEEDED if which(program) is None]:
            parser.error(f"not installed: {', '.join(absent)} (it makes the load or is the backend)")
        try:
            found = _measure(options)
        except DoesNotStart as error:
            print(f"a backend does not start: {error}", file=sys.stderr)
            return 2
    if options.json:
        options.json.write_text(json.dumps(report.as_json(found), indent=1) + "\n")
    if options.markdown:
        generated = report.markdown(found, report.paragraphs(report.DOMINATES.read_text()))
        options.markdown.write_text(report.put_between_marks(options.markdown.read_text(), generated))
    return 0


def _measure(options: argparse.Namespace) -> report.Report:
    for number in _SIGNALS:  # also Ctrl-C: a shell's background job is started with it ignored
        signal.signal(number, _end)
    allow_many_files()
    cores, plan = choose_cores(), _plan(options)
    os.sched_setaffinity(0, {cores.load})
    found = report.Report(report.setting(options.proxies, plan, cores), [])
    print("\n".join(found.setting))
    for case in _cases(options):
        print(f"\n{case.name} ...", file=sys.stderr)
        rows = run_case(case, options.proxies, plan, cores, lambda line: print(line, file=sys.stderr))
        found.results.append((case, rows))
        print("\n" + report.text(case, rows), flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
