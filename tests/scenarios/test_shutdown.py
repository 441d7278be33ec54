"""Starting and stopping: by run, twistd in the foreground, twistd as a daemon, and twist.

Rule: what is in flight is finished, what is new is refused, and the process is gone in order.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import Connection, ok
from tests.support.children import can_connect, environment
from tests.support.daemon import by_run, by_twist, by_twistd, by_twistd_daemon
from tests.support.raw_client import RawClient
from tests.support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"


@pytest.mark.parametrize("argv", [by_run, by_twistd, by_twist])
def test_it_starts_serves_and_stops(start_daemon, serve, argv):
    """Each way to start it in the foreground serves, logs, and ends in order on SIGTERM."""
    backend = serve(lambda request: ok(b"served"))
    daemon = start_daemon(f'hosts: {{"*": {backend.url}}}', argv=argv)
    with daemon.connect() as client:
        assert client.ask(GET).body == b"served"
    daemon.stop()
    assert not can_connect(daemon.address)
    assert [entry["status"] for entry in daemon.access()] == [200]


def test_twistd_runs_it_as_a_daemon(serve, tmp_path, mark):
    """It forks away, leaves its pid in the pidfile, serves, and takes the pidfile along when it ends."""
    backend = serve(lambda request: ok(b"served"))
    routes, pidfile, address = tmp_path / "routes.yaml", tmp_path / "twistd.pid", (HOST, free_port())
    access = tmp_path / "access.log"
    routes.write_text(
        f'listen: http://{HOST}:{address[1]}\nlog: {{access: {{path: {access}}}}}\nhosts: {{"*": {backend.url}}}\n'
    )
    argv = [str(word) for word in by_twistd_daemon(routes, tmp_path)]
    subprocess.run(argv, cwd=tmp_path, env=environment(mark), timeout=30, check=True)
    pid = int(until(lambda: pidfile.exists() and pidfile.read_text(), "the pidfile is written"))
    try:
        until(lambda: can_connect(address), "it listens")
        with RawClient(address) as client:
            assert client.ask(GET).body == b"served"
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not pidfile.exists(), "the pidfile is gone")
    until(lambda: not can_connect(address), "nothing listens any more")
    assert '"status":200' in access.read_text()
    assert "Traceback" not in (tmp_path / "twistd.log").read_text()


class Slow:
    """A backend whose answer waits for the test."""

    def __init__(self, play) -> None:
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.backend = play(self._script)

    def _script(self, connection: Connection) -> None:
        while True:
            connection.request()
            self.asked.release()
            assert self.may_answer.wait(30)
            connection.send(ok(b"late"))


@pytest.fixture
def slow(play):
    """The backend; whatever waits for it at the end of the test is let go."""
    made = Slow(play)
    yield made
    made.may_answer.set()


@pytest.mark.parametrize("argv", [by_run, by_twistd, by_twist])
def test_sigterm_lets_requests_in_flight_finish(start_daemon, slow, argv):
    """After SIGTERM nobody new gets in, the idle are closed, and who waits gets an answer that says close."""
    daemon = start_daemon(f'hosts: {{"*": {slow.backend.url}}}', argv=argv)
    with daemon.connect() as client, daemon.connect() as idle:
        client.send(GET)
        assert slow.asked.acquire(timeout=10)
        daemon.signal(signal.SIGTERM)
        until(lambda: not can_connect(daemon.address), "new connections are refused")
        assert idle.end() == "closed"
        assert daemon.child.process.poll() is None
        slow.may_answer.set()
        response = client.response()
        assert (response.body, response.value("connection")) == (b"late", "close")
        assert client.end() == "closed"
        assert daemon.child.wait() in (0, -signal.SIGTERM)
    assert [entry["status"] for entry in daemon.access()] == [200]


def test_the_drain_ends_at_its_deadline(start_daemon, slow):
    """Who still has no answer after timeouts.drain gets 503, the log has the exchange, and the process ends."""
    daemon = start_daemon(f'timeouts: {{drain: 500ms}}\nhosts: {{"*": {slow.backend.url}}}')
    with daemon.connect() as client:
        client.send(GET)
        assert slow.asked.acquire(timeout=10)
        daemon.signal(signal.SIGTERM)
        assert daemon.child.wait() in (0, -signal.SIGTERM)
        response = client.response()
        assert (response.status, response.value("connection")) == (503, "close")
        assert b"shutting_down" in response.body
        assert client.end() in {"closed", "reset"}
    assert [(entry["status"], entry["cause"]) for entry in daemon.access()] == [(503, "shutting_down")]


def test_half_an_answer_is_reset_and_logged_when_the_drain_is_over(start_daemon, play):
    """What is cut in the middle of its body must not look complete, and has its line in the log."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.rest()

    daemon = start_daemon(f'timeouts: {{drain: 500ms}}\nhosts: {{"*": {play(script).url}}}')
    with daemon.connect() as client:
        client.send(GET)
        until(lambda: client.socket.recv(4096, socket.MSG_PEEK).endswith(b"half"), "half the answer is here")
        daemon.signal(signal.SIGTERM)
        assert daemon.child.wait() in (0, -signal.SIGTERM)
        client.socket.recv(4096)
        assert client.end() == "reset"
    assert [(entry["status"], entry["cause"]) for entry in daemon.access()] == [(200, "shutting_down")]


