"""The server's side: connections, expectations, limits and virtual hosts.

Rule: each test is a fault that twisted.web's own server and virtual hosts were measured to have, and that we do not.
"""

from __future__ import annotations

import pytest

from tests.support.backend import Connection, ok

HOST = b"Host: app.test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def test_pipelined_requests_are_answered_in_order(daemon):
    """Requests sent at once are each answered, in their order."""
    with daemon.connect() as client:
        bodies = [b"%d" % number for number in range(20)]
        client.send(
            b"".join(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(b) + b for b in bodies)
        )
        assert [client.response().body for _ in bodies] == bodies


def test_an_old_client_may_keep_its_connection(daemon):
    """HTTP/1.0 with Connection: keep-alive is answered with it, and goes on."""
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(b"GET / HTTP/1.0\r\n" + HOST + b"Connection: Keep-Alive\r\n\r\n")
            assert response.body == b"ok"
            assert [value.lower() for value in response.values("connection")] == ["keep-alive"]


@pytest.mark.parametrize("value", ["close", "Close", "foo, close", "close,foo", "foo\r\nConnection: CLOSE"])
def test_a_client_that_wants_to_close_is_closed(daemon, value):
    """Connection is a list, in any case, on any number of lines."""
    with daemon.connect() as client:
        response = client.ask(f"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: {value}\r\n\r\n".encode())
        assert "close" in response.values("connection")
        assert client.end() == "closed"


def test_expect_is_answered_once_the_request_is_accepted(proxied):
    """100 Continue comes when the backend takes the body, and a refusal comes instead of it."""

    def script(connection: Connection) -> None:
        head = connection.head()
        connection.buffer.exactly(int(head.value("content-length") or 0))
        connection.send(ok())
        connection.rest()

    _, daemon = proxied(script, "limits: {body: 1KiB}\n")
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with daemon.connect() as client:
        assert client.ask(head % 2).status == 100
        assert client.ask(b"hi").status == 200
    with daemon.connect() as client:
        assert client.ask(head % 4096).status == 413
    with daemon.connect() as client:
        response = client.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: odd\r\nContent-Length: 2\r\n\r\n")
        assert response.status == 417


LIMITS = {
    "field-too-long": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20000 + b"\r\n\r\n", 431),
    "too-many-fields": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", 431),
    "target-too-long": (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "endless-field": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 100000, 431),
    "endless-target": (b"GET /" + b"x" * 100000, 414),
    "body-too-large": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\n", 413),
    "chunked-body-too-large": (
        b"POST / HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17,
        413,
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in LIMITS.items()])
def test_what_is_too_large_is_refused_with_the_status_for_it(daemon, row):
    """Each limit has its own status, and the answer reaches a client that is still sending."""
    sent, status = row
    with daemon.connect() as client:
        client.try_send(sent)
        assert client.response().status == status


def test_a_body_that_is_too_large_names_the_key_to_change(daemon):
    """The 413 tells the operator which line of the route map to write."""
    with daemon.connect() as client:
        response = client.ask(LIMITS["body-too-large"][0])
    assert b"max_body" in response.body or b"limits.body" in response.body


def test_nothing_of_the_server_itself_is_told(daemon):
    """No version, no stack trace and no internal address in the answers that are ours."""
    with daemon.connect() as client:
        response = client.ask(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    text = (response.start + b"".join(b"%b: %b" % pair for pair in response.fields) + response.body).lower()
    for word in (b"twisted", b"python", b"traceback", b"127.0.0.1"):
        assert word not in text


NAMES = {
    "app.test": b"app",
    "APP.Test": b"app",
    "app.test:8080": b"app",
    "app.test.": b"app",
    "app.test.:80": b"app",
    "a.wild.test": b"wild",
    "a.b.wild.test": None,
    "wild.test": None,
    "a.b.deep.test": b"deep",
    "b\u00fccher.test": b"idna",
    "xn--bcher-kva.test": b"idna",
    "[::1]": b"six",
    "[0:0:0:0:0:0:0:1]:8080": b"six",
    "other.test": None,
}


@pytest.fixture(scope="module")
def hosts(start_shared_daemon):
    """A daemon with hosts of every kind."""
    leaves = {
        "app.test": "app",
        '"*.wild.test"': "wild",
        '"**.deep.test"': "deep",
        "b\u00fccher.test": "idna",
        '"[::1]"': "six",
    }
    return start_shared_daemon(
        "hosts:\n" + "".join(f"  {name}: {{respond: {{status: 200, body: {body}}}}}\n" for name, body in leaves.items())
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_host_is_found_however_it_is_written(hosts, name):
    """Case, port, trailing dot, address form and IDNA form do not matter; what is not there is 404."""
    with hosts.connect() as client:
        response = client.ask(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
    expected = NAMES[name]
    assert response.status == (404 if expected is None else 200)
    assert expected is None or response.body == expected
