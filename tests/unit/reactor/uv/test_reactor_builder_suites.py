"""The uvloop reactor is held to Twisted's own tests of reactors."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.trial.unittest import SynchronousTestCase

uvloop = pytest.importorskip("uvloop")

# Twisted's test of a broken TLS context warns of the context it breaks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not explicitly provide any OpenSSL"),
    # Some of Twisted's tests leave sockets of their own to the garbage collector. uvloop's say "resource".
    pytest.mark.filterwarnings("ignore:unclosed .socket.socket:ResourceWarning"),
]

from txproxy.reactor.uv.reactor import UvloopReactor  # noqa: E402

# See docs/reactor.md for why each of these is not met.
NOT_MET = {
    "GlibTimeTestsBuilder": ("test_timeout_add",),
    "UNIXTestsBuilder": ("test_avoidLeakingFileDescriptors",),
    "PTYProcessTestsBuilder": ("test_changeUID",),
    "ProcessTestsBuilder": ("test_changeUID",),
}
SUITES = (
    "core",
    "time",
    "threads",
    "tcp",
    "unix",
    "process",
    "udp",
    "tls",
    "socket",
    "sigchld",
    "fdset",
    "stdio",
    "newtls",
)


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files that Twisted's tests make lie where they are forgotten."""
    monkeypatch.chdir(tmp_path)


def reactor_for_test(case: Any) -> UvloopReactor:
    """Make a reactor, whose loop is closed behind the test."""
    reactor = UvloopReactor()
    case.addCleanup(reactor.loop.close)
    return reactor


def _builders(suite: str) -> list[type]:
    """Give the classes of a suite that Twisted makes test cases of: it leaves their names in the module."""
    module = importlib.import_module(f"twisted.internet.test.test_{suite}")
    made = {
        base
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SynchronousTestCase)
        for base in value.__bases__
    }
    return sorted((base for base in made if issubclass(base, ReactorBuilder)), key=lambda base: base.__name__)


def _cases() -> dict[str, type]:
    of_ours = {"reactorFactory": reactor_for_test, "__module__": __name__, "getTimeout": lambda self: 20.0}
    return {
        f"Twisted_{suite}_{builder.__name__}": type(
            f"Twisted_{suite}_{builder.__name__}",
            (builder, SynchronousTestCase),
            of_ours | dict.fromkeys(NOT_MET.get(builder.__name__, ())),
        )
        for suite in SUITES
        for builder in _builders(suite)
    }


globals().update(_cases())
