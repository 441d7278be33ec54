"""Certificates as values: a chain, its key, and what they are good for.

Rule: a `Certificate` that exists can be served at the moment that it was made for: its key fits, its chain
is in order, its dates, key and signatures are such that clients take them. Everything that is wrong is one
sentence that names the file and the cure. Nothing here reads files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from txproxy.model.hostname import is_address, normalize_name

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

# CA/Browser Forum, Baseline Requirements, section 6.1.5; OpenSSL's security level 2 refuses less as well.
MIN_RSA_BITS = 2048
# RFC 8446, section 4.2.3: the curves that a client can say it verifies.
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_KINDS: tuple[tuple[type, str], ...] = (
    (ec.EllipticCurvePrivateKey, "ecdsa"),
    (rsa.RSAPrivateKey, "rsa"),
    (ed25519.Ed25519PrivateKey, "ed25519"),
)
_BROKEN_HASHES = ("md5", "sha1")
_DAY = timedelta(days=1)


class CertificateError(Exception):
    """Why a certificate cannot be used: one sentence that names the file and what to do.

    :ivar again: when it may be different although no file changes; None: never.
    """

    def __init__(self, sentence: str, again: datetime | None = None) -> None:
        super().__init__(sentence)
        self.again = again


class NotForServers(CertificateError):
    """It is something else that is well formed: a key, CAs, a client's certificate. In a directory no fault."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certificate:
    """A certificate that can be served.

    :ivar chain: the certificate itself, then those of its issuers, each issued by the next.
    :ivar names: DNS names as `model.hostname` has them, "*.example.com" for wildcards. A common name counts for
        nothing, as with clients (RFC 9525, section 2).
    :ivar addresses: IP addresses, as `ipaddress` writes them.
    :ivar kind: "ecdsa", "rsa" or "ed25519".
    :ivar source: where it comes from, for logs.
    :ivar findings: what is worth a warning, a sentence each.
    """

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    names: frozenset[str]
    addresses: frozenset[str]
    kind: str
    not_before: datetime
    not_after: datetime
    source: str
    findings: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Tell whether it is for a host: a name in any spelling, or an IP address."""
        try:
            host = normalize_name(name)
        except ValueError:
            return False
        return host in self.names or wildcard_of(host) in self.names or host in self.addresses

    def days_left(self, now: datetime) -> int:
        """Count the whole days until it expires; negative: it has expired."""
        return (self.not_after - now) // _DAY

    @property
    def title(self) -> str:
        """The names and addresses that it is for, the first three of them spelled out."""
        everything = sorted(self.names) + sorted(self.addresses)
        more = f" and {len(everything) - 3} more" if len(everything) > 3 else ""
        return ", ".join(everything[:3]) + more

    def __repr__(self) -> str:
        return f"<Certificate {self.title} ({self.kind}) from {self.source} until {self.not_after:%Y-%m-%d}>"


def wildcard_of(host: str) -> str:
    """Give the one wildcard that covers a name, exactly one label deep; "" where there can be none."""
    _, dot, parent = host.partition(".")
    # No name has digits alone as its last label (RFC 1123, section 2.1), so that is an address.
    return f"*.{parent}" if dot and not parent.rpartition(".")[2].isdigit() else ""


def make_certificate(
    chain: Sequence[x509.Certificate],
    key: object,
    *,
    cert_file: str,
    key_file: str,
    now: datetime,
    findings: Sequence[str] = (),
) -> Certificate:
    """Judge a chain and its key, and make a certificate of them.

    :param chain: not empty; decoded by `pem.certificates`, which finds what cannot be parsed.
    :param key: any private key of `cryptography`.
    :param cert_file: what the sentences call the chain; `key_file` alike, which may be the same.
    :param now: aware of its zone.
    :raises CertificateError: they cannot be served.
    """
    usable = _usable(key, key_file)
    _check_fit(chain, usable, cert_file, key_file)
    leaf = chain[0]
    names, addresses, odd = _subjects(leaf, cert_file)
    _check_purpose(leaf, cert_file)
    # Before the order: nobody here verifies SHA-1, so who has issued with it cannot be told.
    for place, each in enumerate(chain, 1):
        _check_strength(each, cert_file, place)
    _check_order(chain, cert_file)
    _check_dates(leaf, cert_file, now)
    late = [
        f"{cert_file}: its certificate {place} ({_subject(each)}) has expired: clients that need it will refuse"
        for place, each in enumerate(chain[1:], 2)
        if each.not_valid_after_utc <= now
    ]
    return Certificate(
        chain=tuple(chain),
        key=usable,
        names=names,
        addresses=addresses,
        kind=next(kind for kind_of, kind in _KINDS if isinstance(usable, kind_of)),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        source=cert_file if key_file == cert_file else f"{cert_file} with {key_file}",
        findings=(*findings, *odd, *late),
    )


def fits(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Tell whether a key belongs to a certificate."""
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False  # a public key of a kind that none of ours can belong to


# The key.


def _usable(key: object, key_file: str) -> PrivateKey:
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise CertificateError(
                f"{key_file} is an RSA key of {key.key_size} bits, and clients want at least {MIN_RSA_BITS}:"
                " have a certificate issued for a new key"
            )
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, _CURVES):
            raise CertificateError(
                f"{key_file} is a key on the curve {key.curve.name}, which no browser knows:"
                " have a certificate issued for a new key, on P-256"
            )
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    kind = type(key).__name__.removesuffix("PrivateKey")
    raise CertificateError(
        f"{key_file} is a {kind} key, which TLS 1.3 cannot use: have a certificate issued for an ECDSA or RSA key"
    )


