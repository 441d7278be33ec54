"""The PROXY protocol in front of http and https: who a request is from, and whose word is taken for it.

Rule: headers are written by hand here, and by HAProxy and curl, who know better.
"""

from __future__ import annotations

import ipaddress
import signal
import ssl
import subprocess
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import Backend, answering, ok
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.raw_client import RawClient
from tests.support.tls import lasting, root
from tests.support.tls_clients import read_all
from tests.support.waiting import until

STRANGER = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"
ROUTES = """
  - address: http://{host}:{proxied}
    proxy_protocol: {{from: [127.0.0.0/30], timeout: 1s}}
  - address: https://{host}:{proxied_tls}
    proxy_protocol: {{from: [127.0.0.0/30], timeout: 1s}}
    redirect_plain_http: true
  - address: http+unix:{folder}/proxied.sock
    proxy_protocol: {{from: 127.0.0.1, timeout: 1s}}
tls: {{certificates: [{{cert: {folder}/app.pem}}, {{cert: {folder}/address.pem}}]}}
trusted_proxies: [127.0.0.1, 198.51.100.0/24]
hosts:
  app.test:
    - {{path: /staff, clients: 203.0.113.0/24, respond: {{status: 204}}}}
    - proxy: {url}
"""


class Front:
    """The product with listeners that want a header: `proxied`, `proxied_tls` and a unix socket."""

    def __init__(self, daemon: Daemon, proxied: int, proxied_tls: int, folder: Path) -> None:
        self.daemon = daemon
        self.proxied = proxied
        self.proxied_tls = proxied_tls
        self.folder = folder

    def ask(self, *pieces: bytes, source: str = "") -> bytes:
        """Send these on a plain connection, and give the body of the answer."""
        with RawClient((HOST, self.proxied), source=source) as client:
            for piece in pieces:
                client.send(piece)
            return client.response().body

    def ask_by_tls(self, *pieces: bytes, source: str = "") -> bytes:
        """Send a header in the open, and a request behind it by TLS; give all that comes."""
        with RawClient((HOST, self.proxied_tls), source=source) as client:
            for piece in pieces:
                client.send(piece)
            return self.ask_secured(client)

    def ask_secured(self, client: RawClient) -> bytes:
        """Go on by TLS."""
        with closing(self.context.wrap_socket(client.socket, server_hostname="app.test")) as secured:
            secured.sendall(GET)
            return read_all(secured)

    @property
    def context(self) -> ssl.SSLContext:
        """What believes the product's certificates."""
        return ssl.create_default_context(cafile=self.folder / "ca.pem")


@pytest.fixture(scope="module")
def backend() -> Backend:
    """A backend that answers with where a request is from."""

    def says(request) -> bytes:
        found = {name.lower(): value for name, value in request.fields}
        return ok(b"%b %b" % (found[b"x-forwarded-for"], found[b"x-forwarded-proto"]))

    with answering(says) as made:
        yield made


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def front(request, start_shared_daemon, backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """The product on both reactors."""
    folder = tmp_path_factory.mktemp("proxied")
    write(folder / "ca.pem", pem(root().certificate))
    lasting("app.test", by=root()).write(folder / "app.pem")
    lasting("192.0.2.80", by=root()).write(folder / "address.pem")
    proxied, proxied_tls = free_port(), free_port()
    routes = ROUTES.format(host=HOST, proxied=proxied, proxied_tls=proxied_tls, folder=folder, url=backend.url)
    return Front(start_shared_daemon(routes.lstrip("\n"), argv=on_reactor(request.param)), proxied, proxied_tls, folder)


def v2(source: str = "203.0.113.7", *, command: int = 1, tlvs: bytes = b"", port: int = 4711) -> bytes:
    """Write a header of version 2."""
    address = ipaddress.ip_address(source)
    destination = "192.0.2.80" if address.version == 4 else "2001:db8::80"
    block = address.packed + ipaddress.ip_address(destination).packed
    block += port.to_bytes(2, "big") + (443).to_bytes(2, "big") + tlvs
    family = 0x11 if address.version == 4 else 0x21
    return SIGNATURE + bytes([0x20 | command, family]) + len(block).to_bytes(2, "big") + block


V1 = b"PROXY TCP4 203.0.113.7 192.0.2.80 4711 443\r\n"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, b"203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::80 4711 443\r\n", b"2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", b"127.0.0.1"),
        (v2(), b"203.0.113.7"),
        (v2("2001:db8::7"), b"2001:db8::7"),
        (v2(tlvs=b"\x02\x00\x08app.test\x05\x00\x03abc"), b"203.0.113.7"),
        (v2(command=0), b"127.0.0.1"),
    ],
)
def test_a_header_tells_who_the_client_is(front: Front, header: bytes, client: bytes) -> None:
    """Versions 1 and 2, both families, with what is beside the addresses; a LOCAL one is about nobody else."""
    assert front.ask(header + GET) == client + b" http"
    assert front.ask_by_tls(header).endswith(client + b" https")


