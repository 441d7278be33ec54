"""Backends that speak TLS: who is believed, what is shown, what is told of failures, and bytes both ways.

Rule: the backends are real: Python's ssl, nginx, `openssl s_server`, a WebSocket server.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import Backend, Connection, ok
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Gone
from tests.support.tls_backend import PAST, Pki, nginx, over_tls, s_server, server_context
from tests.support.waiting import until

MIB = 1 << 20
GET = b"GET /page HTTP/1.1\r\nHost: app.test\r\n\r\n"


def answers(connection: Connection) -> None:
    """Answer each request with its body."""
    while True:
        connection.send(ok(connection.request().body or b"ok"))


def closes(connection: Connection) -> None:
    """Answer one request, and say that this was all."""
    connection.request()
    connection.send(ok(b"ok", "Connection: close"))


def cause_of(status: str | None) -> str:
    """Give the cause code out of a Proxy-Status value (RFC 9209, section 2.1.1)."""
    found = re.search(r"error=([a-z_]+)", status or "")
    return found[1] if found else ""


def upstream(port: int, tls: str = "", more: str = "") -> str:
    """Write a map with one upstream on this port."""
    backends = f"backends: ['https://{HOST}:{port}']"
    return f"upstreams: {{app: {{{backends}, tls: {{{tls}}}{more}}}}}\nhosts: {{'*': app}}\n"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A CA."""
    return Pki(tmp_path)


@pytest.fixture(params=["uvloop", "epoll"])
def before(request, pki, play, start_daemon):
    """Give what starts a backend for a script with a good certificate, and the product before it, on both reactors."""

    def start(script, *, settings: str = "", more: str = "", resumed=None) -> tuple[Backend, Daemon]:
        context = server_context(pki.issue("good", HOST, "app.internal"))
        backend = play(over_tls(context, script, resumed))
        routes = settings + upstream(backend.port, f"ca: {pki.ca}", more)
        return backend, start_daemon(routes, argv=on_reactor(request.param))

    return start


# Who is believed.

# Name, what is true of the backend, what the map says of TLS; cause and a part of what the log says. {0} is the folder.
REFUSED = (
    ("unknown-ca", {}, "", "tls_certificate_error", "unable to get local issuer certificate"),
    ("self-signed", {"self_signed": True}, "ca: {0}/ca.pem", "tls_certificate_error", "self-signed certificate"),
    ("expired", {"end": PAST}, "ca: {0}/ca.pem", "tls_certificate_error", "certificate has expired"),
    ("other-name", {"names": ("other.internal",)}, "ca: {0}/ca.pem", "tls_certificate_error", "is for other.internal"),
    ("nameless", {"names": ()}, "ca: {0}/ca.pem", "tls_certificate_error", "is for no host at all"),
    ("server-name", {}, "ca: {0}/ca.pem, server_name: x.test", "tls_certificate_error", "set server_name"),
    ("no-client", {"clients": True}, "ca: {0}/ca.pem", "tls_alert_received", "'certificate required'"),
    ("no-client-12", {"clients": True, "version": "1.2"}, "ca: {0}/ca.pem", "tls_alert_received", "client_certificate"),
    (
        "bad-client",
        {"clients": True},
        "ca: {0}/ca.pem, client_certificate: {0}/stranger.pem",
        "tls_alert_received",
        "does not take our client certificate",
    ),
)
ACCEPTED = (
    ("by-ca", {}, "ca: {0}/ca.pem"),
    ("by-server-name", {"names": ("app.internal",)}, "ca: {0}/ca.pem, server_name: APP.internal"),
    ("client", {"clients": True}, "ca: {0}/ca.pem, client_certificate: {0}/me.pem"),
    ("client-12", {"clients": True, "version": "1.2"}, "ca: {0}/ca.pem, client_certificate: {0}/me.pem"),
    ("pinned", {"self_signed": True}, "ca: {0}/pinned.pem"),
    ("anybody", {"names": ("other.internal",), "end": PAST, "self_signed": True}, "verify: false"),
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, start_shared_daemon):
    """One daemon with a host for each row, and for each row its backend."""
    folder = tmp_path_factory.mktemp("pki")
    pki = Pki(folder)
    pki.issue("me", "me")
    pki.issue("stranger", "me", self_signed=True)
    upstreams, hosts = [], []
    with ExitStack() as stack:
        for name, true, tls in [row[:3] for row in REFUSED + ACCEPTED]:
            true = dict(true)
            clients, version = true.pop("clients", False), true.pop("version", None)
            file = pki.issue(name, *true.pop("names", (HOST,)), **true)
            context = server_context(file, clients=pki.ca if clients else None, version=version)
            backend = stack.enter_context(Backend(over_tls(context, answers)))
            upstreams.append(
                f"  {name}: {{backends: [https://{HOST}:{backend.port}], tls: {{{tls.format(folder)}}}}}\n"
            )
            hosts.append(f"  {name}.test: {name}\n")
        yield start_shared_daemon(f"upstreams:\n{''.join(upstreams)}hosts:\n{''.join(hosts)}")


