"""The files that TLS to backends needs, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import DAY, NOW, Issued, authority, issue, key_pem, new_key, pem, write
from txproxy.tls.backend_files import expiry_finding, read_client_certificate, read_roots
from txproxy.tls.certificate import CertificateError

ROOT = authority()
MIDDLE = authority("middle", by=ROOT)
OURS = issue("me", by=MIDDLE)


def test_every_root_of_a_file_is_read(tmp_path: Path) -> None:
    """A bundle has several, with whatever text between them."""
    bundle = b"# ours\n" + pem(ROOT.certificate) + b"\n# theirs\n" + pem(MIDDLE.certificate)
    roots = read_roots(str(write(tmp_path / "ca.pem", bundle)), NOW)
    assert roots.certificates == (ROOT.certificate, MIDDLE.certificate)
    assert roots.source.endswith("ca.pem")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (OURS.key_pem, "holds no certificate: name the PEM file of the CA"),
        (b"no such thing", "is no PEM"),
        (pem(ROOT.certificate)[:200], "ends in the middle of a block"),
        (pem(ROOT.certificate).replace(b"MII", b"AII", 1), "is damaged"),
    ],
)
def test_a_file_without_roots_is_told(tmp_path: Path, data: bytes | None, why: str) -> None:
    """One sentence, which begins with the file."""
    path = tmp_path / "ca.pem"
    if data is not None:
        write(path, data)
    with pytest.raises(CertificateError, match=why) as raised:
        read_roots(str(path), NOW)
    assert str(raised.value).startswith(str(path))


def test_a_client_certificate_comes_with_chain_and_key(tmp_path: Path) -> None:
    """The key may stand in front or behind; neither names nor purposes are looked at."""
    for data in (OURS.chain_pem + OURS.key_pem, OURS.key_pem + OURS.chain_pem):
        found = read_client_certificate(str(write(tmp_path / "me.pem", data)), NOW)
        assert found.chain == (OURS.certificate, MIDDLE.certificate)
        assert found.key.public_key() == OURS.key.public_key()
        assert expiry_finding(found, NOW) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OURS.pem, "holds no private key: append the one"),
        (OURS.key_pem, "holds no certificate: put ours"),
        (OURS.pem + OURS.key_pem + key_pem(new_key()), "holds 2 keys"),
        (OURS.pem + key_pem(new_key()), "the key in it does not belong to its certificate"),
        (pem(MIDDLE.certificate, OURS.certificate) + OURS.key_pem, "is in the wrong order: the key fits .* 2"),
        (OURS.pem + key_pem(OURS.key, b"secret"), "the key is encrypted"),
    ],
)
def test_a_bad_client_certificate_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    """One sentence, which begins with the file."""
    path = write(tmp_path / "me.pem", data)
    with pytest.raises(CertificateError, match=why) as raised:
        read_client_certificate(str(path), NOW)
    assert str(raised.value).startswith(str(path))


def test_an_expired_client_certificate_is_a_finding(tmp_path: Path) -> None:
    """It is read, because only the backend can say that it does not take it, and it is told."""
    late: Issued = issue("me", by=ROOT, end=NOW - DAY / 2)
    found = read_client_certificate(str(late.write(tmp_path / "me.pem")), NOW)
    finding = expiry_finding(found, NOW)
    assert finding is not None
    assert "has expired on 2026-06-01" in finding
    assert finding.startswith(found.source)
