"""What backends are told of a client's certificate: safe to send, and not to be mistaken."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tests.support.certificates import new_key, odd
from tests.support.tls import END, START, client_context, lasting, only, root
from tests.unit.tls.doors import Door
from txproxy.config.model import CLIENT_CERT_FIELDS
from txproxy.tls.facts import TlsFacts, certificate_fields
from txproxy.tls.parties import parties_of
from txproxy.tls.policies import HostPolicy

CA = root("staff")


def named(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
    """Make a certificate with this subject."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA.certificate.subject)
        .public_key(key.public_key())
        .serial_number(0x0ABC)
        .not_valid_before(START)
        .not_valid_after(END)
        .sign(CA.key, hashes.SHA256())
    )


def test_the_fields_are_those_of_the_route_map() -> None:
    """Every field that a route map may name is there, and no other; each is printable ASCII."""
    fields = certificate_fields(lasting("a.example", common_name="alice", by=CA).certificate)
    assert set(fields) == set(CLIENT_CERT_FIELDS)
    assert all(" " <= char <= "~" for value in fields.values() for char in value)


def test_the_fields_of_a_plain_certificate() -> None:
    """Subject and issuer as RFC 4514 has them, serial and fingerprint in hexadecimal digits, PEM percent-encoded."""
    certificate = named((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Acme"), (NameOID.COMMON_NAME, "a"))
    fields = certificate_fields(certificate)
    assert fields["subject"] == "CN=a,O=Acme,C=DE"
    assert fields["issuer"] == "CN=staff"
    assert fields["serial"] == "abc"
    assert fields["san"] == ""
    assert fields["fingerprint"] == certificate.fingerprint(hashes.SHA256()).hex()
    assert x509.load_pem_x509_certificate(unquote(fields["pem"]).encode()) == certificate


@pytest.mark.parametrize(
    ("common_name", "subject"),
    [
        pytest.param("J\u00f6rg", "CN=J\\C3\\B6rg", id="not ASCII"),
        pytest.param("a\r\nX-Admin: yes", "CN=a\\0D\\0AX-Admin: yes", id="line ends"),
        pytest.param("a\tb\x7f", "CN=a\\09b\\7F", id="control characters"),
        pytest.param("a,O=Admins", "CN=a\\,O=Admins", id="a comma"),
        pytest.param('a"+;<=>b', 'CN=a\\"\\+\\;\\<\\=\\>b', id="what RFC 4514 escapes"),
        pytest.param("\U0001f600", "CN=\\F0\\9F\\98\\80", id="beyond the BMP"),
    ],
)
def test_a_subject_cannot_say_what_it_is_not(common_name: str, subject: str) -> None:
    """What would end a header line, or look like another attribute, is escaped."""
    got = certificate_fields(named((NameOID.COMMON_NAME, common_name)))["subject"]
    assert got.replace("\\=", "=") == subject.replace("\\=", "=")  # RFC 4514 lets an equals sign be either


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"\x30\x04\xa3\x02\x30\x00", id="an X.400 address"),
        pytest.param(b"\x30\x05\x87\x03\x01\x02\x03", id="an address of three octets"),
        pytest.param(b"\xff\xff", id="no ASN.1"),
    ],
)
def test_names_that_cannot_be_read_are_not_told(more: bytes) -> None:
    """Nothing is told of them, and all else is."""
    fields = certificate_fields(odd(CA, more=more))
    assert (fields["san"], fields["subject"], fields["serial"]) == ("", "CN=J\\C3\\B6rg", "1")


@pytest.mark.parametrize("kind", [b"\x14", b"\x16", b"\x03"], ids=["T61", "IA5", "bits"])
def test_a_subject_that_cannot_be_read_is_not_told(kind: bytes) -> None:
    """Old CAs write Latin-1 into T61Strings: there is no subject then, and all else is told."""
    certificate = odd(CA, kind)
    fields = certificate_fields(certificate)
    assert (fields["subject"], fields["issuer"]) == ("", "CN=staff")
    assert parties_of(certificate) == "without a subject, issued by CN=staff"


def test_names_of_every_kind() -> None:
    """DNS names, addresses, mail addresses and URIs are told, in their order; others are not."""
    more = (
        x509.RFC822Name("alice@example.com"),
        x509.UniformResourceIdentifier("spiffe://example.com/alice"),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])),
        x509.IPAddress(ip_address("2001:db8::1")),
    )
    fields = certificate_fields(lasting("a.example", "192.0.2.1", more=more, by=CA).certificate)
    assert fields["san"] == (
        "DNS:a.example, IP:192.0.2.1, email:alice@example.com, URI:spiffe://example.com/alice, IP:2001:db8::1"
    )


def test_one_name_does_not_look_like_two() -> None:
    """A comma within a name is escaped, and so is a backslash before it, which could take that back."""
    more = (x509.UniformResourceIdentifier("urn:a, DNS:admin.example"),)
    fields = certificate_fields(lasting("a.example", more=more, by=CA).certificate)
    assert fields["san"] == "DNS:a.example, URI:urn:a\\2C DNS:admin.example"
    more = (x509.UniformResourceIdentifier("urn:a\\2C\\, b"),)
    fields = certificate_fields(lasting(more=more, by=CA).certificate)
    assert fields["san"] == "URI:urn:a\\5C2C\\5C\\2C b"


def test_whose_it_is_and_whose_word_it_has() -> None:
    """The parties of a certificate fit a log's line, also where there is no subject, as in SPIFFE's."""
    assert parties_of(named((NameOID.COMMON_NAME, "a\nb"))) == r"CN=a\0Ab, issued by CN=staff"
    assert parties_of(named()) == "without a subject, issued by CN=staff"


def test_facts_of_a_connection() -> None:
    """Version, suite, name, and whether a session was taken up are asked of the connection."""
    door = Door()
    door.come(only(client_context(), "1.3")).go()
    door.come(only(client_context(), "1.2")).go()
    new, old = door.facts
    assert (new.version, old.version) == ("TLSv1.3", "TLSv1.2")
    assert new.cipher.startswith("TLS_")
    assert old.cipher.startswith("ECDHE-ECDSA-")
    assert new.server_name == "app.example"
    assert not new.resumed
    assert new.client_certificate() == {}


def test_a_certificate_is_asked_for_once() -> None:
    """The fields are made when somebody wants them, and kept."""
    door = Door(policies={"app.example": HostPolicy(client_auth="request", client_ca=CA.pem)})
    door.come(client_context(shows=lasting(common_name="alice", by=CA))).go()
    (facts,) = door.facts
    assert facts.client_certificate() is facts.client_certificate()
    assert facts.client_certificate()["subject"] == "CN=alice"


def test_of_what_is_no_certificate_by_the_letter_nothing_is_told() -> None:
    """OpenSSL believes certificates of a version that there is not: the connection is good, and has no fields."""

    class Connection(SSL.Connection):
        def get_peer_certificate(self, *, as_cryptography: bool = False) -> Any:
            encoded = lasting(by=CA).certificate.public_bytes(Encoding.DER)
            return x509.load_der_x509_certificate(encoded.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1))

    assert TlsFacts(Connection(client_context(), None), HostPolicy(), None).client_certificate() == {}