@pytest.mark.parametrize(("name", "cause", "part"), [(row[0], row[3], row[4]) for row in REFUSED])
def test_who_is_not_believed_gives_502(daemon, name, cause, part):
    """The client gets a 502 with the cause and no detail, the log says what is wrong, and the client stays."""
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(f"GET / HTTP/1.1\r\nHost: {name}.test\r\n\r\n".encode())
            assert response.status == 502
            assert cause_of(response.value("proxy-status")) == cause
            assert part.encode() not in response.body
    entries = daemon.logged(2, host=f"{name}.test")
    assert [entry["cause"] for entry in entries] == [cause] * 2
    lines = [line for line in daemon.log().splitlines() if f"/, route {name}.test" in line or f"{name}.test/" in line]
    assert lines
    assert all(part in line for line in lines)


@pytest.mark.parametrize("name", [row[0] for row in ACCEPTED])
def test_who_is_believed_is_talked_to(daemon, name):
    """Requests with and without bodies are answered."""
    with daemon.connect() as client:
        for body in (b"", b"a body"):
            head = b"POST / HTTP/1.1\r\nHost: %b.test\r\nContent-Length: %d\r\n\r\n"
            response = client.ask(head % (name.encode(), len(body)) + body)
            assert (response.status, response.body) == (200, body or b"ok")


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_why_an_upload_was_refused_is_not_lost_in_a_reset(pki, play, start_daemon, reactor):
    """TLS 1.3: the alert is read although the backend has closed before it took what we were still sending."""
    context = server_context(pki.issue("server", HOST), clients=pki.ca)
    backend = play(over_tls(context, answers))
    daemon = start_daemon(upstream(backend.port, f"ca: {pki.ca}"), argv=on_reactor(reactor))
    for _ in range(10):
        with daemon.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 900000\r\n\r\n")
            client.try_send(bytes(900000))
            try:
                client.response()
            except Gone:
                pass  # the rest of the upload was not read
    assert {entry["cause"] for entry in daemon.logged(10)} == {"tls_alert_received"}


def test_what_is_not_verified_is_said_at_the_start(daemon):
    """`verify: false` is told once for its upstream, and for no other one."""
    lines = [line for line in daemon.log().splitlines() if "certificates are not verified" in line]
    assert len(lines) == 1
    assert "upstream anybody" in lines[0]


@pytest.mark.parametrize(("key", "why"), [("ca", "does not exist"), ("client_certificate", "does not exist")])
def test_a_file_that_cannot_be_used_keeps_the_daemon_from_starting(pki, start_daemon, key, why):
    """The file and the place in the map are named."""
    with pytest.raises(AssertionError, match=rf"(?s)routes.yaml:3.*app: {pki.folder}/none.pem {why}"):
        start_daemon(upstream(1, f"{key}: {pki.folder}/none.pem"))


