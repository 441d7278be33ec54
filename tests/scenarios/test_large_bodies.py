"""Large bodies of known length, which go from socket to socket in the kernel: they are bodies like all others.

Rule: every story is told on both reactors, and none knows whether a body was copied or spliced.
"""

from __future__ import annotations

import threading

import pytest

from tests.support.backend import Backend, Connection, ok
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Gone
from tests.support.raw_client import RawClient
from tests.support.slow import BLOCK, read_all, serve_sizes, write_all, write_until_stuck
from tests.support.waiting import until

MIB = 1 << 20
# Around what is spliced at all (256 KiB), around a pipe, and with a rest that fills no page.
SIZES = (256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024, MIB + 17, 20 * MIB + 3)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
GET = b"GET /%s HTTP/1.1\r\nHost: app.test\r\n\r\n"
PUT = b"PUT /%s HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n"
QUICK = "timeouts: {body: 700ms, write: 700ms}\n"


@pytest.fixture(params=["uvloop", pytest.param("epoll", marks=pytest.mark.soak)])
def before(request, play, start_daemon):
    """Give what starts a backend for a script and the product before it, on one reactor after the other."""

    def start(script, settings: str = "", idle: str = "60s", **more) -> tuple[Backend, Daemon]:
        backend = play(script)
        routes = f"upstreams: {{app: {{backends: [{backend.url}], timeouts: {{idle: {idle}}}}}}}\nhosts: {{'*': app}}\n"
        argv = on_reactor(request.param)
        return backend, start_daemon(f"limits: {{body: 4GiB}}\n{settings}{routes}", argv=argv, **more)

    return start


def take(client, size: int) -> None:
    """Read a response whose body is so many octets of repeated BLOCK."""
    assert client.buffer.response_head().value("content-length") == str(size)
    early = client.buffer.rest_at_hand()
    doubled = BLOCK + BLOCK
    assert early[: len(doubled)] == doubled[: len(early)]
    assert len(early) + read_all(client.socket, size - len(early), None, len(early)) == size


def test_octets_arrive_as_sent_both_ways_and_connections_stay(before):
    """Downloads and uploads of all sizes, one behind the other on one connection, arrive as sent and are counted."""
    backend, daemon = before(serve_sizes)
    with daemon.connect() as client:
        for size in SIZES:
            client.send(GET % (b"%d" % size))
            take(client, size)
            client.send(PUT % (b"up", size))
            write_all(client.socket, size)
            assert client.response().body == b"%d" % size
    entries = daemon.logged(2 * len(SIZES))
    assert [entry["bytes_sent"] for entry in entries if entry["method"] == "GET"] == list(SIZES)
    assert [entry["bytes_received"] for entry in entries if entry["method"] == "PUT"] == list(SIZES)
    assert {entry["cause"] for entry in entries} == {None}
    assert len(backend.connections) == 1


def test_a_request_behind_an_upload_is_the_next_request(before):
    """What a client sends behind a large body, in the same breath, is its next request."""
    _, daemon = before(serve_sizes)
    size = 2 * MIB + 1
    with daemon.connect() as client:
        body = (BLOCK * 33)[:size]
        sending = threading.Thread(target=client.send, args=((PUT % (b"up", size) + body) * 2 + GET % b"300000",))
        sending.start()
        assert client.response().body == b"%d" % size
        assert client.response().body == b"%d" % size
        take(client, 300000)
        sending.join()


def test_what_a_backend_sends_behind_its_answer_goes_nowhere(before):
    """Octets behind a large body of known length do not reach the client, and the connection is not used again."""

    def generous(connection: Connection) -> None:
        connection.head()
        connection.send(HEAD % MIB)
        write_all(connection.socket, MIB)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        connection.rest()

    backend, daemon = before(generous)
    with daemon.connect() as client:
        for _ in range(2):
            client.send(GET % b"x")
            take(client, MIB)
    assert len(backend.connections) == 2


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_an_answer_that_breaks_off_does_not_look_whole(before, ending):
    """A backend that ends within a large body ends the client's connection, and the log says why."""

    def breaks(connection: Connection) -> None:
        connection.head()
        connection.send(HEAD % (8 * MIB))
        write_all(connection.socket, 3 * MIB)
        if ending == "reset":
            connection.reset()

    _, daemon = before(breaks)
    with daemon.connect() as client:
        client.send(GET % b"x")
        client.buffer.response_head()
        with pytest.raises(Gone):
            client.buffer.exactly(8 * MIB)
    (entry,) = daemon.logged()
    assert entry["cause"] == "http_response_incomplete"


def test_a_client_that_leaves_within_a_download_ends_it(before):
    """The backend sees the end of its connection, nothing stays open, and the log has 499."""
    gone = threading.Event()

    def endless(connection: Connection) -> None:
        connection.head()
        connection.send(HEAD % (1 << 40))
        try:
            write_all(connection.socket, 1 << 34)
        except OSError:
            gone.set()

    _, daemon = before(endless)
    with daemon.connect() as client:  # all that it opens at its start is open
        assert client.ask(b"GET / HTTP/1.1\r\n\r\n").status == 400
    sockets, pipes = daemon.open_sockets(), daemon.open_pipes()
    with daemon.connect() as client:
        client.send(GET % b"x")
        client.buffer.response_head()
        client.buffer.exactly(4 * MIB)
        client.abort()
    assert gone.wait(15)
    (entry,) = daemon.logged(method="GET", status=499)
    assert (entry["status"], entry["cause"]) == (499, "client_disconnected")
    until(lambda: daemon.open_sockets() <= sockets and daemon.open_pipes() <= pipes, "all descriptors are closed")


