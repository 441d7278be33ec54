"""TLS, PROXY headers and legacy applications as values: what a route map says about them, spelled out."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from txproxy.config import (
    CertificateDirectory,
    CertificateFiles,
    Config,
    HostTls,
    Hsts,
    Legacy,
    Listen,
    ProxyProtocol,
    Tls,
    UpstreamTls,
    load,
    load_text,
)

CASES = Path(__file__).parent / "cases"


def loaded(name: str, base: Path) -> Config:
    """Read a case as if it lay in this directory."""
    result = load_text((CASES / f"{name}.yaml").read_text(), "f", str(base), {})
    assert result.config is not None, result.problems
    return result.config


def listener(config: Config, address: str) -> Listen:
    """Give the listener with this address."""
    return next(listen for listen in config.listen if listen.address == address)


def without_place(value: object) -> dict[str, object]:
    """Give what a value says, wherever it says it."""
    return {name: each for name, each in value if name not in {"where", "key_where"}}  # type: ignore[attr-defined]


def test_listeners_speak_tls_by_their_scheme() -> None:
    """An https listener is one with TLS, on port 443 unless it says otherwise; an http one is without."""
    config = loaded("tls_short", Path("/srv"))
    tcp, unix = config.listen
    assert (tcp.kind, tcp.host, tcp.port, tcp.tls) == ("tcp", "127.0.0.1", 443, True)
    assert (unix.kind, unix.path, unix.mode, unix.tls) == ("unix", "/srv/run/tls.sock", 0o600, True)
    assert not listener(loaded("tls_reference", Path("/srv")), "http://0.0.0.0:80").tls


def test_what_a_listener_does_before_and_beside_tls() -> None:
    """PROXY headers are for the networks that are named; plain HTTP is redirected where it is said."""
    config = loaded("tls_reference", Path("/srv"))
    networks = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))
    behind = listener(config, "http://127.0.0.1:8081")
    assert behind.proxy_protocol == ProxyProtocol(sources=networks, timeout=5.0)
    assert listener(config, "https://0.0.0.0:8443").redirect_plain_http
    usual = listener(config, "https://0.0.0.0:443")
    assert (usual.proxy_protocol, usual.redirect_plain_http) == (None, False)


def test_tls_is_spelled_out() -> None:
    """Certificates have whole paths, names the form that is compared, times are seconds."""
    tls = loaded("tls_reference", Path("/srv")).tls
    assert tls is not None
    pair, directory = tls.certificates
    assert isinstance(pair, CertificateFiles)
    assert (pair.cert, pair.key, pair.where.line) == ("/srv/certs/app.pem", "/srv/certs/app.key", 15)
    assert isinstance(directory, CertificateDirectory)
    assert (directory.directory, directory.where.line) == ("/srv/certs", 16)
    assert (tls.default, tls.internal, tls.minimum) == ("app.example.com", ("*.localhost", "localhost"), "1.2")
    assert tls.http_redirect
    assert tls.hsts == Hsts(max_age=365 * 86400.0, include_subdomains=False)


def test_little_of_tls_is_needed() -> None:
    """One word makes certificates; a version may be written as the number that YAML takes it for."""
    tls = loaded("tls_short", Path("/srv")).tls
    assert tls is not None
    expected = Tls(internal=("localhost",), minimum="1.3")
    assert without_place(tls) == without_place(expected)


@pytest.mark.parametrize(
    ("case", "host", "expected"),
    [
        (
            "tls_reference",
            "secure.example.com",
            HostTls(client_ca="/srv/certs/clients.pem", client_auth="require", minimum="1.3"),
        ),
        ("tls_short", "b.localhost", HostTls(client_ca="/srv/clients.pem", client_auth="require")),
        ("tls_short", "c.localhost", HostTls(minimum="1.2")),
        ("tls_short", "f.localhost", HostTls(client_ca="/srv/clients.pem", client_auth="request")),
    ],
)
def test_a_host_has_its_own_tls(case: str, host: str, expected: HostTls) -> None:
    """It stands beside `routes` or in a host's only route; a CA alone means that a certificate is required."""
    tls = loaded(case, Path("/srv")).hosts[host].tls
    assert tls is not None
    assert without_place(tls) == without_place(expected)


def test_a_host_without_tls_has_none() -> None:
    """Every form of a host that says nothing about TLS leaves it as the top of the map has it."""
    hosts = loaded("tls_short", Path("/srv")).hosts
    assert (hosts["localhost"].tls, hosts["d.localhost"].tls) == (None, None)


def test_backends_speak_tls_by_their_scheme() -> None:
    """An https URL, written in a group or in place, makes a backend with TLS, and its port is known."""
    config = loaded("tls_short", Path("/srv"))
    found = {backend.url: backend.tls for upstream in config.upstreams.values() for backend in upstream.backends}
    assert found == {
        "https://127.0.0.1:8443": True,
        "https+unix:/srv/run/app.sock": True,
        "http://127.0.0.1:8000": False,
    }
    secure = loaded("tls_reference", Path("/srv")).upstreams["secure"]
    assert secure.tls is not None
    assert without_place(secure.tls) == without_place(
        UpstreamTls(ca="/srv/certs/internal-ca.pem", server_name="app.internal", client_certificate="/srv/certs/me.pem")
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("true", Legacy(redirects=True, cookies=True, links=True)),
        ("on", Legacy(redirects=True, cookies=True, links=True)),
        ("false", None),
        ("links", Legacy(links=True)),
        ("[redirects, cookies]", Legacy(redirects=True, cookies=True)),
        ("{redirects: true, links: false}", Legacy(redirects=True)),
    ],
)
def test_parts_of_legacy(written: str, expected: Legacy | None) -> None:
    """All parts, the ones in a list, or the ones that a mapping turns on; what is left out is off."""
    config = load_text(f"hosts: {{a: {{proxy: http://b, legacy: {written}}}}}", "f", "/", {}).config
    assert config is not None
    assert config.hosts["a"].routes[0].legacy == expected


def test_no_legacy_unless_given() -> None:
    """A route that says nothing passes answers on as they are."""
    assert loaded("tls_reference", Path("/")).hosts["secure.example.com"].routes[0].legacy is None


@pytest.mark.parametrize(("case", "expected"), [("tls_reference", "state"), ("tls_short", None)])
def test_state(case: str, expected: str | None, tmp_path: Path) -> None:
    """The state directory is a whole path, and none where the map says none."""
    state = loaded(case, tmp_path).state
    assert state == (None if expected is None else str(tmp_path / expected))


def test_the_contract_s_lines_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the language by example says about TLS loads without any problem."""
    monkeypatch.chdir(CASES)
    assert load("tls_reference.yaml", {}).problems == ()
