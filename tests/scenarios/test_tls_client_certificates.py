"""Hosts that ask for client certificates: who gets in, what the backend learns, and no way around.

Rule: every host of the map is behind one port, and each client tries what it should not get.
"""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.addresses import HOST
from tests.support.backend import Backend, answering, ok
from tests.support.certificates import Issued, pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.raw_client import RawClient
from tests.support.tls import PAST, lasting, root
from tests.support.tls_clients import SecuredClient, TlsClient, alert_of, read_all

MAP = """
tls:
  certificates: [{{cert: {folder}/server.pem}}]
hosts:
  staff.test:
    tls: {{client_ca: {folder}/staff-ca.pem, client_auth: require}}
    routes: &routes
      - proxy: {url}
        request_headers:
          set:
            X-Subject: "{{client_cert.subject}}"
            X-San: "{{client_cert.san}}"
            X-Mark: "{{client_cert.fingerprint}}"
  partners.test:
    tls: {{client_ca: {folder}/partners-ca.pem}}
    routes: *routes
  guests.test:
    tls: {{client_ca: {folder}/staff-ca.pem, client_auth: request}}
    routes: *routes
  strict.test:
    tls: {{minimum: "1.3"}}
    routes: *routes
  open.test: *routes
  beside.test: {{proxy: {url}}}
"""
FORGED = "x-subject: CN=root\r\nX-Subject: CN=other\r\nX-San: DNS:x\r\n"


