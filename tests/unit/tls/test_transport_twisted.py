"""Our TLS transport is held to Twisted's own tests of TLS, by Twisted's runner, on both reactors.

They use the process's reactor, so they run in a process of their own; `twisted_cases` says which are left out, and why.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 120
CASES, LEFT_OUT = 47, 11


@pytest.mark.parametrize("reactor", ["epoll", "uvloop"])
def test_twisteds_tests_of_tls_pass(reactor: str, tmp_path: Path) -> None:
    """In memory, on sockets, and started on a connection: all of Twisted's cases pass but those left out by name."""
    if reactor == "uvloop":
        pytest.importorskip("uvloop")
    module = "tests.unit.tls.twisted_cases"
    command = (
        *(sys.executable, "-m", "tests.support.twisted_tls"),
        *(f"--reactor={reactor}", "--reporter=text", module),
    )
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    summary = rf"^PASSED \(skips={LEFT_OUT}, successes={CASES}\)$"
    assert re.search(summary, ran.stdout, re.MULTILINE), ran.stdout[-4000:] + ran.stderr[-2000:]
