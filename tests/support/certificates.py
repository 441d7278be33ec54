"""Certificates to order, good and bad in one way each.

Rule: what is not asked for is as a good CA makes it; the time is an argument, so that nothing expires by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SAME_KEY = "one RSA key for all tests: they take 0.1 s to make"


@cache
def slow_key(bits: int, which: str = SAME_KEY) -> rsa.RSAPrivateKey:
    """Make an RSA key, the same one for the same arguments."""
    return rsa.generate_private_key(65537, bits)


@cache
def dsa_key() -> dsa.DSAPrivateKey:
    """Make a DSA key, always the same."""
    return dsa.generate_private_key(2048)


def new_key(kind: str = "ecdsa") -> Any:
    """Make a private key: "ecdsa", "rsa", "ed25519", or another one that no server may have."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "dsa":
        return dsa_key()
    if kind.startswith("rsa"):
        return slow_key(int(kind.removeprefix("rsa") or 2048))
    return ec.generate_private_key({"ecdsa": ec.SECP256R1, "p384": ec.SECP384R1, "k1": ec.SECP256K1}[kind]())


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the certificates of its issuers."""

    certificate: x509.Certificate
    key: Any
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The leaf and its issuers, without the root."""
        return (self.certificate, *self.issuers)

    @property
    def pem(self) -> bytes:
        """The leaf alone."""
        return pem(self.certificate)

    @property
    def chain_pem(self) -> bytes:
        """The leaf and its issuers."""
        return pem(*self.chain)

    @property
    def key_pem(self) -> bytes:
        """The key, in PKCS #8 form."""
        return key_pem(self.key)

    def write(self, cert: Path, key: Path | None = None) -> Path:
        """Write chain and key, the key into the same file unless one is named; give the certificate's file."""
        if key is None:
            write(cert, self.chain_pem + self.key_pem)
        else:
            write(key, self.key_pem)
            write(cert, self.chain_pem)
        return cert


def write(file: Path, data: bytes, mode: int = 0o600) -> Path:
    """Write a file that only its owner may read."""
    file.write_bytes(data)
    file.chmod(mode)
    return file


def pem(*certificates: x509.Certificate) -> bytes:
    """Give certificates as PEM."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def key_pem(key: Any, passphrase: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """Give a key as PEM, encrypted if there is a passphrase."""
    encryption: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    )
    data: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return data


def issue(
    *names: str,
    kind: str = "ecdsa",
    key: Any = None,
    by: Issued | None = None,
    is_ca: bool | None = False,
    common_name: str | None = None,
    start: datetime = NOW - DAY,
    end: datetime = NOW + 90 * DAY,
    usages: tuple[ObjectIdentifier, ...] = (),
    more: tuple[x509.GeneralName, ...] = (),
) -> Issued:
    """Make a certificate.

    :param names: DNS names and IP addresses.
    :param by: who signs it; None: itself.
    :param is_ca: None: it does not say.
    :param more: further names, of any kind.
    """
    key = key or new_key(kind)
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or (names[0] if names else "a test"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(by.certificate.subject if by else title)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if is_ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    if entries := [*map(_entry, names), *more]:
        builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    signer = by.key if by else key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(signer, algorithm)
    issuers = () if by is None or by.certificate.issuer == by.certificate.subject else by.chain
    return Issued(certificate, key, issuers)


def authority(common_name: str = "a root", by: Issued | None = None, **more: Any) -> Issued:
    """Make a CA: a root, or below another CA an intermediate one."""
    return issue(common_name=common_name, by=by, is_ca=True, end=NOW + 1000 * DAY, **more)


def _entry(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def odd(by: Issued, subject: bytes = b"", more: bytes = b"") -> x509.Certificate:
    """Make a certificate with its subject in Latin-1 in this kind of string, or with this for its names.

    Its signature is not to be looked at.
    """
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "J\u00f6rg")]))
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 90 * DAY)
    )
    if more:
        kind = x509.SubjectAlternativeName.oid
        builder = builder.add_extension(x509.UnrecognizedExtension(kind, more), critical=False)
    encoded = builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)
    if subject:
        encoded = encoded.replace(b"\x0c\x05J\xc3\xb6rg", subject + b"\x05J\xf6\xf6rg")
    return x509.load_der_x509_certificate(encoded)
