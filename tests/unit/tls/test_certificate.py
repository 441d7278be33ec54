"""Which chains and keys can be served, and what is said of those that cannot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.certificates import DAY, NOW, Issued, authority, issue, new_key, slow_key
from txproxy.tls.certificate import Certificate, CertificateError, NotForServers, make_certificate, wildcard_of


def made(issued: Issued, key: Any = None, chain: tuple[x509.Certificate, ...] = (), **more: Any) -> Certificate:
    """Judge a chain and a key."""
    arguments = {"cert_file": "a.pem", "key_file": "a.key", "now": NOW} | more
    return make_certificate(chain or issued.chain, key or issued.key, **arguments)


def refused(issued: Issued, key: Any = None, chain: tuple[x509.Certificate, ...] = (), **more: Any) -> str:
    """Judge what cannot be served; give the sentence."""
    with pytest.raises(CertificateError) as caught:
        made(issued, key, chain, **more)
    return str(caught.value)


def test_names_are_in_normal_form() -> None:
    """Names are lower case, addresses as `ipaddress` writes them, and the common name is none of them."""
    certificate = made(issue("A.Example.COM", "*.B.example", "10.0.0.1", "2001:db8:0::1", common_name="c.example"))
    assert certificate.names == {"a.example.com", "*.b.example"}
    assert certificate.addresses == {"10.0.0.1", "2001:db8::1"}
    assert (certificate.not_before, certificate.not_after) == (NOW - DAY, NOW + 90 * DAY)


@pytest.mark.parametrize("kind", ["ecdsa", "p384", "rsa", "ed25519"])
def test_kinds(kind: str) -> None:
    """ECDSA, RSA and Ed25519 keys can be served."""
    assert made(issue("a.test", kind=kind)).kind == ("ecdsa" if kind == "p384" else kind)


@pytest.mark.parametrize(
    ("name", "is_covered"),
    [
        ("a.example.com", True),
        ("A.EXAMPLE.COM.", True),
        ("b.example.com", False),
        ("x.wild.example.com", True),
        ("X.Wild.Example.Com.", True),
        ("wild.example.com", False),
        ("x.y.wild.example.com", False),
        ("*.wild.example.com", False),
        ("10.0.0.1", True),
        ("10.0.0.2", False),
        ("[2001:db8::1]", True),
        ("2001:DB8:0:0::1", True),
        ("", False),
        ("a..example.com", False),
    ],
)
def test_covers(name: str, is_covered: bool) -> None:
    """A name is covered exactly or by a wildcard of one label, an address exactly, in any spelling."""
    certificate = made(issue("a.example.com", "*.wild.example.com", "10.0.0.1", "2001:db8::1"))
    assert certificate.covers(name) is is_covered


@pytest.mark.parametrize(
    ("host", "wildcard"),
    [("a.b.c", "*.b.c"), ("a.b", "*.b"), ("a", ""), ("10.0.0.1", ""), ("::1", ""), ("a.b1", "*.b1")],
)
def test_wildcard_of(host: str, wildcard: str) -> None:
    """A wildcard stands for one label; there is none for a single label or an address."""
    assert wildcard_of(host) == wildcard


@pytest.mark.parametrize("odd", ["a_b c.test", "f*.example.com", "*.*.example.com", "10.0.0.1", "*", "*.10.0.0.1"])
def test_odd_names_are_left_out(odd: str) -> None:
    """A name that no client asks for is a finding, and covers nothing."""
    certificate = made(issue("a.test", more=(x509.DNSName(odd),)))
    assert certificate.names == {"a.test"}
    assert certificate.findings == (f"a.pem: its name {odd!r} is none that a client asks for, and is left out",)
    assert not certificate.covers("10.0.0.1")


def test_days_left() -> None:
    """Days are whole ones, and negative after the end."""
    certificate = made(issue("a.test", end=NOW + 14 * DAY))
    assert [certificate.days_left(NOW + days * DAY) for days in (0, 0.5, 14, 14.5)] == [14, 13, 0, -1]


def test_text_for_logs() -> None:
    """Logs show the first names, the kind, the files and the end."""
    certificate = made(issue("b.test", "a.test", "c.test", "10.0.0.1"))
    assert certificate.title == "a.test, b.test, c.test and 1 more"
    assert certificate.source == "a.pem with a.key"
    assert repr(certificate) == f"<Certificate {certificate.title} (ecdsa) from a.pem with a.key until 2026-08-30>"
    assert made(issue("a.test"), key_file="a.pem").source == "a.pem"


# Keys.


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("rsa1024", "a.key is an RSA key of 1024 bits, and clients want at least 2048: "),
        ("k1", "a.key is a key on the curve secp256k1, which no browser knows: "),
        ("dsa", "a.key is a DSA key, which TLS 1.3 cannot use: "),
    ],
)
def test_unusable_keys(kind: str, sentence: str) -> None:
    """A key that clients do not take is refused, with what kind it is and which one to use."""
    said = refused(issue("a.test", kind=kind))
    assert said.startswith(sentence)
    assert "have a certificate issued for a" in said


@pytest.mark.parametrize("kind", ["ecdsa", "rsa3072", "ed25519"])
def test_a_key_of_another_certificate(kind: str) -> None:
    """A key that does not belong to the certificate is told, with both files; in one file, with one."""
    issued = issue("a.test", kind="rsa")
    other = new_key(kind)
    cure = "put the key there that the certificate was requested with"
    assert refused(issued, other) == (f"a.pem: the key in a.key does not belong to its certificate (a.test): {cure}")
    assert refused(issued, other, key_file="a.pem") == (
        f"a.pem: the key in it does not belong to its certificate (a.test): {cure}"
    )


def test_a_damaged_rsa_key() -> None:
    """A key whose private part is not that of its public part is found by trying it."""
    good = slow_key(2048).private_numbers()
    p, q = good.p, good.q
    damaged = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=good.d + 2,
        dmp1=(good.d + 2) % (p - 1),
        dmq1=(good.d + 2) % (q - 1),
        iqmp=good.iqmp,
        public_numbers=good.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)
    issued = issue("a.test", key=slow_key(2048))
    assert refused(issued, damaged) == ("a.key is damaged, it does not sign what its certificate verifies: restore it")


# Certificates.

# `openssl x509 -req -sha1`, for `cryptography` makes no such signatures.
SIGNED_WITH_SHA1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBYTCCAQigAwIBAgIBATAJBgcqhkjOPQQBMAwxCjAIBgNVBAMMAXIwIBcNMjYx
MTI1MTkyNzI1WhgPMjA3ODEyMDIxOTI3MjVaMBExDzANBgNVBAMMBmEudGVzdDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABB4R3qxW/ZOLYXAz0AQlq6e6YFpQsASW
EL+ZQRRZL40uYv7sraqdzMkD7UK2mYo2gt5KGjdZAs9U2IFdsEzKyeKjVTBTMBEG
A1UdEQQKMAiCBmEudGVzdDAdBgNVHQ4EFgQUrpsYbXADHJpzMt4m0HpCikgQs+Uw
HwYDVR0jBBgwFoAUM2FMexaroL6IjPKPbmPgO8x6dSQwCQYHKoZIzj0EAQNIADBF
AiEArQUf4JBOJaGPOqDJ0y33QqobAefMh7MUnMnzevzcpNYCIGmvIwLXDy322sPW
yV9GDrq1+zSoPIUzcDlvRiZ2CJI0
-----END CERTIFICATE-----
"""
KEY_OF_SIGNED_WITH_SHA1 = b"""\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfqxGeTfqsitc45oH
s9JjgaSgMBT9x9Ti2gDU+cnmOe6hRANCAAQeEd6sVv2Ti2FwM9AEJaunumBaULAE
lhC/mUEUWS+NLmL+7K2qnczJA+1CtpmKNoLeSho3WQLPVNiBXbBMysni
-----END PRIVATE KEY-----
"""