@pytest.mark.parametrize("argv", [by_run, by_twistd, by_twist])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(start_daemon, slow, argv, number):
    """Whoever asks twice does not want to wait for requests in flight."""
    daemon = start_daemon(f'hosts: {{"*": {slow.backend.url}}}', argv=argv)
    with daemon.connect() as client:
        client.send(GET)
        assert slow.asked.acquire(timeout=10)
        daemon.signal(number)
        until(lambda: not can_connect(daemon.address), "the first signal is heard")
        assert daemon.child.process.poll() is None
        daemon.signal(number)
        daemon.child.wait(5)
        assert client.response().status == 503
        assert client.end() in {"closed", "reset"}
    assert [(entry["status"], entry["cause"]) for entry in daemon.access()] == [(503, "shutting_down")]


def test_a_tunnel_does_not_keep_it_from_ending(start_daemon, play):
    """An open WebSocket is cut at the drain's deadline, and has its line in the log."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
        connection.rest()

    daemon = start_daemon(f'timeouts: {{drain: 500ms}}\nhosts: {{"*": {play(script).url}}}')
    with daemon.connect() as client:
        assert client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n").status == 101
        daemon.signal(signal.SIGTERM)
        assert daemon.child.wait() in (0, -signal.SIGTERM)
    assert [(entry["status"], entry["cause"]) for entry in daemon.access()] == [(101, "shutting_down")]


MAP = "hosts:\n  app.test: http://127.0.0.1:1\n  other.test: nowhere\n"


@pytest.mark.parametrize("argv", [by_run, by_twistd, by_twist])
def test_a_map_with_a_problem_does_not_start(tmp_path, mark, argv):
    """The problem is named with its line, the exit status tells, and there is no stack trace."""
    routes = tmp_path / "routes.yaml"
    routes.write_text(MAP)
    words = [str(word) for word in argv(routes, tmp_path)]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(mark), capture_output=True, text=True, timeout=30, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{routes}:3:" in said
    assert "nowhere" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named(tmp_path, mark, serve):
    """It ends with a sentence that names the address, and there is no stack trace."""
    taken = serve(lambda request: ok()).port
    routes = tmp_path / "routes.yaml"
    routes.write_text(f'listen: http://{HOST}:{taken}\nhosts: {{"*": http://127.0.0.1:1}}\n')
    words = [sys.executable, "-m", "txproxy", "run", "-c", str(routes)]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(mark), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode != 0
    assert str(taken) in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
