"""What is no ClientHello, or none that can be read in one way, and the alert for it; OpenSSL says the same."""

from __future__ import annotations

import pytest

from tests.unit.tls import hellos
from tests.unit.tls.hellos import SILENT, USUAL, body, extension, hello, message, records, server_name, shorts, vector
from txproxy.tls import hello as module
from txproxy.tls.hello import HelloError, client_hello

KEY_SHARE = extension(51, vector(2, shorts(0x1D) + vector(2, bytes(range(32)))))
TLS_1_3 = USUAL + hellos.versions(0x0304) + KEY_SHARE
IN_TWO = records(message(body()), 10)
FIRST = IN_TWO[:15]

# What arrives, the alert, what OpenSSL does with it: the same alert, another, SILENT (it refuses without one),
# or None (it goes on, or waits for more).
SAME = object()
REFUSED = {
    # No hello at all.
    "a hello of SSL 2": (b"\x80\x2e\1\0\2" + bytes(60), 70, SILENT),
    "a record of SSL 2 that is no hello": (b"\x80\x2e\2\0\2" + bytes(60), 10, SILENT),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", 10, SILENT),
    "SMTP": (b"EHLO a.test\r\n", 10, SILENT),
    "a PROXY header of version 2": (b"\r\n\r\n\0\r\nQUIT\n" + bytes(16), 10, SILENT),
    "zeros": (bytes(50), 10, SILENT),
    "an alert": (b"\x15\3\1\0\2\2\0", 10, SAME),
    "application data": (b"\x17\3\3\0\5hello", 10, SAME),
    "a change of ciphers": (b"\x14\3\3\0\1\1", 10, SAME),
    "a heartbeat": (b"\x18\3\3\0\3\1\0\0", 10, SAME),
    "a record of version 2": (b"\x16\2" + hello()[2:], 70, SILENT),
    "a record of DTLS": (b"\x16\xfe\xff" + bytes(60), 70, SILENT),
    "another message": (records(message(body(), 2)), 10, SAME),
    "another message, in pieces": (records(message(body(), 2), 1), 10, SAME),
    # Records.
    "a record too long": (b"\x16\3\1" + vector(2, message(bytes(16381))), 22, SAME),
    "a record too long that has just begun": (b"\x16\3\1\xff\xff", 22, SAME),
    "a record too long in the middle": (FIRST + b"\x16\3\1\x40\1" + bytes(16385), 22, SAME),
    "an empty record": (records(b"") + hello(), 10, None),
    "an empty record in the middle": (FIRST + records(b""), 10, None),
    "another record in the middle": (FIRST + b"\x17\3\3\0\1x", 10, SAME),
    "another record in the middle that has just begun": (FIRST + b"\x17", 10, None),
    "a record of version 2 in the middle": (FIRST + b"\x16\2\1\0\1x", 70, SAME),
    "too many records": (records(message(body()), *[1] * 64), 10, None),
    "a hello too long": (records(b"\1" + (65537).to_bytes(3, "big") + bytes(100)), 47, None),
    "more than the hello in its record": (records(message(body(TLS_1_3)) + b"\1"), 10, SAME),
    "more than the hello in its second record": (records(message(body(TLS_1_3)) + b"\1", 9), 10, SAME),
    # Versions.
    "TLS 1.1": (hello(version=0x0302), 70, SAME),
    "SSL 3": (hello(version=0x0300), 70, SAME),
    "version 0": (hello(version=0), 70, SAME),
    "TLS 1.1 by the extension": (hello(USUAL + hellos.versions(0x0302)), 70, SAME),
    "no version but GREASE": (hello(USUAL + hellos.versions(0x3A3A)), 70, SAME),
    "no version": (hello(USUAL + hellos.versions()), 50, 70),
    "half a version": (hello(USUAL + extension(43, b"\3\3\3\3")), 50, 70),
    "versions that are shorter": (hello(USUAL + extension(43, b"\4\3\3")), 50, 70),
    "versions that are longer": (hello(USUAL + extension(43, b"\2\3\3\3\4")), 50, 70),
    "versions without a length": (hello(USUAL + extension(43, b"")), 50, 70),
    # The fixed part.
    "an empty hello": (records(message(b"")), 50, SAME),
    "a version alone": (records(message(b"\3\3")), 50, SAME),
    "a version alone, and more records": (records(message(b"\3\3")) + hello(), 50, SAME),
    "a hello without compression": (records(message(body(None)[:-2])), 50, SAME),
    "a session id too long": (hello(session=bytes(33)), 50, SAME),
    "a session id that reaches beyond": (records(message(shorts(0x0303) + bytes(32) + b"\x20" + bytes(20))), 50, SAME),
    "no cipher suites": (hello(suites=b""), 50, SAME),
    "half a cipher suite": (hello(suites=b"\xc0\x2b\0"), 50, SAME),
    "cipher suites that reach beyond": (hello(None, suites=shorts(1, 2))[:-7] + b"\0\x40" + bytes(5), 50, SAME),
    "no compression method": (hello(compression=b""), 50, SAME),
    "compression methods that reach beyond": (hello(None)[:-2] + b"\2\0", 50, SAME),
    # Extensions.
    "one byte where extensions begin": (records(message(body(None) + b"\0")), 50, SAME),
    "extensions that are shorter": (records(message(body()[:-1])), 50, SAME),
    "extensions that are longer": (records(message(body() + b"\0")), 50, SAME),
    "an extension that reaches beyond": (hello(USUAL + b"\x99\x99\0\1"), 50, SAME),
    "half the head of an extension": (hello(USUAL + b"\x99\x99\0"), 50, SAME),
    "an extension twice": (hello(USUAL + hellos.groups(0x1D)), 47, SAME),
    "an unknown extension twice": (hello(USUAL + extension(0x9999, b"") + extension(0x9999, b"x")), 47, None),
    "two names in two extensions": (hello(USUAL + server_name(b"a.test") + server_name(b"b.test")), 47, SAME),
    # Names.
    "an empty name": (hello(USUAL + server_name(b"")), 50, None),
    "no name in the list": (hello(USUAL + extension(0, b"\0\0")), 50, SAME),
    "not even a list": (hello(USUAL + extension(0, b"")), 50, SAME),
    "two names": (hello(USUAL + server_name(b"a.test", b"b.test")), 50, SAME),
    "a name of another kind": (hello(USUAL + server_name(b"a.test", kind=1)), 50, SAME),
    "more than the list": (hello(USUAL + extension(0, vector(2, b"\0\0\6a.test") + b"x")), 50, SAME),
    "a name shorter than its length": (hello(USUAL + extension(0, vector(2, b"\0\0\7a.test"))), 50, SAME),
    "a NUL in the name": (hello(USUAL + server_name(b"a.test\0.b.test")), 112, SAME),
    "a name of 256 bytes": (hello(USUAL + server_name(b"a" * 256)), 112, SAME),
    # Protocols.
    "no protocol": (hello(USUAL + hellos.alpn()), 50, SAME),
    "an empty protocol": (hello(USUAL + hellos.alpn(b"h2", b"")), 50, SAME),
    "protocols that reach beyond": (hello(USUAL + extension(16, vector(2, b"\3h2"))), 50, SAME),
    "protocols without a length": (hello(USUAL + extension(16, b"")), 50, SAME),
    "protocols that are shorter": (hello(USUAL + extension(16, b"\0\4\2h2")), 50, SAME),
    # Lists of numbers.
    "no groups": (hello(hellos.groups() + hellos.algorithms(0x0403)), 50, SAME),
    "groups that are shorter": (hello(hellos.algorithms(0x0403) + extension(10, b"\0\4\0\x1d")), 50, SAME),
    "no algorithms": (hello(hellos.groups(0x1D) + hellos.algorithms()), 50, SAME),
    "half an algorithm": (hello(hellos.groups(0x1D) + extension(13, vector(2, b"\4\3\4"))), 50, SAME),
}


