"""What those say who grade servers: sslyze and testssl.sh, against the daemon.

Rule: sslyze asks for an older `cryptography` than txproxy does, so it lives in an environment of its own; what
testssl.sh finds is an error, but for what only the certificates of a test CA or the application can be blamed for.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import venv
from datetime import UTC, datetime, timedelta
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
  hsts: {{max_age: 730d, include_subdomains: true}}
hosts: {{"*": {{respond: {{status: 200, body: here}}}}}}
"""
STRICT_MAP = """
tls: {{certificates: [{{cert: {0}/ecdsa.pem}}], default: app.example, minimum: "1.3", hsts: {{max_age: 730d}}}}
hosts: {{"*": {{respond: {{status: 200, body: here}}}}}}
"""
NAME = "app.example"
DAYS = 80  # Mozilla's "modern" wants fewer than 90
CHECKS = (
    *("certinfo", "sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "compression", "reneg", "heartbleed"),
    *("openssl_ccs", "robot", "fallback", "resum", "elliptic_curves", "early_data", "http_headers"),
)
# Of the test's CA and of loopback: no CRL, no CAA record. Of an application: its own security headers, which a proxy
# must not invent.
NOT_OURS = ("cert_revocation", "DNS_CAArecord", "security_headers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of the map, and their CA."""
    made = tmp_path_factory.mktemp("graded")
    write(made / "ca.pem", pem(root().certificate))
    begin = datetime.now(UTC) - timedelta(hours=1)
    for kind in ("ecdsa", "rsa"):
        issued = lasting(NAME, HOST, kind=kind, by=root(), start=begin, end=begin + timedelta(days=DAYS))
        issued.write(made / f"{kind}.pem")
    return made


@pytest.fixture(scope="module")
def daemon(start_shared_daemon, folder: Path) -> Daemon:
    """The product with HSTS on."""
    return start_shared_daemon(MAP.format(folder), tls=True)


@pytest.fixture(scope="module")
def sslyze(folder: Path) -> list[Path | str]:
    """The command, in an environment of its own."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    pip = [home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "sslyze==6.*"]
    subprocess.run(pip, check=True, timeout=300, capture_output=True)
    return [home / "bin" / "python", "-m", "sslyze", "--sni", NAME]


def scan(sslyze: list[Path | str], daemon: Daemon, *options: Path | str) -> str:
    """Give what sslyze says of the daemon."""
    command = [*sslyze, *options, f"{HOST}:{daemon.tls_port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def findings(daemon: Daemon, folder: Path, sslyze: list[Path | str]) -> dict[str, Any]:
    """What sslyze finds, by the name of its check."""
    written = folder / "sslyze.json"
    said = scan(sslyze, daemon, f"--json_out={written}", *[f"--{check}" for check in CHECKS])
    assert written.exists(), said
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
    assert (header["max_age"], header["include_subdomains"]) == (2 * 31536000, True)


def unlike_mozilla(said: str) -> list[str]:
    """Give what sslyze found other than in one of Mozilla's configurations."""
    assert "COMPLIANCE AGAINST TLS CONFIGURATION" in said, said
    return re.findall(r"^ {8}\* (.*)$", said.partition("COMPLIANCE AGAINST")[2], re.MULTILINE)


def test_mozillas_configurations(daemon: Daemon, start_daemon, folder: Path, sslyze: list[Path | str]) -> None:
    """Without a word in the map it is "intermediate", with `minimum: "1.3"` it is "modern"; all but for the CA."""
    of_our_ca = f"certificate_path_validation: Certificate path validation failed for CN={NAME}."
    said = scan(sslyze, daemon, "--mozilla_config", "intermediate")
    assert unlike_mozilla(said) == [of_our_ca]
    strict = start_daemon(STRICT_MAP.format(folder), tls=True)
    said = scan(sslyze, strict, "--mozilla_config", "modern")
    assert unlike_mozilla(said) == [of_our_ca]


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("testssl") is None, reason="testssl is not installed")
def test_testssl_finds_nothing(daemon: Daemon, folder: Path) -> None:
    """No finding of testssl.sh is above INFO."""
    found = by_testssl(daemon, folder)
    if found:  # on a busy machine it takes what came too late for a finding: then it is not there twice
        found &= by_testssl(daemon, folder)
    assert found == set()


def by_testssl(daemon: Daemon, folder: Path) -> set[str]:
    """Give what testssl.sh finds above INFO, but for what is not of the daemon."""
    written = folder / "testssl.json"
    written.unlink(missing_ok=True)  # it does not write over one
    command = ["testssl", "--quiet", "--color", "0", "--ip", "one", "--warnings", "off", "--sneaky"]
    done = subprocess.run(
        [*command, "--add-ca", folder / "ca.pem", "--jsonfile", written, f"{HOST}:{daemon.tls_port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    found = json.loads(written.read_text())
    assert len(found) > 100, done.stdout[-4000:]
    wrong = [each for each in found if each["severity"] not in {"OK", "INFO"}]
    print(*wrong, sep="\n")
    return {f"{each['severity']} {each['id']}" for each in wrong if not each["id"].startswith(NOT_OURS)}
