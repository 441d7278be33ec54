"""A certificate authority for development, kept in the state directory.

Rule: there is one root for each state directory, as long as that is kept: somebody has told a browser to trust
it. It comes into being whole, by renaming a directory, so that of two processes that begin together one wins
and the other takes what it finds; and nobody but its owner replaces it. Its leaves are made anew at each start.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from txproxy.model.hostname import is_address

from . import pem
from .certificate import Certificate, CertificateError, fits, wildcard_of
from .certificate_files import read

DIRECTORY, ROOT_FILE, KEY_FILE = "internal-ca", "root.pem", "root.key"
ROOT_LIFE = timedelta(days=3650)
# Renewed in the running daemon when a third is left. Some clients take nothing that is longer than 398 days.
LEAF_LIFE = timedelta(days=90)
# Containers and virtual machines have clocks of their own.
_BACKDATED = timedelta(hours=1)
# What RFC 6761, section 6.3, lets clients take for granted.
_LOOPBACK = ("127.0.0.1", "::1")
_MAX_COMMON_NAME = 64  # RFC 5280, appendix A.1


def state_directory(named: str | None, environ: Mapping[str, str]) -> str:
    """Give the directory for what has to outlive the process.

    :param named: the map's `state`; None: systemd's StateDirectory=, else the user's state directory (XDG).
    :raises CertificateError: there is none.
    """
    if named is not None:
        return named
    if given := environ.get("STATE_DIRECTORY"):
        return given.split(":")[0]  # systemd.exec(5): several are separated by colons
    home = environ.get("HOME", "")
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: others are to be ignored
        if not os.path.isabs(home):
            raise CertificateError(
                "there is no state directory, neither STATE_DIRECTORY nor HOME is set: name one as `state` in the map"
            )
        base = os.path.join(home, ".local", "state")
    return os.path.join(base, "txproxy")


class InternalCa:
    """The authority, and the certificates that it issues when they are asked for.

    Make it by `open_internal_ca`.

    :param patterns: the names of `tls.internal`: exact, "*.name", or IP addresses.
    :param path: the root's file.
    :param now: gives the time, aware of its zone.

    :ivar root: the root. :ivar path: its file, in PEM form.
    """

    def __init__(
        self,
        root: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        *,
        path: str,
        patterns: Sequence[str],
        now: Callable[[], datetime],
    ) -> None:
        self.root = root
        self.path = path
        self._key = key
        self._now = now
        self._exact = {pattern: pattern for pattern in patterns if not pattern.startswith("*.")}
        self._wildcards = frozenset(pattern for pattern in patterns if pattern.startswith("*."))
        if "localhost" in self._exact:
            self._exact = dict.fromkeys(_LOOPBACK, "localhost") | self._exact

    def __repr__(self) -> str:
        return f"<InternalCa {self.path} until {self.root.not_valid_after_utc:%Y-%m-%d}>"

    def days_left(self, now: datetime) -> int:
        """Count the whole days until the root expires; negative: it has expired."""
        return (self.root.not_valid_after_utc - now) // timedelta(days=1)

    def subject(self, host: str) -> str | None:
        """Tell which certificate is for a host in normal form: a name, a wildcard or an address; None: none."""
        if (exact := self._exact.get(host)) is not None:
            return exact
        wildcard = wildcard_of(host)
        if wildcard not in self._wildcards:
            return None
        # OpenSSL, Firefox and Chromium refuse wildcards right below a top level: *.localhost covers nothing.
        return wildcard if wildcard.count(".") > 1 else host

    def issue(self, subject: str) -> Certificate:
        """Make a certificate, with a key of its own, for what `subject` gave."""
        now = self._now()
        key = ec.generate_private_key(ec.SECP256R1())
        names, addresses = _alternatives(subject)
        entries = [x509.DNSName(name) for name in names], [x509.IPAddress(ip_address(each)) for each in addresses]
        not_before = now - _BACKDATED
        # A leaf that outlives its root is refused by some.
        not_after = min(now + LEAF_LIFE, self.root.not_valid_after_utc)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        common_name = subject if len(subject) <= _MAX_COMMON_NAME else "txproxy development certificate"
        builder = (
            _builder(common_name, key.public_key(), self.root.subject, self._key.public_key())
            .not_valid_before(not_before)
            .not_valid_after(max(not_after, not_before))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectAlternativeName([*entries[0], *entries[1]]), critical=False)
        )
        leaf = builder.sign(self._key, hashes.SHA256())
        return Certificate(
            chain=(leaf,),
            key=key,
            names=frozenset(names),
            addresses=frozenset(addresses),
            kind="ecdsa",
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            source=f"the development CA {self.path}",
        )

    def is_due(self, certificate: Certificate) -> bool:
        """Tell whether it is time for the next one: a third of its life is left, or the clock was set back."""
        now = self._now()
        if certificate.not_after >= self.root.not_valid_after_utc:
            return False  # the next one would not last longer
        life = certificate.not_after - certificate.not_before
        return now < certificate.not_before or certificate.not_after - now < life / 3


def open_internal_ca(state: str, patterns: Iterable[str], now: Callable[[], datetime]) -> InternalCa:
    """Take the root from the state directory, or make it.

    :param state: an absolute path, see `state_directory`; made if it is missing.
    :param patterns: see `InternalCa`.
    :param now: gives the time, aware of its zone.
    :raises CertificateError: the directory cannot be used or is open to others, or the root in it is damaged or
        has expired.
    """
    directory = os.path.join(state, DIRECTORY)
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
        _check_private(state, 0o022, "write to it")
        if not _is_there(directory):
            _make_root(state, directory, now())
        _check_private(directory, 0o077, "read it or write to it")
    except OSError as error:
        raise CertificateError(f"the development CA cannot be kept in {state}: {_unusable(error)}") from error
    root, key = _load_root(directory, now())
    return InternalCa(root, key, path=os.path.join(directory, ROOT_FILE), patterns=tuple(patterns), now=now)


# The root on disk.


def _unusable(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.strerror}: make room there"
    cure = f"make that a directory that user {os.geteuid()} can write to, or name another one as `state`"
    return f"{error.strerror}: {cure}"


def _is_there(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))
    except FileNotFoundError:
        return False


def _check_private(directory: str, bits: int, what: str) -> None:
    status = os.stat(directory)
    if status.st_mode & bits:
        raise CertificateError(
            f"{directory} is open to others, who can {what} (mode {stat.S_IMODE(status.st_mode):04o}): chmod 700"
            f" {directory}, if nobody has changed what is in it"
        )
    if os.geteuid() not in (0, status.st_uid) and status.st_uid != 0:
        raise CertificateError(
            f"{directory} belongs to user {status.st_uid}, and this is user {os.geteuid()}: run txproxy as that user,"
            " or name another directory as `state`"
        )


def _make_root(state: str, directory: str, now: datetime) -> None:
    """Make a root beside its place, whole and on the disk, and move it there."""
    root, key = _new_root(now)
    being_made = tempfile.mkdtemp(prefix=f".{DIRECTORY}-", dir=state)
    try:
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(os.path.join(being_made, KEY_FILE), plain, 0o600)
        _write(os.path.join(being_made, ROOT_FILE), root.public_bytes(Encoding.PEM), 0o644)
        _give_to_owner_of(state, being_made)
        _sync(being_made)
        os.rename(being_made, directory)
        _sync(state)
    except OSError as error:
        shutil.rmtree(being_made, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster: its root is the one
            raise


def _new_root(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # Nothing of the machine is in the name: the root is copied to others, and its name shows in their lists.
    name = f"txproxy development CA {secrets.token_hex(4)}"
    builder = (
        _builder(name, key.public_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _write(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner_of(state: str, directory: str) -> None:
    """Let the daemon's user read what root has made: `sudo txproxy ca` may come before the daemon's first start."""
    owner = os.stat(state)
    if os.geteuid() == 0 != owner.st_uid:
        for each in (directory, os.path.join(directory, KEY_FILE), os.path.join(directory, ROOT_FILE)):
            os.chown(each, owner.st_uid, owner.st_gid)


def _load_root(directory: str, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    cure = f"restore it, or remove {directory}: a new CA is then made, which every client has to be told to trust"
    root_path, key_path = os.path.join(directory, ROOT_FILE), os.path.join(directory, KEY_FILE)
    try:
        data, _ = read(root_path, now)
        (root,) = pem.certificates(pem.contents(data, root_path), root_path)
        data, mode = read(key_path, now)
        (block,) = pem.contents(data, key_path).keys
        key = pem.private_key(block, key_path)
    except CertificateError as error:
        raise CertificateError(f"the development CA is damaged ({error}): {cure}") from error
    except ValueError as error:  # not exactly one of them
        raise CertificateError(f"the development CA is damaged (no root, or no key, in {directory}): {cure}") from error
    if mode & 0o077:
        raise CertificateError(
            f"{key_path} is open to others (mode {stat.S_IMODE(mode):04o}), who could have made certificates with it:"
            f" chmod 600 {key_path}, if nobody has"
        )
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not fits(root, key):
        raise CertificateError(f"the development CA is damaged ({key_path} does not belong to {ROOT_FILE}): {cure}")
    if root.not_valid_after_utc <= now:
        raise CertificateError(
            f"the development CA {root_path} has expired on {root.not_valid_after_utc:%Y-%m-%d}: remove {directory};"
            " a new CA is then made, which every client has to be told to trust"
        )
    return root, key


# What certificates are made of.


def _builder(
    common_name: str, public: ec.EllipticCurvePublicKey, issuer: x509.Name, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(subject: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the names and the addresses of a certificate."""
    if is_address(subject):
        return (), (subject,)
    return (subject,), _LOOPBACK if subject == "localhost" else ()
