"""Child processes: pinned to a core, timed by the kernel, and ended by their ids whatever happens.

Rule: a `Child` is a context manager; leaving it leaves no process behind, and nothing is ever ended
by its name.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import Self

STOP_SECONDS = 4.0
START_SECONDS = 15.0


class DoesNotStart(Exception):
    """A program ended, or stayed silent, instead of listening; the message is what it had to say."""


def free_port() -> int:
    """Give a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_many_files() -> None:
    """Let this process, and the children that it starts, open as many files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def files_allowed() -> int:
    """Tell how many files this process, and each child that it starts, may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextmanager
def pinned_to(core: int) -> Iterator[None]:
    """Let this process, and with it the children it starts meanwhile, run on one core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _session_members(session: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            # The command's name stands in parentheses and may hold anything, so count from its end.
            state, _, _, its_session = stat.rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                members.append(int(entry.name))
    return members


# The parts of a process's memory that are its own doing. The fourth, pages of files, is programs and libraries:
# what of it counts for one process depends on who else on the machine runs the same.
_OWN_MEMORY = ("Pss_Anon", "Pss_Shmem", "SwapPss")


def own_memory(smaps_rollup: str) -> int:
    """Give the octets that a process holds besides pages of files, from the text of /proc/<pid>/smaps_rollup.

    A page that several processes map counts in parts, so that a sum over processes counts it once. Sockets'
    buffers are the kernel's, and are not in it.

    :raises KeyError: this kernel does not tell (before Linux 5.4).
    """
    kib = dict(re.findall(r"^(\w+): +(\d+) kB$", smaps_rollup, re.MULTILINE))
    return sum(int(kib[name]) for name in _OWN_MEMORY) * 1024


def _cpu_clock(pid: int) -> int:
    # The kernel's clock id for the CPU time of another process (clock_getcpuclockid(3)). It is the
    # utime + stime of /proc/<pid>/stat, in nanoseconds instead of ticks of 10 ms.
    return (~pid << 3) | 2


class Child:
    """A running program and whatever it forked.

    :ivar pid: of the process that was started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        core: int,
        directory: Path,
        name: str,
        environ: Mapping[str, str] | None = None,
        out: Path | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start `argv` on `core`; its output goes to files in `directory`, standard output to `out` if given."""
        self._errors = directory / f"{name}.stderr"
        self.out = out or directory / f"{name}.stdout"
        # In its own session, so that Ctrl-C reaches us alone and we end it in order; should we be
        # killed outright, the kernel ends it for us.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if which("setpriv") else []
        with self.out.open("ab") as out_file, self._errors.open("ab") as error_file, pinned_to(core):
            self._popen = subprocess.Popen(
                [*guard, *argv],
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=error_file,
                env={**os.environ, **(environ or {})},
                cwd=cwd or directory,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> list[int]:
        """Give the ids of the process and of all it forked: it leads a session of its own."""
        return _session_members(self.pid)

    def cpu_seconds(self) -> float:
        """Give the user and system time used so far by the process and its descendants."""
        total = 0.0
        for pid in self.pids():
            try:
                total += time.clock_gettime(_cpu_clock(pid))
            except OSError:
                continue  # it ended; what a proxy's ended children used is not counted
        return total

    def memory(self) -> int:
        """Give the octets that the process and its descendants hold: see `own_memory`."""
        total = 0
        for pid in self.pids():
            try:
                total += own_memory(Path(f"/proc/{pid}/smaps_rollup").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended
        return total

    def running(self) -> bool:
        """Tell whether the process itself has not ended."""
        return self._popen.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Give its exit status once it has ended; None if it is still running after so long."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def complaint(self) -> str:
        """Give the end of what it wrote to its standard error, else to its standard output."""
        for path in (self._errors, self.out):
            text = path.read_text(errors="replace").strip() if path.exists() else ""
            if text:
                return "\n".join(text.splitlines()[-6:])
        return "(it said nothing)"

    def wait_until_listening(self, port: int) -> None:
        """Return once the port of the loopback address accepts connections.

        :raises DoesNotStart: the process ended first, or took longer than START_SECONDS.
        """
        deadline = time.monotonic() + START_SECONDS
        while self.running():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise DoesNotStart(f"not listening after {START_SECONDS:.0f} s: {self.complaint()}") from None
                time.sleep(0.02)
            else:
                return
        raise DoesNotStart(self.complaint())

    def stop(self) -> None:
        """End the process, politely first, and everything it forked."""
        if self.running():
            self._popen.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while members := self.pids():
            if time.monotonic() > deadline:
                # As long as a member lives the session's id, and with it this list, cannot become another's.
                for pid in members:
                    _kill(pid)
            self._popen.poll()
            time.sleep(0.01)
        self._popen.wait()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
