"""Bytes through TLS listeners: large bodies, slow ends, every way to end, and WebSockets.

Rule: every story is told on both reactors; an end is only whole with a close_notify, or by its own framing.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.sync.server import serve as serve_websockets

from tests.support.addresses import HOST
from tests.support.backend import Backend, Connection, ok
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Gone
from tests.support.raw_client import RawClient
from tests.support.slow import BLOCK, write_all, write_until_stuck
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


def routes(folder: Path, url: str) -> str:
    """Write certificates, and a map for one backend."""
    write(folder / "ca.pem", pem(root().certificate))
    lasting("app.test", by=root()).write(folder / "app.pem")
    return f"limits: {{body: 1GiB}}\ntls: {{certificates: [{{cert: {folder}/app.pem}}]}}\nhosts: {{app.test: {url}}}\n"


@pytest.fixture(params=["uvloop", "epoll"])
def before(request, play, start_daemon, tmp_path: Path):
    """Give what starts a backend for a script and the product before it."""

    def start(script=None, settings: str = "", url: str = "") -> Front:
        backend = None if script is None else play(script)
        daemon = start_daemon(settings + routes(tmp_path, url or backend.url), tls=True, argv=on_reactor(request.param))
        return Front(daemon, backend, tmp_path)

    return start


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def front(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One product for many tests, on both reactors, before a backend that `serves`."""
    folder = tmp_path_factory.mktemp("streams")
    with Backend(serves) as backend:
        daemon = start_shared_daemon(routes(folder, backend.url), tls=True, argv=on_reactor(request.param))
        yield Front(daemon, backend, folder)


def octets(size: int) -> bytes:
    """Give so many octets that do not repeat soon."""
    block = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


def serves(connection: Connection) -> None:
    """Give as many octets as the path says, and the digest of every upload; some answers break off."""
    while True:
        head = connection.head()
        if head.target.startswith("/taken/"):
            connection.rest()
            return
        if head.target.startswith("/half/"):
            breaks_off(connection, *head.target.split("/")[2:])
            return
        if head.method == "PUT":
            if (length := head.value("content-length")) is not None:
                head.body = connection.buffer.exactly(int(length))
            else:
                connection.buffer.chunked(head)
            connection.send(ok(hashlib.sha256(head.body).hexdigest().encode()))
        elif head.target.startswith("/chunked/"):
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(chunked(octets(int(head.target[9:]))))
        else:
            connection.send(ok(octets(int(head.target[1:]))))


def breaks_off(connection: Connection, framing: str, how: str) -> None:
    """Begin an answer, of known length or in chunks, and end."""
    length = b"Content-Length: 1000000" if framing == "length" else b"Transfer-Encoding: chunked"
    begun = b"hello" if framing == "length" else b"5\r\nhello\r\n"
    connection.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (length, begun))
    if how == "reset":
        connection.reset()


def chunked(body: bytes) -> bytes:
    """Cut a body into chunks that are no records."""
    pieces = [body[at : at + 65521] for at in range(0, len(body), 65521)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_arrive_as_sent(front: Front, version: str) -> None:
    """Downloads and uploads of many records, with a length and in chunks, are the same at the other end."""
    body = octets(8 * MIB + 3)
    digest = hashlib.sha256(body).hexdigest().encode()
    with front.client(version) as client:
        for size in (0, 1, 16384, 16385, 8 * MIB + 3):
            client.send(GET % (b"%d" % size))
            assert client.response().body == body[:size]
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.send(body)
        assert client.response().body == digest
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunked(body))
        assert client.response().body == digest
        client.send(GET % (b"chunked/%d" % len(body)))
        assert client.response().body == body


@pytest.mark.parametrize(("version", "source"), [("1.2", "up"), ("1.3", "up"), ("1.3", "-")])
def test_curl_gets_and_puts(front: Front, tmp_path: Path, version: str, source: str) -> None:
    """What curl uploads, of known length and not, and downloads behind it on the same connection, is whole."""
    size = 5 * MIB + 1
    where = f"app.test:{front.daemon.tls_port}"
    usual = ["-sS", "--fail", "--cacert", front.folder / "ca.pem", "--noproxy", "*", "--resolve", f"{where}:{HOST}"]
    usual += ["--tls-max", version, "-w", "%{num_connects}"]
    up = [*usual, "-T", source, f"https://{where}/up", "-o", "digest"]
    down = [*usual, f"https://{where}/{size}", "-o", "down"]
    (tmp_path / "up").write_bytes(octets(size))
    with (tmp_path / "up").open("rb") as body:
        command = ["curl", *up, "--next", *down]
        done = subprocess.run(command, cwd=tmp_path, stdin=body, stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout == b"10"
    assert (tmp_path / "digest").read_text() == hashlib.sha256(octets(size)).hexdigest()
    assert (tmp_path / "down").read_bytes() == octets(size)


def test_new_keys_within_a_connection(front: Front, tmp_path: Path) -> None:
    """`openssl s_client` renews its keys, and asks for ours to be, between two requests (RFC 8446, section 4.6.3)."""
    said, whole = tmp_path / "said", octets(40000)
    where = f"{HOST}:{front.daemon.tls_port}"
    command = ["openssl", "s_client", "-connect", where, "-servername", "app.test", "-tls1_3"]
    with (
        said.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, bufsize=0) as client,
    ):
        until(lambda: b"Verify return code" in said.read_bytes(), "the handshake is complete")
        for count in (1, 2, 3):
            client.stdin.write(b"K\n")  # both ends' keys, for it asks for ours with its own
            until(lambda count=count: said.read_bytes().count(b"KEYUPDATE") == count, "the keys are new")
            client.stdin.write(GET % b"40000")
            until(lambda count=count: said.read_bytes().count(whole) == count, "an answer")
        client.stdin.close()


