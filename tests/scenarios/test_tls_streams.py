"""Bytes through TLS listeners: large bodies, slow ends, every way to end, and WebSockets.

Rule: every story is told on both reactors; an end is only whole with a close_notify, or by its own framing.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import struct
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.sync.server import serve as serve_websockets

from tests.support.addresses import HOST
from tests.support.backend import Backend, Connection, ok
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.tls import lasting, root
from tests.support.tls_clients import SecuredClient, TlsClient, read_all
from tests.support.waiting import until

MIB = 1 << 20
GET = b"GET /%s HTTP/1.1\r\nHost: app.test\r\n\r\n"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Front:
    """The product with one certificate, and what asks it."""

    def __init__(self, daemon: Daemon, backend: Backend | None, folder: Path) -> None:
        self.daemon = daemon
        self.backend = backend
        self.folder = folder

    def client(self, version: str = "1.3", *, receive_buffer: int | None = None) -> SecuredClient:
        """Connect by TLS."""
        versions = (VERSIONS[version], VERSIONS[version])
        of = TlsClient((HOST, self.daemon.tls_port), self.folder / "ca.pem", versions=versions)
        return SecuredClient(of, "app.test", receive_buffer=receive_buffer)


@pytest.fixture(params=["uvloop", "epoll"])
def before(request, play, start_daemon, tmp_path: Path):
    """Give what starts a backend for a script and the product before it."""
    write(tmp_path / "ca.pem", pem(root().certificate))
    lasting("app.test", by=root()).write(tmp_path / "app.pem")

    def start(script=None, settings: str = "", url: str = "") -> Front:
        backend = None if script is None else play(script)
        target = url or backend.url
        routes = (
            f"{settings}limits: {{body: 1GiB}}\ntls: {{certificates: [{{cert: {tmp_path}/app.pem}}]}}\n"
            f"hosts: {{app.test: {target}}}\n"
        )
        return Front(start_daemon(routes, tls=True, argv=on_reactor(request.param)), backend, tmp_path)

    return start


def octets(size: int) -> bytes:
    """Give so many octets that do not repeat soon."""
    block = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


def serves(connection: Connection) -> None:
    """Give as many octets as the path says, and the digest of every upload."""
    while True:
        request = connection.request()
        if request.method == "GET":
            connection.send(ok(octets(int(request.target[1:]))))
        else:
            connection.send(ok(hashlib.sha256(request.body).hexdigest().encode()))


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_arrive_as_sent(before, version: str) -> None:
    """Downloads and uploads of many records, with a length and in chunks, are the same at the other end."""
    body = octets(8 * MIB + 3)
    digest = hashlib.sha256(body).hexdigest().encode()
    with before(serves).client(version) as client:
        for size in (0, 1, 16384, 16385, 8 * MIB + 3):
            client.send(GET % (b"%d" % size))
            assert client.response().body == body[:size]
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.send(body)
        assert client.response().body == digest
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 65521):
            piece = body[at : at + 65521]
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.response().body == digest


def test_a_body_larger_than_all_buffers_takes_little_memory(before) -> None:
    """What a client with a small window has not read is not kept here; and all of it comes in the end."""
    size = 40 * MIB
    front = before(serves)
    with front.client(receive_buffer=4096) as client:
        client.send(GET % b"1")
        assert client.response().body
        resting = front.daemon.memory()
        client.send(GET % (b"%d" % size))
        front.daemon.forget_peak()
        taken = client.response().body
    assert len(taken) == size
    assert hashlib.sha256(taken).digest() == hashlib.sha256(octets(size)).digest()
    assert front.daemon.peak() - resting < 24 * MIB


def test_a_pipeline_is_answered_in_order(before) -> None:
    """Requests that come in one record are answered one behind the other."""
    with before(serves).client() as client:
        client.send(b"".join(GET % (b"%d" % size) for size in (3, 70000, 0, 5)))
        assert [len(client.response().body) for _ in range(4)] == [3, 70000, 0, 5]


def test_a_body_that_waits_to_be_asked_for(before) -> None:
    """100 (Continue) comes before the body does."""
    with before(serves).client() as client:
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100
        client.send(b"abc")
        assert client.response().body == hashlib.sha256(b"abc").hexdigest().encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_last_answer_ends_with_a_close_notify(before, version: str) -> None:
    """A connection that is closed in order says so, behind all that was sent."""
    with before(serves).client(version) as client:
        client.send(b"GET /100000 HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
        assert len(client.response().body) == 100000
        assert client.end() == "closed"


def breaks_off(connection: Connection) -> None:
    """Begin an answer of unknown length to 1.0, or of known length, and reset."""
    request = connection.request()
    length = b"Content-Length: 1000000\r\n" if request.target == "/length" else b"Transfer-Encoding: chunked\r\n"
    connection.send(
        b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + (b"5\r\nhello\r\n" if b"chunked" in length else b"hello")
    )
    connection.reset()


@pytest.mark.parametrize("target", [b"length", b"chunked", b"old"])
def test_half_an_answer_does_not_end_like_a_whole_one(before, target: bytes) -> None:
    """A backend that breaks off is an end without close_notify, also where only the end tells that a body is whole."""
    version = b"1.0" if target == b"old" else b"1.1"
    with before(breaks_off).client() as client:
        client.send(b"GET /%b HTTP/%b\r\nHost: app.test\r\n\r\n" % (target, version))
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            read_all(client.secured)


def takes_all(connection: Connection) -> None:
    """Read until the end."""
    connection.rest()


@pytest.mark.parametrize("how", ["close_notify", "fin", "reset"])
def test_a_client_that_goes_within_an_upload(before, how: str) -> None:
    """However it goes, the backend sees the end, and the log says who it was that left."""
    front = before(takes_all)
    client = front.client()
    client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\n" + bytes(100000))
    until(lambda: bool(front.backend.connections), "the request is at the backend")
    if how == "close_notify":
        with pytest.raises((ssl.SSLError, OSError)):  # whoever has left half a request is not answered in kind
            client.secured.unwrap()
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert front.backend.connections[0].ended.wait(20)
    (entry,) = front.daemon.logged(target="/up")
    assert (entry["status"], entry["cause"]) == (499, "client_disconnected")


def test_websockets(before) -> None:
    """Messages of all sizes go both ways, and a close is a close."""

    def echo(connection) -> None:
        for message in connection:
            connection.send(message)

    with serve_websockets(echo, HOST, 0, max_size=8 * MIB) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            front = before(url=f"http://{HOST}:{server.socket.getsockname()[1]}")
            context = ssl.create_default_context(cafile=front.folder / "ca.pem")
            dialed = socket.create_connection((HOST, front.daemon.tls_port))
            url = f"wss://app.test:{front.daemon.tls_port}/"
            with connect(url, sock=dialed, ssl=context, max_size=8 * MIB) as opened:
                for size in (0, 1, 125, 65536, 2 * MIB):
                    opened.send(octets(size))
                    assert opened.recv(timeout=20) == octets(size)
        finally:
            server.shutdown()
            serving.join()


def slow(connection: Connection) -> None:
    """Answer when the backend is told to, by a second connection."""
    while True:
        request = connection.request()
        if request.target == "/slow":
            SLOW.wait(20)
        connection.send(ok(b"done"))


SLOW = threading.Event()


def test_the_end_of_the_daemon(before) -> None:
    """A connection that shakes hands and one that is idle end at once; one that waits for its answer gets it."""
    SLOW.clear()
    front = before(slow)
    half = socket.create_connection((HOST, front.daemon.tls_port))
    idle, busy = front.client(), front.client()
    assert idle.ask(GET % b"quick").body == b"done"
    busy.send(GET % b"slow")
    until(lambda: len(front.backend.connections) >= 1 and front.daemon.open_sockets() > 5, "all are there")
    until(lambda: any(b"/slow" in each.received for each in front.backend.connections), "the request is at the backend")
    front.daemon.signal(signal.SIGTERM)
    assert idle.end() == "closed"
    half.settimeout(20)
    try:
        assert half.recv(1) == b""
    except ConnectionResetError:
        pass
    SLOW.set()
    assert busy.response().body == b"done"
    assert busy.end() == "closed"
    for each in (idle, busy):
        each.close()
    half.close()


@pytest.mark.parametrize("secured", [True, False])
def test_who_connects_at_the_end_does_not_hold_it_up(before, secured: bool) -> None:
    """Connections that are just being accepted when the daemon ends are closed, and not waited for."""
    front = before(serves, "timeouts: {handshake: 30s, header: 30s}\n")
    address = (HOST, front.daemon.tls_port) if secured else front.daemon.address
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(closing(socket.create_connection(address, 10)))
        front.daemon.stop(10)