@pytest.mark.parametrize("header", [V1, v2()])
def test_a_header_may_come_in_pieces(front: Front, header: bytes) -> None:
    """However it is cut, and with the request in the same piece as its end."""
    pieces = [header[at : at + 1] for at in range(len(header) - 1)]
    assert front.ask(*pieces, header[-1:] + GET) == b"203.0.113.7 http"
    assert front.ask_by_tls(*pieces, header[-1:]).endswith(b"203.0.113.7 https")


@pytest.mark.parametrize("header", [V1, v2()])
def test_a_header_and_a_client_hello_may_come_as_one(front: Front, header: bytes) -> None:
    """What comes behind the header within its piece is TLS's, and no byte of it is lost."""
    sent = ssl.MemoryBIO()
    secured = front.context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="app.test")
    with pytest.raises(ssl.SSLWantReadError):
        secured.do_handshake()
    with RawClient((HOST, front.proxied_tls)) as client:
        client.send(header + sent.read())
        assert client.buffer.exactly(6)[::5] == b"\x16\x02"  # a record of handshakes, and in it a ServerHello


@pytest.mark.parametrize(
    ("source", "to_backend"),
    [("203.0.113.7", b"203.0.113.7 http"), ("198.51.100.9", b"192.0.2.66, 198.51.100.9 http")],
)
def test_who_is_trusted_is_decided_by_the_header(front: Front, source: str, to_backend: bytes) -> None:
    """The proxy that connects is trusted to write headers, which says nothing of the clients that it names."""
    request = GET.replace(b"\r\nConn", b"\r\nX-Forwarded-For: 192.0.2.66\r\nConn")
    assert front.ask(v2(source) + request) == to_backend


def test_nobody_becomes_staff_by_a_field(front: Front) -> None:
    """`clients:` asks about the address of the header, whatever a client says of itself."""
    request = b"GET /staff HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n"
    assert front.ask(v2("192.0.2.9") + request) == b"192.0.2.9 http"


def test_the_address_that_was_connected_to_chooses_the_certificate(front: Front) -> None:
    """A client that names no host gets the certificate for the header's destination."""
    context = front.context
    context.check_hostname = False
    with RawClient((HOST, front.proxied_tls)) as client:
        client.send(v2())
        with closing(context.wrap_socket(client.socket)) as secured:
            assert secured.getpeercert()["subjectAltName"] == (("IP Address", "192.0.2.80"),)  # type: ignore[index]


def test_the_port_that_was_connected_to_is_the_one_of_redirects(front: Front) -> None:
    """Clients are sent back to where they came: the proxy's port, here 443."""
    with RawClient((HOST, front.proxied_tls)) as client:
        response = client.ask(v2() + b"GET /x?y HTTP/1.1\r\nHost: app.test\r\n\r\n")
    assert (response.status, response.value("location")) == (308, "https://app.test/x?y")


@pytest.mark.parametrize("header", [V1, v2(), v2(command=0)])
def test_a_header_and_nothing_behind_it_is_not_worth_a_word(front: Front, header: bytes) -> None:
    """What checks whether we live leaves no trace in either log, and no socket."""

    def told() -> tuple[int, int]:
        """Count entries and lines; entries are written late, but in order."""
        target = f"/{uuid.uuid4().hex}"
        front.ask(V1 + GET.replace(b"/", target.encode(), 1))
        front.daemon.logged(target=target)
        return len(front.daemon.access()), front.daemon.log().count(f"http://{HOST}:{front.proxied}")

    entries, lines = told()
    sockets = front.daemon.open_sockets()
    for _ in range(3):
        with RawClient((HOST, front.proxied)) as client:
            client.send(header)
            client.half_close()
            assert client.end() == "closed"
    until(lambda: front.daemon.open_sockets() <= sockets, "the sockets are closed")
    assert told() == (entries + 1, lines)


@pytest.mark.parametrize(
    "said",
    [
        GET,
        b"PROXY TCP4 203.0.113.7 192.0.2.80 4711\r\n" + GET,
        b"PROXY TCP4 203.0.113.300 192.0.2.80 4711 443\r\n" + GET,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12) + GET,
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4) + GET,
        b"\x16\x03\x01",
        b"PROXY TCP4 " + b"1" * 97,
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(65535) + GET,
        v2(tlvs=b"\x01\x00\x09short") + GET,
    ],
)
def test_what_is_no_header_ends_the_connection(front: Front, said: bytes) -> None:
    """Where a header must come nothing else is read, and nothing answered; one line says why."""
    for port in (front.proxied, front.proxied_tls):
        told = front.daemon.log().count("no PROXY header from")
        with RawClient((HOST, port)) as client:
            client.try_send(said)
            assert client.end() == "reset"
        until(lambda told=told: front.daemon.log().count("no PROXY header from") == told + 1, "one line more")


def test_over_a_unix_socket_it_must_come_as_well(front: Front) -> None:
    """A socket that loopback is named for takes no request without a header."""
    with RawClient(str(front.folder / "proxied.sock")) as client:
        client.try_send(GET)
        assert client.end() in {"closed", "reset"}


