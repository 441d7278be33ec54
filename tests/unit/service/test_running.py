"""`txproxy run` and `txproxy demo`, as processes."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RouteMap = Callable[[str], Path]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(route_map: RouteMap) -> Iterator[Start]:
    """Start the command; what still runs at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "txproxy", *arguments]
        environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        children.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def serving(child: subprocess.Popen[str]) -> int:
    """Read the log until it says where it serves; give the port."""
    assert child.stderr is not None
    for line in child.stderr:
        if found := re.search(r"serving .* on http://127\.0\.0\.1:([0-9]+)", line):
            return int(found[1])
    raise AssertionError(f"ended with {child.wait()} before it served")


def get(port: int, host: str, path: str = "/") -> tuple[int, str]:
    """Ask for a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_run_serves_until_it_is_told_to_stop(start: Start, route_map: RouteMap) -> None:
    """The map is served, the log is text on standard error, the access log on standard output; SIGTERM ends with 0."""
    route_map("listen: http://127.0.0.1:0\nhosts: {a: {respond: {body: hello}}}\n")
    child = start("run", "-c", "routes.yaml")
    assert get(serving(child), "a") == (200, "hello")
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert '"route":"a"' in out
    assert all(re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z [a-z]+ \[", line) for line in err.splitlines())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen: http://127.0.0.1:PORT\nhosts: {a: {respond: {}}}\n", "PORT"),
        ("hosts: {a: {wsgi: 'nosuchmod:app'}}\n", "routes.yaml:1: cannot import nosuchmod:app: ModuleNotFoundError"),
        ("log: {access: {path: no/such/dir}}\nhosts: {a: {respond: {}}}\n", "no/such/dir"),
        ("hosts: {a: [{name: x, respond: {}}, {name: y, respond: {}}]}\n", "the route 'y' is never reached: 'x'"),
    ],
    ids=["port taken", "no such code", "no place for the log", "unreachable route"],
)
def test_what_cannot_be_served(start: Start, route_map: RouteMap, text: str, words: str) -> None:
    """Whatever keeps a map from being served is told on standard error without a traceback, with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        route_map(text.replace("PORT", port))
        child = start("run", "-c", "routes.yaml")
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (1, "")
    assert words.replace("PORT", port) in err
    assert "Traceback" not in err


def test_applications_are_found_where_the_command_is_given(start: Start, route_map: RouteMap) -> None:
    """A module beside the map can be named in it, as with `python -m`."""
    route_map("listen: http://127.0.0.1:0\nhosts: {a: {resource: 'mine:Root'}}\n")
    Path("mine.py").write_text(
        "from twisted.web.resource import Resource\n"
        "class Root(Resource):\n    isLeaf = True\n    def render_GET(self, request): return b'mine'\n"
    )
    assert get(serving(start("run", "-c", "routes.yaml")), "a") == (200, "mine")


def test_the_demo_needs_nothing(start: Start) -> None:
    """It prints where to look, serves both sites, and the one through the other; the port is free to choose."""
    child = start("demo", "--port", "0", "--tls-port", "0")
    port = serving(child)
    assert get(port, f"a.localhost:{port}", "/x?y")[1].startswith("GET /x?y HTTP/1.1\n")
    assert get(port, "b.localhost")[1].startswith("asked: GET /\n")
    through = get(port, f"b.localhost:{port}", "/a/x")[1]
    assert through.startswith("GET /x HTTP/1.1\n")
    assert "X-Demo: set by the route map\n" in through
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert f"http://a.localhost:{port}/" in out
    assert f"http://b.localhost:{port}/" in out


def test_the_demo_on_a_port_that_is_taken(start: Start) -> None:
    """It says so, and ends with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        child = start("demo", "--port", port, "--tls-port", "0")
        _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert port in err
    assert "Traceback" not in err
