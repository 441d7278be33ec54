"""What reaches the client of a response: everything that the backend said, once, at the backend's and its own pace.

Rule: each test is a fault that twisted.web's own proxy was measured to have, and that we do not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backend import Connection, ok
from tests.support.slow import Pace, write_all, write_until_stuck
from tests.support.waiting import until

HOST = b"Host: app.test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def test_header_lines_of_a_response_arrive_as_sent(start_daemon, serve):
    """Order, case and multiplicity are kept, Server and Date too, and no Content-Type is invented."""
    lines = ["Server: odd/1", "Date: now", "Set-Cookie: a=1", "X-b: 1", "set-cookie: b=2", "ETag: x", "X-B: 2"]
    backend = serve(lambda request: ok(b"hi", *lines))
    daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
    with daemon.connect() as client:
        response = client.ask(GET)
    sent = [tuple(line.encode().split(b": ")) for line in lines]
    assert [pair for pair in response.fields if pair in sent] == sent
    assert "content-type" not in response.names()
    assert len(response.values("server")) == len(response.values("date")) == 1


def test_hop_by_hop_fields_of_a_response_end_here(proxied):
    """The backend's Connection: close, and what it names, are its own affair: the client's connection goes on."""
    lines = ["Connection: close, X-Private", "X-Private: 1", "Keep-Alive: timeout=1", "Proxy-Connection: x", "X-Ok: y"]

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(ok(b"hi", *lines))

    _, daemon = proxied(script)
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(GET)
            assert response.value("x-ok") == "y"
            assert {"x-private", "keep-alive", "proxy-connection"}.isdisjoint(response.names())
            assert "close" not in response.values("connection")


def test_a_chunked_response_is_unframed_and_framed_once(proxied):
    """The client gets the body, not the backend's chunk lines, and the trailers after it."""

    def script(connection: Connection) -> None:
        while True:
            connection.request()
            connection.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                b"2;x=y\r\nhi\r\n4\r\n you\r\n0\r\nX-Sum: 5\r\n\r\n"
            )

    _, daemon = proxied(script)
    with daemon.connect() as client:
        response = client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"TE: trailers\r\nConnection: TE\r\n\r\n")
    assert response.body == b"hi you"
    assert response.trailers == [(b"X-Sum", b"5")]


def test_a_chunked_response_ends_by_close_for_an_old_client(proxied):
    """HTTP/1.0 knows no chunks: the body comes bare and the connection's close ends it."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        connection.rest()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        response = client.ask(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
        assert (response.body, response.values("transfer-encoding")) == (b"hi", [])
        assert client.end() == "closed"


def test_request_trailers_go_on(proxied):
    """Trailers after a chunked upload reach the backend."""
    trailers = []

    def script(connection: Connection) -> None:
        trailers.extend(connection.request().trailers)
        connection.send(ok())
        connection.rest()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        client.ask(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 5\r\n\r\n"
        )
    assert trailers == [(b"X-Sum", b"5")]


@pytest.mark.parametrize("interim", [b"103 Early Hints\r\nLink: </a.css>", b"102 Processing"])
def test_an_interim_response_is_passed_on_as_such(proxied, interim):
    """103 and the like arrive before the final response, which stays the final response."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 " + interim + b"\r\n\r\n" + ok(b"done"))
        connection.rest()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        first = client.ask(GET)
        assert first.status == int(interim[:3])
        assert client.response().body == b"done"


def test_an_old_client_sees_no_interim_response(proxied):
    """HTTP/1.0 knows no 1xx: only the final response arrives (RFC 9110, section 15.2)."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"done"))
        connection.rest()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        assert client.ask(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n").body == b"done"


BODILESS = {
    "head": (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200, "1000"),
    "head-chunked": (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, None),
    "304": (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n", 304, "1000"),
    "204": (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
    "empty": (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in BODILESS.items()])
def test_a_response_without_a_body_ends_with_its_head(proxied, row):
    """It arrives at once from a backend that keeps its connection open, and both connections are used again."""
    method, answer, status, length = row

    def script(connection: Connection) -> None:
        while True:
            connection.request()
            connection.send(answer)

    backend, daemon = proxied(script)
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n", method.decode())
            assert (response.status, response.value("content-length")) == (status, length)
    assert len(backend.connections) == 1


MENDED = {
    "fold": (b"X-A: one\r\n\t two\r\n", ("x-a", "one two")),
    "space-before-colon": (b"X-A : one\r\n", ("x-a", "one")),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in MENDED.items()])
def test_what_a_proxy_has_to_mend_in_a_response_is_mended(proxied, row):
    """A folded field is joined, and white space before a colon is removed (RFC 9112, sections 5.1 and 5.2)."""
    line, (name, value) = row

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + line + b"Content-Length: 2\r\n\r\nok")
        connection.rest()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        response = client.ask(GET)
    assert " ".join((response.value(name) or "").split()) == value
    assert response.body == b"ok"


def held_by_the_system() -> int:
    """Give what the buffers of two connections hold at most, as this system lets them grow, and a little more."""
    most = [int(Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text().split()[2]) for way in "rw"]
    return 2 * sum(most) + (4 << 20)


def test_a_client_that_does_not_read_slows_the_backend_down(proxied):
    """Of a large response the daemon takes no more than a few buffers while its client reads nothing."""
    taken: list[int] = []
    whole = 256 << 20

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % whole)
        taken.append(write_until_stuck(connection.socket, whole))

    _, daemon = proxied(script)
    daemon.connect().close()
    before = daemon.memory()
    with daemon.connect() as client:
        client.send(GET)
        until(lambda: taken, "the backend is stopped")
        assert taken[0] < held_by_the_system() < whole
        assert daemon.memory() - before < 8 << 20


def test_a_long_slow_download_is_not_cut_by_a_timer(proxied):
    """A client that reads slowly but steadily gets all of it, long after the backend has finished."""
    size = 12 << 20

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        write_all(connection.socket, size)

    timeouts = "timeouts: {header: 1s, keepalive: 1s, body: 1s, write: 1s}\n"
    _, daemon = proxied(script, timeouts)
    with daemon.connect(receive_buffer=65536) as client:
        client.send(GET)
        assert client.buffer.response_head().status == 200
        pace, done = Pace(3 << 20), 0
        while done < size:
            piece = client.buffer.at_least(1)
            done += len(piece)
            pace.passed(len(piece))
        assert done == size


def test_a_client_that_goes_away_midway_cancels_the_backend(proxied):
    """The backend's connection ends with the client's, within the response, and nothing is logged as an error."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.rest()

    backend, daemon = proxied(script)
    client = daemon.connect()
    client.send(GET)
    client.buffer.up_to(b"half")
    client.close()
    backend.all_ended()
    [entry] = daemon.logged()
    assert entry["cause"] == "client_disconnected"
