"""How TLS connections end: one direction at a time, early, late, by a deadline, and with the daemon.

Rule: an end that is in order is a close_notify behind all that belongs before it; whatever was broken off has none.
"""

from __future__ import annotations

import hashlib
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import Backend, Connection, Script, answering, ok
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Gone
from tests.support.slow import BLOCK, write_all
from tests.support.tls import lasting, root
from tests.support.tls_half import HalfClient
from tests.support.waiting import PATIENCE, until

MIB = 1 << 20
VERSIONS = ("1.2", "1.3")
GET = b"GET %b HTTP/1.1\r\nHost: app.test\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n"


class Stage:
    """A backend whose script changes, and the product before it."""

    daemon: Daemon
    backend: Backend

    def __init__(self) -> None:
        self.script: Script = answers

    def play(self, connection: Connection) -> None:
        """Do for a connection what the script of this moment says."""
        self.script(connection)


def routes_before(backend: Backend, folder: Path, settings: str = "limits: {body: 1GiB}\n") -> str:
    """Write the route map for one host before a backend, and its certificate."""
    lasting("app.test", by=root()).write(folder / "app.pem")
    return f"{settings}tls: {{certificates: [{{cert: {folder}/app.pem}}]}}\nhosts: {{app.test: {backend.url}}}\n"


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def stage(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The product on both reactors, before a backend that each test gives its script."""
    made = Stage()
    with Backend(made.play) as backend:
        made.backend = backend
        routes = routes_before(backend, tmp_path_factory.mktemp("stage"))
        made.daemon = start_shared_daemon(routes, tls=True, argv=on_reactor(request.param))
        yield made


@pytest.fixture
def on_stage(stage: Stage) -> Callable[[Script], tuple[Backend, Daemon]]:
    """Give what puts a script on the stage, whose connections are counted anew."""

    def start(script: Script) -> tuple[Backend, Daemon]:
        stage.script = script
        stage.backend.connections.clear()
        return stage.backend, stage.daemon

    return start


@pytest.fixture(params=["uvloop", "epoll"])
def before(request, play, start_daemon, tmp_path: Path) -> Callable[..., tuple[Backend, Daemon]]:
    """Give what starts a backend for a script, and the product before it, with settings of its own."""

    def start(script: Script, settings: str, **more: Any) -> tuple[Backend, Daemon]:
        backend = play(script, **more)
        routes = routes_before(backend, tmp_path, settings)
        return backend, start_daemon(routes, tls=True, argv=on_reactor(request.param))

    return start


def answers(connection: Connection) -> None:
    """Answer each request with its path."""
    while True:
        connection.send(ok(connection.request().target.encode()))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_has_said_all_in_a_tunnel_still_hears(on_stage, version: str) -> None:
    """Its close_notify is the backend's end of reading, and what the backend says behind it arrives, with an end."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(SWITCHED)
        assert connection.rest() == b"all I have"
        connection.send(b"behind the end" * 10000)

    _, daemon = on_stage(script)
    with HalfClient(daemon.tls_port, version) as client:
        client.send(UPGRADE.replace(b"GET /", b"GET /%b" % version.encode()))
        assert client.response().status == 101
        client.send(b"all I have")
        client.end_records()
        assert client.buffer.rest() == b"behind the end" * 10000
        assert client.end() == "close_notify"
    (entry,) = daemon.logged(target=f"/{version}")
    assert (entry["status"], entry["cause"]) == (101, None)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backend_that_has_said_all_in_a_tunnel_still_hears(on_stage, version: str) -> None:
    """Its end is a close_notify for the client, and what the client says behind that arrives."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(SWITCHED + b"all I have")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.rest() == b"behind the end" * 10000

    backend, daemon = on_stage(script)
    with HalfClient(daemon.tls_port, version) as client:
        client.send(UPGRADE)
        assert client.response().status == 101
        assert client.buffer.rest() == b"all I have"
        assert client.half.closed
        client.send(b"behind the end" * 10000)
        client.end_records()
        backend.all_ended()


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_tunnel_that_a_client_breaks_off_does_not_look_finished(on_stage, how: str) -> None:
    """An end without close_notify is no end of what was said: the backend's connection is reset, not closed."""
    seen: list[str] = []

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(SWITCHED)
        connection.buffer.exactly(4)
        try:
            connection.rest()
            seen.append("closed")
        except Gone as gone:
            seen.append(gone.how)

    backend, daemon = on_stage(script)
    with HalfClient(daemon.tls_port) as client:
        client.send(UPGRADE)
        assert client.response().status == 101
        client.send(b"half")
        if how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            client.end_stream()
            assert client.end() in {"cut", "reset"}
    backend.all_ended()
    assert seen == ["reset"]


def test_a_body_that_is_too_large_is_refused_while_it_comes(before) -> None:
    """The client that goes on sending, and reads meanwhile, gets all of its 413."""
    _, daemon = before(answers, "limits: {body: 1MiB}\n")
    with HalfClient(daemon.tls_port) as client:
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            client.send(b"40000\r\n" + BLOCK * 4 + b"\r\n")
            if client.ended:
                break
        response = client.response()
        assert (response.status, response.value("connection")) == (413, "close")
        assert client.end() == "close_notify"
    daemon.logged(status=413, cause="request_body_too_large")


def test_an_early_answer_of_a_backend_arrives(on_stage) -> None:
    """What a backend says of an upload that it does not want is heard, whether it reads on or not."""

    def refuses(connection: Connection) -> None:
        connection.head()
        connection.buffer.at_least(MIB)
        connection.send(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    _, daemon = on_stage(refuses)
    for _ in range(5):
        with HalfClient(daemon.tls_port) as client:
            client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % (16 * MIB))
            for _ in range(256):
                client.send(BLOCK)
                if client.ended:
                    break
            response = client.response()
            assert (response.status, response.body) == (401, b"no")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_its_end_makes_whole(on_stage, version: str) -> None:
    """To a client of HTTP/1.0 the end tells that a body is whole: it is a close_notify, behind all of it."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n")
        write_all(connection.socket, 3 * MIB)

    _, daemon = on_stage(script)
    with HalfClient(daemon.tls_port, version) as client:
        client.send(b"GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
        assert client.buffer.response_head().status == 200
        assert client.buffer.rest() == BLOCK * 48
        assert client.end() == "close_notify"


def test_pieces_arrive_as_they_are_sent(on_stage) -> None:
    """A chunk of a slow answer is not kept for the next one; trailers come behind the last."""
    go_on = threading.Semaphore(0)

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        for number in range(5):
            connection.send(b"2\r\n%02d\r\n" % number)
            assert go_on.acquire(timeout=PATIENCE)
        connection.send(b"0\r\nX-Sum: 5\r\n\r\n")

    _, daemon = on_stage(script)
    with HalfClient(daemon.tls_port) as client:
        client.send(GET % b"/" + GET.replace(b"app.test", b"app.test\r\nTE: trailers") % b"/")
        for _ in range(2):
            assert client.buffer.response_head().value("transfer-encoding") == "chunked"
            for number in range(5):
                assert client.buffer.up_to(b"\r\n") == b"2"
                assert client.buffer.exactly(4) == b"%02d\r\n" % number
                go_on.release()
            assert client.buffer.up_to(b"\r\n\r\n") == b"0\r\nX-Sum: 5"


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def impatient(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The product with short deadlines, once for each reactor."""
    folder = tmp_path_factory.mktemp("impatient")
    lasting("app.test", by=root()).write(folder / "app.pem")
    with answering(lambda request: ok(request.target.encode())) as backend:
        yield start_shared_daemon(
            "timeouts: {header: 400ms, keepalive: 400ms, body: 400ms}\n"
            f"tls: {{certificates: [{{cert: {folder}/app.pem}}]}}\nhosts: {{app.test: {backend.url}}}\n",
            tls=True,
            argv=on_reactor(request.param),
        )


@pytest.mark.parametrize("said", [b"", GET % b"/first"])
def test_who_is_idle_is_told_that_it_is_over(impatient: Daemon, said: bytes) -> None:
    """Before the first request and behind an answer, the end is in order."""
    with HalfClient(impatient.tls_port) as client:
        if said:
            client.send(said)
            assert client.response().body == b"/first"
        assert client.end() == "close_notify"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: app", "request_header_timeout"),
        (b"PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nhalf", "request_body_timeout"),
    ],
)
def test_half_a_request_is_answered(impatient: Daemon, said: bytes, cause: str) -> None:
    """408 says that the rest did not come, and an end in order follows."""
    with HalfClient(impatient.tls_port) as client:
        client.send(said)
        assert client.response().status == 408
        assert client.end() == "close_notify"
    impatient.logged(status=408, cause=cause)


