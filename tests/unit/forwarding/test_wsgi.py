"""WSGI applications as leaves, with threads and without a reactor's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy, Reactor, Wire
from txproxy.forwarding.wsgi import WsgiApplication

TIMEOUT = 10.0


class ThreadedReactor(Reactor):
    """A reactor whose calls from threads the test makes, in its own."""

    def __init__(self) -> None:
        super().__init__()
        self.from_threads: queue.Queue[Callable[[], Any]] = queue.Queue()
        self.threads: list[threading.Thread] = []

    def callFromThread(self, call: Callable[..., Any], *args: Any, **keywords: Any) -> None:
        """Keep a call."""
        self.from_threads.put(lambda: call(*args, **keywords))

    def callInThread(self, call: Callable[..., Any], *args: Any) -> None:
        """Be a thread pool as well."""
        thread = threading.Thread(target=call, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def next_call(self) -> None:
        """Make the next call of a thread."""
        self.from_threads.get(timeout=TIMEOUT)()

    def finish(self) -> None:
        """Make calls until all threads are done."""
        while any(thread.is_alive() for thread in self.threads) or not self.from_threads.empty():
            try:
                self.from_threads.get(timeout=0.05)()
            except queue.Empty:
                continue


def start(application: Any, request: bytes, pattern: str = "/*", capacity: int | None = None) -> tuple[Proxy, Wire]:
    """Send a request to an application."""
    reactor = ThreadedReactor()
    made = Proxy({pattern: WsgiApplication(reactor, reactor, application)}, reactor=reactor)
    client = made.connect()
    client.capacity = capacity
    client.send(request)
    return made, client


def finish(made: Proxy) -> None:
    """Let the application come to its end."""
    assert isinstance(made.reactor, ThreadedReactor)
    made.reactor.finish()


def get(target: bytes = b"/") -> bytes:
    """Write a request."""
    return b"GET " + target + b" HTTP/1.1\r\nHost: a.example:8080\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"


def shown(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Show the request, an item a line."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for name in sorted(environ):
        if not name.startswith("wsgi."):
            yield f"{name}={environ[name]}\n".encode("latin-1")
    yield b"BODY=" + environ["wsgi.input"].read()


def test_what_an_application_sees() -> None:
    """SCRIPT_NAME is where the route's pattern ends, and the rest is PEP 3333's."""
    request = (
        b"POST /app/a%20b/c?x=%20 HTTP/1.1\r\nHost: a.example:8080\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: text/x\r\nX-A: 1\r\nX-A: 2\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    made, client = start(shown, request, "/app/*")
    finish(made)
    got = Answer().read(client.take())
    lines = got.body_so_far.decode().split("\n")
    for expected in (
        "SCRIPT_NAME=/app",
        "PATH_INFO=/a b/c",
        "QUERY_STRING=x=%20",
        "REQUEST_METHOD=POST",
        "CONTENT_LENGTH=2",
        "CONTENT_TYPE=text/x",
        "SERVER_NAME=a.example",
        "SERVER_PORT=8080",
        "SERVER_PROTOCOL=HTTP/1.1",
        "REMOTE_ADDR=192.0.2.1",
        "HTTP_X_A=1,2",
        "BODY=ab",
    ):
        assert expected in lines
    assert (got.complete, got.field(b"content-type"), got.field(b"server")) == (True, b"text/plain", None)
    assert [record.status for record in made.records] == [200]


def test_claims_of_clients_do_not_reach_an_application() -> None:
    """X-Forwarded-For of an untrusted client is gone."""
    made, client = start(shown, get())
    finish(made)
    assert b"6.6.6.6" not in client.take()


def test_an_application_is_held_with_its_client() -> None:
    """An application that writes faster than its client reads waits in its thread."""
    written: list[int] = []

    def eager(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for number in range(5):
            written.append(number)
            yield b"0123456789"

    made, client = start(eager, get(), capacity=1)
    reactor = made.reactor
    assert isinstance(reactor, ThreadedReactor)
    reactor.next_call()
    reactor.next_call()
    assert written == [0, 1]
    assert reactor.from_threads.empty()
    client.capacity = None
    client.catch_up()
    finish(made)
    got = Answer().read(client.take())
    assert (got.body_so_far, got.complete) == (b"0123456789" * 5, True)


def test_an_application_whose_client_goes_away_comes_to_its_end() -> None:
    """A thread that waits for a client that has gone is let go, and what it writes is dropped."""
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"0123456789"

        def close(self) -> None:
            closed.set()

    def endless(environ: dict[str, Any], start_response: Any) -> Endless:
        start_response("200 OK", [])
        return Endless()

    made, client = start(endless, get(), capacity=1)
    reactor = made.reactor
    assert isinstance(reactor, ThreadedReactor)
    reactor.next_call()
    reactor.next_call()
    client.close()
    finish(made)
    assert closed.is_set()
    assert [(record.status, record.cause) for record in made.records] == [(499, "client_disconnected")]


def raises(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Fail at once."""
    raise ValueError("a secret")


def raises_later(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Fail in the middle."""
    start_response("200 OK", [("Content-Length", "10")])
    yield b"half"
    raise ValueError("a secret")


@pytest.mark.parametrize(("application", "status", "state"), [(raises, 500, "open"), (raises_later, 200, "aborted")])
def test_an_application_that_raises(application: Any, status: int, state: str) -> None:
    """An exception is our 500, or a cut connection where the answer had begun."""
    made, client = start(application, get())
    finish(made)
    got = Answer().read(client.take())
    assert (got.status, got.complete, client.state) == (status, state == "open", state)
    assert b"secret" not in got.body_so_far
    assert [record.cause for record in made.records] == ["proxy_internal_error"]


def test_it_has_no_children() -> None:
    """Everything below is the application's, and nothing can be put there."""
    leaf = WsgiApplication(Reactor(), None, shown)
    assert leaf.getChildWithDefault(b"x", None) is leaf
    with pytest.raises(RuntimeError):
        leaf.putChild(b"x", leaf)
