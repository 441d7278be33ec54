"""PEM: which blocks a file holds (RFC 7468), and what it is if it is no PEM.

Rule: it is told here what is there, never whether it is good enough to serve. Errors are sentences as in
`certificate`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from .certificate import CertificateError

_MARK = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
# A request, parameters or a list of revocations may stand beside what we look for.
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_OPENSSH = "OPENSSH PRIVATE KEY"
# The object identifier of PKCS #7 "data" (RFC 5652, section 4), with which the content of each PKCS #12 file begins.
_PKCS7_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its label, and all of it with its first and last line."""

    label: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: blocks of certificates, of keys, and the labels of all others."""

    certificates: tuple[Block, ...]
    keys: tuple[Block, ...]
    others: tuple[str, ...]


def contents(data: bytes, path: str) -> Contents:
    """Take a file apart.

    :param path: what sentences call the file.
    :raises CertificateError: it is empty, no PEM, or ends inside of a block.
    """
    if not data.strip():
        raise CertificateError(f"{path} is empty: write the certificate or key that belongs there")
    blocks = _blocks(data, path)
    if not blocks:
        raise CertificateError(_no_pem(data, path))
    certificates = tuple(block for block in blocks if block.label in _CERTIFICATES)
    keys = tuple(block for block in blocks if block.label in _KEYS or block.label == _OPENSSH)
    return Contents(certificates, keys, tuple(b.label for b in blocks if b not in certificates and b not in keys))


def certificates(found: Contents, path: str) -> list[x509.Certificate]:
    """Decode all certificates of a file.

    :raises CertificateError: one cannot be decoded.
    """
    decoded = []
    for place, block in enumerate(found.certificates, 1):
        if block.label == "TRUSTED CERTIFICATE":
            raise CertificateError(
                f"{path}: its certificate {place} is in OpenSSL's own TRUSTED form: openssl x509 -in {path} -out FILE"
                " makes a plain one of it"
            )
        try:
            decoded.append(_parsed(x509.load_pem_x509_certificate(block.text)))
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise CertificateError(
                f"{path}: its certificate {place} is damaged and cannot be decoded: copy the file anew"
            ) from error
    return decoded


def _parsed(certificate: x509.Certificate) -> x509.Certificate:
    """Touch what is only parsed when it is asked for, and may be damaged."""
    _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def private_key(block: Block, path: str) -> object:
    """Decode a key. It is not validated: see `certificate.make_certificate`, which tries it.

    :raises CertificateError: it is encrypted, damaged, or of a form or kind that is not known here.
    """
    if block.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block.text:
        raise CertificateError(
            f"{path}: the key is encrypted, and a daemon has nobody to ask for the passphrase: openssl pkey -in {path}"
            " -out FILE writes it plain; let only txproxy's user read that"
        )
    if block.label == _OPENSSH:
        raise CertificateError(
            f"{path}: the key is in OpenSSH's form: ssh-keygen -p -m PKCS8 -f {path} changes it to PEM, in place"
        )
    try:
        return serialization.load_pem_private_key(block.text, password=None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise CertificateError(f"{path}: the key is of a kind that is not known here: use ECDSA or RSA") from error
    except (ValueError, TypeError, InternalError) as error:
        raise CertificateError(
            f"{path}: the key is damaged, or of an unknown kind, and cannot be decoded: copy the file anew"
        ) from error


def _blocks(data: bytes, path: str) -> list[Block]:
    blocks, start, end = [], None, 0
    for mark in _MARK.finditer(data):
        if mark[1] == b"BEGIN" and start is None:
            start = mark
        elif mark[1] == b"END" and start is not None and mark[2] == start[2]:
            end = mark.end()
            blocks.append(Block(mark[2].decode("ascii"), data[start.start() : end] + b"\n"))
            start = None
        else:
            line = data.count(b"\n", 0, mark.start()) + 1
            raise CertificateError(
                f"{path} is damaged: in line {line} a block begins inside of another, or ends that has not begun:"
                " write the file anew, whole"
            )
    if start is not None or b"-----BEGIN" in data[end:]:
        raise CertificateError(f"{path} ends in the middle of a block, as if half written: write it anew, whole")
    return blocks


def _no_pem(data: bytes, path: str) -> str:
    """Say what it is that is no PEM."""
    out = f"{path.removesuffix('.pem')}.converted.pem"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return f"{path} is text in UTF-16, as some editors on Windows write it: save it as ASCII or UTF-8"
    if data[:1] != b"\x30":
        return f"{path} is no PEM: it has no line -----BEGIN ...-----; put a certificate or key in PEM form there"
    if _is_der_certificate(data):
        return f"{path} is a certificate in DER form, PEM is needed: openssl x509 -inform der -in {path} -out {out}"
    if _is_der_key(data):
        return f"{path} is a key in DER form, PEM is needed: openssl pkey -inform der -in {path} -out {out}"
    if _PKCS7_DATA in data[:64]:
        return f"{path} is a PKCS #12 file (.p12, .pfx), PEM is needed: openssl pkcs12 -in {path} -nodes -out {out}"
    return f"{path} is no PEM, and no certificate or key in DER form either: put one in PEM form there"


def _is_der_certificate(data: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(data)
    except (ValueError, TypeError, x509.InvalidVersion):
        return False
    return True


def _is_der_key(data: bytes) -> bool:
    try:
        serialization.load_der_private_key(data, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        return True  # an encrypted one
    except (ValueError, UnsupportedAlgorithm, InternalError):
        return False
    return True