def test_a_client_that_reads_nothing_holds_up_the_backend(before) -> None:
    """A large answer stays where it is made until somebody takes it, and is whole then; it takes little memory here."""
    size = 64 * MIB
    taken: list[int] = []

    def stuck(connection: Connection) -> None:
        for _ in range(2):
            length = int(connection.request().target[1:])
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
            done = write_until_stuck(connection.socket, length)
            taken.append(done)
            start = done % len(BLOCK)
            connection.send(BLOCK[start:])
            write_all(connection.socket, length - done - len(BLOCK) + start)

    front = before(stuck)
    with front.client(receive_buffer=4096) as client:
        client.send(GET % (b"%d" % len(BLOCK)))
        assert len(client.response().body)
        resting = front.daemon.memory()
        front.daemon.forget_peak()
        client.send(GET % (b"%d" % size))
        until(lambda: len(taken) == 2, "nobody takes any more")
        assert taken[1] < 24 * MIB  # of which the system has most, on its way to us
        head = client.buffer.response_head()
        assert head.value("content-length") == str(size)
        assert client.buffer.exactly(size) == BLOCK * (size // len(BLOCK))
    assert front.daemon.peak() - resting < 16 * MIB


def test_a_pipeline_is_answered_in_order(front: Front) -> None:
    """Requests that come in one record are answered one behind the other."""
    with front.client() as client:
        client.send(b"".join(GET % (b"%d" % size) for size in (3, 70000, 0, 5)))
        assert [len(client.response().body) for _ in range(4)] == [3, 70000, 0, 5]


def test_a_body_that_waits_to_be_asked_for(front: Front) -> None:
    """100 (Continue) comes before the body does."""
    with front.client() as client:
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100
        client.send(b"abc")
        assert client.response().body == hashlib.sha256(b"abc").hexdigest().encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_last_answer_ends_with_a_close_notify(front: Front, version: str) -> None:
    """A connection that is closed in order says so, behind all that was sent."""
    with front.client(version) as client:
        client.send(b"GET /100000 HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
        assert len(client.response().body) == 100000
        assert client.end() == "closed"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("framing", [b"length", b"chunks"])
@pytest.mark.parametrize("how", [b"fin", b"reset"])
def test_half_an_answer_does_not_end_like_a_whole_one(front: Front, version: bytes, framing: bytes, how: bytes) -> None:
    """A backend that breaks off is an end without close_notify, also where only the end tells that a body is whole."""
    with front.client() as client:
        client.send(b"GET /half/%b/%b HTTP/%b\r\nHost: app.test\r\n\r\n" % (framing, how, version))
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            read_all(client.secured)


@pytest.mark.parametrize("how", ["close_notify", "fin", "reset"])
def test_a_client_that_goes_within_an_upload(front: Front, how: str) -> None:
    """However it goes, the backend sees the end, and the log says who it was that left."""
    client = front.client()
    target = f"/taken/{how}"
    client.send(f"PUT {target} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\n".encode() + bytes(100000))

    def taker() -> Connection | None:
        return next((each for each in front.backend.connections if target.encode() in each.received), None)

    at_backend = until(taker, "the request is at the backend")
    if how == "close_notify":
        with pytest.raises((ssl.SSLError, OSError)):  # whoever has left half a request is not answered in kind
            client.secured.unwrap()
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert at_backend.ended.wait(20)
    (entry,) = front.daemon.logged(target=target)
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


def test_the_end_of_the_daemon(before) -> None:
    """Connections that shake hands and idle ones end at once; one that waits for its answer gets it."""
    answers = threading.Event()

    def slow(connection: Connection) -> None:
        while True:
            if connection.request().target == "/slow":
                answers.wait(20)
            connection.send(ok(b"done"))

    front = before(slow)
    with ExitStack() as stack:
        silent, half, shaking = (stack.enter_context(RawClient((HOST, front.daemon.tls_port))) for _ in range(3))
        hello = client_hello()
        half.send(hello[: len(hello) // 2])
        shaking.send(hello)
        assert shaking.buffer.exactly(1) == b"\x16"  # a ServerHello, and nothing behind it from us
        idle, busy = stack.enter_context(front.client()), stack.enter_context(front.client())
        assert idle.ask(GET % b"quick").body == b"done"
        busy.send(GET % b"slow")
        until(lambda: b"/slow" in front.backend.received(), "the request is at the backend")
        front.daemon.signal(signal.SIGTERM)
        assert idle.end() == "closed"
        assert [silent.end(), half.end()] == ["reset", "reset"]
        with pytest.raises(Gone, match="reset"):
            shaking.buffer.rest()
        answers.set()
        assert busy.response().body == b"done"
        assert busy.end() == "closed"
    assert front.daemon.child.wait() in {0, -signal.SIGTERM}


@pytest.mark.parametrize("secured", [True, False])
def test_who_connects_at_the_end_does_not_hold_it_up(before, secured: bool) -> None:
    """Connections that are just being accepted when the daemon ends are closed, and not waited for."""
    front = before(serves, "timeouts: {handshake: 30s, header: 30s}\n")
    address = (HOST, front.daemon.tls_port) if secured else front.daemon.address
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(closing(socket.create_connection(address, 10)))
        front.daemon.stop(10)


def client_hello() -> bytes:
    """Give the first bytes of a client of app.test."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="app.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()
