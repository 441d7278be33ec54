"""What is told of TLS: which certificate, on which terms, and who is sent to https."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txproxy.config import Config
from txproxy.service.asking import asked
from txproxy.service.certificates import NamedCertificates
from txproxy.service.checking import Checked, check
from txproxy.service.explaining import Explanation, explain
from txproxy.service.rehearsal import Rehearsal

from .issuing import NOW, pair, write

Reader = Callable[[str], Config]
MAP = """\
listen: [http://0.0.0.0:80, https://0.0.0.0:443, https://127.0.0.1:8443]
tls: {certificates: {cert: app.pem}, internal: "*.localhost", http_redirect: true, hsts: {max_age: 1h}}
hosts:
  app.example.com: http://127.0.0.1:8000
  secure.example.com:
    tls: {client_ca: ca.pem, minimum: "1.3"}
    routes:
      - proxy: http://127.0.0.1:8001
        request_headers: {set: {X-Subject: "{client_cert.subject}"}}
  asks.localhost:
    tls: {client_ca: ca.pem, client_auth: request}
    routes:
      - proxy: http://127.0.0.1:8001
        request_headers: {set: {X-Subject: "{client_cert.subject}"}}
  plain.example.com: {respond: {status: 204}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write the files that the map names."""
    write(tmp_path / "app.pem", *pair("app.example.com", "secure.example.com", "10.0.0.1", days=57))
    write(tmp_path / "ca.pem", pair("ca.example.com")[0])
    return tmp_path


def explained(config: Config, url: str, *, host: str | None = None, listener: str | None = None) -> Explanation:
    """Explain a GET, at the time of the certificates."""
    headers = [] if host is None else [("Host", host)]
    rehearsal = Rehearsal(config, NamedCertificates(config, NOW))
    return explain(config, rehearsal, asked(config, "GET", url, headers, listener=listener))


def lines(explanation: Explanation, *words: str) -> list[str]:
    """Give the lines of the text that begin with these words, without directories and dates."""
    text = re.sub(r"/\S*/(?=app\.pem)", "", explanation.as_text())
    return [line.strip() for line in text.split("\n") if line.strip().startswith(words)]


def test_a_request_over_https(config: Reader, files: Path) -> None:
    """The certificate, its days and the terms are told, and the backend learns that it was https."""
    found = explained(config(MAP), "https://app.example.com/")
    assert lines(found, "from", "certificate", "tls", "X-Forwarded-P") == [
        "from         127.0.0.1, to https://0.0.0.0:443",
        "certificate  for app.example.com, secure.example.com, 10.0.0.1 (ecdsa) from app.pem, 57 days left",
        "tls          version 1.2 at least, no client certificate is asked for",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
    ]


def test_the_listener_of_the_url_s_port(config: Reader, files: Path) -> None:
    """The port of the URL chooses among https listeners."""
    found = explained(config(MAP), "https://app.example.com:8443/")
    assert lines(found, "from", "X-Forwarded-Port") == [
        "from         127.0.0.1, to https://127.0.0.1:8443",
        "X-Forwarded-Port: 8443",
    ]


@pytest.mark.parametrize(
    ("url", "terms", "subject"),
    [
        (
            "https://secure.example.com/",
            "version 1.3 at least, a client certificate is required (here: one is shown) (routes.yaml:6)",
            ["X-Subject: (subject of the client's certificate)"],
        ),
        (
            "https://asks.localhost/",
            "version 1.2 at least, a client certificate is asked for (here: none is shown) (routes.yaml:11)",
            [],
        ),
    ],
)
def test_the_terms_of_a_host(config: Reader, files: Path, url: str, terms: str, subject: list[str]) -> None:
    """A host's own policy is told with its place, and what the backend would get of a client's certificate."""
    found = explained(config(MAP), url)
    assert lines(found, "tls") == [f"tls          {terms}"]
    assert [line for line in lines(found, "X-Subject") if line != "X-Subject:"] == subject


def test_who_gets_no_certificate(config: Reader, files: Path) -> None:
    """A client that names a host that no certificate is for is refused before any request."""
    found = explained(config(MAP), "https://plain.example.com/")
    assert lines(found, "certificate") == [
        "certificate  none is for this host: the client is refused (unrecognized_name)"
    ]


def test_certificates_that_cannot_be_used(config: Reader, files: Path) -> None:
    """A client that is refused for want of a certificate that the map names: the reason is told."""
    (files / "app.pem").unlink()
    told = lines(explained(config(MAP), "https://app.example.com/"), "certificate", "unusable")
    assert told[0] == "certificate  none is for this host: the client is refused (unrecognized_name)"
    assert told[1].startswith("unusable     certificates: app.pem does not exist")


def test_cas_that_cannot_be_used(config: Reader, files: Path) -> None:
    """What keeps a host from being served is told where the host is asked for, and keeps nothing from being told."""
    (files / "ca.pem").unlink()
    unusable = lines(explained(config(MAP), "https://secure.example.com/"), "unusable")
    assert unusable == [f"unusable     client_ca: {files}/ca.pem cannot be read: no such file or directory"]
    assert lines(explained(config(MAP), "https://app.example.com/"), "unusable") == []


def test_a_connection_for_another_host(config: Reader, files: Path) -> None:
    """The terms of the host that is asked for hold, whatever host the connection was made for."""
    found = explained(config(MAP), "https://app.example.com/", host="secure.example.com")
    assert (found.status, found.error and found.error.cause.token) == (421, "misdirected_request")


def test_plain_requests_are_sent_to_https(config: Reader, files: Path) -> None:
    """The redirect is told, with the key that it is by; nothing is told of TLS, for there is none."""
    found = explained(config(MAP), "http://app.example.com/x?y")
    assert (found.status, found.location) == (308, "https://app.example.com/x?y")
    assert found.why() == ["sent to https before a route is looked for (tls.http_redirect)"]
    assert lines(found, "redirected", "certificate", "tls") == [
        "redirected   to https, before a route is looked for (tls.http_redirect)"
    ]
    assert found.as_json()["redirected_to_https"] is True


def test_plain_http_on_a_port_for_tls(config: Reader, files: Path) -> None:
    """It is sent to https on the same port where the listener says so, and told what is wrong elsewhere."""
    found = explained(config(MAP), "http://app.example.com:8443/x?y")
    assert (found.status, found.location) == (400, None)
    assert found.why() == ["refused before a route was looked for: plain HTTP on a port that speaks TLS"]
    redirecting = MAP.replace("https://127.0.0.1:8443]", "{address: https://127.0.0.1:8443, redirect_plain_http: on}]")
    found = explained(config(redirecting), "http://app.example.com:8443/x?y")
    assert (found.status, found.location) == (308, "https://app.example.com:8443/x?y")
    assert found.why() == ["sent to https before a route is looked for (redirect_plain_http)"]


def test_hosts_without_a_certificate_stay_plain(config: Reader, files: Path) -> None:
    """Nobody is sent to https where there is no certificate to meet them with."""
    found = explained(config(MAP), "http://plain.example.com/")
    assert (found.status, found.is_redirected) == (204, False)


def test_hsts_shows_in_answers_over_https_only(config: Reader, files: Path) -> None:
    """Strict-Transport-Security is in what txproxy answers over https, and never over http (RFC 6797, section 7.2)."""
    config_ = config(MAP)
    assert b"Strict-Transport-Security: max-age=3600" in explained(config_, "https://plain.example.com/").answer
    assert b"Strict-Transport" not in explained(config_, "http://plain.example.com/").answer


def test_as_json(config: Reader, files: Path) -> None:
    """Programs get the same."""
    found: Any = explained(config(MAP), "https://secure.example.com/").as_json()
    assert found["tls"] == {
        "certificate": {
            "names": ["10.0.0.1", "app.example.com", "secure.example.com"],
            "kind": "ecdsa",
            "source": f"{files}/app.pem",
            "days_left": 57,
            "default": False,
        },
        "unusable": [],
        "minimum": "1.3",
        "client_auth": "require",
        "where": "routes.yaml:6",
    }
    assert explained(config(MAP), "http://plain.example.com/").as_json()["tls"] is None


def test_an_address_instead_of_a_name(config: Reader, files: Path) -> None:
    """Of an IP address TLS names no host: the certificate is the one for the address."""
    found = explained(config(MAP), "https://10.0.0.1/")
    assert "57 days left" in lines(found, "certificate")[0]


TESTS = """\
tests:
  - {request: "GET http://app.example.com/a", redirect: "https://app.example.com/a", status: 308}
  - {request: "GET https://app.example.com/a", upstream: "http://127.0.0.1:8000", path: /a}
  - {request: "GET https://secure.example.com/", upstream: "http://127.0.0.1:8001"}
  - {request: "GET http://plain.example.com/", status: 204}
  - {request: "GET http://app.example.com/b", upstream: "http://127.0.0.1:8000"}
"""


def checked(files: Path) -> Checked:
    """Check the map that stands there."""
    return check("routes.yaml", {}, lambda: NOW)


def test_tests_of_a_map_see_https(config: Reader, files: Path) -> None:
    """Expectations hold for what is redirected to https and for what comes over it; the last one here fails."""
    config(MAP + TESTS)
    found = checked(files)
    wrong = [finding for finding in found.findings if finding.problem.severity == "error"]
    assert [finding.problem.line for finding in wrong] == [21]
    assert wrong[0].notes[0] == "sent to https before a route is looked for (tls.http_redirect)"
    assert (found.tests_run, found.tests_failed) == (5, 1)


def test_problems_with_files_are_found_with_all_others(config: Reader, files: Path) -> None:
    """They are told in the order of the map; tests that need them are not run."""
    (files / "app.pem").unlink()
    (files / "ca.pem").write_text("nothing")
    config(MAP + TESTS)
    found = checked(files)
    assert [(one.problem.line, one.problem.severity) for one in found.findings] == [
        (2, "error"),
        (6, "error"),
        (11, "error"),
    ]
    assert (found.ok, found.tests_run, found.as_json()["tests"]) == (False, 0, {"run": 0, "failed": 0})


def test_names_that_no_certificate_covers(config: Reader, files: Path) -> None:
    """A public host without one is a warning of check, which does not fail it."""
    config(MAP)
    found = checked(files)
    (problem,) = [str(one.problem) for one in found.findings]
    assert problem == (
        "routes.yaml:15:3: warning: no certificate is for plain.example.com, so browsers do not take "
        "https://plain.example.com/"
    )
    assert found.ok


def test_a_wrong_map_is_not_blamed_for_names(config: Reader, files: Path, route_map: Callable[[str], Path]) -> None:
    """While the map has other errors, nobody is told that a host lacks a certificate: it may be one of them."""
    route_map(MAP.replace("cert: app.pem", "crt: app.pem"))
    found = checked(files)
    assert not [one for one in found.findings if "no certificate is for" in one.problem.message]
