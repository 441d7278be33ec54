"""Who the proxies say they are over TLS, and what the clients ask of them.

Rule: all proxies of a run have the same certificate and key, and all are offered the same: TLS 1.3, one
cipher suite, one group. What a proxy would choose among several differs between them, and is not measured.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .cases import HOST

# What browsers prefer on processors that have AES.
CIPHER_SUITE = "TLS_AES_128_GCM_SHA256"
# For a program that offers what its OpenSSL is told to offer, in the file that OPENSSL_CONF names.
_OPENSSL_CONF = f"""openssl_conf = all
[all]
ssl_conf = contexts
[contexts]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = {CIPHER_SUITE}
Groups = @GROUP@
"""
_DAY = timedelta(days=1)
# wrk takes the server name from the URL, which must be one that this machine resolves.
RESOLVED = "localhost"


@dataclass(frozen=True)
class Identity:
    """A certificate for HOST with its intermediate, its key and its root, as files in a directory."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """The leaf, then the intermediate."""
        return self.directory / "certificate.pem"

    @property
    def key(self) -> Path:
        """The leaf's private key."""
        return self.directory / "key.pem"

    @property
    def intermediate(self) -> Path:
        """What stands between leaf and root."""
        return self.directory / "intermediate.pem"

    @property
    def bundle(self) -> Path:
        """Certificate and key in one file."""
        return self.directory / "bundle.pem"

    @property
    def root(self) -> Path:
        """What a client trusts."""
        return self.directory / "root.pem"

    def client(self) -> ssl.SSLContext:
        """Give a context for clients that verify; what they offer is OpenSSL's own choice from TLS 1.3."""
        context = ssl.create_default_context(cafile=str(self.root))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def openssl_conf(self, group: str) -> Path:
        """Write the file that has OpenSSL offer one suite and this group, and nothing else."""
        path = self.directory / f"{group}.cnf"
        path.write_text(_OPENSSL_CONF.replace("@GROUP@", group))
        return path


@dataclass(frozen=True)
class _Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make(directory: Path) -> Identity:
    """Make a root, an intermediate and a leaf, ECDSA P-256 each, valid for a day, as files in a new directory."""
    directory.mkdir()
    root = _issue("txproxy bench root", None)
    intermediate = _issue("txproxy bench intermediate", root)
    leaf = _issue(HOST, intermediate, HOST, RESOLVED)
    made = Identity(directory)
    key = leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = leaf.pem() + intermediate.pem()
    for path, content in (
        (made.certificate, chain),
        (made.key, key),
        (made.intermediate, intermediate.pem()),
        (made.bundle, chain + key),
        (made.root, root.pem()),
    ):
        path.touch(0o600)
        path.write_bytes(content)
    return made


def _issue(name: str, issuer: _Issued | None, *hosts: str) -> _Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if hosts:
        names = [*map(x509.DNSName, hosts), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _Issued(builder.sign(signer, hashes.SHA256()), key)
