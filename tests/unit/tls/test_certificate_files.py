"""What is said of files that hold no certificate that can be served: the file, what is wrong, and the cure."""

from __future__ import annotations

import errno
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.certificates import DAY, NOW, Issued, authority, issue, key_pem, new_key, pem, slow_key, write
from txproxy.tls import certificate_files
from txproxy.tls.certificate import CertificateError, NotForServers
from txproxy.tls.certificate_files import MAX_FILE, load

Make = Callable[[Path, Issued], object]


@pytest.fixture
def issued() -> Issued:
    """Give a leaf with one intermediate."""
    return issue("a.test", by=authority("an intermediate", by=authority()))


def sentence(cert: Path, key: Path | None = None) -> str:
    """Load what cannot be loaded; give what is said, with FOLDER for the directory."""
    with pytest.raises(CertificateError) as caught:
        load(str(cert), None if key is None else str(key), NOW)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(cert.parent), "FOLDER")


def test_one_file(tmp_path: Path, issued: Issued) -> None:
    """Chain and key in one file, in either order and with text between, are loaded."""
    file = tmp_path / "a.pem"
    parts = [b"Bag Attributes\n", issued.chain_pem, b"\r\n", issued.key_pem]
    for data in (b"".join(parts), b"".join(reversed(parts)), b"".join(parts).replace(b"\n", b"\r\n")):
        write(file, data)
        descriptors = len(os.listdir("/proc/self/fd"))
        certificate = load(str(file), None, NOW)
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert (certificate.chain, certificate.source, certificate.findings) == (issued.chain, str(file), ())
        assert load(str(file), str(file), NOW).source == str(file)


def test_two_files(tmp_path: Path, issued: Issued) -> None:
    """A key in a file of its own is loaded; a key beside the certificate does not count then."""
    cert, key = tmp_path / "a.pem", tmp_path / "a.key"
    issued.write(cert, key)
    assert load(str(cert), str(key), NOW).source == f"{cert} with {key}"
    write(cert, key_pem(new_key()) + issued.chain_pem)
    assert load(str(cert), str(key), NOW).key.public_key() == issued.key.public_key()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_forms_of_keys(form: PrivateFormat, kind: str, tmp_path: Path) -> None:
    """Keys are read as PKCS #8 and in OpenSSL's older form, also with the parameters that openssl writes in front."""
    issued = issue("a.test", kind=kind)
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    file = write(tmp_path / "a.pem", parameters + key_pem(issued.key, form=form) + issued.pem)
    assert load(str(file), None, NOW).kind == kind


