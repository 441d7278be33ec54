"""What reaches the backend of a request: everything that was sent, and nothing that was not meant for it.

Rule: each test is a fault that twisted.web's own proxy was measured to have, and that we do not.
"""

from __future__ import annotations

import threading

import pytest

from tests.support.backend import Connection, ok
from tests.support.raw_client import RawClient

HOST = b"Host: app.test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
OURS = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id", "via", "host"}


def test_the_backend_is_spoken_to_in_1_1_over_a_connection_that_stays(daemon, echo):
    """Requests go on as HTTP/1.1, and the second one uses the first one's connection."""
    before = len(echo.connections)
    with daemon.connect() as client:
        for _ in range(3):
            assert client.ask(GET).status == 200
    assert {request.start for request in echo.requests} == {b"GET / HTTP/1.1"}
    assert len(echo.connections) <= before + 1


def test_a_request_body_streams(proxied):
    """The backend has the first part of an upload before the client sends the second."""
    first = threading.Event()

    def script(connection: Connection) -> None:
        connection.head()
        assert connection.buffer.exactly(5) == b"first"
        first.set()
        assert connection.buffer.exactly(6) == b"second"
        connection.send(ok())

    _, daemon = proxied(script)
    with daemon.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\nfirst")
        assert first.wait(10)
        client.send(b"second")
        assert client.response().status == 200


def test_a_chunked_request_body_streams_and_stays_chunked(proxied):
    """Each piece of a chunked upload is at the backend before the next is sent, framed as chunks there too."""
    arrived = threading.Semaphore(0)
    seen = bytearray()

    def script(connection: Connection) -> None:
        head = connection.head()
        assert head.values("transfer-encoding") == ["chunked"]
        assert head.values("content-length") == []
        for piece in (b"one", b"two"):
            size = int(connection.buffer.up_to(b"\r\n"), 16)
            seen.extend(connection.buffer.exactly(size))
            assert connection.buffer.exactly(2) == b"\r\n"
            assert seen.endswith(piece)
            arrived.release()
        assert connection.buffer.exactly(5) == b"0\r\n\r\n"
        connection.send(ok())

    _, daemon = proxied(script)
    with daemon.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two"):
            client.send(b"3\r\n" + piece + b"\r\n")
            assert arrived.acquire(timeout=10)
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200


def test_header_lines_of_a_request_arrive_as_sent(daemon, echo):
    """Order, case and multiplicity of end-to-end fields are kept: also of Cookie."""
    sent = [
        (b"X-A", b"1"),
        (b"x-B", b"2"),
        (b"X-A", b"3"),
        (b"Cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"ETAG", b'W/"x"'),
        (b"Accept", b"*/*"),
        (b"X-Empty", b""),
    ]
    with daemon.connect() as client:
        client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"%b: %b\r\n" % pair for pair in sent) + b"\r\n")
    [request] = echo.requests
    assert [pair for pair in request.fields if pair[0].decode().lower() not in OURS] == sent


