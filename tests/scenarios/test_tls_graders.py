"""What those say who grade servers: sslyze and testssl.sh, against the daemon.

Rule: sslyze asks for an older `cryptography` than txproxy does, so it lives in an environment of its own; what
testssl.sh finds is an error, but for what only the certificates of a test CA or the application can be blamed for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.support.addresses import HOST
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon
from tests.support.tls import lasting, root

MAP = """
tls:
  certificates: [{{cert: {0}/ecdsa.pem}}, {{cert: {0}/rsa.pem}}]
  default: app.example
  hsts: {{max_age: 365d, include_subdomains: true}}
hosts: {{"*": {{respond: {{status: 200, body: here}}}}}}
"""
NAME = "app.example"
CHECKS = (
    *("certinfo", "sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "compression", "reneg", "heartbleed"),
    *("openssl_ccs", "robot", "fallback", "resum", "elliptic_curves", "early_data", "http_headers"),
)
# Of the test's CA and of loopback: validity of a century, no CRL, no CAA record. Of an application: its own security
# headers, which a proxy must not invent.
NOT_OURS = ("cert_validityPeriod", "cert_revocation", "DNS_CAArecord", "security_headers", "cert_extlifeSpan")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of the map, and their CA."""
    made = tmp_path_factory.mktemp("graded")
    write(made / "ca.pem", pem(root().certificate))
    for kind in ("ecdsa", "rsa"):
        lasting(NAME, HOST, kind=kind, by=root()).write(made / f"{kind}.pem")
    return made


@pytest.fixture(scope="module")
def daemon(start_shared_daemon, folder: Path) -> Daemon:
    """The product with HSTS on."""
    return start_shared_daemon(MAP.format(folder), tls=True)


@pytest.fixture(scope="module")
def findings(daemon: Daemon, folder: Path) -> dict[str, Any]:
    """What sslyze finds, by the name of its check."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    pip = [home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "sslyze==6.*"]
    subprocess.run(pip, check=True, timeout=300, capture_output=True)
    written = folder / "sslyze.json"
    scan = [home / "bin" / "python", "-m", "sslyze", f"--json_out={written}", "--sni", NAME]
    scan += [f"--{check}" for check in CHECKS]
    done = subprocess.run(
        [*scan, f"{HOST}:{daemon.tls_port}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert written.exists(), done.stdout + done.stderr
    (result,) = json.loads(written.read_text())["server_scan_results"]
    assert result["scan_status"] == "COMPLETED", result
    found: dict[str, Any] = result["scan_result"]
    wrong = {name: each["error_trace"] for name, each in found.items() if each["status"] == "ERROR"}
    assert not wrong, wrong
    return {name: each["result"] for name, each in found.items() if each["result"] is not None}


def accepted(findings: dict[str, Any], version: str) -> set[str]:
    """Give the suites that are accepted in a version."""
    suites = findings[f"{version}_cipher_suites"]["accepted_cipher_suites"]
    return {suite["cipher_suite"]["name"] for suite in suites}


@pytest.mark.parametrize("version", ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"])
def test_old_versions_are_not_spoken(findings: dict[str, Any], version: str) -> None:
    """Nothing below TLS 1.2 accepts any suite."""
    assert accepted(findings, version) == set()


def test_suites(findings: dict[str, Any]) -> None:
    """TLS 1.2 has forward secrecy and AEAD only, TLS 1.3 all that it has."""
    assert accepted(findings, "tls_1_2") == {
        f"TLS_ECDHE_{key}_WITH_{cipher}"
        for key in ("ECDSA", "RSA")
        for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
    }
    assert accepted(findings, "tls_1_3") == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }


def test_nothing_that_has_a_name_of_its_own(findings: dict[str, Any]) -> None:
    """Heartbleed, CCS injection, ROBOT, compression, renegotiation by clients and early data are not there."""
    assert not findings["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not findings["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert findings["robot"]["robot_result"].startswith("NOT_VULNERABLE")
    assert not findings["tls_compression"]["supports_compression"]
    assert findings["session_renegotiation"]["supports_secure_renegotiation"]
    assert not findings["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert not findings["tls_1_3_early_data"]["supports_early_data"]
    assert findings["tls_fallback_scsv"]["supports_fallback_scsv"]


def test_sessions_and_curves(findings: dict[str, Any]) -> None:
    """Sessions are taken up by tickets, and curves are the good ones only."""
    assert findings["session_resumption"]["tls_ticket_resumption_result"] == "FULLY_SUPPORTED"
    curves = {curve["name"] for curve in findings["elliptic_curves"]["supported_curves"]}
    assert curves == {"X25519", "secp256r1", "secp384r1"}


def test_certificates_and_their_chain(findings: dict[str, Any]) -> None:
    """ECDSA and RSA are shown, each with its chain in order."""
    deployed = findings["certificate_info"]["certificate_deployments"]
    assert len(deployed) == 2
    assert all(each["received_chain_has_valid_order"] for each in deployed)


def test_hsts(findings: dict[str, Any]) -> None:
    """Strict-Transport-Security is there as the map has it."""
    header = findings["http_headers"]["strict_transport_security_header"]
    assert (header["max_age"], header["include_subdomains"]) == (31536000, True)


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("testssl") is None, reason="testssl is not installed")
def test_testssl_finds_nothing(daemon: Daemon, folder: Path) -> None:
    """No finding of testssl.sh is above INFO."""
    written = folder / "testssl.json"
    command = ["testssl", "--quiet", "--color", "0", "--ip", "one", "--warnings", "off", "--sneaky"]
    done = subprocess.run(
        [*command, "--add-ca", folder / "ca.pem", "--jsonfile", written, f"{HOST}:{daemon.tls_port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = json.loads(written.read_text())
    assert len(found) > 100, done.stdout[-4000:]
    wrong = [each for each in found if each["severity"] not in {"OK", "INFO"}]
    assert [each for each in wrong if not each["id"].startswith(NOT_OURS)] == []
