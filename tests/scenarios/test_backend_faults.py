"""A backend that misbehaves: the client never takes a failed answer for a good one.

Rule: each row of tests/support/faults.py, seen from a client that reads bytes.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.support import faults
from tests.support.addresses import HOST, free_port
from tests.support.backend import Backend, Connection
from tests.support.daemon import Daemon
from tests.support.messages import Gone, Response
from tests.support.raw_client import RawClient
from tests.support.waiting import until

GET = b"GET /page HTTP/1.1\r\nHost: app.test\r\n\r\n"
QUICK = "{connect: 500ms, response: 500ms, idle: 500ms}"


def named(table: tuple[faults.Fault, ...]) -> list[object]:
    """Make parameters of a table, each under its row's name."""
    return [pytest.param(row, id=row.name) for row in table]


def cause_of(status: str | None) -> str:
    """Give the cause code out of a Proxy-Status value (RFC 9209, section 2.1.1)."""
    parameters = [part.strip() for part in (status or "").split(";")]
    return next((part.removeprefix("error=") for part in parameters if part.startswith("error=")), "")


@pytest.fixture(scope="module")
def daemon(start_shared_daemon):
    """One daemon with a host for each row, and for each row its backend."""
    with ExitStack() as stack:
        rows = faults.CUT + faults.REFUSED + faults.ACCEPTED
        hosts = [f"  {row.name}.test: {stack.enter_context(Backend(row.script)).url}\n" for row in rows]
        yield start_shared_daemon("hosts:\n" + "".join(hosts))


def ask_for(fault: faults.Fault) -> bytes:
    """Make the request that meets this fault."""
    return f"GET /page HTTP/1.1\r\nHost: {fault.name}.test\r\n\r\n".encode()


def final(client: RawClient, request: bytes) -> Response:
    """Ask, and read the response past interim ones."""
    response = client.ask(request)
    while response.status < 200:
        response = client.response()
    return response


def causes(daemon: Daemon, fault: faults.Fault, count: int) -> list[str]:
    """Wait for this row's entries in the access log and give their causes."""
    return [entry["cause"] for entry in daemon.logged(count, host=f"{fault.name}.test")]


@pytest.mark.parametrize("fault", named(faults.CUT))
def test_an_answer_that_breaks_off_is_cut_for_the_client_too(daemon, fault):
    """A response whose end did not come ends the client's connection within it, and the log names the cause."""
    with daemon.connect() as client:
        client.send(ask_for(fault))
        with pytest.raises(Gone):
            client.response()
    assert causes(daemon, fault, 1) == [fault.cause]


@pytest.mark.parametrize("fault", named(faults.REFUSED))
def test_an_answer_that_is_none_becomes_an_error_of_ours(daemon, fault):
    """A backend that closes or sends what is not HTTP gives a whole 502 with its cause, and the client stays."""
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(ask_for(fault))
            assert response.status == fault.status
            assert cause_of(response.value("proxy-status")) == fault.cause
            assert b"SSH" not in response.body
    assert causes(daemon, fault, 2) == [fault.cause] * 2


@pytest.mark.parametrize("fault", named(faults.ACCEPTED))
def test_an_odd_but_valid_answer_arrives_whole(daemon, fault):
    """What is unusual but allowed reaches the client complete, once."""
    with daemon.connect() as client:
        for _ in range(2):
            response = final(client, ask_for(fault))
            assert (response.status, response.body) == (200, b"ok")


def test_a_backend_that_refuses_gives_502(start_daemon):
    """Nothing listens at the backend's port: 502 connection_refused."""
    daemon = start_daemon(f'hosts: {{"*": "http://{HOST}:{free_port()}"}}')
    with daemon.connect() as client:
        response = client.ask(GET)
    assert response.status == 502
    assert cause_of(response.value("proxy-status")) == "connection_refused"
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (502, "connection_refused")


