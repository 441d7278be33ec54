"""What is read in ClientHellos: those of real clients, and unusual ones that are allowed."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from OpenSSL import SSL

from tests.unit.tls import hellos
from tests.unit.tls.hellos import GREASE, USUAL, extension, hello, server_name, shorts
from txproxy.tls.hello import MAX_HELLO, MAX_RECORDS, ClientHello, client_hello

ECDSA_P256 = 0x0403
X25519MLKEM768 = 0x11EC
X25519 = 0x001D


def read(data: bytes) -> ClientHello:
    """Read a hello that is whole."""
    found = client_hello(data)
    assert found is not None
    return found


def test_pyopensslls_hello() -> None:
    """The hello of today's OpenSSL is long, because of its post-quantum key share, and is read whole."""
    data = hellos.by_pyopenssl(lambda context: context.set_alpn_protos([b"h2", b"http/1.1"]), b"WWW.Example.com")
    found = read(data)
    assert len(data) > 1400
    assert found.server_name == "www.example.com"
    assert found.alpn == (b"h2", b"http/1.1")
    assert found.versions == (0x0304, 0x0303)
    assert 0x1301 in found.cipher_suites
    assert ECDSA_P256 in found.signature_algorithms
    assert {X25519MLKEM768, X25519} < set(found.groups)


@pytest.mark.parametrize(
    ("configure", "expected"),
    [
        (lambda context: context.set_max_proto_version(SSL.TLS1_2_VERSION), (0x0303,)),
        (lambda context: context.set_min_proto_version(SSL.TLS1_3_VERSION), (0x0304,)),
        (lambda context: context.set_options(SSL.OP_NO_TICKET), (0x0304, 0x0303)),
        (lambda context: context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256"), (0x0304, 0x0303)),
    ],
    ids=["1.2 only", "1.3 only", "no tickets", "few ciphers"],
)
def test_versions_of_openssl(configure: Callable[[SSL.Context], object], expected: tuple[int, ...]) -> None:
    """The versions are those that OpenSSL was allowed; without a name there is none."""
    found = read(hellos.by_pyopenssl(configure))
    assert (found.versions, found.server_name, found.alpn) == (expected, None, ())


def test_pythons_hello() -> None:
    """Python's ssl, on another OpenSSL, is understood as well: names, protocols, versions, ciphers."""

    def configure(context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["acme-tls/1"])
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")

    found = read(hellos.by_python(configure, "xn--bcher-kva.test"))
    assert found.server_name == "xn--bcher-kva.test"
    assert found.alpn == (b"acme-tls/1",)
    assert found.versions == (0x0303,)
    assert 0xC030 in found.cipher_suites


def test_a_hello_of_the_old_time() -> None:
    """A hello without any extension, or with an empty list of them, is one of TLS 1.2 without a name."""
    expected = ClientHello(None, (), (0x0303,), (0xC02B, 0xC02C), (), ())
    assert read(hello(None)) == read(hello(b"")) == expected


def test_grease() -> None:
    """Values of RFC 8701 may stand everywhere: they stay where they mean nothing, and are no versions."""
    data = hello(
        extension(GREASE, b"")
        + server_name(b"a.test")
        + hellos.groups(GREASE, X25519)
        + hellos.algorithms(GREASE, ECDSA_P256)
        + hellos.alpn(b"\x3a\x3a", b"h2")
        + hellos.versions(GREASE, 0x0304, 0x0303, 0x0302)
        + extension(GREASE + 0x1010, b"\0"),
        suites=shorts(GREASE, 0x1301),
    )
    expected = ClientHello(
        "a.test", (b"\x3a\x3a", b"h2"), (0x0304, 0x0303), (GREASE, 0x1301), (GREASE, ECDSA_P256), (GREASE, X25519)
    )
    assert read(data) == expected


def test_unknown_extensions() -> None:
    """Extensions that nobody here knows are skipped, whatever is in them and however many there are."""
    unknown = b"".join(extension(0x8000 + number, bytes(number % 50)) for number in range(200))
    assert read(hello(unknown + server_name(b"a.test") + USUAL)).server_name == "a.test"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a.test", "a.test"),
        (b"A.Test", "a.test"),
        (b"a.test.", "a.test"),
        (b"my_app.test", "my_app.test"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"192.0.2.010", None),
        (b"fe80::1%eth0", None),
        (b"a.test..", None),
        (b".", None),
        (b"a..test", None),
        (b"*.test", None),
        (b"a.test:443", None),
        (b"a test", None),
        (b"-a.test", None),
        ("bücher.test".encode(), None),
        (b"b\xfccher.test", None),
        (b"a" * 64, None),
        (b".".join([b"a" * 63] * 4)[:254], None),
        (b".".join([b"a" * 63] * 4)[:253], ".".join(["a" * 63] * 4)[:253]),
    ],
)
def test_names(name: bytes, expected: str | None) -> None:
    """A name is given in the one form in which names are compared; what no host can be called is no name."""
    assert read(hello(USUAL + server_name(name))).server_name == expected


def test_the_hellos_own_version_counts_only_without_the_extension() -> None:
    """A number above 1.2 there means 1.2: what is above is offered by the extension alone (RFC 8446, 4.2.1)."""
    assert read(hello(version=0x0304)).versions == (0x0303,)
    assert read(hello(USUAL + hellos.versions(0x0304))).versions == (0x0304,)


def test_what_follows_the_hello_is_not_looked_at() -> None:
    """Early data, a change of ciphers, or rubbish behind the hello's records changes nothing."""
    data = hello(USUAL + server_name(b"a.test"))
    for rest in (b"\x14\x03\x03\0\1\1\x17\x03\x03", b"\x16", b"rubbish" * 3000, b"\xff" * 70_000):
        assert client_hello(data + rest) == client_hello(data)


def test_a_hello_as_long_as_a_record_and_longer() -> None:
    """One that fills a record is read, and one that needs five, up to the limit."""
    fill = 1 << 14
    for size in (fill - 4, fill - 3, 3 * fill, MAX_HELLO):
        padding = size - len(hellos.body()) - 4
        message = hellos.message(hellos.body(extensions=USUAL + extension(21, bytes(padding))))
        assert len(message) == size + 4
        data = hellos.records(message, *[fill] * ((len(message) - 1) // fill))
        assert read(data) == read(hello())


def test_the_most_records() -> None:
    """A hello in 64 records is read."""
    message = hellos.message(hellos.body())
    data = hellos.records(message, *[1] * (MAX_RECORDS - 1))
    assert data.count(b"\x16\x03\x01") == MAX_RECORDS
    assert client_hello(data[:-1]) is None
    assert read(data) == read(hello())