def clients_ca(name: str) -> Issued:
    """Give the CA of some clients."""
    return root(f"the CA of {name}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All certificates."""
    made = tmp_path_factory.mktemp("mutual")
    write(made / "ca.pem", pem(root().certificate))
    hosts = ("staff.test", "partners.test", "guests.test", "strict.test", "open.test", "beside.test")
    lasting(*hosts, by=root()).write(made / "server.pem")
    for name in ("staff", "partners"):
        write(made / f"{name}-ca.pem", pem(clients_ca(name).certificate))
        lasting(f"ann.{name}.test", common_name=f"Ann Ünlü, {name}", by=clients_ca(name)).write(
            made / f"{name}.pem", made / f"{name}.key"
        )
    lasting("late.staff.test", by=clients_ca("staff"), end=PAST).write(made / "late.pem", made / "late.key")
    return made


@pytest.fixture(scope="module")
def backend() -> Backend:
    """A backend that answers with the request's fields."""
    with answering(
        lambda request: ok(b"\n".join(b"%b=%b" % (name.lower(), value) for name, value in request.fields))
    ) as made:
        yield made


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def daemon(request, start_shared_daemon, folder: Path, backend: Backend) -> Daemon:
    """The product, on both reactors."""
    text = MAP.format(folder=folder, url=backend.url)
    return start_shared_daemon(text, tls=True, argv=on_reactor(request.param))


def client(daemon: Daemon, folder: Path, shows: str = "", **more: object) -> TlsClient:
    """Make a client, with the certificate of this name if it has one."""
    files = (folder / f"{shows}.pem", folder / f"{shows}.key") if shows else None
    return TlsClient((HOST, daemon.tls_port), folder / "ca.pem", shows=files, **more)  # type: ignore[arg-type]


def told(answer: bytes) -> dict[str, str]:
    """Give the fields that the backend got of the client's certificate."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer
    pairs = [line.split("=", 1) for line in body.decode("latin-1").split("\n")]
    names = [name for name, _ in pairs]
    assert all(names.count(name) < 2 for name in ("x-subject", "x-san", "x-mark")), pairs
    return {name: value for name, value in pairs if name in {"x-subject", "x-san", "x-mark"}}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("host", "shows", "alert"),
    [
        ("staff.test", "staff", ""),
        ("staff.test", "", "CERTIFICATE_REQUIRED"),
        ("staff.test", "partners", "UNKNOWN_CA"),
        ("staff.test", "late", "CERTIFICATE_EXPIRED"),
        ("partners.test", "partners", ""),
        ("partners.test", "staff", "UNKNOWN_CA"),
        ("guests.test", "", ""),
        ("guests.test", "staff", ""),
        ("guests.test", "partners", "UNKNOWN_CA"),
        ("open.test", "partners", ""),
        ("open.test", "", ""),
    ],
)
def test_who_gets_in(daemon: Daemon, folder: Path, host: str, shows: str, alert: str, version: ssl.TLSVersion) -> None:
    """A host lets in whom its CA has signed; one that only asks also lets in who has none; others do not ask."""
    said = alert_of(client(daemon, folder, shows, versions=(version, version)), host)
    if alert == "CERTIFICATE_REQUIRED" and version == ssl.TLSVersion.TLSv1_2:
        alert = "HANDSHAKE_FAILURE"  # the alert for it is new in 1.3
    assert alert in said
    assert bool(alert) == bool(said)


def test_the_backend_learns_who_it_is(daemon: Daemon, folder: Path) -> None:
    """Subject, names and fingerprint reach it, in printable characters; what the client says itself does not."""
    fields = told(client(daemon, folder, "staff").ask("staff.test", more=FORGED))
    assert fields["x-subject"] == "CN=Ann \\C3\\9Cnl\\C3\\BC\\, staff"
    assert fields["x-san"] == "DNS:ann.staff.test"
    assert len(fields["x-mark"]) == 64


@pytest.mark.parametrize(
    ("host", "shows"), [("guests.test", ""), ("open.test", ""), ("open.test", "staff"), ("beside.test", "")]
)
def test_without_a_verified_certificate_nothing_is_told(daemon: Daemon, folder: Path, host: str, shows: str) -> None:
    """The client's own copies are dropped where it has shown none, where none was asked for, and where none is told."""
    assert told(client(daemon, folder, shows).ask(host, more=FORGED)) == {}


@pytest.mark.parametrize(
    ("named", "asked", "shows", "status"),
    [
        ("open.test", "staff.test", "", b"421"),
        ("open.test", "STAFF.test.:443", "", b"421"),
        ("staff.test", "partners.test", "staff", b"421"),
        ("staff.test", "open.test", "staff", b"421"),
        ("guests.test", "staff.test", "staff", b"421"),
        ("open.test", "strict.test", "", b"421"),
        ("strict.test", "open.test", "", b"421"),
        ("staff.test", "staff.test", "staff", b"200"),
    ],
)
def test_a_connection_is_for_hosts_of_its_own_policy(
    daemon: Daemon, folder: Path, named: str, asked: str, shows: str, status: bytes
) -> None:
    """A request for a host of another policy than the one that the client has named is misdirected."""
    assert client(daemon, folder, shows).ask(named, asked).split(b" ")[1] == status


@pytest.mark.parametrize(
    ("named", "shows"), [("open.test", ""), ("guests.test", "staff"), ("partners.test", "partners")]
)
def test_a_connection_that_is_kept_is_held_to_it_too(
    daemon: Daemon, folder: Path, backend: Backend, named: str, shows: str
) -> None:
    """What was right before on the same connection does not open another host, and what is asked never arrives."""
    backend.forget()
    with SecuredClient(client(daemon, folder, shows), named) as connection:
        for host, status in ((named, 200), ("staff.test", 421)):
            answer = connection.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert answer.status == status
    assert len(backend.requests) == 1


def test_an_absolute_target_is_no_way_around(daemon: Daemon, folder: Path) -> None:
    """The host that counts is the one that the route is found by."""
    with closing(client(daemon, folder).connect("open.test")) as connection:
        connection.sendall(b"GET http://staff.test/ HTTP/1.1\r\nHost: staff.test\r\nConnection: close\r\n\r\n")
        assert read_all(connection).split(b" ")[1] == b"421"


def test_no_way_around_without_tls(daemon: Daemon) -> None:
    """A host that requires a certificate gives nothing on a plain listener; the others do."""
    with RawClient((HOST, daemon.port)) as plain:
        assert plain.ask(b"GET / HTTP/1.1\r\nHost: staff.test\r\n\r\n").status == 421
        assert plain.ask(b"GET / HTTP/1.1\r\nHost: open.test\r\n\r\n").status == 200


def test_no_way_around_without_a_name(start_daemon, folder: Path) -> None:
    """Where all hosts require a certificate, so do clients without a server name and requests without a Host."""
    daemon = start_daemon(
        f"tls: {{certificates: [{{cert: {folder}/server.pem}}], default: open.test}}\n"
        f'hosts: {{"*": {{tls: {{client_ca: {folder}/staff-ca.pem}}, respond: {{status: 200}}}}}}\n',
        tls=True,
    )
    assert "CERTIFICATE_REQUIRED" in alert_of(client(daemon, folder, checks_name=False), None)
    assert client(daemon, folder, "staff", checks_name=False).ask(None, "127.0.0.1").startswith(b"HTTP/1.1 200")
    with closing(client(daemon, folder, "staff").connect("open.test")) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200")
    with RawClient(daemon.address) as plain:
        assert plain.ask(b"GET / HTTP/1.0\r\n\r\n").status == 421


def session_of(of: TlsClient, host: str) -> ssl.SSLSession:
    """Give a session that a host has granted."""
    with closing(of.connect(host)) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        read_all(connection)
        assert connection.session is not None
        return connection.session


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("host", "shows"), [("open.test", ""), ("staff.test", "staff"), ("strict.test", "")])
def test_a_session_is_taken_up_where_it_is_from(
    daemon: Daemon, folder: Path, host: str, shows: str, version: ssl.TLSVersion
) -> None:
    """The second handshake is a short one, and what the client's certificate said is still known."""
    if host == "strict.test" and version == ssl.TLSVersion.TLSv1_2:
        assert alert_of(client(daemon, folder, versions=(version, version)), host) == "TLSV1_ALERT_PROTOCOL_VERSION"
        return
    again = client(daemon, folder, shows, versions=(version, version))
    session = session_of(again, host)
    with closing(again.connect(host, session)) as connection:
        assert connection.session_reused
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert ("x-subject" in told(read_all(connection))) is bool(shows)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("granted", "shows", "host"),
    [("open.test", "", "staff.test"), ("guests.test", "", "staff.test"), ("partners.test", "partners", "staff.test")],
)
def test_a_session_of_another_host_opens_no_door(
    daemon: Daemon, folder: Path, granted: str, shows: str, host: str, version: ssl.TLSVersion
) -> None:
    """A session that was granted under another policy is a full handshake at this host, and its CA decides."""
    versions = (version, version)
    thief = client(daemon, folder, shows, versions=versions)
    session = session_of(thief, granted)
    with pytest.raises(ssl.SSLError):
        ask_with(thief, host, session)


def ask_with(client: TlsClient, host: str, session: ssl.SSLSession) -> bytes:
    """Offer a session, which must not be taken up, and ask for something."""
    with closing(client.connect(host, session)) as connection:
        assert not connection.session_reused
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return read_all(connection)