def test_a_client_that_leaves_within_an_upload_ends_it(before):
    """The backend's connection ends within the body, and the log has 499: each time, wherever the reset falls."""
    ends = []

    def takes(connection: Connection) -> None:
        connection.head()
        try:
            ends.append(len(connection.rest()))
        except Gone as end:
            ends.append(len(end.partial))

    _, daemon = before(takes)
    for _ in range(12):
        with daemon.connect() as client:
            client.send(PUT % (b"up", 64 * MIB))
            write_all(client.socket, 5 * MIB)
            client.abort()
    assert {(entry["status"], entry["cause"]) for entry in daemon.logged(12)} == {(499, "client_disconnected")}
    until(lambda: len(ends) == 12, "the backend saw every end")
    assert max(ends) <= 5 * MIB


def test_an_answer_before_the_end_of_an_upload_arrives(before):
    """A backend that has seen enough is heard while the client still sends."""

    def refuses(connection: Connection) -> None:
        connection.head()
        connection.buffer.exactly(2 * MIB)
        connection.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        with pytest.raises(Gone):  # the rest is not sent for nothing
            connection.buffer.exactly(1 << 30)

    _, daemon = before(refuses)
    with daemon.connect() as client:
        client.send(PUT % (b"up", 1 << 30))
        sending = threading.Thread(target=write_until_gone, args=(client.socket,))
        sending.start()
        response = client.response()
        assert (response.status, response.body) == (413, b"no")
        client.close()
        sending.join(15)
    daemon.logged(status=413)


def test_an_answer_of_a_backend_that_goes_within_an_upload_arrives(before):
    """A backend that answers and closes without reading the rest resets its connection; its answer is read first."""

    def refuses(connection: Connection) -> None:
        connection.head()
        connection.buffer.at_least(100 * 1024)
        connection.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    _, daemon = before(refuses)
    for _ in range(10):
        with daemon.connect() as client:
            client.send(PUT % (b"up", 1 << 30))
            sending = threading.Thread(target=write_until_gone, args=(client.socket,))
            sending.start()
            assert client.response().status == 413
            client.close()
            sending.join(15)


def write_until_gone(sink) -> None:
    """Send a large body until nobody takes it any more."""
    try:
        write_all(sink, 1 << 30)
    except OSError:
        return


def test_a_client_that_stops_reading_is_cut_after_its_time(before):
    """timeouts.write holds within a large body, and counts from the last octet that was taken."""
    _, daemon = before(serve_sizes, QUICK)
    with daemon.connect(receive_buffer=4096) as client:
        client.send(GET % (b"%d" % (64 * MIB)))
        client.buffer.response_head()
        (entry,) = daemon.logged()
        assert entry["cause"] == "response_write_timeout"
        assert entry["bytes_sent"] < 64 * MIB


@pytest.mark.soak
def test_a_client_that_reads_slowly_is_not_cut(before, tmp_path):
    """timeouts.write counts from what was taken last, even if it takes longer to empty all that is on its way."""
    path = tmp_path / "listens"
    _, daemon = before(serve_sizes, QUICK, unix=path)
    size = 2 * MIB
    with RawClient(str(path)) as client:  # few octets of UNIX sockets are on their way at a time
        client.send(GET % (b"%d" % size))
        client.buffer.response_head()
        early = len(client.buffer.rest_at_hand())
        assert early + read_all(client.socket, size - early, 300 * 1024, early) == size
    (entry,) = daemon.logged()
    assert (entry["cause"], entry["bytes_sent"]) == (None, size)


def test_a_client_that_stops_sending_is_cut_after_its_time(before):
    """timeouts.body holds within a large body."""
    _, daemon = before(serve_sizes, QUICK)
    with daemon.connect() as client:
        client.send(PUT % (b"up", 8 * MIB))
        write_all(client.socket, 2 * MIB)
        (entry,) = daemon.logged()
        assert entry["cause"] == "request_body_timeout"


def test_a_backend_that_stops_sending_is_cut_after_its_time(before):
    """timeouts.idle of an upstream holds within a large body."""

    def stops(connection: Connection) -> None:
        connection.head()
        connection.send(HEAD % (8 * MIB))
        write_all(connection.socket, 2 * MIB)
        connection.rest()

    _, daemon = before(stops, idle="700ms")
    with daemon.connect() as client:
        client.send(GET % b"x")
        client.buffer.response_head()
        with pytest.raises(Gone):
            client.buffer.exactly(8 * MIB)
    (entry,) = daemon.logged()
    assert entry["cause"] == "http_response_timeout"


def test_a_backend_that_stops_reading_holds_the_client(before):
    """A large upload to a backend that does not read stops the client instead of filling memory."""
    reading = threading.Event()

    def waits(connection: Connection) -> None:
        head = connection.head()
        assert reading.wait(30)
        size = int(head.value("content-length") or 0)
        early = connection.buffer.rest_at_hand()
        assert len(early) + read_all(connection.socket, size - len(early), None, len(early)) == size
        connection.send(ok(b"all"))

    size = 48 * MIB
    _, daemon = before(waits)
    daemon.forget_peak()
    at_rest = daemon.memory()
    with daemon.connect() as client:
        client.send(PUT % (b"up", size))
        taken = write_until_stuck(client.socket, size)
        assert taken < size
        reading.set()
        client.socket.settimeout(30)
        place = taken % len(BLOCK)
        client.send((BLOCK[place:])[: size - taken])
        write_all(client.socket, size - taken - len(BLOCK[place:]))
        assert client.response().body == b"all"
    assert daemon.peak() - at_rest < 16 * MIB
