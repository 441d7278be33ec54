"""What the daemon holds in memory: little of a transfer however slow its reader, and little of an idle client.

Rule: growth is the peak since the transfer began over what was resident before, as the kernel counts it.
The reader is ten times slower than its writer was measured to be without it.
"""

from __future__ import annotations

import resource
import threading
import time

import pytest

from tests.support.backend import Backend, Connection, ok
from tests.support.daemon import Daemon
from tests.support.raw_client import RawClient
from tests.support.slow import read_all, write_all
from tests.support.waiting import until

MIB = 1 << 20
GROWTH = 16 * MIB
SAMPLE = 64 * MIB
UP = b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n"
DOWN = b"GET /down/%d HTTP/1.1\r\nHost: app.test\r\n\r\n"
SIZES = [pytest.param(128 * MIB, id="128MiB"), pytest.param(1024 * MIB, id="1GiB", marks=pytest.mark.soak)]


class Transfers:
    """A backend that takes uploads at `rate` octets a second (0: at once) and gives downloads of any size."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.taken: list[int] = []
        self.backend = Backend(self._script)

    def _script(self, connection: Connection) -> None:
        while True:
            head = connection.head()
            if head.method == "PUT":
                size = int(head.value("content-length") or 0)
                # What came along with the head is a part of the first block: read on from there.
                early = connection.buffer.rest_at_hand()
                self.taken.append(len(early) + read_all(connection.socket, size - len(early), self.rate, len(early)))
                connection.send(ok())
            elif head.method == "GET" and head.target.startswith("/down/"):
                size = int(head.target.split("/")[2])
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                write_all(connection.socket, size)
            else:
                connection.send(ok())


@pytest.fixture
def transfers():
    """The backend."""
    made = Transfers()
    with made.backend:
        yield made


@pytest.fixture
def daemon(start_daemon, transfers):
    """The daemon before it, which has served already, so that what it loads late is loaded."""
    return start_daemon(f'limits: {{body: 4GiB}}\nhosts: {{"*": {transfers.backend.url}}}')


def upload(client: RawClient, size: int) -> float:
    """Send an upload as fast as it is taken, and give how long it took (seconds)."""
    began = time.monotonic()
    client.send(UP % size)
    client.socket.settimeout(60)
    write_all(client.socket, size)
    assert client.response().status == 200
    return time.monotonic() - began


def download(client: RawClient, size: int, rate: float | None) -> float:
    """Read a download at a rate, and give how long it took (seconds)."""
    began = time.monotonic()
    client.send(DOWN % size)
    head = client.buffer.response_head()
    assert head.value("content-length") == str(size)
    early = client.buffer.rest_at_hand()
    assert len(early) + read_all(client.socket, size - len(early), rate, len(early)) == size
    return time.monotonic() - began


@pytest.fixture
def grown(daemon):
    """Give by how many octets the daemon has grown at most, since it had served nothing but a small request."""
    with daemon.connect() as client:
        assert client.ask(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").status == 200
    before = daemon.memory()
    daemon.forget_peak()
    return lambda: daemon.peak() - before


@pytest.mark.parametrize("size", SIZES)
def test_an_upload_through_a_slow_backend_takes_little_memory(daemon, transfers, grown, size):
    """An upload whose backend reads ten times slower than the client can write arrives whole, in bounded memory."""
    with daemon.connect() as client:
        transfers.rate = SAMPLE / upload(client, SAMPLE) / 10
        upload(client, size)
    print(f"upload of {size >> 20} MiB, read at {transfers.rate / MIB:.0f} MiB/s: grew by {grown() / MIB:.1f} MiB")
    assert transfers.taken == [SAMPLE, size]
    assert 0 <= grown() < GROWTH


@pytest.mark.parametrize("size", SIZES)
def test_a_download_by_a_slow_client_takes_little_memory(daemon, grown, size):
    """A download whose client reads ten times slower than the backend can write arrives whole, in bounded memory."""
    with daemon.connect() as client:
        rate = SAMPLE / download(client, SAMPLE, None) / 10
        download(client, size, rate)
    print(f"download of {size >> 20} MiB, read at {rate / MIB:.0f} MiB/s: grew by {grown() / MIB:.1f} MiB")
    assert 0 <= grown() < GROWTH


def hold_idle(daemon: Daemon, count: int, record_property) -> None:
    """Open so many keep-alive connections, each after one answer, and record what one costs the daemon."""
    request = b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"
    clients: list[RawClient] = []
    half = 0
    try:
        for number in range(count):
            if number == count // 2:
                half = daemon.memory()  # the first half fills what start-up left free in the heap
            client = daemon.connect()
            clients.append(client)
            assert client.ask(request).status == 200
        assert daemon.open_sockets() >= count
        each = (daemon.memory() - half) / (count - count // 2)
        record_property("octets per idle connection", round(each))
        print(f"{count} idle connections: {each:.0f} octets each")
        assert each < 8192
        for client in clients[:: max(1, count // 50)]:
            assert client.ask(request).status == 200
    finally:
        for client in clients:
            client.close()
    until(lambda: daemon.open_sockets() < 100, "the closed connections are let go")


def test_idle_connections_are_cheap(daemon, record_property):
    """Hundreds of idle keep-alive connections are held, cost a few KiB each, still work, and are let go."""
    hold_idle(daemon, 500, record_property)


@pytest.fixture
def many_files():
    """Allow this process, and the daemon that it starts, as many open files as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.soak
def test_five_thousand_idle_connections_are_held(many_files, daemon, record_property):
    """5 000 idle keep-alive connections are held with the default limits, and one's memory is written down."""
    assert many_files > 6000, "the system allows too few open files for this test"
    hold_idle(daemon, 5000, record_property)


def test_many_requests_leave_nothing_behind(daemon):
    """Thousands of requests over new connections, some cut short, do not make the daemon grow."""

    def ask(count: int) -> None:
        for number in range(count):
            with daemon.connect() as client:
                client.send(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
                if number % 3:
                    assert client.response().status == 200

    def in_parallel(count: int) -> None:
        threads = [threading.Thread(target=ask, args=(count // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    in_parallel(2000)
    before = daemon.memory()
    in_parallel(4000)
    assert daemon.memory() - before < 2 * MIB
    until(lambda: daemon.open_sockets() < 100, "every connection is let go")