@pytest.mark.parametrize(("mode", "is_found"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_keys_that_others_may_read(mode: int, is_found: bool, tmp_path: Path, issued: Issued) -> None:
    """A key's file that others may read is a finding, not an error; the certificate's may be read by all."""
    cert, key = tmp_path / "a.pem", tmp_path / "a.key"
    issued.write(cert, key)
    cert.chmod(0o644)
    key.chmod(mode)
    finding = f"{key} holds a key and may be read by others (mode {mode:04o}): chmod 600 {key}"
    assert load(str(cert), str(key), NOW).findings == ((finding,) if is_found else ())


def der_key(issued: Issued) -> bytes:
    """Give the key in DER form."""
    data: bytes = issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return data


def damaged(data: bytes) -> bytes:
    """Leave the first line and the last of a block, and spoil what is between."""
    lines = data.splitlines(keepends=True)
    return b"".join([lines[0], *(b"A" * 64 + b"\n" for _ in lines[1:-1]), lines[-1]])


def block(label: bytes, der: bytes) -> bytes:
    """Write a block."""
    return b"-----BEGIN " + label + b"-----\n" + b64encode(der) + b"\n-----END " + label + b"-----\n"


# The object identifier of ECDSA keys (RFC 5480, section 2.1.1).
EC = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
PKCS12 = bytes.fromhex("30820a5c0201033082") + b"\x0a\x22\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01" + bytes(99)
REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
PARAMETERS = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
F = "FOLDER/a.pem"

# What is in the one file a.pem, and what is said of it.
ONE_FILE: dict[str, tuple[Callable[[Issued], bytes], str]] = {
    "empty": (lambda _: b"", f"{F} is empty: write the certificate or key that belongs there"),
    "blank": (lambda _: b" \n\n", f"{F} is empty: write the certificate or key that belongs there"),
    "garbage": (lambda _: b"\x00\x01\x02", f"{F} is no PEM: it has no line -----BEGIN ...-----; put a certificate or"),
    "DER": (
        lambda i: i.certificate.public_bytes(Encoding.DER),
        f"{F} is a certificate in DER form, PEM is needed: openssl x509 -inform der -in {F} -out FOLDER/a.conv",
    ),
    "DER key": (der_key, f"{F} is a key in DER form, PEM is needed: openssl pkey -inform der -in {F} -out"),
    "encrypted DER key": (
        lambda i: i.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        f"{F} is a key in DER form, PEM is needed: openssl pkey -inform der -in {F} -out",
    ),
    "PKCS 12": (lambda _: PKCS12, f"{F} is a PKCS #12 file (.p12, .pfx), PEM is needed: openssl pkcs12 -in {F} -nodes"),
    "DER garbage": (lambda _: b"0\x82", f"{F} is no PEM, and no certificate or key in DER form either: put one in PEM"),
    "UTF-16": (
        lambda i: i.pem.decode().encode("utf-16"),
        f"{F} is text in UTF-16, as some editors on Windows write it: save it as ASCII or UTF-8",
    ),
    "half a certificate": (lambda i: i.pem[:300], f"{F} ends in the middle of a block, as if half written: write it"),
    "half a key": (
        lambda i: i.chain_pem + i.key_pem[:100],
        f"{F} ends in the middle of a block, as if half written: write it anew, whole",
    ),
    "half a line": (lambda i: i.chain_pem + i.key_pem[:15], f"{F} ends in the middle of a block, as if half written"),
    "half the last line": (lambda i: i.chain_pem + i.key_pem[:-8], f"{F} ends in the middle of a block"),
    "a block in a block": (
        lambda i: b"\n" + i.pem[:200] + b"\n" + i.pem + i.key_pem,
        f"{F} is damaged: in line 6 a block begins inside of another, or ends that has not begun: write the file anew",
    ),
    "the end of another": (
        lambda i: i.pem.replace(b"END CERTIFICATE", b"END PRIVATE KEY") + i.key_pem,
        f"{F} is damaged: in line ",
    ),
    "an end alone": (lambda i: i.pem[30:] + i.key_pem, f"{F} is damaged: in line "),
    "damaged": (
        lambda i: damaged(i.pem) + i.key_pem,
        f"{F}: its certificate 1 is damaged and cannot be decoded: copy the file anew",
    ),
    "damaged issuer": (
        lambda i: i.pem + damaged(pem(*i.issuers)) + i.key_pem,
        f"{F}: its certificate 2 is damaged and cannot be decoded: copy the file anew",
    ),
    "trusted": (
        lambda i: i.pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE") + i.key_pem,
        f"{F}: its certificate 1 is in OpenSSL's own TRUSTED form: openssl x509 -in {F} -out FILE",
    ),
    "no certificate": (
        lambda i: i.key_pem,
        f"{F} holds a key and no certificate: put the certificate in front, or name its file",
    ),
    "a request": (
        lambda i: REQUEST + i.key_pem,
        f"{F} holds a key and no certificate: put the certificate in front, or name its file",
    ),
    "a request alone": (lambda _: REQUEST, f"{F} holds a certificate request, which is not yet a certificate: put"),
    "parameters": (
        lambda _: PARAMETERS,
        f"{F} holds no certificate, only DH PARAMETERS: put a CERTIFICATE there, or name another file",
    ),
    "no key": (lambda i: i.chain_pem, f"{F} holds no private key: name its file as `key`, or append it"),
    "only CAs": (
        lambda i: pem(*i.issuers),
        f"{F} holds certificates of CAs and no key: name a server's certificate, and its key",
    ),
    "no key, and no word of CAs": (
        lambda _: issue("a.test", is_ca=None).pem,
        f"{F} holds no private key: name its file as `key`, or append it",
    ),
    "an unknown kind of key": (
        lambda i: i.chain_pem + block(b"PRIVATE KEY", der_key(i).replace(EC, EC[:-1] + b"\x7f", 1)),
        f"{F}: the key is of a kind that is not known here: use ECDSA or RSA",
    ),
    "an unknown kind of key in the leaf": (
        lambda i: (
            block(b"CERTIFICATE", i.certificate.public_bytes(Encoding.DER).replace(EC, EC[:-1] + b"\x7f", 1))
            + i.key_pem
        ),
        f"{F}: the key in it does not belong to its certificate (a.test)",
    ),
    "an unknown kind of key in an issuer": (
        lambda i: (
            i.pem
            + block(b"CERTIFICATE", i.issuers[0].public_bytes(Encoding.DER).replace(EC, EC[:-1] + b"\x7f", 1))
            + i.key_pem
        ),
        f"{F}: its certificate 2 (an intermediate) ",
    ),
    "several keys": (
        lambda i: i.chain_pem + i.key_pem + key_pem(new_key()),
        f"{F} holds 2 keys, and it cannot be told which one is meant: leave the one in it that belongs to the cert",
    ),
    "encrypted key": (
        lambda i: i.chain_pem + key_pem(i.key, b"secret"),
        f"{F}: the key is encrypted, and a daemon has nobody to ask for the passphrase: openssl pkey -in {F} -out FILE",
    ),
    "encrypted older key": (
        lambda i: i.chain_pem + key_pem(i.key, b"secret", PrivateFormat.TraditionalOpenSSL),
        f"{F}: the key is encrypted, and a daemon has nobody to ask for the passphrase: openssl pkey -in {F} -out FILE",
    ),
    "damaged key": (
        lambda i: i.chain_pem + damaged(i.key_pem),
        f"{F}: the key is damaged, or of an unknown kind, and cannot be decoded: copy the file anew",
    ),
    "OpenSSH key": (
        lambda i: i.chain_pem + OPENSSH,
        f"{F}: the key is in OpenSSH's form: ssh-keygen -p -m PKCS8 -f {F} changes it to PEM, in place",
    ),
    "another key": (lambda i: i.chain_pem + key_pem(new_key()), f"{F}: the key in it does not belong to its cert"),
    "wrong order": (
        lambda i: pem(*reversed(i.chain)) + i.key_pem,
        f"{F} is in the wrong order: the key fits its certificate 2 (a.test), which must come first, and then its",
    ),
    "too large": (
        lambda i: i.chain_pem + i.key_pem + b"\n" * MAX_FILE,
        f"{F} is larger than 1024 KiB, which no certificate is: name another file",
    ),
}


@pytest.mark.parametrize(("make", "said"), ONE_FILE.values(), ids=ONE_FILE)
def test_one_wrong_file(make: Callable[[Issued], bytes], said: str, tmp_path: Path, issued: Issued) -> None:
    """Whatever else a file holds is one sentence: the file, what is wrong, and the cure."""
    assert sentence(write(tmp_path / "a.pem", make(issued))).startswith(said)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        (
            lambda i: i.key_pem,
            lambda i: i.chain_pem,
            "FOLDER/a.pem holds the key and FOLDER/a.key the certificate: exc",
        ),
        (
            lambda i: i.chain_pem,
            lambda _: b"",
            "FOLDER/a.key is empty: write the certificate or key that belongs there",
        ),
        (lambda i: i.chain_pem, lambda _: PARAMETERS, "FOLDER/a.key holds no private key: put the key there that"),
        (lambda i: i.chain_pem, lambda i: i.key_pem[:99], "FOLDER/a.key ends in the middle of a block, as if half"),
        (lambda i: i.chain_pem, lambda _: key_pem(new_key()), "FOLDER/a.pem: the key in FOLDER/a.key does not belong"),
        (lambda i: i.chain_pem, der_key, "FOLDER/a.key is a key in DER form, PEM is needed: openssl pkey -inform der"),
        (
            lambda i: i.chain_pem,
            lambda i: key_pem(i.key, b"secret"),
            "FOLDER/a.key: the key is encrypted, and a daemon has nobody to ask for the passphrase: openssl pkey -in",
        ),
        (lambda i: i.key_pem, lambda i: i.key_pem, "FOLDER/a.pem holds a key and no certificate: "),
        (lambda i: i.chain_pem, lambda i: i.chain_pem, "FOLDER/a.key holds no private key: "),
    ],
)
def test_two_wrong_files(
    certificate: Callable[[Issued], bytes], key: Callable[[Issued], bytes], said: str, tmp_path: Path, issued: Issued
) -> None:
    """Of two files, the sentence names the one that is wrong, and both where they are exchanged or do not fit."""
    cert_file = write(tmp_path / "a.pem", certificate(issued))
    assert sentence(cert_file, write(tmp_path / "a.key", key(issued))).startswith(said)