def test_a_backend_that_does_not_accept_gives_504_in_time(start_daemon):
    """A backend whose queue of connections is full lets the connect deadline pass: 504 connection_timeout."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((HOST, 0))
        full.listen(0)
        for waiting in (first, second):  # fills the queue: Linux then drops further SYNs
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        daemon = start_daemon(
            f'hosts: {{"*": [{{proxy: "http://{HOST}:{full.getsockname()[1]}", timeouts: {QUICK}}}]}}'
        )
        with daemon.connect() as client:
            response = client.ask(GET)
    assert response.status == 504
    assert cause_of(response.value("proxy-status")) == "connection_timeout"


def test_a_backend_that_never_answers_gives_504_in_time(start_daemon):
    """A backend that accepts and stays silent: 504 http_response_timeout, and its connection is closed."""
    with faults.silent() as backend:
        daemon = start_daemon(f'hosts: {{"*": [{{proxy: "{backend.url}", timeouts: {QUICK}}}]}}')
        with daemon.connect() as client:
            response = client.ask(GET)
            assert response.status == 504
            assert cause_of(response.value("proxy-status")) == "http_response_timeout"
        backend.all_ended()


def test_a_backend_that_falls_silent_within_its_answer_is_cut(start_daemon, play):
    """A body that stops coming for longer than timeouts.idle is cut for the client."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        connection.rest()

    daemon = start_daemon(f'hosts: {{"*": [{{proxy: "{play(script).url}", timeouts: {QUICK}}}]}}')
    with daemon.connect() as client, pytest.raises(Gone):
        client.ask(GET)
    [entry] = daemon.logged()
    assert entry["cause"] == "http_response_timeout"


def test_octets_on_an_idle_backend_connection_poison_nobody(start_daemon):
    """What a backend sends unasked on a pooled connection is never an answer to the next request."""
    stray = faults.Stray()
    with stray.backend as backend:
        daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
        with daemon.connect() as client:
            assert client.ask(GET).body == b"0"
            stray.idle.set()
            assert stray.strayed.wait(10)
            backend.connections[0].ended.wait(10)
            assert client.ask(GET).body == b"1"


def test_a_safe_request_is_sent_again_once_where_a_reused_connection_died(start_daemon):
    """A GET on a pooled connection that its backend closes in that moment is answered over a new connection."""
    dying = faults.DiesOnReuse()
    with dying.backend as backend:
        daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
        with daemon.connect() as client:
            assert client.ask(GET).body == b"0"
            assert client.ask(GET).body == b"1"
        assert len(backend.connections) == 2


def test_an_unsafe_request_is_not_sent_again(start_daemon):
    """A POST on a pooled connection that died is answered 502: nobody knows whether it was carried out."""
    dying = faults.DiesOnReuse()
    with dying.backend as backend:
        daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
        with daemon.connect() as client:
            assert client.ask(GET).body == b"0"
            response = client.ask(b"POST /pay HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\nhi")
            assert response.status == 502
            assert cause_of(response.value("proxy-status")) == "connection_terminated"
        assert backend.requests == []


@pytest.mark.parametrize("status", ["413 Content Too Large", "401 Unauthorized"])
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_an_early_answer_passes_the_upload_it_answers(start_daemon, play, status, size):
    """An answer that comes while the request's body still arrives reaches the client whole, however large it is."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status.encode(), size) + b"x" * size)
        connection.rest()

    daemon = start_daemon(f'limits: {{body: 64MiB}}\nhosts: {{"*": {play(script).url}}}')
    with daemon.connect() as client:
        client.send(b"PUT /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 8388608\r\n\r\n" + bytes(65536))
        response = client.response()
        assert (response.status, len(response.body)) == (int(status[:3]), size)
        client.try_send(bytes(8388608 - 65536))


def test_a_client_that_goes_away_cancels_the_request_at_the_backend(start_daemon, play):
    """The backend's connection ends as soon as the client's does, and the log says 499 client_disconnected."""
    with faults.silent() as backend:
        daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
        client = daemon.connect()
        client.send(GET)
        until(lambda: len(backend.connections) == 1, "the request reaches the backend")
        client.abort()
        backend.all_ended()
        [entry] = daemon.logged()
        assert (entry["status"], entry["cause"]) == (499, "client_disconnected")
