"""Twisted's own tests that use the process's reactor are run by its own runner on this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvloop")

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 200
NETWORK = (
    "twisted.test.test_tcp",
    "twisted.test.test_unix",
    "twisted.internet.test.test_unix.RealSocketTests",
    "twisted.test.test_ssl",
    "twisted.protocols.test.test_tls",
    "twisted.test.test_stateful",
    "twisted.test.test_factories",
    "twisted.test.test_internet",
    "twisted.test.test_threads",
    "twisted.test.test_udp",
    "twisted.test.test_stdio",
    "twisted.internet.test.test_inotify",
    # The one of FTP that wants a call to be made before the first data comes.
    "twisted.test.test_ftp.FTPClientFailedRETRAndErrbacksUponDisconnectTests",
)
# What takes longer, for most of it touches no socket.
MORE = (
    "twisted.internet.test.test_endpoints",
    "twisted.internet.test.test_resolver",
    "twisted.test.test_process",
    "twisted.test.test_ftp",
    "twisted.test.test_amp",
    "twisted.test.test_iutils",
    "twisted.web.test.test_http",
    "twisted.web.test.test_webclient",
    "twisted.web.test.test_agent",
)


def passed(suites: tuple[str, ...], folder: Path) -> int:
    """Run suites on this reactor, and give how many tests have passed: all that were not skipped."""
    command = (sys.executable, "-m", "twisted.trial", "--reactor=uvloop", "--reporter=text", *suites)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    summary = re.search(r"^PASSED \((?:skips=\d+, )?successes=(\d+)\)$", ran.stdout, re.MULTILINE)
    assert summary is not None, ran.stdout[-4000:] + ran.stderr[-4000:]
    return int(summary[1])


@pytest.mark.soak
def test_twisteds_tests_of_the_network_pass_on_this_reactor(tmp_path: Path) -> None:
    """TCP, half-closing, UNIX sockets, TLS, UDP, threads, stdio: all of Twisted's tests pass."""
    assert passed(NETWORK, tmp_path) > 250


@pytest.mark.soak
def test_twisteds_tests_of_what_stands_on_the_network_pass_on_this_reactor(tmp_path: Path) -> None:
    """Endpoints, processes, FTP, AMP, HTTP: all of Twisted's tests pass."""
    assert passed(MORE, tmp_path) > 800
