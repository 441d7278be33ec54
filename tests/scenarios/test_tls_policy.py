"""How TLS is spoken, and where plain HTTP is sent: what the map says of it, and what is so without a word.

Rule: what is refused here is refused by its alert or its status, and the next client is let in.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import answering, ok
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.raw_client import RawClient
from tests.support.tls import lasting, root
from tests.support.tls_clients import TlsClient, alert_of, read_all
from tests.support.waiting import until

GET = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"
MAP = """
  - address: https://{host}:{strict}
    redirect_plain_http: true
tls:
  certificates: [{{cert: {folder}/app.pem}}, {{cert: {folder}/app-rsa.pem}}]
  http_redirect: true
  hsts: {{max_age: 1d}}
timeouts: {{handshake: 1s}}
limits: {{connections: 300}}
hosts:
  app.test:
    - {{path: /moved, redirect: /new}}
    - {{path: /gone, proxy: "http://{host}:{dead}"}}
    - proxy: {url}
  new.test: {{tls: {{minimum: "1.3"}}, respond: {{status: 200}}}}
  other.test: {{respond: {{status: 200}}}}
"""
# Nothing, the first of a record, and half of a ClientHello.
STALLS = (b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Front:
    """The product; `strict` is a TLS port of its own that redirects plain HTTP."""

    def __init__(self, daemon: Daemon, folder: Path, strict: int) -> None:
        self.daemon = daemon
        self.folder = folder
        self.strict = strict

    def client(self, **more: object) -> TlsClient:
        """Make a client."""
        return TlsClient((HOST, self.daemon.tls_port), self.folder / "ca.pem", **more)  # type: ignore[arg-type]

    def plain(self, target: bytes, host: bytes = b"app.test", port: int = 0):
        """Ask without TLS."""
        with RawClient((HOST, port or self.daemon.port)) as client:
            return client.ask(GET % (target, host))


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def front(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory):
    """The product on both reactors, before a backend that has its own idea of HSTS."""
    folder = tmp_path_factory.mktemp("policy")
    write(folder / "ca.pem", pem(root().certificate))
    lasting("app.test", "new.test", by=root()).write(folder / "app.pem")
    lasting("app.test", kind="rsa", by=root()).write(folder / "app-rsa.pem")
    strict = free_port()
    with answering(lambda request: ok(b"ok", "Strict-Transport-Security: max-age=0")) as backend:
        routes = MAP.format(host=HOST, strict=strict, folder=folder, url=backend.url, dead=free_port())
        daemon = start_shared_daemon(routes.lstrip("\n"), tls=True, argv=on_reactor(request.param))
        yield Front(daemon, folder, strict)


@pytest.mark.parametrize(
    ("alpn", "alert"), [((), ""), (("http/1.1",), ""), (("h2", "http/1.1"), ""), (("h2",), "no application protocol")]
)
def test_protocols(front: Front, alpn: tuple[str, ...], alert: str) -> None:
    """HTTP/1.1 is agreed on where it is offered, or where nothing is; else there is the alert for it."""
    client = front.client(alpn=alpn)
    assert alert in alert_of(client, "app.test")
    if alpn and not alert:
        with closing(client.connect("app.test")) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("name", "version", "alert"),
    [("app.test", V12, ""), ("app.test", V13, ""), ("new.test", V12, "PROTOCOL_VERSION"), ("new.test", V13, "")],
)
def test_the_least_version_of_a_host(front: Front, name: str, version: ssl.TLSVersion, alert: str) -> None:
    """A host's minimum holds for it, and only for it."""
    said = alert_of(front.client(versions=(version, version)), name)
    assert (alert in said, bool(said)) == (True, bool(alert))


