"""A whole exchange in memory: a browser's request in, nginx's answer back, everything on that is on by default.

    python -m bench.micro.exchange [--calls] [--rounds N] [--memory]

Rule: what is timed is txproxy alone, from `dataReceived` of one side to `write` of the other and back.
Transports drop what is written, the clock and the access log's file are real. Time is the process's CPU
time, the best of several rounds; calls are counted, so they are the same in every run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bench.cases import SMALL_BODY
from txproxy.config.loading import load
from txproxy.forwarding.frontend import Frontend
from txproxy.listeners.http import Connections, HttpFactory
from txproxy.observability.access_log import AccessLog
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.protocols.http1.server import ServerSettings
from txproxy.reactor.deadlines import Deadlines
from txproxy.service.compose import Composer
from txproxy.upstream.upstream import Backends

from .messages import LAST_REQUEST, REQUEST, RESPONSE

ROUTE_MAP = """
listen: http://127.0.0.1:8080
hosts:
  app.example.com: http://127.0.0.1:8000
"""
_GONE = Failure(ConnectionDone())


class Transport:
    """Takes everything and keeps the last piece."""

    __slots__ = ("last", "write")

    def __init__(self) -> None:
        self.last: deque[bytes] = deque(maxlen=1)
        self.write = self.last.append

    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def unsent_bytes(self) -> int:
        return 0


class _Reactor(Clock):
    """What `Deadlines` and the pools ask of a reactor; the time is the real one."""

    seconds = staticmethod(time.monotonic)  # type: ignore[assignment]


class Wired:
    """The default daemon of `ROUTE_MAP` between two transports in memory."""

    def __init__(self, log: str = os.devnull) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(ROUTE_MAP)
            file.flush()
            config = load(file.name, {}).config
        assert config is not None
        reactor: Any = _Reactor()
        self.deadlines = Deadlines(reactor)
        backends = Backends(reactor, self.deadlines)
        composer = Composer(config, reactor, self.deadlines, backends)
        generation = composer.generation()
        self.log = AccessLog(log, "json", reactor)
        counters = Counters()
        frontend = Frontend(reactor, generation, counters, self.log, RequestIds(os.urandom))
        self.connections = Connections(100_000)
        settings = ServerSettings(self.deadlines, requests_per_connection=sys.maxsize)
        (listener,) = config.listen
        self._factory = HttpFactory(frontend, settings, self.connections, listener, composer.trust.is_trusted)
        self._factory.local_port = 8080
        (backend,) = backends._backends.values()
        self.pool = backend.pool
        self.backend: Any = self.pool._build(lambda _: None)
        self.upstream = Transport()
        self.backend.makeConnection(self.upstream)
        self.pool.in_use += 1
        self.pool._became_idle(self.backend)

    def connect(self) -> Any:
        """Connect as a client."""
        connection: Any = self._factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        connection.makeConnection(Transport())
        return connection

    def exchange(self) -> Callable[[], None]:
        """Give what does one exchange on a connection that is kept."""
        connection = self.connect()
        ask, answer = connection.dataReceived, self.backend.dataReceived

        def one() -> None:
            ask(REQUEST)
            answer(RESPONSE)

        one()
        assert self.upstream.last[0].startswith(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n"), self.upstream.last
        assert connection.transport.last[0].startswith(b"HTTP/1.1 200 OK\r\nServer: nginx"), connection.transport.last
        assert connection.transport.last[0].endswith(b"\r\n\r\n" + SMALL_BODY), connection.transport.last
        return one

    def closing(self) -> Callable[[], None]:
        """Give what does one exchange on a connection of its own."""
        answer = self.backend.dataReceived

        def one() -> None:
            connection = self.connect()
            connection.dataReceived(LAST_REQUEST)
            answer(RESPONSE)
            connection.connectionLost(_GONE)

        before = len(self.connections.open)
        one()
        assert len(self.connections.open) == before
        return one


def subjects() -> Mapping[str, Callable[[], object]]:
    """Time an exchange on a kept connection, and one on a new connection."""
    wired = Wired()
    return {"a whole exchange": wired.exchange(), "a whole exchange, connection and all": wired.closing()}


def cpu(subject: Callable[[], object], rounds: int, loops: int = 2000) -> float:
    """Give the microseconds of CPU that one call took in the best of the rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(loops):
            subject()
        best = min(best, time.process_time() - begin)
    return best / loops * 1e6


def calls(subject: Callable[[], object], times: int = 256) -> tuple[Counter[str], Counter[str]]:
    """Count the calls of Python functions and of C functions in so many runs of the subject."""
    python: Counter[str] = Counter()
    c: Counter[str] = Counter()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            python[f"{os.path.basename(code.co_filename)}:{code.co_qualname}"] += 1
        elif event == "c_call":
            where = frame.f_code
            c[f"{os.path.basename(where.co_filename)}:{where.co_qualname} -> {argument.__qualname__}"] += 1

    sys.setprofile(look)
    for _ in range(times):
        subject()
    sys.setprofile(None)
    return python, c


def show_calls(title: str, subject: Callable[[], object], times: int = 256) -> None:
    python, c = calls(subject, times)
    for name, found in (("Python", python), ("C", c)):
        print(f"{title}: {found.total() / times:.1f} calls of {name} functions each")
        for where, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
            if count >= times / 8:
                print(f"{count / times:8.1f}  {where}")


def memory(count: int = 5000) -> tuple[float, int]:
    """Give the octets that an idle connection keeps after its first exchange, and how many objects that is."""
    import gc  # noqa: PLC0415

    wired = Wired()
    one = wired.exchange()
    one()
    kept = [Transport() for _ in range(count)]  # its own octets are not txproxy's
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    for transport in kept:
        connection = wired._factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        connection.makeConnection(transport)
        connection.dataReceived(bytes(bytearray(REQUEST)))
        wired.backend.dataReceived(RESPONSE)
    wired.log.flush()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / count, (len(gc.get_objects()) - objects) // count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.micro.exchange", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--calls", action="store_true", help="list the calls of each")
    parser.add_argument("--memory", action="store_true", help="also what an idle connection keeps")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    for title, subject in subjects().items():
        python, c = calls(subject)
        figures = f"{python.total() / 256:.1f} calls of Python functions, {c.total() / 256:.1f} of C functions"
        print(f"{title}: {cpu(subject, arguments.rounds):.2f} us, {figures}")
        if arguments.calls:
            show_calls(title, subject)
    if arguments.memory:
        size, objects = memory()
        print(f"an idle connection keeps {size:.0f} octets, {objects} objects that the collector knows")


if __name__ == "__main__":
    main()
