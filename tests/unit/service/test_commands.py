"""The command line: output, exit status, and nothing that ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from txproxy import __version__
from txproxy.service.commands import main

RouteMap = Callable[[str], Path]
GOOD = "hosts: {a.example.com: http://127.0.0.1:8000}\n"
WARNED = "upstreams: {x: {backends: [http://b:1]}}\n" + GOOD
BAD = "hosts: {a.example.com: http//127.0.0.1:8000}\nhots: 1\n"
COMMANDS = ("check", "explain", "routes", "run", "schema", "demo", "ca")
ON_A_FILE = (["check", "FILE"], ["routes", "FILE"], ["run", "-c", "FILE"], ["explain", "FILE", "GET", "http://a/"])


def test_check_of_a_good_map(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """A map without problems is told so, with status 0."""
    assert main(["check", str(route_map(GOOD))]) == 0
    assert capsys.readouterr() == ("routes.yaml: ok: 1 host, 1 route\n", "")


def test_check_of_a_map_with_warnings(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are shown with their line; they do not fail the check."""
    assert main(["check", str(route_map(WARNED))]) == 0
    assert capsys.readouterr().out == (
        "routes.yaml:1:13: warning: the upstream 'x' is not used by any route\n"
        "    1 | upstreams: {x: {backends: [http://b:1]}}\n"
        "      |             ^\n"
        "routes.yaml: ok: 1 host, 1 route, 1 warning\n"
    )


def test_check_of_a_bad_map(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem is there at once, and the status is 1."""
    assert main(["check", str(route_map(BAD))]) == 1
    out = capsys.readouterr().out
    assert "routes.yaml:1:24: " in out
    assert "routes.yaml:2:1: " in out
    assert out.endswith("routes.yaml: 2 errors\n")


def test_json_is_json(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """With --format json, standard output is one JSON document, also where there are problems."""
    file = str(route_map(WARNED))
    for arguments in (["check", file], ["routes", file], ["explain", file, "GET", "http://a.example.com/"]):
        assert main([*arguments, "--format", "json"]) == 0
        json.loads(capsys.readouterr().out)
    assert main(["check", "--format=json", str(route_map(BAD))]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_explain_takes_everything_of_a_request(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """Method, URL, fields, client and listener all come through."""
    file = route_map(
        "listen: [http://127.0.0.1:8080, http://127.0.0.1:8081]\ntrusted_proxies: [10.0.0.1]\n"
        "hosts: {a.example.com: http://127.0.0.1:8000}\n"
    )
    arguments = ["explain", str(file), "PUT", "a.example.com/x", "-H", "A: b:c", "--header", "X-Forwarded-Proto:https"]
    assert main([*arguments, "--from", "10.0.0.1", "--listener", "http://127.0.0.1:8081", "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["request"]["from"], found["request"]["port"]) == ("10.0.0.1", 8081)
    assert found["sent"].startswith("PUT /x HTTP/1.1\r\nHost: a.example.com\r\nA: b:c\r\n")
    assert "\r\nX-Forwarded-Proto: https\r\n" in found["sent"]


def test_explain_and_routes_of_a_bad_map(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """What needs a whole map tells the problems on standard error, and nothing on standard output."""
    file = str(route_map(BAD))
    for arguments in (["explain", file, "GET", "http://a/"], ["routes", file], ["run", "-c", file]):
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "routes.yaml:2:1: " in err
        assert "    2 | hots: 1\n      | ^\n" in err


def test_routes_prints_the_table(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """The table goes to standard output."""
    assert main(["routes", str(route_map(GOOD))]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["HOST", "PATH", "CONDITIONS", "DESTINATION", "NAME", "WHERE"]
    assert row.split() == ["a.example.com", "/*", "-", "->", "http://127.0.0.1:8000", "a.example.com", "routes.yaml:1"]


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is a JSON Schema, which the smallest route map fulfils."""
    import jsonschema

    assert main(["schema"]) == 0
    jsonschema.validate(yaml.safe_load(GOOD), json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("arguments", ON_A_FILE, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "no such file or directory"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
        (lambda path: path.write_text(""), "the file is empty"),
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_read(
    make: Callable[[Path], object],
    reason: str,
    arguments: list[str],
    route_map: RouteMap,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is wrong with the file itself is one clear problem, with status 1."""
    make(Path("x.yaml"))  # `route_map` has changed the directory
    assert main([argument.replace("FILE", "x.yaml") for argument in arguments]) == 1
    said = "".join(capsys.readouterr())
    assert said.startswith("x.yaml:1:1: ")
    assert reason in said


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="root may read everything")
def test_a_file_that_may_not_be_read(route_map: RouteMap, capsys: pytest.CaptureFixture[str]) -> None:
    """No permission is said as such (below /proc even root has none)."""
    assert main(["check", "/proc/self/mem"]) == 1
    assert "cannot read '/proc/self/mem': " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["check", "a", "b"],
        ["check", "a", "--format", "xml"],
        ["explain", "a", "GET"],
        ["explain", "a", "GET", "http://a/", "-H", "novalue"],
        ["explain", "a", "GET", "http://a/", "-H", ": x"],
        ["run"],
        ["demo", "--port", "65536"],
        ["demo", "--port", "http"],
        ["demo", "--tls-port", "70000"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that makes no sense is explained on standard error, with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: txproxy")


@pytest.mark.parametrize(
    "more",
    [["GET", "ftp://a/"], ["G T", "http://a/"], ["GET", "http://a/", "--from", "x"], ["GET", "a/", "--listener", "x"]],
    ids=" ".join,
)
def test_a_request_that_cannot_be_sent(
    more: list[str], route_map: RouteMap, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that makes none is a wrong command line: one line, status 2."""
    assert main(["explain", str(route_map(GOOD)), *more]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("txproxy: ")


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command tells about itself, within the width of a terminal."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: txproxy")
    assert max(map(len, lines)) <= 100


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"txproxy {__version__}\n"


ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, *arguments]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, text=True, env=environ, timeout=60, check=False, **more)  # type: ignore[call-overload]


def test_the_module_is_the_command() -> None:
    """`python -m txproxy` ends with the command's status."""
    assert run("-m", "txproxy", "check", "/nonexistent", stdout=subprocess.DEVNULL).returncode == 1


def test_a_reader_that_goes_away() -> None:
    """Output into a pipe that nobody reads any more ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run("-m", "txproxy", "schema", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_no_reactor_is_chosen_before_it_is_needed() -> None:
    """Importing the command line, and what `run` imports before it chooses, installs no reactor."""
    text = (
        "import sys, txproxy.service.commands, txproxy.service.running, txproxy.service.demo;"
        "sys.exit('twisted.internet.reactor' in sys.modules)"
    )
    assert run("-c", text).returncode == 0