def test_no_name() -> None:
    """A certificate without a host as subjectAltName is refused, even with a common name or a mail address."""
    for issued in (issue(common_name="a.test"), issue(more=(x509.RFC822Name("a@a.test"),))):
        assert refused(issued).startswith("a.pem names no host (no DNS name or IP address as subjectAltName; ")


def test_expired() -> None:
    """What has expired is told with the date, from the very second of its end on."""
    issued = issue("a.test", end=NOW)
    assert refused(issued) == "a.pem (a.test) has expired on 2026-06-01 12:00 UTC: renew it"
    assert made(issued, now=NOW - timedelta(seconds=1)).not_after == NOW


def test_not_yet_valid() -> None:
    """What is not valid yet is told with both dates, and the error tells when to try again."""
    issued = issue("a.test", start=NOW + DAY)
    with pytest.raises(CertificateError) as caught:
        made(issued)
    assert str(caught.value) == (
        "a.pem (a.test) is not valid before 2026-06-02 12:00 UTC, and now it is 2026-06-01 12:00 UTC: check the clock"
        " of this machine, or wait"
    )
    assert caught.value.again == NOW + DAY
    assert made(issued, now=NOW + DAY).not_before == NOW + DAY


def test_a_client_certificate() -> None:
    """A certificate that is for clients only is not for servers; one for both is."""
    client, server = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
    with pytest.raises(NotForServers, match=r"a\.pem \(a\.test\) is not issued for servers \(no serverAuth"):
        made(issue("a.test", usages=(client,)))
    for usages in ((client, server), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)):
        assert made(issue("a.test", usages=usages)).covers("a.test")


