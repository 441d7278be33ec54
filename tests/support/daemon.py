"""The product, as its users run it: a child process with a route map.

Rule: a test knows of the daemon what an operator knows: its socket, its logs, its signals and what
the system says of its process. Nothing of txproxy is imported.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .addresses import HOST, free_ports
from .children import Child, environment, forget_peak, memory
from .raw_client import RawClient
from .waiting import PATIENCE, until

Entry = dict[str, Any]
Argv = Callable[[Path, Path], Sequence[str | Path]]

ATTEMPTS = 5
TAKEN = ("Address already in use", "Errno 98")
TROUBLE = ("Traceback (most recent call last)", "Unhandled", "Task was destroyed", "never retrieved")


def _script(name: str) -> Path:
    """Give the path of a command that stands beside this Python."""
    return Path(sys.executable).with_name(name)


def by_run(routes: Path, folder: Path) -> list[str | Path]:
    """`python -m txproxy run -c FILE`."""
    return [sys.executable, "-m", "txproxy", "run", "-c", routes]


def on_reactor(name: str) -> Argv:
    """`python -m txproxy run --reactor NAME -c FILE`."""
    return lambda routes, folder: [sys.executable, "-m", "txproxy", "run", "--reactor", name, "-c", routes]


def by_twistd(routes: Path, folder: Path) -> list[str | Path]:
    """`twistd -n txproxy -c FILE`, in the foreground."""
    return [_script("twistd"), "-n", "--pidfile=", "txproxy", "-c", routes]


def by_twist(routes: Path, folder: Path) -> list[str | Path]:
    """`twist txproxy -c FILE`."""
    return [_script("twist"), "txproxy", "-c", routes]


def by_twistd_daemon(routes: Path, folder: Path) -> list[str | Path]:
    """`twistd txproxy -c FILE`: it forks, and leaves a pidfile and a log file."""
    pidfile, logfile = folder / "twistd.pid", folder / "twistd.log"
    return [_script("twistd"), f"--pidfile={pidfile}", f"--logfile={logfile}", "txproxy", "-c", routes]


class Daemon:
    """One run of the product on a free port, for the route map `routes` (text without `listen`); `tls`: on two."""

    def __init__(
        self,
        routes: str,
        folder: Path,
        mark: str,
        *,
        argv: Argv = by_run,
        env: Mapping[str, str] | None = None,
        unix: Path | None = None,
        tls: bool = False,
    ) -> None:
        self._folder = folder
        self._unix = unix
        self._tls = tls
        self._env = environment(mark, env)
        self.path = folder / "routes.yaml"
        ports = free_ports()
        for port in ports:
            self.port = port
            self.tls_port = next(ports)
            self.path.write_text(self._map(routes))
            self.child = Child(argv(self.path, folder), folder, self._env, f"daemon-{port}")
            if self._came_up():
                break

    def _map(self, routes: str) -> str:
        unix = f"  - http+unix:{self._unix}\n" if self._unix else ""
        tls = f"  - https://{HOST}:{self.tls_port}\n" if self._tls else ""
        return f"listen:\n  - http://{HOST}:{self.port}\n{tls}{unix}{routes}"

    def _came_up(self) -> bool:
        try:
            self.child.ready_at(self.address)
            if self._tls:  # the second that it binds
                self.child.ready_at((HOST, self.tls_port))
        except AssertionError:
            self.child.kill()
            if any(sign in self.child.log() for sign in TAKEN):
                return False  # somebody else was quicker; take another port
            raise
        return True

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return (HOST, self.port)

    @property
    def authority(self) -> str:
        """Where it listens, as in a URL."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://{self.authority}"

    def connect(self, receive_buffer: int | None = None) -> RawClient:
        """Open one connection to it."""
        return RawClient(self.address, receive_buffer=receive_buffer)

    def log(self) -> str:
        """Give what it wrote to standard error so far."""
        return self.child.log()

    def access(self) -> list[Entry]:
        """Give the access log so far: standard output, one JSON object a line."""
        lines = self.child.output.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1] if line.startswith("{")]  # the last may be half a line

    def logged(self, count: int = 1, **wanted: object) -> list[Entry]:
        """Wait until the access log has `count` entries with these values, and give them all."""

        def found() -> list[Entry]:
            return [entry for entry in self.access() if wanted.items() <= entry.items()]

        until(lambda: len(found()) >= count, f"{count} entries in the access log with {wanted}")
        return found()

    def memory(self) -> int:
        """Give its resident memory, in octets."""
        return memory(self.child.pid)

    def forget_peak(self) -> None:
        """Measure `peak` anew from here."""
        forget_peak(self.child.pid)

    def peak(self) -> int:
        """Give the most memory it had since `forget_peak`, in octets."""
        return memory(self.child.pid, "VmHWM")

    def open_sockets(self) -> int:
        """Count the sockets that it holds."""
        links = Path(f"/proc/{self.child.pid}/fd").iterdir()
        return sum(1 for link in links if _points_to(link, "socket:"))

    def open_pipes(self) -> int:
        """Count the ends of pipes that it holds."""
        links = Path(f"/proc/{self.child.pid}/fd").iterdir()
        return sum(1 for link in links if _points_to(link, "pipe:"))

    def signal(self, number: signal.Signals) -> None:
        self.child.signal(number)

    def stop(self, seconds: float = PATIENCE) -> None:
        """End it with SIGTERM; fail unless it goes of itself, in order, and logged no trouble."""
        status = self.child.stop(seconds)
        found = [sign for sign in TROUBLE if sign in self.log()]
        assert not found, f"the daemon logged {found}:\n{self.log()}"
        assert status in (0, -signal.SIGTERM), f"the daemon ended with {status}:\n{self.log()}"

    def report(self) -> str:
        """Give its map and its logs, for a test that failed."""
        output = self.child.output.read_text(errors="replace")
        return f"--- map\n{self.path.read_text()}\n--- log\n{self.log()[-8000:]}\n--- access log\n{output[-4000:]}"


def _points_to(link: Path, what: str) -> bool:
    try:
        return str(link.readlink()).startswith(what)
    except FileNotFoundError:
        return False  # closed while we looked