@pytest.mark.parametrize("first", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\n"])
def test_a_backend_that_speaks_no_tls_is_recognised(play, start_daemon, first):
    """What closes, what speaks something else, and what speaks plain HTTP each has a 502 that says so."""

    def script(connection: Connection) -> None:
        connection.socket.recv(65536)
        if first:
            connection.send(first)

    daemon = start_daemon(upstream(play(script).port))
    with daemon.connect() as client:
        assert client.ask(GET).status == 502
    [entry] = daemon.logged()
    assert entry["cause"] == ("tls_protocol_error" if first else "connection_terminated")
    assert "http:// instead of https://" in daemon.log()


def test_a_backend_that_does_not_answer_in_tls_gives_504_in_time(play, start_daemon):
    """`timeouts.connect` covers the handshake, and the half-done one is given up."""
    silent = play(lambda connection: connection.rest())
    daemon = start_daemon(upstream(silent.port, more=", timeouts: {connect: 500ms}"))
    with daemon.connect() as client:
        response = client.ask(GET)
        assert response.status == 504
        assert cause_of(response.value("proxy-status")) == "connection_timeout"
    silent.all_ended()
    assert "does not answer in TLS" in daemon.log()


def test_a_client_that_goes_within_the_handshake_takes_it_along(play, start_daemon):
    """The backend sees the end of its connection at once, and nothing is left behind."""
    silent = play(lambda connection: connection.rest())
    daemon = start_daemon(upstream(silent.port, more=", timeouts: {connect: 60s}"))
    seen: list[int] = []
    for count in (1, 2, 3):
        with daemon.connect() as client:
            client.send(GET)
            until(lambda wanted=count: len(silent.connections) == wanted, "the backend is connected to")
        silent.all_ended()
        assert daemon.logged(count)[-1]["cause"] == "client_disconnected"
        seen.append(daemon.open_sockets())
    assert seen[1] == seen[2]  # the first one's has those that the reactor itself opens at need


# Connections and sessions.


def test_connections_are_kept_and_restarts_survived(before):
    """Many requests go over one connection; one that the backend has ended meanwhile is followed by a new one."""

    def a_few(connection: Connection) -> None:
        for _ in range(3):
            connection.send(ok(connection.request().body or b"ok"))

    resumed: list[bool] = []
    backend, daemon = before(a_few, resumed=resumed)
    with daemon.connect() as client:
        for count in range(9):
            if count % 3 == 0:
                backend.all_ended()
            assert client.ask(GET).body == b"ok"
    assert len(backend.connections) == 3
    assert resumed == [False, True, True]
    assert [entry["reused"] for entry in daemon.logged(9)].count(False) >= 3


def test_sessions_are_taken_up(before):
    """A backend that closes behind each answer is shaken hands with in full once."""
    resumed: list[bool] = []
    _, daemon = before(closes, resumed=resumed)
    with daemon.connect() as client:
        for _ in range(5):
            assert client.ask(GET).body == b"ok"
    assert resumed == [False, True, True, True, True]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_nginx_takes_up_sessions_and_gets_the_name(pki, start_child, start_daemon, version):
    """What nginx tells: the server name, our certificate, and sessions taken up in either version."""
    certificate = pki.issue("server", "app.internal")
    pki.issue("me", "me")
    settings = f"ssl_protocols {version}; ssl_verify_client on; ssl_client_certificate {pki.ca}; keepalive_timeout 0;"
    port = nginx(start_child, pki.folder, certificate, settings)
    tls = f"ca: {pki.ca}, server_name: app.internal, client_certificate: {pki.folder}/me.pem"
    daemon = start_daemon(upstream(port, tls))
    with daemon.connect() as client:
        bodies = [client.ask(GET.replace(b"/page", b"/tls")).body.decode().split() for _ in range(3)]
    assert [body[0] for body in bodies] == [".", "r", "r"]
    assert {tuple(body[1:4]) for body in bodies} == {("app.internal", version, "SUCCESS")}


def test_files_of_nginx_arrive_over_kept_connections(pki, start_child, start_daemon):
    """Files of all sizes have the checksums that they had, and nginx saw one connection."""
    port = nginx(start_child, pki.folder, pki.issue("server", HOST))
    files = {f"f{size}": os.urandom(size) for size in (0, 1, 16384, 16385, MIB + 17, 5 * MIB)}
    for name, data in files.items():
        (pki.folder / "files" / name).write_bytes(data)
        (pki.folder / "files" / name).chmod(0o644)
    for folder in (pki.folder, *pki.folder.parents[:2]):
        folder.chmod(0o755)  # nginx's workers are somebody else where the tests run as root
    daemon = start_daemon(upstream(port, f"ca: {pki.ca}"))
    with daemon.connect() as client:
        for name, data in files.items():
            response = client.ask(f"GET /{name} HTTP/1.1\r\nHost: app.test\r\n\r\n".encode())
            assert response.status == 200
            assert hashlib.sha256(response.body).digest() == hashlib.sha256(data).digest()
        numbers = {client.ask(GET.replace(b"/page", b"/tls")).body.split()[-1] for _ in range(3)}
    assert len(numbers) == 1


def test_a_page_of_openssl_ends_by_its_close_notify(pki, start_child, start_daemon):
    """`s_server -www` gives no length: the page is whole, TLS 1.3 with X25519 or better, and sessions are taken up."""
    port = s_server(start_child, pki.issue("server", HOST))
    daemon = start_daemon(upstream(port, f"ca: {pki.ca}"))
    with daemon.connect() as client:
        pages = [client.ask(GET).body for _ in range(3)]
    assert all(b"Shared groups: x25519" in page and b"</BODY></HTML>" in page for page in pages)
    assert [b"Reused, TLSv1.3" in page for page in pages] == [False, True, True]


def test_a_backend_that_restarts_is_found_again(pki, start_child, start_daemon):
    """Between two runs of it there are 502s, and afterwards answers, with sessions that the new one does not know."""
    certificate = pki.issue("server", HOST)
    port = free_port()
    context = server_context(certificate)
    daemon = start_daemon(upstream(port, f"ca: {pki.ca}"))
    with daemon.connect() as client:
        assert client.ask(GET).status == 502
        for _ in range(2):
            with Backend(over_tls(context, answers), port=port):
                for _ in range(2):
                    assert client.ask(GET).body == b"ok"
            assert client.ask(GET).status == 502
            context = server_context(certificate)  # with ticket keys of its own