def test_weak_certificates() -> None:
    """SHA-1 and short RSA keys are refused anywhere in the chain but in a root, whose signature nobody checks."""
    weak_leaf = Issued(
        x509.load_pem_x509_certificate(SIGNED_WITH_SHA1), load_pem_private_key(KEY_OF_SIGNED_WITH_SHA1, None)
    )
    for chain in (weak_leaf.chain, (*weak_leaf.chain, authority().certificate)):
        assert refused(weak_leaf, chain=chain, now=NOW + 365 * DAY) == (
            "a.pem: its certificate 1 (a.test) is signed with SHA1, which clients refuse: have it issued anew"
        )
    root = authority(kind="rsa1024")
    middle = authority("a middle", by=root, kind="rsa1024")
    leaf = issue("a.test", by=middle)
    assert refused(leaf).startswith("a.pem: its certificate 2 (a middle) is for an RSA key of 1024 bits, ")
    good = issue("a.test", by=root)
    assert len(made(good, chain=(*good.chain, root.certificate)).chain) == 2


# Chains.


def test_a_whole_chain() -> None:
    """Leaf, intermediates and root, in this order, are kept as they are."""
    root = authority()
    leaf = issue("a.test", by=authority("lower", by=authority("upper", by=root)))
    chain = (*leaf.chain, root.certificate)
    assert len(chain) == 4
    assert made(leaf, chain=chain).chain == chain


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ((1, 0, 2), "a.pem is in the wrong order: the key fits its certificate 2 (a.test), which must come first"),
        ((2, 1, 0), "a.pem is in the wrong order: the key fits its certificate 3 (a.test), which must come first"),
        (
            (0, 2, 1),
            "a.pem: its certificate 2 (upper) did not issue certificate 1 (a.test): the right order is 1, 3, 2",
        ),
        ((0, 2), "a.pem: its certificate 2 (upper) did not issue certificate 1 (a.test): leave the leaf"),
        ((0, 1, 1), "a.pem: its certificate 3 (lower) did not issue certificate 2 (lower): leave the leaf"),
    ],
)
def test_a_chain_in_the_wrong_order(order: tuple[int, ...], sentence: str) -> None:
    """What is told of a chain is where the leaf is, or which order would be right."""
    leaf = issue("a.test", by=authority("lower", by=authority("upper", by=authority())))
    chain = tuple(leaf.chain[place] for place in order)
    assert refused(leaf, chain=chain).startswith(sentence)


def test_an_issuer_of_the_same_name() -> None:
    """An issuer is told by its signature, not by its name alone."""
    root = authority()
    leaf = issue("a.test", by=authority("lower", by=root))
    impostor = authority("lower", by=root)
    said = refused(leaf, chain=(leaf.certificate, impostor.certificate))
    assert said.endswith("take out what is not of them (2)")


def test_an_expired_intermediate_is_a_finding() -> None:
    """An intermediate that has expired is worth a warning: for some clients another path exists."""
    leaf = issue("a.test", by=issue(common_name="lower", by=authority(), is_ca=True, end=NOW))
    assert made(leaf).findings == ("a.pem: its certificate 2 (lower) has expired: clients that need it will refuse",)


def test_an_unreadable_extension() -> None:
    """Names that cannot be read are a sentence, not a traceback."""
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x82\x05a")
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(broken, critical=False)
        .sign(key, hashes.SHA256())
    )
    assert refused(Issued(certificate, key)).startswith("a.pem: its extensions cannot be read (")


def test_names_that_would_break_a_log_line() -> None:
    """What an issuer writes into a name cannot begin a new line of a log, or steer a terminal."""
    said = refused(issue("a.test", common_name="a\nb\x1b[1m", end=NOW))
    assert said == "a.pem (a?b?[1m) has expired on 2026-06-01 12:00 UTC: renew it"
