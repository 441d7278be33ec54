"""The table of proxies: how each is set up, started and named.

Rule: one class each, nothing about a proxy anywhere else. Its configuration is a file in
bench/peers/, in which @NAME@ is filled in; a line that begins with @TLS@ is for the cases with TLS
alone, one that begins with @PLAIN@ for the others.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import ClassVar

from .cases import HOST
from .identity import Identity
from .processes import Child

PEERS = Path(__file__).with_name("peers")
CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """Where one proxy works for one case: its ports and its own empty directory.

    :ivar identity: who it says it is over TLS; None: it speaks plain HTTP.
    """

    port: int
    backend: int
    directory: Path
    identity: Identity | None = None

    @property
    def log(self) -> Path:
        """The file for its access log."""
        return self.directory / "access.log"

    def values(self) -> dict[str, object]:
        """Give what a template may name."""
        files = {
            "PORT": self.port,
            "BACKEND": self.backend,
            "LOG": self.log,
            "DIRECTORY": self.directory,
            **account(),
        }
        if not self.identity:
            return files
        return {
            **files,
            "HOST": HOST,
            "CERTIFICATE": self.identity.certificate,
            "KEY": self.identity.key,
            "BUNDLE": self.identity.bundle,
        }


def fill(template: str, values: Mapping[str, object], target: Path, *, tls: bool = False) -> Path:
    """Write a file of bench/peers/ to `target`: of marked lines those that apply, and each @NAME@ replaced.

    :raises KeyError: it names something that there is not.
    """
    mark, other = ("@TLS@", "@PLAIN@") if tls else ("@PLAIN@", "@TLS@")
    lines = (PEERS / template).read_text().splitlines(keepends=True)
    text = "".join(
        re.sub(rf"^(\s*){mark} ", r"\1", line) for line in lines if not line.lstrip().startswith(f"{other} ")
    )
    target.write_text(re.sub(r"@([A-Z]+)@", lambda found: str(values[found[1]]), text))
    return target


def account() -> dict[str, str]:
    """Give the user and group we run as, which nginx would otherwise leave for an unprivileged one."""
    return {"USER": pwd.getpwuid(os.geteuid()).pw_name, "GROUP": grp.getgrgid(os.getegid()).gr_name}


def _first_version(argv: list[str]) -> str:
    said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r"\d+(?:\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def _package(name: str) -> str:
    try:
        return package_version(name)
    except PackageNotFoundError:
        return "from the checkout"


def _python() -> str:
    # A tenth to a quarter of what Python itself takes hangs on how it was built.
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"Python {sys.version.split()[0]}{'' if optimised else ' built without profile-guided optimisation'}"


class Proxy:
    """One of the programs measured.

    :cvar name: as on the command line and in the tables.
    :cvar program: the executable that must be installed; "" for what runs on this Python.
    :cvar template: the file of bench/peers/.
    """

    name: ClassVar[str]
    program: ClassVar[str] = ""
    template: ClassVar[str]

    def missing(self) -> str:
        """Tell why it cannot be started here; "" if it can."""
        return "not installed" if self.program and which(self.program) is None else ""

    def version(self) -> str:
        """Give the version of the program."""
        raise NotImplementedError

    def argv(self, config: Path, place: Place) -> list[str]:
        """Give the command that runs it in the foreground."""
        raise NotImplementedError

    def environ(self, place: Place) -> dict[str, str]:
        """Give what it needs in its environment."""
        return {}

    def out(self, place: Place) -> Path | None:
        """Give the file for its standard output, if that matters."""
        return None

    def start(self, place: Place, *, core: int) -> Child:
        """Start it on that core; it is not listening yet."""
        target = place.directory / self.template
        config = fill(self.template, place.values(), target, tls=place.identity is not None)
        return Child(
            self.argv(config, place),
            core=core,
            directory=place.directory,
            name=self.name,
            environ=self.environ(place),
            out=self.out(place),
        )


class Txproxy(Proxy):
    """This project, on uvloop's transports.

    :cvar reactor: as `txproxy run --reactor` names it.
    :cvar needs: the package that the reactor comes from; "" for one of Twisted's.
    """

    name = "txproxy"
    template = "txproxy.yaml"
    reactor: ClassVar[str] = "uvloop"
    needs: ClassVar[str] = "uvloop"

    def missing(self) -> str:
        """Ask for the reactor's package."""
        return f"{self.needs} is not installed" if self.needs and not find_spec(self.needs) else ""

    def version(self) -> str:
        """Give the installed version and what it stands on."""
        stack = ["Twisted", *([self.needs] if self.needs else [])]
        named = ", ".join(f"{name} {_package(name)}" for name in stack)
        return f"{_package('txproxy')} ({named}, {_python()})"

    def argv(self, config: Path, place: Place) -> list[str]:
        """Run the checkout's own package."""
        return [sys.executable, "-m", "txproxy", "run", "--reactor", self.reactor, "-c", str(config)]

    def environ(self, place: Place) -> dict[str, str]:
        """Find the package in the checkout, whatever is installed."""
        return {"PYTHONPATH": str(CHECKOUT)}


class TxproxyEpoll(Txproxy):
    """This project, on Twisted's own reactor for Linux."""

    name = "txproxy-epoll"
    reactor = "epoll"
    needs = ""


class Nginx(Proxy):
    """The yardstick."""

    name = "nginx"
    program = "nginx"
    template = "nginx.conf"

    def version(self) -> str:
        """Ask it."""
        return _first_version(["nginx", "-v"])

    def argv(self, config: Path, place: Place) -> list[str]:
        """Run a master and its one worker."""
        return ["nginx", "-p", str(place.directory), "-e", str(place.directory / "nginx.error.log"), "-c", str(config)]


class Haproxy(Proxy):
    """HAProxy; its log is its standard output."""

    name = "haproxy"
    program = "haproxy"
    template = "haproxy.cfg"

    def version(self) -> str:
        """Ask it."""
        return _first_version(["haproxy", "-v"])

    def argv(self, config: Path, place: Place) -> list[str]:
        """Run one process in the foreground."""
        return ["haproxy", "-db", "-f", str(config)]

    def out(self, place: Place) -> Path:
        """Send the log to the file where all others have theirs."""
        return place.log


class Caddy(Proxy):
    """Caddy, on one processor."""

    name = "caddy"
    program = "caddy"
    template = "Caddyfile"

    def version(self) -> str:
        """Ask it."""
        return _first_version(["caddy", "version"])

    def argv(self, config: Path, place: Place) -> list[str]:
        """Run it with its native file format."""
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]

    def environ(self, place: Place) -> dict[str, str]:
        """Keep it to one processor, and its files to its directory."""
        home = str(place.directory)
        return {"GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}


class Stock(Proxy):
    """The proxy that comes with Twisted."""

    name = "stock"
    template = "stock.py"

    def version(self) -> str:
        """Give Twisted's and Python's."""
        return f"twisted.web.proxy of Twisted {_package('twisted')}, Python {sys.version.split()[0]}"

    def argv(self, config: Path, place: Place) -> list[str]:
        """Run the script."""
        files = (place.identity.key, place.identity.certificate, place.identity.intermediate) if place.identity else ()
        return [sys.executable, *map(str, (config, place.port, place.backend, place.log, *files))]


PROXIES: tuple[Proxy, ...] = (Txproxy(), TxproxyEpoll(), Nginx(), Haproxy(), Caddy(), Stock())
# What every proxy is compared with, and what else.
YARDSTICK = Nginx.name
COMPARED = (Caddy.name, Stock.name)
# The row of the backend itself, asked without a proxy.
DIRECT = "direct"
