"""A transport and a clock for the connections, and Receivers that write down what they are told.

Rule: the transport does what TCP's does and no more: it pauses its producer when it is told to stall,
and never raises for what comes after a close.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from txproxy.model.errors import ProxyError
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.protocols.http1.client import ClientConnection
from txproxy.protocols.http1.server import ServerConnection, ServerSettings
from txproxy.reactor.deadlines import Deadlines

TICK = 0.25
# A deadline passes at a tick behind it, and time is read once a tick.
LATE = 3 * TICK


class Wire:
    """A transport: what was written, how it was ended, whether it reads."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.reading = True
        self.ends: list[str] = []
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        """Take bytes; what comes behind an end is lost."""
        if not self.ends:
            self.written += data

    def take(self) -> bytes:
        """Give what was written since last time."""
        written, self.written = self.written, b""
        return written

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take the producer."""
        assert streaming
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Stop reading."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Go on reading."""
        self.reading = True

    def loseConnection(self) -> None:
        """End behind what was written."""
        self.ends.append("closed")

    def loseWriteConnection(self) -> None:
        """End our half."""
        self.ends.append("half-closed")

    def abortConnection(self) -> None:
        """Cut."""
        self.ends.append("aborted")

    def unsent_bytes(self) -> int:
        """Say what waits."""
        return self.unsent

    def stall(self, unsent: int = 70000) -> None:
        """The other side stops taking what is written."""
        self.unsent = unsent
        self.producer.pauseProducing()

    def flow(self) -> None:
        """The other side has taken all."""
        self.unsent = 0
        self.producer.resumeProducing()


class Turning:
    """A clock with a wheel on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.1
        self.deadlines = Deadlines(self.clock, TICK)
        self.deadlines.start()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        self.clock.pump([TICK] * int(seconds / TICK))


class Recorder:
    """A Receiver that writes down what it is told."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def head_received(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """A head."""
        self.events.append(("head", head.status, body, end))

    def body_received(self, data: bytes) -> None:
        """A piece."""
        self.events.append(("body", data))

    def end_received(self, trailers: bytes) -> None:
        """The end."""
        self.events.append(("end", trailers))

    def writing_paused(self) -> None:
        """Stop."""
        self.events.append("paused")

    def writing_resumed(self) -> None:
        """Go on."""
        self.events.append("resumed")

    def stream_lost(self, error: ProxyError) -> None:
        """Gone."""
        self.events.append(("lost", error.cause.token, error.status))


def ok(body: bytes = b"ok", *, length: int | None = -1, status: int = 200, more: bytes = b"") -> ResponseHead:
    """Make a response's head: of this body's length unless another is given, None for an unknown one."""
    known = len(body) if length == -1 else length
    block = b"\r\nDate: d" + more + (b"" if known is None else b"\r\nContent-Length: %d" % known)
    return ResponseHead(status, b"", block, known)


def wire_head(*lines: bytes, status: int = 200) -> bytes:
    """Make the bytes of a response's head as `ok` makes it, with these lines behind its Date."""
    return b"HTTP/1.1 %d \r\nDate: d\r\n%b\r\n" % (status, b"".join(line + b"\r\n" for line in lines))


class Served(Turning):
    """A server connection; requests are answered by `answer`, if there is one, or by the test."""

    def __init__(self, answer: Callable[[Served, RequestHead, bool], None] | None = None, **settings: Any) -> None:
        super().__init__()
        self.settings = ServerSettings(self.deadlines, **settings)
        self.answer = answer
        self.events: list[Any] = []
        self.lost = 0
        self.wire = Wire()
        self.connection = ServerConnection(self.settings, self._requested, self._malformed, self._lost)
        self.connection.makeConnection(self.wire)

    def _requested(self, connection: ServerConnection, head: RequestHead, end: bool) -> None:
        self.events.append((head.method.decode(), head.target.decode(), end))
        connection.receiver = Recorder(self.events)
        if self.answer is not None:
            self.answer(self, head, end)

    def _malformed(self, connection: ServerConnection, error: ProxyError) -> None:
        self.events.append(("malformed", error.cause.token, error.status))
        connection.send_head(ok(b"", status=error.status), b"", True)

    def _lost(self, connection: ServerConnection) -> None:
        assert connection.lost
        self.lost += 1

    def feed(self, data: bytes) -> None:
        """Let the client send."""
        self.connection.dataReceived(data)

    def respond(self, body: bytes = b"ok") -> None:
        """Answer the current request whole."""
        self.connection.send_head(ok(body), body, True)

    def drop(self) -> None:
        """Let the transport end."""
        self.connection.connectionLost(Failure(ConnectionDone()))


class Dialed(Turning):
    """A client connection."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.idle = 0
        self.lost = 0
        self.wire = Wire()
        self.connected: list[ClientConnection] = []
        self.connection = ClientConnection(self.deadlines, self.connected.append, self._idle, self._lost)
        self.connection.makeConnection(self.wire)

    def _idle(self, connection: ClientConnection) -> None:
        assert connection.idle
        assert not connection.lost
        self.idle += 1

    def _lost(self, connection: ClientConnection) -> None:
        assert connection.lost
        self.lost += 1

    def ask(self, head: RequestHead | None = None, end: bool = True, **timeouts: float | None) -> None:
        """Send a request; only its head if it does not end here."""
        limits = {"response": 10.0, "idle": 5.0} | timeouts
        self.connection.open(Recorder(self.events), limits["response"], limits["idle"])
        self.connection.send_head(head or RequestHead(b"GET", b"/", b"a", b"\r\nHost: a"), b"", end)

    def feed(self, data: bytes) -> None:
        """Let the backend send."""
        self.connection.dataReceived(data)

    def drop(self) -> None:
        """Let the transport break."""
        self.connection.connectionLost(Failure(ConnectionDone()))
