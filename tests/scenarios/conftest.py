"""What every scenario has at hand, and what none may leave behind.

Rule: each test is bounded in time from outside, and after the session no process that it started
lives on.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.backend import Answer, Backend, Script, answering, ok
from tests.support.children import Child, environment, marked
from tests.support.daemon import Argv, Daemon, by_run
from tests.support.waiting import until

BOUND = 90
BOUND_OF_SOAK = 900


class StartDaemon(Protocol):
    """Start the product with this route map; it is stopped, and judged, at the end of the test."""

    def __call__(self, routes: str, *, argv: Argv = by_run, **more: Any) -> Daemon: ...


class StartChild(Protocol):
    """Start a program and wait until it listens at `address`; it is stopped at the end of the test."""

    def __call__(
        self, argv: Sequence[str | Path], address: tuple[str, int], env: Mapping[str, str] | None = None
    ) -> Child: ...


@pytest.fixture(scope="session")
def mark() -> Iterator[str]:
    """Mark this session's processes, and fail if one is left at its end."""
    word = uuid.uuid4().hex
    yield word
    try:
        until(lambda: not marked(word), "no process that a test started is left", 5)
    finally:
        for pid in marked(word):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def bounded(request: pytest.FixtureRequest) -> Iterator[None]:
    """End a test that hangs, whatever it hangs in."""
    seconds = BOUND_OF_SOAK if request.node.get_closest_marker("soak") else BOUND

    def expire(number: int, frame: object) -> None:
        raise TimeoutError(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@contextmanager
def _starter(folder: Path, mark: str) -> Iterator[StartDaemon]:
    """Give what starts the product in folders below `folder`, and stop what it started."""
    with ExitStack() as stack:

        def start(routes: str, *, argv: Argv = by_run, **more: Any) -> Daemon:
            place = folder / f"daemon{len(list(folder.glob('daemon*')))}"
            place.mkdir()
            daemon = Daemon(routes, place, mark, argv=argv, **more)
            stack.callback(lambda: print(daemon.report()))  # shown by pytest where the test failed
            stack.callback(_stop, daemon)
            return daemon

        yield start


@pytest.fixture
def start_daemon(tmp_path: Path, mark: str) -> Iterator[StartDaemon]:
    """Give what starts the product for one test."""
    with _starter(tmp_path, mark) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_daemon(tmp_path_factory: pytest.TempPathFactory, mark: str) -> Iterator[StartDaemon]:
    """Give what starts the product once for the tables of a module."""
    with _starter(tmp_path_factory.mktemp("shared"), mark) as start:
        yield start


def _stop(daemon: Daemon) -> None:
    if daemon.child.process.poll() is None:
        daemon.stop()
    else:
        daemon.child.kill()  # the test ended it; its group must not outlive it


@pytest.fixture
def start_child(tmp_path: Path, mark: str) -> Iterator[StartChild]:
    """Give what starts other programs."""
    with ExitStack() as stack:

        def start(argv: Sequence[str | Path], address: tuple[str, int], env: Mapping[str, str] | None = None) -> Child:
            name = Path(str(argv[0])).name
            child = Child(argv, tmp_path, environment(mark, env), f"{name}-{address[1]}")
            stack.callback(lambda: print(f"--- {name}\n{child.log()[-4000:]}"))
            stack.callback(child.stop)
            child.ready_at(address)
            return child

        yield start


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Backend]]:
    """Give what starts a well-behaved backend for an answer."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(answering(answer))


@pytest.fixture
def play() -> Iterator[Callable[..., Backend]]:
    """Give what starts a backend for a script."""
    with ExitStack() as stack:

        def start(script: Script, **more: Any) -> Backend:
            return stack.enter_context(Backend(script, **more))

        yield start


@pytest.fixture
def proxied(play: Callable[..., Backend], start_daemon: StartDaemon) -> Callable[..., tuple[Backend, Daemon]]:
    """Give what starts a backend for a script, and the product before it for any host."""

    def start(script: Script, settings: str = "") -> tuple[Backend, Daemon]:
        backend = play(script)
        return backend, start_daemon(f'{settings}hosts: {{"*": {backend.url}}}')

    return start


@pytest.fixture(scope="module")
def echo() -> Iterator[Backend]:
    """A well-behaved backend for a module's tables: it sends each body back, and records what it read."""
    with answering(lambda request: ok(request.body or b"ok")) as backend:
        yield backend


@pytest.fixture(scope="module")
def daemon_before_echo(start_shared_daemon: StartDaemon, echo: Backend) -> Daemon:
    """The product before it, for any host."""
    return start_shared_daemon(f'hosts: {{"*": {echo.url}}}')


@pytest.fixture
def daemon(daemon_before_echo: Daemon, echo: Backend) -> Daemon:
    """The product before `echo`, with nothing recorded yet; modules may have another of this name."""
    echo.forget()
    return daemon_before_echo
