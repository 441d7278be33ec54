"""Certificates from files.

Rule: a file is read once, whole, and judged as it was read; the stat of it that a change is told by is taken before.
Whatever is wrong with files is a `CertificateError`, never an `OSError`.
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import datetime
from typing import BinaryIO

from cryptography import x509

from . import pem
from .certificate import Certificate, CertificateError, NotForServers, make_certificate

# A chain of five with its key has 10 KiB. What is larger is something else, a log or an image, or an attack.
MAX_FILE = 1024 * 1024


def load(cert_path: str, key_path: str | None, now: datetime) -> Certificate:
    """Load a chain, leaf first, and its key.

    :param key_path: None: the key is in the same file.
    :param now: aware of its zone.
    :raises CertificateError: they cannot be read, or not be served.
    """
    data, mode = read(cert_path, now)
    found = pem.contents(data, cert_path)
    if key_path is None or key_path == cert_path:
        key_path, key_found = cert_path, found
    else:
        data, mode = read(key_path, now)
        key_found = pem.contents(data, key_path)
        _check_not_swapped(found, key_found, cert_path, key_path)
    chain = _chain(found, cert_path)
    block = _key(key_found, key_path, chain)
    return make_certificate(
        chain,
        pem.private_key(block, key_path),
        cert_file=cert_path,
        key_file=key_path,
        now=now,
        findings=_findings(mode, key_path),
    )


def read(path: str, now: datetime) -> tuple[bytes, int]:
    """Give a file's bytes and its mode.

    :raises CertificateError: it cannot be read, or is no file that could hold what is looked for.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for whoever writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise CertificateError(f"{path} is a directory: name a file in it, or write `directory: {path}`")
            if not stat.S_ISREG(mode):
                raise CertificateError(f"{path} is not a file with contents: name one")
            with open(descriptor, "rb", closefd=False) as file:
                return whole(file, path), mode
        finally:
            os.close(descriptor)
    except OSError as error:
        # Not all of these change the file: a directory above may be opened, a disk may come back.
        raise CertificateError(_unreadable(path, error), again=now) from error


def whole(file: BinaryIO, path: str) -> bytes:
    """Give all that is in an open file.

    :param path: of the file, for the error.
    :raises CertificateError: it is larger than `MAX_FILE`.
    """
    data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise CertificateError(
            f"{path} is larger than {MAX_FILE // 1024} KiB, which no certificate is: name another file"
        )
    return data


def _unreadable(path: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        dangling = " (it is a link to what does not exist)" if os.path.islink(path) else ""
        return f"{path} does not exist{dangling}: correct the path, or put the file there"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{path} may not be read by user {os.geteuid()}: give txproxy's user the right to (owner, group, or chmod)"
        )
    return f"{path} cannot be read: {error.strerror}"


def _check_not_swapped(found: pem.Contents, key_found: pem.Contents, cert_path: str, key_path: str) -> None:
    if found.keys and not found.certificates and key_found.certificates and not key_found.keys:
        raise CertificateError(
            f"{cert_path} holds the key and {key_path} the certificate: exchange `cert` and `key`, or the files"
        )


def _chain(found: pem.Contents, path: str) -> list[x509.Certificate]:
    if found.certificates:
        return pem.certificates(found, path)
    if found.keys:
        raise NotForServers(f"{path} holds a key and no certificate: put the certificate in front, or name its file")
    if any("CERTIFICATE REQUEST" in label for label in found.others):
        raise NotForServers(
            f"{path} holds a certificate request, which is not yet a certificate: put there what the CA made of it"
        )
    raise NotForServers(
        f"{path} holds no certificate, only {', '.join(found.others)}: put a CERTIFICATE there, or name another file"
    )


def _key(found: pem.Contents, path: str, chain: list[x509.Certificate]) -> pem.Block:
    if len(found.keys) > 1:
        raise CertificateError(
            f"{path} holds {len(found.keys)} keys, and it cannot be told which one is meant: leave the one in it"
            " that belongs to the certificate"
        )
    if found.keys:
        return found.keys[0]
    if found.certificates and all(_is_ca(each) for each in chain):
        raise NotForServers(f"{path} holds certificates of CAs and no key: name a server's certificate, and its key")
    raise CertificateError(
        f"{path} holds no private key: "
        + (
            "name its file as `key`, or append it"
            if found.certificates
            else "put the key there that belongs to the certificate"
        )
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return False


def _findings(mode: int, key_path: str) -> list[str]:
    if mode & 0o077:
        return [
            f"{key_path} holds a key and may be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {key_path}"
        ]
    return []
