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
from pathlib import Path
from shutil import which
from types import FrameType
from typing import Protocol, TypeVar

from . import report
from .cases import CASES, Case
from .processes import DoesNotStart
from .proxies import PROXIES, Proxy
from .run import Cores, Plan, choose_cores, run_case
from .samples import Row

_DEFAULT = Plan(rounds=5, seconds=2, warm_up=1)
_QUICK = Plan(rounds=3, seconds=1, warm_up=0)
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
    parser.add_argument("--cases", type=_chosen(CASES), default=list(CASES), help=f"comma-separated, of {cases}")
    parser.add_argument("--proxies", type=_chosen(PROXIES), default=list(PROXIES), help=f"of {proxies}")
    parser.add_argument("--rounds", type=_positive, help=f"default {_DEFAULT.rounds}, quick {_QUICK.rounds}")
    parser.add_argument(
        "--seconds", type=_positive, help=f"a round; default {_DEFAULT.seconds}, quick {_QUICK.seconds}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: less than three minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables between this file's marks")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    standard = _QUICK if options.quick else _DEFAULT
    return Plan(options.rounds or standard.rounds, options.seconds or standard.seconds, standard.warm_up)


def _end(number: int, _: FrameType | None) -> None:
    # Cleaning up is bounded; a second impatient signal must not cut it short.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; give 0, or 2 where nothing can be measured."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if absent := [program for program in _NEEDED if which(program) is None]:
        parser.error(f"not installed: {', '.join(absent)} (it makes the load or is the backend)")
    if options.markdown:
        try:  # before ten minutes of measuring, not after
            report.put_between_marks(options.markdown.read_text(), "")
        except (OSError, ValueError) as error:
            parser.error(f"--markdown: {error}")
    for number in _SIGNALS:  # also Ctrl-C: a shell's background job is started with it ignored
        signal.signal(number, _end)
    cores, plan = choose_cores(), _plan(options)
    os.sched_setaffinity(0, {cores.load})
    circumstances = report.setting(options.proxies, plan, cores)
    try:
        results = _measure(options.cases, options.proxies, plan, cores, circumstances)
    except DoesNotStart as error:
        print(f"a backend does not start: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(report.as_json(circumstances, results), indent=1) + "\n")
    if options.markdown:
        generated = report.markdown(circumstances, results)
        options.markdown.write_text(report.put_between_marks(options.markdown.read_text(), generated))
    return 0


def _measure(
    cases: list[Case], proxies: list[Proxy], plan: Plan, cores: Cores, circumstances: report.Setting
) -> list[tuple[Case, list[Row]]]:
    print("\n".join(circumstances.lines()))
    results = []
    for case in cases:
        print(f"\n{case.name} ...", file=sys.stderr)
        rows = run_case(case, proxies, plan, cores, lambda line: print(line, file=sys.stderr))
        results.append((case, rows))
        print("\n" + report.text(case, rows), flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