def test_hop_by_hop_fields_of_a_request_end_here(daemon, echo):
    """What belongs to the client's connection, or is named by Connection in any case, does not go on."""
    lines = [
        "Connection: X-Secret, keep-alive",
        "connection: x-OTHER",
        "X-Secret: 1",
        "X-Other: 2",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: gzip",
        "Trailer: X",
        "Upgrade: h2c",
        "X-Stays: yes",
    ]
    with daemon.connect() as client:
        client.ask(b"GET / HTTP/1.1\r\n" + HOST + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
    [request] = echo.requests
    gone = {"x-secret", "x-other", "keep-alive", "proxy-connection", "te", "upgrade"}
    assert gone.isdisjoint(request.names())
    assert request.value("x-stays") == "yes"
    assert request.values("connection") in ([], ["keep-alive"])


def test_connection_cannot_be_used_to_take_away_what_the_proxy_adds(daemon, echo):
    """A client that names X-Forwarded-For or Host in Connection does not hide where it came from."""
    with daemon.connect() as client:
        client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: X-Forwarded-For, Host, close\r\n\r\n")
    [request] = echo.requests
    assert request.value("host") == "app.test"
    assert request.value("x-forwarded-for") == "127.0.0.1"


TARGETS = [
    "/a%2fb/c+d:e@f;p=1",
    "/a%2Fb",
    "/%41%7e",
    "//double//slash/",
    "/./a/../b",
    "/a?b=c&d=%20+?/x",
    "/?",
    "/a;b=c,d|e",
    "/{a}[b]^`",
    "/~user/'(x)!*$",
    "/" + "x" * 4000,
]


@pytest.mark.parametrize("path", TARGETS)
def test_a_target_goes_on_byte_for_byte(daemon, echo, path):
    """The backend gets the path and query as the client wrote them."""
    with daemon.connect() as client:
        assert client.ask(f"GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n".encode()).status == 200
    assert [request.target for request in echo.requests] == [path]


def test_options_star_goes_on(daemon, echo):
    """OPTIONS * asks the server, and reaches the backend as that."""
    with daemon.connect() as client:
        assert client.ask(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n").status == 200
    assert [request.start for request in echo.requests] == [b"OPTIONS * HTTP/1.1"]


def test_an_absolute_target_goes_on_as_a_path(daemon, echo):
    """The absolute form that clients send to proxies becomes the origin form that servers expect."""
    with daemon.connect() as client:
        client.ask(b"GET http://app.test/foo?x HTTP/1.1\r\n" + HOST + b"\r\n")
        client.ask(b"GET http://app.test HTTP/1.1\r\n" + HOST + b"\r\n")
    assert [request.target for request in echo.requests] == ["/foo?x", "/"]


def test_host_is_kept_and_the_client_is_told_of(daemon, echo):
    """Host stays as sent, and X-Forwarded-* say who asked, replacing what an untrusted client claims."""
    with daemon.connect() as client:
        client.ask(
            b"GET / HTTP/1.1\r\nHost: App.Test:81\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n"
        )
    [request] = echo.requests
    assert request.value("host") == "App.Test:81"
    assert request.value("x-forwarded-for") == "127.0.0.1"
    assert request.value("x-forwarded-proto") == "http"
    assert request.value("x-forwarded-host") == "App.Test:81"
    assert request.value("x-forwarded-port") == str(daemon.port)


def test_a_trusted_client_is_believed(start_daemon, serve):
    """From a trusted proxy, X-Forwarded-For is appended to, and what it says of the scheme is kept."""
    backend = serve(lambda request: ok())
    daemon = start_daemon(f'trusted_proxies: [127.0.0.0/8]\nhosts: {{"*": {backend.url}}}')
    with daemon.connect() as client:
        client.ask(
            b"GET / HTTP/1.1\r\n" + HOST + b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
            b"X-Request-Id: given-1\r\n\r\n"
        )
    [request] = backend.requests
    assert request.value("x-forwarded-for") == "192.0.2.7, 127.0.0.1"
    assert request.value("x-forwarded-proto") == "https"
    assert request.value("x-request-id") == "given-1"
    [entry] = daemon.logged()
    assert (entry["client"], entry["request_id"]) == ("192.0.2.7", "given-1")


def test_a_unix_socket_can_be_listened_at_and_proxied_to(start_daemon, play, tmp_path):
    """Both sides may be UNIX sockets."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(ok(b"unix"))
        connection.rest()

    backend = play(script, path=str(tmp_path / "app.sock"))
    daemon = start_daemon(f'hosts: {{"*": "{backend.url}"}}', unix=tmp_path / "web.sock")
    with RawClient(str(tmp_path / "web.sock")) as client:
        assert client.ask(GET).body == b"unix"
    assert daemon.child.process.poll() is None
