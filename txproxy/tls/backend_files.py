"""Files that TLS to backends needs: the CAs that are believed, and the certificate that we show.

Rule: they are read when a route map is loaded, never later. Errors are sentences as in `certificate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509

from . import pem
from .certificate import CertificateError, fits
from .certificate_files import read


@dataclass(frozen=True, slots=True)
class Roots:
    """The certificates that those of backends must come from. :ivar source: their file, for logs."""

    certificates: tuple[x509.Certificate, ...]
    source: str


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What we show: a chain, the certificate itself first, and its key. :ivar source: its file, for logs."""

    chain: tuple[x509.Certificate, ...]
    source: str
    # Two with the same certificate have the same key.
    key: Any = field(compare=False, repr=False)


def read_roots(path: str, now: datetime) -> Roots:
    """Read a PEM file of one or more certificates.

    :param now: aware of its zone.
    :raises CertificateError: it cannot be read, or holds none.
    """
    data, _ = read(path, now)
    found = pem.contents(data, path)
    if not found.certificates:
        raise CertificateError(
            f"{path} holds no certificate: name the PEM file of the CA that the backends' certificates come from"
        )
    return Roots(tuple(pem.certificates(found, path)), path)


def read_client_certificate(path: str, now: datetime) -> ClientCertificate:
    """Read a PEM file with a certificate, its issuers if there are any, and its key.

    Unlike with those of servers, neither names nor dates are looked at: whether it is good the backend says.

    :param now: aware of its zone.
    :raises CertificateError: it cannot be read, or certificate and key are not both there.
    """
    data, _ = read(path, now)
    found = pem.contents(data, path)
    if not found.certificates:
        raise CertificateError(f"{path} holds no certificate: put ours in front of its key")
    if len(found.keys) != 1:
        what = "no private key: append the one" if not found.keys else f"{len(found.keys)} keys: leave the one in it"
        raise CertificateError(f"{path} holds {what} that belongs to the certificate")
    chain = tuple(pem.certificates(found, path))
    key: Any = pem.private_key(found.keys[0], path)
    if not fits(chain[0], key):
        where = next((place for place, each in enumerate(chain, 1) if fits(each, key)), None)
        raise CertificateError(
            f"{path}: the key in it does not belong to its certificate: put the key there that it was requested with"
            if where is None
            else f"{path} is in the wrong order: the key fits its certificate {where}, which must come first"
        )
    return ClientCertificate(chain, path, key)


def expiry_finding(certificate: ClientCertificate, now: datetime) -> str | None:
    """Say so if a client certificate has expired: backends will refuse it."""
    end = certificate.chain[0].not_valid_after_utc
    if end > now:
        return None
    return (
        f"{certificate.source}: the client certificate has expired on {end:%Y-%m-%d}, backends will refuse it: renew it"
    )
