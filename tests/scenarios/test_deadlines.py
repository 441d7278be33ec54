"""Deadlines towards clients: what is too slow is cut in time, and what is merely slow is not.

Rule: the deadlines under test are short ones of the route map; the tests wait for their effect, not for the clock.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.support.backend import Connection, ok
from tests.support.messages import Gone
from tests.support.raw_client import RawClient
from tests.support.slow import Pace, read_all, write_all, write_until_stuck
from tests.support.waiting import until

HEAD = b"GET / HTTP/1.1\r\nHost: app.test\r\n"
SHORT = "timeouts: {header: 1s, keepalive: 1s, body: 1s, write: 1s, tunnel: 1s}\n"


@pytest.fixture
def daemon(start_daemon, serve):
    """A daemon with short deadlines before a backend that answers at once."""
    backend = serve(lambda request: ok(b"%d" % len(request.body)))
    return start_daemon(f'{SHORT}hosts: {{"*": {backend.url}}}')


def trickle(client, pieces, rate: float) -> None:
    """Send octets at so many a second, until the other end closes or there are no more."""
    pace = Pace(rate)
    for octet in pieces:
        if not client.try_send(bytes([octet])):
            return
        pace.passed(1)


def test_a_trickle_of_header_bytes_is_cut_at_the_header_deadline(daemon):
    """A head that comes a byte at a time is answered 408 and closed, whatever progress it makes."""
    with daemon.connect() as client:
        began = time.monotonic()
        trickle(client, HEAD + b"X: " + b"x" * 30, 20)
        assert client.response().status == 408
        assert client.end() in {"closed", "reset"}
        assert 0.9 < time.monotonic() - began < 4
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (408, "request_header_timeout")


def test_a_trickle_of_a_later_head_is_cut_as_well(daemon):
    """The deadline holds for every request of a connection."""
    with daemon.connect() as client:
        assert client.ask(HEAD + b"\r\n").status == 200
        trickle(client, HEAD + b"X: " + b"x" * 30, 20)
        assert client.response().status == 408
        assert client.end() in {"closed", "reset"}


def test_a_client_that_says_nothing_is_closed(daemon):
    """A connection on which nothing ever comes is closed at the header deadline, without a word."""
    with daemon.connect() as client:
        assert client.end() == "closed"


def test_an_idle_connection_is_closed_after_the_keepalive_time(daemon):
    """After an answer, a connection that stays idle is closed, without a word, and nothing is logged for it."""
    with daemon.connect() as client:
        assert client.ask(HEAD + b"\r\n").status == 200
        assert client.end() == "closed"
    assert len(daemon.logged()) == 1


def test_a_body_that_stops_coming_is_cut(daemon):
    """An upload that stalls for longer than timeouts.body gets 408, and the log names the cause."""
    with daemon.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nhalf")
        assert client.response().status == 408
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (408, "request_body_timeout")


def test_a_body_that_comes_slowly_is_not_cut(daemon):
    """Progress resets the body's deadline: an upload that takes longer in all arrives."""
    with daemon.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 25\r\n\r\n")
        trickle(client, b"x" * 25, 10)
        assert client.response().body == b"25"


def test_a_client_that_stops_reading_is_cut(start_daemon, play):
    """A client that takes nothing of a response for longer than timeouts.write is reset, and so is the backend."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        write_until_stuck(connection.socket, 1_000_000_000, 30)

    backend = play(script)
    daemon = start_daemon(f'{SHORT}hosts: {{"*": {backend.url}}}')
    with daemon.connect(receive_buffer=4096) as client:
        client.send(HEAD + b"\r\n")
        [entry] = daemon.logged()
        assert entry["cause"] == "response_write_timeout"
        backend.all_ended()


def test_a_client_that_reads_slowly_is_not_cut(start_daemon, play):
    """A client gets more time as long as it takes anything, though its kernel and ours hide that for long."""
    size = 6_000_000

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        write_all(connection.socket, size)
        connection.rest()

    backend = play(script)
    daemon = start_daemon(f'{SHORT}hosts: {{"*": {backend.url}}}')
    with daemon.connect(receive_buffer=8192) as client:
        client.send(HEAD + b"\r\n")
        client.buffer.response_head()
        done = len(client.buffer.rest_at_hand())
        done += read_all(client.socket, 400_000, rate=80_000, place=done)
        assert done + read_all(client.socket, size - done, place=done) == size


def test_the_clients_delay_is_not_the_backends(start_daemon, play):
    """A client that stalls in its upload gets 408, however short the backend's own deadline is."""
    backend = play(lambda connection: connection.rest() and None)
    daemon = start_daemon(
        "timeouts: {body: 2s}\n"
        f"upstreams: {{app: {{backends: ['{backend.url}'], timeouts: {{response: 500ms}}}}}}\nhosts: {{'*': app}}"
    )
    with daemon.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nhalf")
        assert client.response().status == 408
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (408, "request_body_timeout")


def test_a_tunnel_on_which_nothing_moves_is_closed(start_daemon, play):
    """A tunnel that is idle for longer than timeouts.tunnel ends on both sides."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
        connection.rest()

    backend = play(script)
    daemon = start_daemon(f'{SHORT}hosts: {{"*": {backend.url}}}')
    with daemon.connect() as client:
        client.send(HEAD + b"Connection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
        assert client.response().status == 101
        assert client.end() in {"closed", "reset"}
    backend.all_ended()
    [entry] = daemon.logged()
    assert entry["cause"] == "tunnel_idle_timeout"


def test_one_connection_too_many_is_closed_and_the_others_go_on(start_daemon, serve):
    """Above limits.connections nobody who is connected suffers, and a freed place is taken."""
    backend = serve(lambda request: ok())
    daemon = start_daemon(f'limits: {{connections: 3}}\nhosts: {{"*": {backend.url}}}')
    with ExitStack() as stack:

        def admitted() -> RawClient | None:
            client = stack.enter_context(daemon.connect())
            if client.try_send(HEAD + b"\r\n"):
                try:
                    assert client.response().status == 200
                    return client
                except Gone:
                    pass  # closed: there was no room
            client.close()
            return None

        # The harness's own look whether the daemon listens may still have a place for a moment.
        clients = [until(admitted, "there is a place") for _ in range(3)]
        assert admitted() is None
        for client in clients:
            assert client.ask(HEAD + b"\r\n").status == 200
        clients[0].close()
        until(admitted, "a place is free again")