def _check_fit(chain: Sequence[x509.Certificate], key: PrivateKey, cert_file: str, key_file: str) -> None:
    where = next((place for place, each in enumerate(chain, 1) if fits(each, key)), None)
    if where is None:
        who = "the key in it" if key_file == cert_file else f"the key in {key_file}"
        raise CertificateError(
            f"{cert_file}: {who} does not belong to its certificate ({_subject(chain[0])}):"
            " put the key there that the certificate was requested with"
        )
    if where > 1:
        raise CertificateError(
            f"{cert_file} is in the wrong order: the key fits its certificate {where} ({_subject(chain[where - 1])}),"
            " which must come first, and then its issuers"
        )
    if not _signs(chain[0], key):
        raise CertificateError(f"{key_file} is damaged, it does not sign what its certificate verifies: restore it")


def _signs(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Try the key. RSA keys are not validated when they are loaded, which takes 40 ms and more; this takes one."""
    public, probe = certificate.public_key(), b"txproxy"
    try:
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
            public.verify(
                key.sign(probe, padding.PKCS1v15(), hashes.SHA256()), probe, padding.PKCS1v15(), hashes.SHA256()
            )
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(key.sign(probe, ec.ECDSA(hashes.SHA256())), probe, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PrivateKey) and isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(key.sign(probe), probe)
    except (InvalidSignature, InternalError, ValueError):
        return False
    return True


# The certificate.


def _subjects(leaf: x509.Certificate, cert_file: str) -> tuple[frozenset[str], frozenset[str], list[str]]:
    names, addresses, odd = set(), set(), []
    for entry in _alternative_names(leaf, cert_file):
        if isinstance(entry, x509.IPAddress):
            addresses.add(str(entry.value))
        elif isinstance(entry, x509.DNSName):
            name = _name(entry.value)
            if name is None:
                odd.append(f"{cert_file}: its name {entry.value!r} is none that a client asks for, and is left out")
            else:
                names.add(name)
    if not names and not addresses:
        raise CertificateError(
            f"{cert_file} names no host (no DNS name or IP address as subjectAltName; clients do not look at"
            " the common name): have it issued with its host names"
        )
    return frozenset(names), frozenset(addresses), odd


def _alternative_names(leaf: x509.Certificate, cert_file: str) -> Iterator[x509.GeneralName]:
    try:
        yield from leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise CertificateError(f"{cert_file}: its extensions cannot be read ({error}): have it issued anew") from error


def _name(text: str) -> str | None:
    """Give a DNS name as it is compared; None: it covers nothing (RFC 9525, section 6.3)."""
    wildcard = text.startswith("*.")
    try:
        name = normalize_name(text[2:] if wildcard else text)
    except ValueError:
        return None
    if is_address(name):
        return None  # clients do not look for addresses among the DNS names
    return f"*.{name}" if wildcard else name


def _check_purpose(leaf: x509.Certificate, cert_file: str) -> None:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return  # good for everything
    if ExtendedKeyUsageOID.SERVER_AUTH not in usages and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usages:
        raise NotForServers(
            f"{cert_file} ({_subject(leaf)}) is not issued for servers (no serverAuth among its extended key usages):"
            " have one issued that is"
        )


def _check_strength(certificate: x509.Certificate, cert_file: str, place: int) -> None:
    # Nobody verifies the signature of a root, which may be as old as it is.
    if certificate.issuer == certificate.subject:
        return
    try:
        signed_with = certificate.signature_hash_algorithm
        public = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError) as error:
        raise CertificateError(
            f"{cert_file}: its certificate {place} ({_subject(certificate)}) uses an algorithm that is not known here"
            f" ({error}): have it issued anew"
        ) from error
    weak = f"signed with {signed_with.name.upper()}" if signed_with and signed_with.name in _BROKEN_HASHES else ""
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        weak = f"for an RSA key of {public.key_size} bits"
    if weak:
        raise CertificateError(
            f"{cert_file}: its certificate {place} ({_subject(certificate)}) is {weak}, which clients refuse:"
            " have it issued anew"
        )


def _check_dates(leaf: x509.Certificate, cert_file: str, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now:
        raise CertificateError(
            f"{cert_file} ({_subject(leaf)}) has expired on {_date(leaf.not_valid_after_utc)}: renew it"
        )
    if leaf.not_valid_before_utc > now:
        raise CertificateError(
            f"{cert_file} ({_subject(leaf)}) is not valid before {_date(leaf.not_valid_before_utc)}, and now it is"
            f" {_date(now)}: check the clock of this machine, or wait",
            again=leaf.not_valid_before_utc,
        )


# The chain.


def _check_order(chain: Sequence[x509.Certificate], cert_file: str) -> None:
    for place, (each, issuer) in enumerate(pairwise(chain), 1):
        if not _issued(each, issuer):
            raise CertificateError(
                f"{cert_file}: its certificate {place + 1} ({_subject(issuer)}) did not issue certificate {place}"
                f" ({_subject(each)}): {_cure(chain)}"
            )


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _cure(chain: Sequence[x509.Certificate]) -> str:
    """Say which order would be right, or that there is none."""
    order, rest = [0], list(range(1, len(chain)))
    while issuer := next((each for each in rest if _issued(chain[order[-1]], chain[each])), None):
        order.append(issuer)
        rest.remove(issuer)
    if rest:
        strangers = ", ".join(str(each + 1) for each in rest)
        return (
            f"leave the leaf and its issuers, each issued by the next, and take out what is not of them ({strangers})"
        )
    return f"the right order is {', '.join(str(each + 1) for each in order)}"


def _subject(certificate: x509.Certificate) -> str:
    """Give the common name, or what else there is, as a short text of one line."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = str(names[0].value) if names else certificate.subject.rfc4514_string() or "no subject"
    # Whoever issues writes there what they like, and it goes to logs and terminals.
    return "".join(char if char.isprintable() else "?" for char in text)


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
