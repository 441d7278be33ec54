"""TLS listeners under whatever comes: random requests in random pieces, and storms of handshakes that lead nowhere.

Rule: what is random comes from seeds, which a failure names; every body is checked by its digest.
"""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.addresses import HOST
from tests.support.backend import Backend, Connection, ok
from tests.support.daemon import Daemon, on_reactor
from tests.support.tls import lasting, root
from tests.support.tls_half import HalfClient
from tests.support.waiting import until

pytestmark = pytest.mark.soak

SECONDS = 40
CLIENTS = 6
SIZES = (0, 1, 100, 16383, 16384, 16385, 65536, 300_000, 2_000_000)
PIECES = (1, 7, 500, 16384, 16385, 100_000, 1_000_000)


def octets(size: int) -> bytes:
    """Give the body of this size."""
    return random.Random(size).randbytes(size)


def pieces(data: bytes, chance: random.Random, sizes: tuple[int, ...] = PIECES) -> list[bytes]:
    """Cut at random."""
    cut, at = [], 0
    while at < len(data):
        size = chance.choice(sizes)
        cut.append(data[at : at + size])
        at += size
    return cut


def chunked(data: bytes, chance: random.Random) -> list[bytes]:
    """Write as chunks, each a piece."""
    return [b"%x\r\n%b\r\n" % (len(each), each) for each in pieces(data, chance, PIECES[2:])] + [b"0\r\n\r\n"]


def serves(connection: Connection) -> None:
    """Give bodies of any size in any pieces, and digests of what comes."""
    chance = random.Random(connection.index)
    while True:
        request = connection.request()
        if request.method == "PUT":
            connection.send(ok(hashlib.sha256(request.body).hexdigest().encode()))
            continue
        size, _, how = request.target[1:].partition("?")
        body = octets(int(size))
        if how == "chunked":
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            written = chunked(body, chance)
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            written = pieces(body, chance)
        for each in written:
            connection.send(each)


class Visitor(threading.Thread):
    """One client after the other, each with some pipelines of some requests.

    :ivar answers: good ones. :ivar failure: why it has stopped early.
    """

    def __init__(self, port: int, seed: int, until_: float) -> None:
        super().__init__(name=f"seed {seed}")
        self._port = port
        self._chance = random.Random(seed)
        self._until = until_
        self.answers = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self._until:
                self._visit()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.failure = error

    def _visit(self) -> None:
        chance = self._chance
        version, window = chance.choice(("1.2", "1.3")), chance.choice((None, 4096, 65536))
        with HalfClient(self._port, version, receive_buffer=window) as client:
            for _ in range(chance.randint(1, 8)):
                self._pipeline(client)
            if chance.random() < 0.2:
                client.send(b"GET /5000000 HTTP/1.1\r\nHost: app.test\r\n\r\n")  # and goes without waiting

    def _pipeline(self, client: HalfClient) -> None:
        chance, out, wanted = self._chance, b"", []
        for _ in range(chance.randint(1, 6)):
            size, how = chance.choice(SIZES), chance.choice(("length", "chunked"))
            if chance.random() < 0.5:
                out += b"GET /%d?%b HTTP/1.1\r\nHost: app.test\r\n\r\n" % (size, how.encode())
                wanted.append(octets(size))
                continue
            body = chance.randbytes(size)
            if how == "chunked":
                out += b"PUT /up HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                out += b"".join(chunked(body, chance))
            else:
                out += b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
            wanted.append(hashlib.sha256(body).hexdigest().encode())
        for record in pieces(out, chance):
            client.half.send(record)
        client.flush()
        for body in wanted:
            response = client.response()
            assert response.status == 200
            assert response.body == body
            self.answers += 1


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_whatever_is_asked_is_answered_right(start_daemon, tmp_path: Path, reactor: str) -> None:
    """Pipelines of uploads and downloads, in records and chunks of any size, through windows of any size."""
    lasting("app.test", by=root()).write(tmp_path / "app.pem")
    with Backend(serves) as backend:
        daemon = start_daemon(
            f"limits: {{body: 1GiB}}\ntls: {{certificates: [{{cert: {tmp_path}/app.pem}}]}}\n"
            f"hosts: {{app.test: {backend.url}}}\n",
            tls=True,
            argv=on_reactor(reactor),
        )
        begun = time.monotonic()
        visitors = [Visitor(daemon.tls_port, seed, begun + SECONDS) for seed in range(CLIENTS)]
        for each in visitors:
            each.start()
        for each in visitors:
            each.join(SECONDS + 60)
        assert [(each.name, each.failure) for each in visitors if each.failure or each.is_alive()] == []
        assert sum(each.answers for each in visitors) > 500
        assert {(entry["status"], entry["cause"]) for entry in daemon.access()} <= {
            (200, None),
            (499, "client_disconnected"),
        }
        daemon.stop()


def storm(daemon: Daemon, count: int) -> None:
    """Open so many connections whose handshake goes no further, and keep them until they are ended."""
    with ExitStack() as stack:
        for number in range(count):
            each = stack.enter_context(closing(socket.create_connection((HOST, daemon.tls_port), 10)))
            try:
                each.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7] or b"\x16")
            except ConnectionError:
                continue  # its time was over already
        until(lambda: daemon.open_sockets() > count // 2 or _ends_in(daemon), "they are accepted")
        until(lambda: daemon.open_sockets() < 100, "all have been ended")


def _ends_in(daemon: Daemon) -> bool:
    return "timeouts.handshake" in daemon.log()


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_storms_of_half_handshakes_leave_nothing_behind(start_daemon, tmp_path: Path, reactor: str) -> None:
    """Thousands of them take no descriptor and no memory for good, and no place from `limits.connections`."""
    lasting("app.test", by=root()).write(tmp_path / "app.pem")
    daemon = start_daemon(
        "limits: {connections: 3000}\ntimeouts: {handshake: 2s}\n"
        f"tls: {{certificates: [{{cert: {tmp_path}/app.pem}}]}}\nhosts: {{app.test: {{respond: {{status: 200}}}}}}\n",
        tls=True,
        argv=on_reactor(reactor),
    )
    storm(daemon, 2500)
    resting = daemon.memory()
    for _ in range(4):
        storm(daemon, 2500)
        with HalfClient(daemon.tls_port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
            assert client.response().status == 200
    print(f"grown by {(daemon.memory() - resting) >> 10} KiB in 10 000 half handshakes")
    assert daemon.memory() - resting < 4 << 20
    assert "connection_limit_reached" not in daemon.log()
