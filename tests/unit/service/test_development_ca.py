"""`txproxy ca`: the root on standard output, how to trust it on standard error."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from txproxy.service.commands import main
from txproxy.service.development_ca import how_to_trust

RouteMap = Callable[[str], Path]
HOSTS = "hosts: {a.localhost: http://127.0.0.1:8000}\n"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the user's state directory be one of the test's."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "txproxy"


def test_the_root_is_printed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The root is PEM on standard output, made if there is none, and the same the next time."""
    assert main(["ca"]) == 0
    out, err = capsys.readouterr()
    path = state / "internal-ca" / "root.pem"
    assert out == path.read_text()
    assert x509.load_pem_x509_certificate(out.encode()).issuer.rfc4514_string().startswith("CN=txproxy development CA ")
    assert err.count(str(path)) >= 8
    assert main(["ca"]) == 0
    assert capsys.readouterr() == (out, err)


@pytest.mark.parametrize(
    "command",
    [
        "update-ca-certificates",
        "update-ca-trust",
        "security add-trusted-cert",
        "certutil -user -addstore Root",
        "certutil -A -d sql:$HOME/.pki/nssdb",
        "Firefox",
        "curl --cacert /srv/root.pem",
        "SSL_CERT_FILE=/srv/root.pem",
        "REQUESTS_CA_BUNDLE=/srv/root.pem",
        "NODE_EXTRA_CA_CERTS=/srv/root.pem",
    ],
)
def test_how_to_trust(command: str) -> None:
    """Systems, browsers and programs each have their line."""
    assert command in how_to_trust("/srv/root.pem")


def test_a_path_with_spaces() -> None:
    """What is to be pasted into a shell stays one word."""
    path = "/srv/my state/internal-ca/root.pem"
    (line,) = [line for line in how_to_trust(path).splitlines() if "--cacert" in line]
    assert path in shlex.split(line)


def test_path(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--path prints the path of the root, which is there, and nothing else."""
    assert main(["ca", "--path"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{state}/internal-ca/root.pem\n", "")
    assert Path(out.strip()).is_file()


def test_the_state_of_a_map(
    route_map: RouteMap, tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a map, the directory is the map's `state`, relative to the map; without one in it, the user's."""
    assert main(["ca", "--path", "-c", str(route_map("state: own/\n" + HOSTS))]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/own/internal-ca/root.pem\n"
    assert main(["ca", "--path", "-c", str(route_map(HOSTS))]) == 0
    assert capsys.readouterr().out == f"{state}/internal-ca/root.pem\n"


def test_a_bad_map(route_map: RouteMap, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A map with errors is told, with status 1, and no CA is made."""
    assert main(["ca", "-c", str(route_map("hots: 1\n"))]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "routes.yaml:1:1: " in err
    assert not state.exists()


def test_a_ca_that_cannot_be_had(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What keeps the CA from being used is one line, with status 1."""
    state.mkdir(parents=True)
    state.chmod(0o777)
    assert main(["ca"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"txproxy: {state} is open to others, who can write to it (mode 0777): chmod 700 {state}, ")


def test_no_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any state directory, the cure is told."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    assert main(["ca", "--path"]) == 1
    assert "name one as `state` in the map" in capsys.readouterr().err
