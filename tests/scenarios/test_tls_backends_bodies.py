"""Bodies and tunnels through TLS to backends: all of them, in order, in bounded memory, or visibly cut.

Rule: every story is told on both reactors.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.support.addresses import HOST
from tests.support.backend import Backend, Connection, ok
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Gone
from tests.support.raw_client import RawClient
from tests.support.slow import BLOCK, read_all, serve_sizes, write_all, write_until_stuck
from tests.support.tls_backend import Pki, cut, over_tls, server_context
from tests.support.waiting import until

MIB = 1 << 20
GET = b"GET /page HTTP/1.1\r\nHost: app.test\r\n\r\n"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A CA."""
    return Pki(tmp_path)


def upstream(port: int, pki: Pki) -> str:
    """Write a map with one upstream on this port."""
    return f"upstreams: {{app: {{backends: ['https://{HOST}:{port}'], tls: {{ca: {pki.ca}}}}}}}\nhosts: {{'*': app}}\n"


@pytest.fixture(params=["uvloop", pytest.param("epoll", marks=pytest.mark.soak)])
def before(request, pki, play, start_daemon):
    """Give what starts a backend for a script, and the product before it, on one reactor after the other."""

    def start(script, settings: str = "") -> tuple[Backend, Daemon]:
        backend = play(over_tls(server_context(pki.issue("good", HOST)), script))
        return backend, start_daemon(settings + upstream(backend.port, pki), argv=on_reactor(request.param))

    return start


@pytest.mark.parametrize("ending", ["close_notify", "cut"])
def test_only_a_close_notify_ends_a_body_of_unknown_length(before, ending):
    """Without it the client's connection is cut as well, and the log says why."""

    def until_the_end(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhalf a body, or all of it")
        if ending == "cut":
            cut(connection)

    _, daemon = before(until_the_end)
    with daemon.connect() as client:
        if ending == "close_notify":
            assert client.ask(GET).body == b"half a body, or all of it"
        else:
            with pytest.raises(Gone):
                client.ask(GET)
    [entry] = daemon.logged()
    assert entry["cause"] == (None if ending == "close_notify" else "http_response_incomplete")
    assert ("without close_notify" in daemon.log()) == (ending == "cut")


def test_large_bodies_arrive_as_sent_both_ways(before):
    """A few MiB up and down, one behind the other on one connection, with lengths around those of records."""
    backend, daemon = before(serve_sizes, "limits: {body: 1GiB}\n")
    sizes = (16383, 16384, 16385, 65536, MIB + 17, 8 * MIB + 3)
    with daemon.connect() as client:
        for size in sizes:
            client.send(b"GET /%d HTTP/1.1\r\nHost: app.test\r\n\r\n" % size)
            assert client.buffer.response_head().value("content-length") == str(size)
            early = client.buffer.rest_at_hand()
            assert len(early) + read_all(client.socket, size - len(early), None, len(early)) == size
            client.send(b"PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % size)
            write_all(client.socket, size)
            assert client.response().body == b"%d" % size
    assert len(backend.connections) == 1
    assert {entry["cause"] for entry in daemon.logged(2 * len(sizes))} == {None}


def test_a_client_that_does_not_read_holds_the_backend(before):
    """Of a large download little is taken while nobody reads; then it arrives whole."""
    size = 64 * MIB
    taken: list[int] = []

    def large(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        taken.append(write_until_stuck(connection.socket, size))
        rest = BLOCK[taken[0] % len(BLOCK) :]
        connection.socket.sendall(rest)
        done = taken[0] + len(rest)
        write_all(connection.socket, size - done)

    _, daemon = before(large)
    with RawClient(daemon.address, receive_buffer=65536) as client:
        memory = daemon.memory()
        daemon.forget_peak()
        client.send(GET)
        until(lambda: bool(taken), "the backend is held")
        assert taken[0] < size / 2
        assert client.buffer.response_head().value("content-length") == str(size)
        early = client.buffer.rest_at_hand()
        assert len(early) + read_all(client.socket, size - len(early), None, len(early)) == size
        assert daemon.peak() - memory < 8 * MIB


def test_a_backend_that_does_not_read_holds_the_client(before):
    """Of a large upload little is taken while the backend does not read; then it arrives whole."""
    size = 64 * MIB
    go = threading.Event()

    def reads_late(connection: Connection) -> None:
        connection.head()
        go.wait(30)
        early = connection.buffer.rest_at_hand()
        assert len(early) + read_all(connection.socket, size - len(early), None, len(early)) == size
        connection.send(ok(b"all"))

    _, daemon = before(reads_late, "limits: {body: 1GiB}\n")
    with daemon.connect() as client:
        memory = daemon.memory()
        daemon.forget_peak()
        client.send(b"PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % size)
        sent = write_until_stuck(client.socket, size)
        assert sent < size / 2
        go.set()
        client.send(BLOCK[sent % len(BLOCK) :])
        write_all(client.socket, size - sent - len(BLOCK[sent % len(BLOCK) :]))
        assert client.response().body == b"all"
        assert daemon.peak() - memory < 8 * MIB


async def conversation(socket):
    """Echo every message; close when asked to."""
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as asked")
        else:
            await socket.send(message)


@pytest.fixture
def chat(pki):
    """Give the port of a WebSocket server that echoes; asyncio's TLS ends with a close_notify."""
    started: Future[tuple[int, asyncio.Event]] = Future()

    async def run():
        stop = asyncio.Event()
        context = server_context(pki.issue("server", HOST))
        async with serve(conversation, HOST, 0, ssl=context, max_size=None, compression=None) as server:
            started.set_result((server.sockets[0].getsockname()[1], stop))
            await stop.wait()

    with asyncio.Runner() as runner:
        thread = threading.Thread(target=runner.run, args=(run(),), daemon=True)
        thread.start()
        port, stop = started.result(10)
        yield port
        runner.get_loop().call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_websockets_go_through(pki, chat, start_daemon, reactor):
    """Messages of all sizes come back as sent, a close with its code, and the tunnel's end is an orderly one."""
    daemon = start_daemon(upstream(chat, pki), argv=on_reactor(reactor))
    with connect(f"ws://{daemon.authority}/chat", proxy=None, max_size=None, compression=None) as socket:
        for message in ("text", "", os.urandom(3 * MIB), b"x" * 16384):
            socket.send(message)
            assert socket.recv(timeout=20) == message
        socket.send("close")
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (101, None)