def test_half_a_record_is_no_progress(impatient: Daemon) -> None:
    """Bytes of which TLS can make nothing yet do not keep a connection that is idle."""
    with HalfClient(impatient.tls_port) as client:
        client.send(GET % b"/first")
        assert client.response().body == b"/first"
        client.half.send(GET % b"/" + bytes(4000))
        record, begun = client.half.take(), time.monotonic()
        for octet in record[:1000]:
            client.socket.send(bytes([octet]))
            if select.select([client.socket], [], [], 0.02)[0]:
                break
        assert client.end() in {"close_notify", "reset"}
        assert 0.3 < time.monotonic() - begun < 5


def test_who_stops_reading_is_cut(before) -> None:
    """A client that takes nothing of a large answer for `timeouts.write` is reset, and so is the backend."""

    def endless(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        while True:
            connection.send(BLOCK)  # raises when the daemon goes

    backend, daemon = before(endless, "timeouts: {write: 400ms}\n")
    with HalfClient(daemon.tls_port, receive_buffer=4096) as client:
        client.send(GET % b"/")
        (entry,) = daemon.logged(cause="response_write_timeout")
        assert entry["bytes_sent"] < 64 * MIB
        backend.all_ended()


def test_an_upload_that_a_backend_does_not_take_is_not_kept_here(before) -> None:
    """The client is held up instead; all of it arrives once the backend reads."""
    size = 16 * MIB
    may_read = threading.Event()
    digests: list[str] = []

    def script(connection: Connection) -> None:
        connection.head()
        assert may_read.wait(60)
        body = connection.buffer.exactly(size)
        digests.append(hashlib.sha256(body).hexdigest())
        connection.send(ok(b"taken"))

    _, daemon = before(script, "limits: {body: 1GiB}\n", receive_buffer=4096)
    with HalfClient(daemon.tls_port) as client:
        resting = daemon.memory()
        daemon.forget_peak()
        client.send(b"PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % size)
        client.half.send(BLOCK * (size // len(BLOCK)))
        stuck = client.send_until_stuck()
        assert stuck < size
        assert daemon.peak() - resting < 6 * MIB
        may_read.set()
        client.flush()
        assert client.response().body == b"taken"
    assert digests == [hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()]


def test_a_large_answer_is_finished_before_the_end(before) -> None:
    """SIGTERM within a download cuts nothing off, and within an upload neither."""

    def script(connection: Connection) -> None:
        request = connection.head()
        if request.method == "PUT":
            body = connection.buffer.exactly(8 * MIB)
            connection.send(ok(hashlib.sha256(body).hexdigest().encode()))
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * MIB))
            write_all(connection.socket, 16 * MIB)

    backend, daemon = before(script, "limits: {body: 1GiB}\n")
    with HalfClient(daemon.tls_port, receive_buffer=65536) as down, HalfClient(daemon.tls_port) as up:
        down.send(GET % b"/")
        assert down.buffer.response_head().status == 200
        up.send(b"PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % (8 * MIB) + BLOCK * 8)
        until(lambda: len(backend.connections) == 2, "both are at the backend")
        daemon.signal(signal.SIGTERM)
        up.send(BLOCK * 120)
        response = up.response()
        assert response.body == hashlib.sha256(BLOCK * 128).hexdigest().encode()
        assert response.value("connection") == "close"
        assert up.end() == "close_notify"
        assert down.buffer.exactly(16 * MIB) == BLOCK * 256
        assert down.end() == "close_notify"


def test_what_is_left_when_the_drain_is_over(before) -> None:
    """Half an answer ends without close_notify; who has none yet gets 503."""

    def script(connection: Connection) -> None:
        request = connection.request()
        if request.target == "/half":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        connection.rest()

    backend, daemon = before(script, "timeouts: {drain: 500ms}\n")
    with HalfClient(daemon.tls_port) as half, HalfClient(daemon.tls_port) as none:
        half.send(GET % b"/half")
        assert half.buffer.response_head().status == 200
        assert half.buffer.exactly(4) == b"half"
        none.send(GET % b"/none")
        until(lambda: any(b"/none" in each.received for each in backend.connections), "it is at the backend")
        daemon.signal(signal.SIGTERM)
        assert none.response().status == 503
        assert none.end() == "close_notify"
        assert half.end() in {"cut", "reset"}