def s_client(front: Front, *options: str, said: bytes = b"") -> bytes:
    """Give all that `openssl s_client` says of app.test."""
    where = f"{HOST}:{front.daemon.tls_port}"
    command = ["openssl", "s_client", "-connect", where, "-servername", "app.test", *options]
    done = subprocess.run(command, input=said, capture_output=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_versions_of_old(front: Front, version: str) -> None:
    """A client that speaks nothing newer gets the alert protocol_version, number 70."""
    assert b"SSL alert number 70" in s_client(front, version, "-cipher", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize(
    ("suite", "alert"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", ""),
        ("ECDHE-RSA-AES128-GCM-SHA256", ""),
        ("ECDHE-RSA-CHACHA20-POLY1305", ""),
        ("ECDHE-RSA-AES128-SHA256", "HANDSHAKE_FAILURE"),  # no AEAD
        ("ECDHE-ECDSA-AES256-SHA", "HANDSHAKE_FAILURE"),
        ("AES128-GCM-SHA256", "HANDSHAKE_FAILURE"),  # no forward secrecy
        ("DHE-RSA-AES128-GCM-SHA256", "HANDSHAKE_FAILURE"),  # finite fields
    ],
)
def test_suites_of_the_older_version(front: Front, suite: str, alert: str) -> None:
    """TLS 1.2 is spoken with elliptic curves and AEAD, or not at all, although there is a certificate for each."""
    said = alert_of(front.client(versions=(V12, V12), ciphers=suite), "app.test")
    assert (alert in said, bool(said)) == (True, bool(alert))


def test_renegotiation_is_refused(front: Front) -> None:
    """A client of TLS 1.2 that wants to shake hands again is told so by the alert no_renegotiation."""
    _, asked, answer = s_client(front, "-tls1_2", said=b"R\n").partition(b"RENEGOTIATING")
    assert asked
    assert b"no renegotiation" in answer


@pytest.mark.parametrize("version", [V12, V13])
def test_sessions_are_taken_up(front: Front, version: ssl.TLSVersion) -> None:
    """A ticket spares a client the second full handshake, and a host with another minimum does not take it."""
    again = front.client(versions=(version, version))
    with closing(again.connect("app.test")) as connection:
        connection.sendall(GET % (b"/", b"app.test"))
        connection.recv(65536)  # tickets of 1.3 come behind the handshake
        session = connection.session
    assert session is not None
    assert session.has_ticket
    with closing(again.connect("app.test", session)) as connection:
        assert connection.session_reused
    if version == V13:
        with closing(again.connect("new.test", session)) as connection:
            assert not connection.session_reused


@pytest.mark.parametrize("said", STALLS)
def test_a_handshake_has_its_time(front: Front, said: bytes) -> None:
    """Who says nothing, or half of what is needed, is cut after `timeouts.handshake`."""
    begun = time.monotonic()
    with RawClient((HOST, front.daemon.tls_port)) as client:
        client.send(said)
        assert client.end() == "reset"
    assert time.monotonic() - begun > 0.9


def test_handshakes_that_stall_take_nothing_for_good(front: Front) -> None:
    """Five hundred count as connections while they last, up to the limit, and not one of them a moment longer."""
    with ExitStack() as stack:
        for count in range(500):
            each = stack.enter_context(closing(socket.create_connection((HOST, front.daemon.tls_port), 10)))
            try:
                each.sendall(STALLS[count % len(STALLS)])
            except (BrokenPipeError, ConnectionResetError):
                pass  # one too many
        until(lambda: "connection_limit_reached" in front.daemon.log(), "some of them are too many")

        def lets_in() -> bool:
            try:
                return front.client().ask("app.test").startswith(b"HTTP/1.1 200")
            except OSError:
                return False

        until(lets_in, "a good client is let in again, while those that stall hold on to their ends")
    with ExitStack() as stack:
        for _ in range(290):  # all that the limit has room for, but for what is about to end
            each = stack.enter_context(RawClient((HOST, front.daemon.port)))
            assert each.ask(GET % (b"/", b"other.test")).status == 200


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        (b"app.test", b"/a%2Fb//c?x=%zz&y=1", "https://app.test:{port}/a%2Fb//c?x=%zz&y=1"),
        (b"APP.test:8080", b"/", "https://app.test:{port}/"),
        (b"new.test", b"/", "https://new.test:{port}/"),
        (b"other.test", b"/", None),
        (b"app.test", b"/.well-known/acme-challenge/token", None),
        (
            b"app.test",
            b"/.well-known/acme-challenge/../../new",
            "https://app.test:{port}/.well-known/acme-challenge/../../new",
        ),
    ],
)
def test_plain_requests_are_sent_to_https(front: Front, host: bytes, target: bytes, location: str | None) -> None:
    """Those for hosts with a certificate, with all of their target, but for challenges of a CA."""
    answer = front.plain(target, host)
    assert answer.status == (200 if location is None else 308)
    assert answer.value("location") == (location and location.format(port=front.daemon.tls_port))
    assert answer.value("strict-transport-security") in {None, "max-age=0"}


@pytest.mark.parametrize(
    ("target", "status"), [("/", b"200"), ("/moved", b"308"), ("/gone", b"502"), ("/../..", b"400")]
)
def test_hsts_is_on_every_answer_once(front: Front, target: str, status: bytes) -> None:
    """On those of backends, which may say otherwise, on redirects and on errors."""
    answer = front.client().ask("app.test", path=target)
    assert answer.split(b" ")[1] == status
    lines = [line for line in answer.split(b"\r\n") if line.lower().startswith(b"strict-transport")]
    assert lines == [b"Strict-Transport-Security: max-age=86400"]


def test_hsts_is_on_the_answer_to_what_is_no_request(front: Front) -> None:
    """Also where nobody knows what was asked for."""
    with closing(front.client().connect("app.test")) as connection:
        connection.sendall(b"GET\r\n\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"\r\nStrict-Transport-Security: max-age=86400\r\n" in answer


def test_plain_http_on_a_tls_port(front: Front) -> None:
    """It is sent to https where the listener says so, and told what to write where it does not."""
    answer = front.plain(b"/x?y", port=front.strict)
    assert (answer.status, answer.value("location")) == (308, f"https://app.test:{front.strict}/x?y")
    answer = front.plain(b"/x?y", port=front.daemon.tls_port)
    assert answer.status == 400
    assert b"https://" in answer.body


@pytest.mark.parametrize(
    "said", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00\x00", b"SSH-2.0-x\r\n", b"\x80\x2e\x01\x03"]
)
def test_what_is_neither_ends(front: Front, said: bytes) -> None:
    """Other protocols get an end, be it behind an answer or an alert, and leave nothing behind."""
    with RawClient((HOST, front.daemon.tls_port)) as client:
        client.send(said)
        client.socket.settimeout(20)
        while True:
            try:
                if not client.socket.recv(4096):
                    break
            except ConnectionResetError:
                break
    assert front.client().ask("app.test").startswith(b"HTTP/1.1 200")
