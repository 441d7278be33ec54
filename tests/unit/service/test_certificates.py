"""The files that a route map names for TLS, looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from txproxy.config import Config
from txproxy.service.certificates import NamedCertificates, complaints_of, is_public, uncovered

from .issuing import NOW, pair, write

Reader = Callable[[str], Config]
LISTEN = "listen: [https://127.0.0.1]\nhosts: {app.example.com: 'http://127.0.0.1:8000'}\n"


def told(config: Config) -> list[tuple[int, str, str]]:
    """Give line, severity and message of all complaints."""
    named = NamedCertificates(config, NOW)
    return [(one.where.line, one.severity, one.message) for one in complaints_of(config, named)]


def test_good_files(config: Reader, tmp_path: Path) -> None:
    """Nothing is said of a pair, of a file with both, and of a directory of such files."""
    cert, key = pair("app.example.com")
    write(tmp_path / "app.pem", cert)
    write(tmp_path / "app.key", key)
    write(tmp_path / "both.pem", cert, key)
    write(tmp_path / "certs" / "one.pem", cert, key)
    write(tmp_path / "certs" / "two.pem", cert)
    write(tmp_path / "certs" / "two.key", key)
    write(tmp_path / "certs" / "key.pem", key)  # the key of something else is nothing to serve
    read = config(
        f"{LISTEN}tls: {{certificates: [{{cert: app.pem, key: app.key}}, {{cert: both.pem}}, {{directory: certs}}]}}\n"
    )
    assert told(read) == []
    assert list(uncovered(read, NamedCertificates(read, NOW))) == []


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ("certificates: [{cert: none.pem}]", "none.pem does not exist"),
        ("certificates: [{cert: app.pem, key: none.key}]", "none.key does not exist"),
        ("certificates: [{cert: app.pem}]", "holds no private key"),
        ("certificates: [{cert: app.pem, key: other.key}]", "does not belong to its certificate"),
        ("certificates: [{cert: empty.pem}]", "is empty"),
        ("certificates: [{cert: old.pem}]", "has expired"),
        ("certificates: [{directory: none}]", "none does not exist: correct the path"),
        ("certificates: [{directory: bad}]", "bad/half.pem ends in the middle of a block"),
    ],
)
def test_bad_files_are_errors(config: Reader, tmp_path: Path, tls: str, words: str) -> None:
    """A file that is not there, or not what it should be, is an error at the line that names it."""
    cert, key = pair("app.example.com")
    write(tmp_path / "app.pem", cert)
    write(tmp_path / "other.key", pair("app.example.com")[1])
    write(tmp_path / "empty.pem")
    write(tmp_path / "old.pem", *pair("app.example.com", days=-1))
    write(tmp_path / "bad" / "half.pem", key, cert[:100])
    ((line, severity, message),) = told(config(f"{LISTEN}tls:\n  {tls}\n"))
    assert (line, severity) == (4, "error")
    assert message.startswith("certificates: ")
    assert words in message


@pytest.mark.parametrize(
    ("days", "mode", "words"), [(13, 0o600, "expires in 13 days"), (90, 0o644, "may be read by others")]
)
def test_what_is_worth_a_warning(config: Reader, tmp_path: Path, days: int, mode: int, words: str) -> None:
    """A certificate that ends soon, and a key that others can read, are told and can be used."""
    write(tmp_path / "app.pem", *pair("app.example.com", days=days)).chmod(mode)
    ((line, severity, message),) = told(config(f"{LISTEN}tls: {{certificates: {{cert: app.pem}}}}\n"))
    assert (line, severity) == (3, "warning")
    assert words in message


def test_an_empty_directory(config: Reader, tmp_path: Path) -> None:
    """A directory without any certificate may be filled later, so it is a warning."""
    (tmp_path / "certs").mkdir()
    ((_, severity, message),) = told(config(f"{LISTEN}tls: {{certificates: {{directory: certs}}}}\n"))
    assert severity == "warning"
    assert message.endswith("certs holds no certificate with its key in files *.pem")


OTHERS = """\
listen: https://127.0.0.1
tls: {internal: app.localhost}
upstreams:
  app:
    backends: [https://10.0.0.1]
    tls: %s
hosts:
  app.localhost:
    tls: {client_ca: %s}
    routes: [{proxy: app}]
"""


@pytest.mark.parametrize(
    ("upstream", "client_ca", "expected"),
    [
        ("{ca: ca.pem, client_certificate: me.pem}", "ca.pem", None),
        ("{ca: none.pem}", "ca.pem", (6, "ca: ", "none.pem cannot be read: no such file or directory")),
        ("{ca: key.pem}", "ca.pem", (6, "ca: ", "key.pem holds no certificate")),
        ("{ca: .}", "ca.pem", (6, "ca: ", "is not a file")),
        ("{ca: ca.pem, client_certificate: ca.pem}", "ca.pem", (6, "client_certificate: ", "and its one key")),
        ("{client_certificate: wrong.pem}", "ca.pem", (6, "client_certificate: ", "does not belong")),
        ("{ca: ca.pem}", "text.pem", (9, "client_ca: ", "text.pem is no PEM")),
        ("{ca: ca.pem}", "none.pem", (9, "client_ca: ", "none.pem cannot be read")),
    ],
)
def test_files_of_hosts_and_upstreams(
    config: Reader, tmp_path: Path, upstream: str, client_ca: str, expected: tuple[int, str, str] | None
) -> None:
    """CAs must be certificates, a client certificate must have its key; each is told where it is named."""
    cert, key = pair("ca.example.com")
    write(tmp_path / "ca.pem", cert)
    write(tmp_path / "key.pem", key)
    write(tmp_path / "me.pem", cert, key)
    write(tmp_path / "wrong.pem", cert, pair("ca.example.com")[1])
    write(tmp_path / "text.pem", b"no certificate\n")
    found = told(config(OTHERS % (upstream, client_ca)))
    if expected is None:
        assert found == []
        return
    ((line, severity, message),) = found
    assert (line, severity) == (expected[0], "error")
    assert message.startswith(expected[1])
    assert expected[2] in message


def test_a_file_is_told_at_the_key_that_names_it(config: Reader, tmp_path: Path) -> None:
    """Where each key has a line of its own, that line is shown, not the first one of `tls`."""
    write(tmp_path / "app.pem", *pair("app.localhost"))
    read = config("""\
listen: https://127.0.0.1
tls:
  certificates: {cert: app.pem}
  default: other.localhost
upstreams:
  app:
    backends: https://10.0.0.1
    tls:
      server_name: app.internal
      ca: none.pem
      client_certificate: none.pem
hosts:
  app.localhost:
    tls:
      minimum: "1.3"
      client_ca: none.pem
    routes: [{proxy: app}]
""")
    found = [*told(read), *((one.where.line, "", one.message) for one in uncovered(read, NamedCertificates(read, NOW)))]
    assert [(line, message.partition(":")[0]) for line, _, message in found] == [
        (16, "client_ca"),
        (10, "ca"),
        (11, "client_certificate"),
        (4, "default"),
    ]


COVERED = """\
listen: [http://127.0.0.1, https://127.0.0.1]
tls: {certificates: {cert: app.pem}, internal: ["*.dev.example.com"], default: %s}
hosts:
  app.example.com: http://127.0.0.1:8000
  www.example.com: http://127.0.0.1:8000
  a.dev.example.com: http://127.0.0.1:8000
  a.b.dev.example.com: http://127.0.0.1:8000
  "*.example.com": http://127.0.0.1:8000
  localhost: http://127.0.0.1:8000
  10.0.0.1: http://127.0.0.1:8000
"""


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("app.example.com", []),
        ("b.dev.example.com", []),
        ("other.example.com", [(2, "error", "default: no certificate is for other.example.com")]),
    ],
)
def test_hosts_without_a_certificate(
    config: Reader, tmp_path: Path, default: str, expected: list[tuple[int, str, str]]
) -> None:
    """Each exact public name that none is for is a warning at its line; a default that none is for is an error."""
    write(tmp_path / "app.pem", *pair("app.example.com"))
    read = config(COVERED % default)
    found = [
        (one.where.line, one.severity, one.message.partition(";")[0])
        for one in uncovered(read, NamedCertificates(read, NOW))
    ]
    assert found == [
        *expected,
        *(
            (line, "warning", f"no certificate is for {name}, so browsers do not take https://{name}/")
            for line, name in ((5, "www.example.com"), (7, "a.b.dev.example.com"))
        ),
    ]


def test_nobody_speaks_tls(config: Reader) -> None:
    """Where no listener is https, no host lacks a certificate."""
    read = config("tls: {internal: localhost}\nhosts: {app.example.com: http://127.0.0.1:8000}\n")
    assert list(uncovered(read, NamedCertificates(read, NOW))) == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("app.example.com", True),
        ("*.example.com", False),
        ("localhost", False),
        ("a.localhost", False),
        ("printer.local", False),
        ("router.home.arpa", False),
        ("10.0.0.1", False),
        ("::1", False),
        ("localhost.example.com", True),
    ],
)
def test_public_names(host: str, expected: bool) -> None:
    """Public is what strangers can ask for by name."""
    assert is_public(host) is expected


def served(config: Config, name: str | None, local_ip: str = "") -> str:
    """Give what a client is shown, as text without directories."""
    text = NamedCertificates(config, NOW).served(name, local_ip).as_text(NOW)
    return text.replace(f"{os.getcwd()}/", "")


def test_which_certificate_is_served(config: Reader, tmp_path: Path) -> None:
    """The best for the name comes first, then what is issued, then the default; without any the client is refused."""
    write(tmp_path / "app.pem", *pair("app.example.com", days=57))
    write(tmp_path / "rsa.pem", *pair("app.example.com", kind="rsa"))
    write(tmp_path / "ip.pem", *pair("10.0.0.1"))
    entries = "[{cert: rsa.pem}, {cert: app.pem}, {cert: ip.pem}]"
    read = config(f"{LISTEN}tls: {{certificates: {entries}, internal: ['*.localhost'], default: app.example.com}}\n")
    best = "for app.example.com (ecdsa) from app.pem, 57 days left"
    others = "; for clients that cannot check it, rsa.pem"
    assert served(read, "app.example.com") == best + others
    assert served(read, "a.localhost") == "for *.localhost, issued by txproxy's own CA (tls.internal)"
    assert served(read, None, "10.0.0.1") == "for 10.0.0.1 (ecdsa) from ip.pem, 90 days left"
    assert served(read, "other.example.com") == f"{best}, by tls.default{others}"
    assert served(read, None, "10.0.0.2") == f"{best}, by tls.default{others}"
    refused = config(f"{LISTEN}tls: {{certificates: {{cert: ip.pem}}}}\n")
    assert served(refused, "app.example.com") == "none is for this host: the client is refused (unrecognized_name)"


def test_what_is_served_as_json(config: Reader, tmp_path: Path) -> None:
    """Programs get names, source and days; nothing where the client is refused."""
    write(tmp_path / "app.pem", *pair("app.example.com", "10.0.0.1", days=57))
    read = config(f"{LISTEN}tls: {{certificates: {{cert: app.pem}}, internal: localhost}}\n")
    named = NamedCertificates(read, NOW)
    assert named.served("app.example.com", "").as_json(NOW) == {
        "names": ["10.0.0.1", "app.example.com"],
        "kind": "ecdsa",
        "source": f"{tmp_path}/app.pem",
        "days_left": 57,
        "default": False,
    }
    issued = {"names": ["localhost"], "source": "tls.internal", "default": False}
    assert named.served("localhost", "").as_json(NOW) == issued
    assert named.served("other.example.com", "").as_json(NOW) is None
