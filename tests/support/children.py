"""Child processes of the tests: started, watched, and certainly ended.

Rule: whatever a test starts carries the session's mark in its environment, so that what is left
over at the end can be found, whoever its parent is by then.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .waiting import PATIENCE, until

MARK = "TXPROXY_TEST_SESSION"
ROOT = Path(__file__).resolve().parents[2]


def environment(mark: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment for a child: ours without proxies, with this checkout, the mark and `extra`."""
    ours = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return ours | {MARK: mark, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_PROXY": "*"} | dict(extra or {})


def marked(mark: str) -> list[int]:
    """Give the process ids that carry this mark, except our own."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue  # it ended while we looked, or is not ours
    return found


def memory(pid: int, row: str = "VmRSS") -> int:
    """Give octets of memory: `VmRSS` now, `VmHWM` the most since `forget_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == row:
            return int(value.split()[0]) * 1024
    raise AssertionError(f"no {row} for process {pid}")


def forget_peak(pid: int) -> None:
    """Let `VmHWM` start anew from what the process uses now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def can_connect(address: tuple[str, int] | str) -> bool:
    """Tell whether something listens at this host and port, or at this path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


class Child:
    """One program in a session of its own, its output in files."""

    def __init__(self, argv: Sequence[str | Path], folder: Path, env: Mapping[str, str], name: str = "child") -> None:
        self.name = name
        self.output = folder / f"{name}.out"
        self.errors = folder / f"{name}.err"
        with self.output.open("ab") as out, self.errors.open("ab") as err:
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """Give what it wrote to standard error so far."""
        return self.errors.read_text(errors="replace")

    def ready_at(self, address: tuple[str, int] | str, seconds: float = 30.0) -> None:
        """Wait until it listens.

        :raises AssertionError: it ended before, or took longer than `seconds`.
        """

        def listening() -> bool:
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.log()}"
            return can_connect(address)

        until(listening, f"{self.name} listens at {address}", seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end and give its exit status (negative: the signal)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds:g} s:\n{self.log()}") from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = PATIENCE) -> int:
        """Ask it to end, wait, and take what is left of its group along; give its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its whole group at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the whole group is gone already, which is what was wanted
        self.process.wait(PATIENCE)