def outcome(data: bytes) -> object:
    """Give the alert, or what is found."""
    try:
        return client_hello(data)
    except HelloError as error:
        return error.alert


@pytest.fixture(scope="module")
def openssl() -> hellos.Server:
    """Give a server of OpenSSL's."""
    return hellos.Server()


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, openssl: hellos.Server) -> None:
    """It is refused with the alert that OpenSSL sends; where OpenSSL does otherwise the table says how."""
    data, alert, openssl_does = REFUSED[what]
    with pytest.raises(HelloError) as raised:
        client_hello(data)
    assert raised.value.alert == alert
    assert raised.value.detail
    assert str(raised.value) == raised.value.detail
    assert openssl.alert([data]) == (alert if openssl_does is SAME else openssl_does)


def test_a_usual_hello_is_not_refused_by_openssl(openssl: hellos.Server) -> None:
    """What the table varies is a hello that OpenSSL answers, so each of its refusals has one reason."""
    assert client_hello(hello()) is not None
    assert openssl.alert([hello()]) is None
    assert openssl.alert([hello(TLS_1_3, suites=shorts(0x1301))]) is None


@pytest.mark.parametrize("what", REFUSED)
def test_refused_whatever_the_pieces(what: str) -> None:
    """Byte by byte it is refused as well, for the same reason, at the latest when all of it is there."""
    data, alert, _ = REFUSED[what]
    data = data[:2000] if len(data) > 2000 and alert != module.RECORD_OVERFLOW else data
    alerts = [outcome(data[:size]) for size in range(1 + len(data))]
    assert [found for found in alerts if found is not None][:1] == [alert]


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b"G", True),
        (b"get / HTTP/1.0\r\n", True),
        (b"z", True),
        (b" GET", False),
        (b"\r\n", False),
        (b"0", False),
        (b"\xe4", False),
        (b"\x80\x2e\1", False),
        (b"\x15\3", False),
        (b"\x16\4", False),
    ],
)
def test_plain_text_is_told_apart(data: bytes, plain: bool) -> None:
    """A first byte that is a letter is plain text, at once; all else is not."""
    if data == b"\xe4":
        assert client_hello(data) is None  # it could begin a hello of SSL 2, which gets another alert
        data += b"\0\0"
    with pytest.raises(HelloError) as raised:
        client_hello(data)
    assert raised.value.plain is plain
