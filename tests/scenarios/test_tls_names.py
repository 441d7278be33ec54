"""Which certificate a client gets, by the name that it asks for and by what it can check.

Rule: the daemon is real, and so are the clients: Python's ssl, pyOpenSSL and curl.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.addresses import HOST
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.tls import lasting, root
from tests.support.tls_clients import TlsClient, alert_of, group_of

MAP = """
tls:
  certificates:
    - {{cert: {0}/app.pem}}
    - {{cert: {0}/app-rsa.pem}}
    - {{directory: {0}/more}}
{1}
hosts: {{"*": {{respond: {{status: 200, body: here}}}}}}
"""
CERTIFICATES = (
    ("app.pem", ("app.test", "*.app.test"), "ecdsa"),
    ("app-rsa.pem", ("app.test",), "rsa"),
    ("more/one.pem", ("one.test",), "ed25519"),
    ("more/two.pem", ("two.test", "127.0.0.1"), "ecdsa"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of the map, and their CA."""
    made = tmp_path_factory.mktemp("certificates")
    (made / "more").mkdir()
    write(made / "ca.pem", pem(root().certificate))
    for name, names, kind in CERTIFICATES:
        lasting(*names, kind=kind, by=root()).write(made / name)
    return made


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def daemon(request, start_shared_daemon, folder: Path) -> Daemon:
    """The product on both reactors, without a default."""
    return start_shared_daemon(MAP.format(folder, ""), tls=True, argv=on_reactor(request.param))


def client(daemon: Daemon, folder: Path, **more: object) -> TlsClient:
    """Make a client that believes the map's CA."""
    return TlsClient((HOST, daemon.tls_port), folder / "ca.pem", **more)  # type: ignore[arg-type]


def shown(of: TlsClient, name: str | None) -> x509.Certificate:
    """Give the certificate that a client is shown and believes."""
    with closing(of.connect(name)) as connection:
        der = connection.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)


def names(certificate: x509.Certificate) -> list[str]:
    """Give the host names of a certificate."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("app.test", "app.test"),
        ("APP.Test", "app.test"),
        ("x.app.test", "app.test"),
        ("one.test", "one.test"),
        ("two.test", "two.test"),
    ],
)
def test_the_certificate_is_chosen_by_name(daemon: Daemon, folder: Path, name: str, first: str) -> None:
    """Exactly, by wildcard, in any case, out of files and out of a directory; the client checks the name itself."""
    assert names(shown(client(daemon, folder), name))[0] == first


def test_a_dot_at_the_end_is_no_other_name(daemon: Daemon, folder: Path) -> None:
    """A name with its trailing dot gets the certificate of the name without."""
    assert names(shown(client(daemon, folder, checks_name=False), "one.test."))[0] == "one.test"


def test_a_client_that_comes_by_address(daemon: Daemon, folder: Path) -> None:
    """Without a server name, the certificate that is for the address is shown."""
    certificate = shown(client(daemon, folder, checks_name=False), None)
    assert names(certificate) == ["two.test"]


@pytest.mark.parametrize("name", ["nobody.test", "a.b.app.test", "test"])
def test_a_name_that_no_certificate_is_for(daemon: Daemon, folder: Path, name: str) -> None:
    """Without a default it is the alert for it, and no certificate is shown."""
    assert alert_of(client(daemon, folder), name) == "TLSV1_UNRECOGNIZED_NAME"


@pytest.mark.parametrize(("default", "first"), [("", None), ("  default: app.test", "app.test")])
def test_an_address_that_no_certificate_is_for(start_daemon, folder: Path, default: str, first: str | None) -> None:
    """A client without a server name gets the certificate of `tls.default`, or the alert where there is none."""
    map_ = MAP.replace("    - {{directory: {0}/more}}\n", "").format(folder, default)
    anybody = client(start_daemon(map_, tls=True), folder, checks_name=False)
    if first is None:
        assert alert_of(anybody, None) == "TLSV1_UNRECOGNIZED_NAME"
    else:
        assert names(shown(anybody, None))[0] == first


def test_the_default_is_for_whoever_has_none(start_daemon, folder: Path) -> None:
    """With `tls.default`, unknown names get its certificate, and who comes to an address still that of the address."""
    daemon = start_daemon(MAP.format(folder, "  default: one.test"), tls=True)
    anybody = client(daemon, folder, checks_name=False)
    assert names(shown(anybody, "nobody.test")) == ["one.test"]
    assert names(shown(anybody, None)) == ["two.test"]


@pytest.mark.parametrize(
    ("versions", "ciphers", "kind"),
    [
        ((ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3), "", "ECPublicKey"),
        ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "", "ECPublicKey"),
        ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "ECDHE-RSA-AES128-GCM-SHA256", "RSA"),
        ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "ECDHE-ECDSA-AES256-GCM-SHA384", "ECPublicKey"),
    ],
)
def test_of_two_for_a_name_the_best_that_the_client_can_use(
    daemon: Daemon, folder: Path, versions: tuple[ssl.TLSVersion, ssl.TLSVersion], ciphers: str, kind: str
) -> None:
    """ECDSA comes first, and RSA where the client's suites leave nothing else."""
    key = shown(client(daemon, folder, versions=versions, ciphers=ciphers), "app.test").public_key()
    assert kind in type(key).__name__


def test_a_client_that_checks_rsa_only(daemon: Daemon, folder: Path) -> None:
    """Its list of signatures decides, in TLS 1.3 as well."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.tls_port}", "-servername", "app.test"]
    said = subprocess.run(
        [*command, "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"],
        input=b"",
        capture_output=True,
        timeout=30,
        check=False,
    ).stdout.decode()
    assert "Peer signature type: RSA-PSS" in said
    assert "TLSv1.3" in said


def test_the_key_exchange_is_hybrid_where_the_client_can(daemon: Daemon, folder: Path) -> None:
    """A client that has X25519MLKEM768 gets it."""
    assert group_of((HOST, daemon.tls_port), "app.test") == "X25519MLKEM768"


def test_development_certificates(start_daemon, tmp_path: Path) -> None:
    """What `tls.internal` names is believed by whoever has the root that `txproxy ca` names, over restarts too."""
    state = tmp_path / "state"
    routes = (
        f"state: {state}\ntls: {{internal: [dev.localhost, '*.dev.test']}}\n"
        'hosts: {"*": {respond: {status: 200, body: here}}}\n'
    )
    roots = []
    for _ in range(2):
        daemon = start_daemon(routes, tls=True)
        asked = [sys.executable, "-m", "txproxy", "ca", "-c", daemon.path]
        printed, path = (
            subprocess.run([*asked, *more], capture_output=True, text=True, timeout=60, check=True).stdout
            for more in ((), ("--path",))
        )
        root_file = Path(path.removesuffix("\n"))
        assert root_file.read_text() == printed
        roots.append(printed)
        for name in ("dev.localhost", "a.dev.test"):
            assert TlsClient((HOST, daemon.tls_port), root_file).ask(name).endswith(b"here")
        daemon.stop()
    assert roots[0] == roots[1]
    assert (state / "internal-ca").stat().st_mode & 0o777 == 0o700
    keys = [file for file in (state / "internal-ca").iterdir() if b"PRIVATE KEY" in file.read_bytes()]
    assert keys
    assert [file.name for file in keys if file.stat().st_mode & 0o077] == []
