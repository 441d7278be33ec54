"""The PROXY protocol in front of http and https: who a request is from, and whose word is taken for it.

Rule: headers are written by hand here, and by HAProxy and curl, who know better.
"""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
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

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"
ROUTES = """
  - address: http://{host}:{proxied}
    proxy_protocol: {{from: [127.0.0.0/30], timeout: 1s}}
  - address: https://{host}:{proxied_tls}
    proxy_protocol: {{from: 127.0.0.1, timeout: 1s}}
  - address: http+unix:{folder}/proxied.sock
    proxy_protocol: {{from: 127.0.0.1, timeout: 1s}}
tls: {{certificates: [{{cert: {folder}/app.pem}}]}}
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

    def ask(self, *pieces: bytes) -> bytes:
        """Send these on a plain connection, and give all that comes."""
        with RawClient((HOST, self.proxied)) as client:
            for piece in pieces:
                client.send(piece)
            return client.response().body

    def ask_by_tls(self, header: bytes) -> bytes:
        """Send a header in the open, and a request behind it by TLS."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        with RawClient((HOST, self.proxied_tls)) as client:
            client.send(header)
            with closing(context.wrap_socket(client.socket, server_hostname="app.test")) as secured:
                secured.sendall(GET)
                return read_all(secured)


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


def test_the_client_of_the_header_is_the_one_of_log_and_matchers(front: Front) -> None:
    """The access log has its address and port, and `clients:` is asked about it."""
    with RawClient((HOST, front.proxied)) as client:
        client.send(V1 + b"GET /staff HTTP/1.1\r\nHost: app.test\r\n\r\n")
        assert client.response().status == 204
    (entry,) = front.daemon.logged(target="/staff", client="203.0.113.7")[-1:]
    assert entry["client_port"] == 4711


@pytest.mark.parametrize(
    "said",
    [
        GET,
        b"PROXY TCP4 203.0.113.7 192.0.2.80 4711\r\n" + GET,
        b"PROXY TCP4 203.0.113.300 192.0.2.80 4711 443\r\n" + GET,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12) + GET,
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4) + GET,
        b"\x16\x03\x01",
    ],
)
def test_what_is_no_header_ends_the_connection(front: Front, said: bytes) -> None:
    """Where a header must come nothing else is read, and nothing answered."""
    with RawClient((HOST, front.proxied)) as client:
        client.try_send(said)
        assert client.end() == "reset"


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


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_haproxy(front: Front, start_child, tmp_path: Path, version: str, kind: str) -> None:
    """HAProxy's headers are understood, in front of http, and in front of https that it passes through."""
    port = free_port()
    target = front.proxied if kind == "http" else front.proxied_tls
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        f"global\n  log stderr local0\ndefaults\n  mode {kind}\n  timeout connect 3s\n  timeout client 9s\n"
        f"  timeout server 9s\nfrontend f\n  bind {HOST}:{port}\n  default_backend b\nbackend b\n"
        f"  server s {HOST}:{target} {version}\n"
    )
    start_child(["haproxy", "-db", "-f", config], (HOST, port))
    if kind == "http":
        with RawClient((HOST, port)) as client:
            assert client.ask(GET).body == b"127.0.0.1 http"
    else:
        context = ssl.create_default_context(cafile=front.folder / "ca.pem")
        with (
            RawClient((HOST, port)) as client,
            closing(context.wrap_socket(client.socket, server_hostname="app.test")) as secured,
        ):
            secured.sendall(GET)
            assert read_all(secured).endswith(b"127.0.0.1 https")