@pytest.mark.parametrize("kind", ["rsa1024", "dsa"])
def test_unusable_keys(kind: str, tmp_path: Path) -> None:
    """A key that clients do not take is refused when it comes from a file, too."""
    issued = issue("a.test", kind=kind)
    assert sentence(issued.write(tmp_path / "a.pem")).endswith(
        "have a certificate issued for " + ("a new key" if kind == "rsa1024" else "an ECDSA or RSA key")
    )


def no_directory(file: Path, _: Issued) -> None:
    """Put a file where the path has a directory."""
    file.parent.rmdir()
    file.parent.write_text("")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda *_: None, "FOLDER/a.pem does not exist: correct the path, or put the file there"),
        (
            lambda file, _: file.symlink_to("nowhere"),
            "FOLDER/a.pem does not exist (it is a link to what does not exist)",
        ),
        (
            lambda file, _: file.mkdir(),
            "FOLDER/a.pem is a directory: name a file in it, or write `directory: FOLDER/a.pem`",
        ),
        (lambda file, _: os.mkfifo(file), "FOLDER/a.pem is not a file with contents: name one"),
        (lambda file, _: file.symlink_to(file), "FOLDER/a.pem cannot be read: Too many levels of symbolic links"),
        (no_directory, "FOLDER/a.pem cannot be read: Not a directory"),
    ],
)
def test_what_is_no_file(make: Make, said: str, tmp_path: Path, issued: Issued) -> None:
    """What is not there, or is no file, is told as such; nobody waits for a pipe, and nothing is left open."""
    folder = tmp_path / "certs"
    folder.mkdir()
    make(folder / "a.pem", issued)
    descriptors = len(os.listdir("/proc/self/fd"))
    assert sentence(folder / "a.pem").startswith(said)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_what_may_not_be_read(tmp_path: Path, issued: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission names the user, and is worth another try without a change of the file."""
    file = issued.write(tmp_path / "a.pem")

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(certificate_files.os, "open", refuse)
    monkeypatch.setattr(certificate_files.os, "geteuid", lambda: 65534)
    with pytest.raises(CertificateError) as caught:
        load(str(file), None, NOW)
    assert str(caught.value) == (
        f"{file} may not be read by user 65534: give txproxy's user the right to (owner, group, or chmod)"
    )
    assert caught.value.again == NOW


def test_what_is_passed_over_in_directories(tmp_path: Path, issued: Issued) -> None:
    """Keys alone, CAs, requests and parameters are told apart from faults."""
    for data in (issued.key_pem, pem(*issued.issuers), REQUEST, PARAMETERS):
        with pytest.raises(NotForServers):
            load(str(write(tmp_path / "a.pem", data)), None, NOW)
    with pytest.raises(CertificateError) as caught:
        load(str(write(tmp_path / "a.pem", issued.pem)), None, NOW)
    assert not isinstance(caught.value, NotForServers)


def test_what_has_expired(tmp_path: Path, issued: Issued) -> None:
    """The dates are judged at the time that is given."""
    file = issued.write(tmp_path / "a.pem")
    with pytest.raises(CertificateError, match=r"a\.pem \(a\.test\) has expired on 2026-08-30 12:00 UTC: renew it"):
        load(str(file), None, NOW + 91 * DAY)
    with pytest.raises(CertificateError, match="is not valid before"):
        load(str(file), None, NOW - 2 * DAY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x3e"),  # the version
        (b"\x30\x11\x31\x0f", b"\xd8\x11\x31\x0f"),  # the issuer, which is parsed when it is asked for
        (b"\x55\x04\x03\x0c", b"\x55\x04\x03\x03"),  # the kind of the issuer's name
    ],
)
def test_damage_below_base64(before: bytes, after: bytes, tmp_path: Path) -> None:
    """What is decoded late, or raises of its own kind, is the same sentence."""
    issued = issue("a.test", by=authority("abcdef"))
    assert before in issued.certificate.public_bytes(Encoding.DER)
    spoiled = block(b"CERTIFICATE", issued.certificate.public_bytes(Encoding.DER).replace(before, after, 1))
    file = write(tmp_path / "a.pem", spoiled + issued.key_pem)
    assert sentence(file) == f"{F}: its certificate 1 is damaged and cannot be decoded: copy the file anew"


GOOD = issue("a.test", by=authority("an intermediate", by=authority(kind="rsa")))
RSA = issue("a.test", key=slow_key(2048))


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(data=st.data(), whole=st.sampled_from([GOOD.chain_pem + GOOD.key_pem, RSA.key_pem + RSA.pem]))
def test_any_damage(data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever happens to a file, it is a certificate or one sentence, never another exception."""
    file = tmp_path_factory.getbasetemp() / "any.pem"
    places = st.integers(0, len(whole) - 1)
    changed = bytearray(whole)
    for place in data.draw(st.lists(places, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    start, end = sorted((data.draw(places), data.draw(places)))
    kind = data.draw(st.sampled_from(["bytes", "cut", "end"]))
    text = {"bytes": changed, "cut": changed[:start] + changed[end:], "end": changed[:end]}[kind]
    write(file, bytes(text))
    said = ""
    try:
        assert load(str(file), None, NOW).names
    except CertificateError as error:
        said = str(error)
    assert said == "" or (said.startswith(str(file)) and "\n" not in said)
