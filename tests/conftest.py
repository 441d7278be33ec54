"""What holds for every test.

Rule: in CI (environment variable CI is "true") nothing is skipped: a test that would skip fails, so
that a missing program is mended in .ci/run and not overlooked.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import TypeVar

import hypothesis
import pytest

REFUSE_SKIPS = os.environ.get("CI") == "true"
ReportT = TypeVar("ReportT", pytest.TestReport, pytest.CollectReport)

# No deadline: the machines are shared and a slow example proves nothing. In CI the same examples each
# time, so that a red run is about the change; elsewhere new ones, so that somebody finds the next fault.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if REFUSE_SKIPS else "here")

# Shells start what stands before "&" with interrupts ignored, and every child inherits that: the daemons
# that tests stop with Ctrl-C's signal would never hear of it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse_skip(report: ReportT) -> ReportT:
    if REFUSE_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure, in CI."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure, in CI."""
    return _refuse_skip((yield))
