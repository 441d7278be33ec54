"""Which reactor is installed: a process has one, so each row is a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHOOSE = "from txproxy.service.running import CannotRun, install_reactor\n"
SHOW = "from twisted.internet import reactor\nprint(type(reactor).__name__)\n"
HIDDEN = "import importlib.util, sys\nsys.modules['uvloop'] = None\nimportlib.util.find_spec = lambda name: None\n"


def said(code: str, *arguments: str) -> str:
    """Run code in a process of its own, and give what it printed."""
    command = [sys.executable, *(arguments or ("-c", code))]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "reactor"),
    [
        (f"{CHOOSE}install_reactor()\n{SHOW}", "UvloopReactor"),
        (f"{CHOOSE}install_reactor('uvloop')\n{SHOW}", "UvloopReactor"),
        (f"{CHOOSE}install_reactor('epoll')\n{SHOW}", "EPollReactor"),
        (f"{HIDDEN}{CHOOSE}install_reactor()\n{SHOW}", "EPollReactor"),
        (f"{SHOW}{CHOOSE}install_reactor('poll')\n{SHOW}", "EPollReactor\nEPollReactor"),
    ],
    ids=["default", "named", "another", "without uvloop", "there is one"],
)
def test_the_reactor_is_uvloops_unless_another_is_wanted(code: str, reactor: str) -> None:
    """Unless one is installed or named, it is the one on uvloop where uvloop is there, else Twisted's default."""
    assert said(code) == reactor


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (f"{CHOOSE}install_reactor('bogus')", "there is no reactor 'bogus'; there are "),
        (f"{HIDDEN}{CHOOSE}install_reactor('uvloop')", "the reactor 'uvloop' cannot be had here: "),
    ],
    ids=["unknown", "missing"],
)
def test_a_reactor_that_cannot_be_had_is_named(code: str, why: str) -> None:
    """One that does not exist, or lacks what it needs, is an error that says so."""
    caught = code.replace(CHOOSE, f"{CHOOSE}try:\n    ") + "\nexcept CannotRun as error:\n    print(error)\n"
    assert said(caught).startswith(why)


@pytest.mark.parametrize(
    ("options", "reactor"), [((), "UvloopReactor"), (("--reactor=epoll",), "EPollReactor")], ids=["default", "named"]
)
@pytest.mark.parametrize("program", ["twistd", "twist"])
def test_twistd_and_twist_choose_in_the_same_way(
    program: str, options: tuple[str, ...], reactor: str, tmp_path: Path
) -> None:
    """Without --reactor they run on uvloop, with it on what it names; the reactor is chosen before it is imported."""
    route_map = tmp_path / "routes.yaml"
    route_map.write_text('listen: http://127.0.0.1:0\nhosts: {"*": http://127.0.0.1:1}\n')
    (tmp_path / "once.py").write_text(
        "import sys\nimport txproxy.service.plugin as plugin\nmade = plugin.makeService\n"
        "def make(options):\n"
        "    from twisted.internet import reactor\n    print(type(reactor).__name__, flush=True)\n    sys.exit(0)\n"
        "plugin.makeService = make\n"
        "from twisted.scripts.twistd import run\nfrom twisted.application.twist._twist import Twist\n"
        "run() if sys.argv[0] == 'twistd' else Twist.main(sys.argv)\n"
    )
    foreground = ["-n", "--pidfile="] if program == "twistd" else []
    arguments = [program, *foreground, *options, "txproxy", "-c", str(route_map)]
    code = f"import sys\nsys.argv = {arguments!r}\nexec(open({str(tmp_path / 'once.py')!r}).read())\n"
    assert said(code).splitlines()[-1] == reactor