@pytest.mark.parametrize("said", [b"", V1[:20], v2()[:14]])
def test_a_header_that_does_not_come(front: Front, said: bytes) -> None:
    """The connection ends after the time that the listener allows."""
    with RawClient((HOST, front.proxied)) as client:
        client.send(said)
        assert client.end() == "reset"


@pytest.mark.parametrize("header", [V1, v2()])
def test_a_header_from_anybody_else_is_not_one(front: Front, header: bytes) -> None:
    """A listener that names nobody takes it for a bad request."""
    with RawClient(front.daemon.address) as client:
        client.send(header + GET)
        assert client.response().status == 400


@pytest.mark.parametrize("header", [V1, v2()])
def test_who_is_not_named_may_come_as_himself_only(front: Front, header: bytes) -> None:
    """From an address that the listener does not name a header is garbage, and without one all is as everywhere."""

    def named() -> int:
        return sum(1 for entry in front.daemon.access() if entry["client"] == "203.0.113.7" and entry["route"])

    before = named()
    assert front.ask(GET, source=STRANGER) == b"127.0.0.9 http"
    assert front.ask_by_tls(source=STRANGER).endswith(b"127.0.0.9 https")
    with RawClient((HOST, front.proxied), source=STRANGER) as client:
        assert client.ask(header + GET).status == 400
        assert client.end() in {"closed", "reset"}
    with pytest.raises((ssl.SSLError, OSError)):
        front.ask_by_tls(header, source=STRANGER)
    front.daemon.logged(client=STRANGER, status=400)
    assert named() == before


def test_over_a_unix_socket(front: Front) -> None:
    """Whoever may open the socket is on this machine, and counts as 127.0.0.1."""
    with RawClient(str(front.folder / "proxied.sock")) as client:
        client.send(V1 + GET)
        assert client.response().body == b"203.0.113.7 http"


def test_curl(front: Front) -> None:
    """Curl's own header is understood, before TLS."""
    where = f"app.test:{front.proxied_tls}"
    command = ["curl", "-sS", "--haproxy-protocol", "--cacert", front.folder / "ca.pem", "--noproxy", "*"]
    done = subprocess.run(
        [*command, "--resolve", f"{where}:{HOST}", f"https://{where}/"],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == b"127.0.0.1 https"


def haproxy(folder: Path, kind: str, server: str, port: int) -> list[str | Path]:
    """Configure HAProxy on a port, in front of a server."""
    config = folder / "haproxy.cfg"
    config.write_text(
        f"global\n  log stderr local0\ndefaults\n  mode {kind}\n  timeout connect 3s\n  timeout client 9s\n"
        f"  timeout server 9s\nfrontend f\n  bind {HOST}:{port}\n  default_backend b\nbackend b\n"
        f"  option httpchk\n  http-check send meth GET uri /checked hdr Host app.test\n  server s {server}\n"
    )
    return ["haproxy", "-db", "-f", config]


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_haproxy(front: Front, start_child, tmp_path: Path, version: str, kind: str) -> None:
    """HAProxy's headers are understood, in front of http, and in front of https that it passes through."""
    port = free_port()
    to = front.proxied if kind == "http" else front.proxied_tls
    start_child(haproxy(tmp_path, kind, f"{HOST}:{to} {version}", port), (HOST, port))
    with RawClient((HOST, port), source=STRANGER) as client:
        if kind == "http":
            assert client.ask(GET).body == b"127.0.0.9 http"
        else:
            assert front.ask_secured(client).endswith(b"127.0.0.9 https")


def test_haproxys_checks_are_of_its_own_address(front: Front, start_child, tmp_path: Path) -> None:
    """They come with a LOCAL header, and are answered like everybody's requests."""
    port = free_port()
    server = f"{HOST}:{front.proxied} send-proxy-v2 check check-send-proxy inter 100ms"
    start_child(haproxy(tmp_path, "http", server, port), (HOST, port))
    assert {entry["client"] for entry in front.daemon.logged(2, target="/checked", status=200)} == {HOST}


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_who_has_sent_no_header_yet_does_not_keep_the_daemon(start_daemon, reactor: str) -> None:
    """SIGTERM ends connections that are within their header at once, whatever time the listener allows."""
    proxied = free_port()
    routes = f"  - {{address: http://{HOST}:{proxied}, proxy_protocol: {{from: {HOST}, timeout: 60s}}}}\n"
    daemon = start_daemon(f"{routes}hosts: {{app.test: {{respond: {{status: 200}}}}}}\n", argv=on_reactor(reactor))
    with RawClient((HOST, proxied)) as silent, RawClient((HOST, proxied)) as within:
        within.send(V1[:9])
        with RawClient((HOST, proxied)) as third:  # connections are taken in order
            assert third.ask(V1 + GET).status == 200
        daemon.signal(signal.SIGTERM)
        assert [silent.end(), within.end()] == ["reset", "reset"]
    assert daemon.child.wait() in {0, -signal.SIGTERM}
