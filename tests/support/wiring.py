"""A proxy in memory: both halves over transports that a test holds in its hands.

Rule: nothing here waits or has a port. Time is a Clock, a backend is whoever the test says it is, and
every byte is written and read by the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import Site
from zope.interface import implementer

from txproxy.forwarding.bridge import Bridge
from txproxy.forwarding.exchange import Client
from txproxy.forwarding.frontend import Frontend, Generation, RouteValue
from txproxy.forwarding.tree import VirtualHostRoot
from txproxy.middleware.pipeline import EMPTY, Pipeline
from txproxy.model import fields
from txproxy.model.head import ResponseHead
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.policy.forwarded import FORWARDED, X_FORWARDED, Forwarding
from txproxy.policy.trust import Trust
from txproxy.protocols.http1.codec_response import ResponseDecoder
from txproxy.protocols.http1.server import ServerConnection, ServerSettings
from txproxy.reactor.deadlines import Deadlines
from txproxy.routing.table import Route, RouteTable


@implementer(IConsumer, IPushProducer)
class Wire:
    """One connection's transport, and whoever is at its other end: the test.

    :ivar state: "open", "closing" (gently), "aborted" or "lost".
    :ivar paused: nobody reads; what is sent then waits.
    """

    def __init__(self, peer: str = "192.0.2.1") -> None:
        self.protocol: Any = None
        self.state = "open"
        self.half_closed = False
        self.paused = False
        self.producer: Any = None
        self.streaming = True
        #: bytes that are taken before writers are paused; None: all
        self.capacity: int | None = None
        #: a protocol that is not ours raises at some kinds of garbage; a reactor then ends its connection
        self.may_raise = False
        self._written: list[bytes] = []
        self._waiting: list[bytes] = []
        self._address = IPv4Address("TCP", peer, 50000)
        self._producer_paused = False
        self._ended = False
        self._end_seen = False
        #: how the end is told when reading goes on: never within `resumeProducing`, as no reactor does it
        self.later: Callable[[Callable[[], None]], Any] = lambda call: call()

    def __repr__(self) -> str:
        return f"<Wire {self.state}>"

    @property
    def disconnecting(self) -> bool:
        """Whether this side has ended it; twisted.web looks."""
        return self.state != "open"

    # What a protocol calls.

    def write(self, data: bytes) -> None:
        """Take bytes; after the end they are lost, as with a socket."""
        assert isinstance(data, bytes), data
        if self.state == "open" and not self.half_closed:
            self._written.append(data)
            if self.capacity is not None and sum(map(len, self._written)) > self.capacity:
                self.stall()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Take several."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Remember who writes."""
        assert self.producer is None, "a producer is registered already"
        self.producer, self.streaming = producer, streaming

    def unregisterProducer(self) -> None:
        """Forget them."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Read no more."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Read again, in this turn."""
        self.paused = False
        while self._waiting and not self.paused:
            self._deliver(self._waiting.pop(0))
        if self._ended and not self.paused:
            self.later(self._deliver_end)

    def stopProducing(self) -> None:
        """Read never again."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """End once all is written."""
        if self.state == "open":
            self.state = "closing"

    def abortConnection(self) -> None:
        """End now."""
        if self.state != "lost":
            self.state = "aborted"

    def loseWriteConnection(self) -> None:
        """End one direction."""
        self.half_closed = True

    def setTcpNoDelay(self, enabled: bool) -> None: ...
    def setTcpKeepAlive(self, enabled: bool) -> None: ...

    def getPeer(self) -> IPv4Address:
        """Tell who is at the other end."""
        return self._address

    def getHost(self) -> IPv4Address:
        """Tell who is at this end."""
        return IPv4Address("TCP", "192.0.2.80", 8080)

    # What the test does at the other end.

    def send(self, data: bytes) -> None:
        """Send bytes; they wait while nobody reads."""
        if self._ended or self.state in {"aborted", "lost"}:
            return
        if self.paused:
            self._waiting.append(data)
        else:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        try:
            self.protocol.dataReceived(data)
        except Exception:
            if not self.may_raise:
                raise
            self.close(cleanly=False)

    def take(self) -> bytes:
        """Give what has come since the last time."""
        data = b"".join(self._written)
        self._written.clear()
        return data

    def stall(self) -> None:
        """Stop taking bytes, so that writers are paused."""
        if self.producer is not None and not self._producer_paused:
            self._producer_paused = True
            self.producer.pauseProducing()

    def catch_up(self) -> None:
        """Take bytes again."""
        if self.producer is not None and self._producer_paused:
            self._producer_paused = False
            self.producer.resumeProducing()

    def half_close(self) -> None:
        """Send nothing more; for a protocol that knows no halves that is the end."""
        if self._ended or self.state in {"lost", "aborted"}:
            return
        self._ended = True
        if not self.paused:  # an end is read behind what came before it
            self._deliver_end()

    def _deliver_end(self) -> None:
        if self._end_seen or self.paused or self.state in {"lost", "aborted"}:
            return
        self._end_seen = True
        if hasattr(self.protocol, "readConnectionLost"):
            self.protocol.readConnectionLost()
        else:
            self.close()

    def close(self, *, cleanly: bool = True) -> None:
        """End the connection from this side."""
        if self.state == "lost":
            return
        if self.producer is not None:
            self.producer.stopProducing()
        self.state = "lost"
        reason = ConnectionDone() if cleanly else ConnectionLost("reset")
        self.protocol.connectionLost(Failure(reason))

    def settle(self) -> None:
        """Do what the reactor does some time after this side was closed or cut."""
        if self.state in {"closing", "aborted"}:
            self.state = "lost"
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Connector:
    """One attempt to connect, for the test to decide about."""

    def __init__(self, reactor: Reactor, host: str, port: int, factory: Any) -> None:
        self._reactor = reactor
        self._factory = factory
        self.place = f"{host}:{port}"
        self.stopped = False

    def accept(self, capacity: int | None = None) -> Wire | None:
        """Let it come about; None if nobody wants it any more."""
        protocol = self._factory.buildProtocol(None)
        if protocol is None:
            return None
        wire = Wire("192.0.2.9")
        wire.protocol = protocol
        wire.capacity = capacity
        wire.later = lambda call: self._reactor.callLater(0, call)
        self._reactor.backends.append(wire)
        protocol.makeConnection(wire)
        return wire

    def refuse(self) -> None:
        """Let it fail."""
        self._factory.clientConnectionFailed(self, Failure(Refused()))

    def stopConnecting(self) -> None:
        """Nobody wants it any more."""
        self.stopped = True


class Reactor(Clock):
    """A Clock that connects as the test says.

    :ivar policy: called with each `Connector`: `Connector.accept` (default), `Connector.refuse`, or `dialing.append`.
    :ivar backends: the backends' ends of all connections that came about.
    """

    def __init__(self) -> None:
        super().__init__()
        self.policy: Callable[[Connector], Any] = Connector.accept
        self.backends: list[Wire] = []
        self.dialing: list[Connector] = []

    def connectTCP(self, host: str, port: int, factory: Any, timeout: Any = None) -> Connector:
        """Begin to connect."""
        connector = Connector(self, host, port, factory)
        self.policy(connector)
        return connector


class Records(list[Any]):
    """An access log that keeps its records."""

    def ended(self, exchange: Any, time: float, duration: float, received: int, sent: int) -> None:
        """Keep one."""
        self.append(exchange.record(time, duration, received, sent))


class Answer:
    """What a client has read: heads, body, and whether the message is complete."""

    def __init__(self, method: bytes = b"GET") -> None:
        self.heads: list[ResponseHead] = []
        self.body_so_far = b""
        self.trailers = b""
        self.complete = False
        self.error: Any = None
        self._decoder = ResponseDecoder(self)
        self._decoder.expect(method == b"HEAD", True)

    def __repr__(self) -> str:
        return f"<Answer {self.heads} {self.body_so_far!r} {'complete' if self.complete else 'incomplete'}>"

    def read(self, data: bytes, *, eof: bool = False) -> Answer:
        """Take some bytes."""
        self._decoder.feed(data)
        if eof:
            self._decoder.eof()
        return self

    @property
    def status(self) -> int:
        """The final head's status."""
        return self.heads[-1].status

    def field(self, name: bytes) -> bytes | None:
        """Give a field of the final head."""
        return fields.get(self.heads[-1].block, name)

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None:
        self.heads.append(head)
        self.body_so_far += body
        self.complete = end

    def body(self, data: bytes) -> None:
        self.body_so_far += data

    def body_end(self, trailers: bytes) -> None:
        self.trailers = trailers
        self.complete = True

    def malformed(self, error: Any) -> None:
        self.error = error

    def stray(self) -> None:
        self.error = "stray bytes"


class Proxy:
    """Leaves behind a frontend, reached natively or below a stock Site.

    :param leaves: by path pattern; all on every host.
    :param way: "native" or "rendered".
    """

    def __init__(
        self,
        leaves: dict[str, Any],
        way: str = "native",
        *,
        reactor: Reactor | None = None,
        pipeline: Pipeline = EMPTY,
        trusted: Iterable[Any] = (),
        max_body: int = 1024 * 1024,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.reactor = Reactor() if reactor is None else reactor
        self.deadlines = Deadlines(self.reactor, on_demand=True)
        self.counters = Counters()
        self.records = Records()
        self.way = way
        self.trust = Trust(trusted)
        self.settings = ServerSettings(self.deadlines, **(settings or {}))
        routes = []
        for pattern, leaf in leaves.items():
            bridge = Bridge(leaf, max_body=max_body, reactor=self.reactor)
            handle = leaf.handle if hasattr(leaf, "handle") else bridge.handle
            routes.append(Route(pattern, "*", RouteValue(leaf, handle, pipeline), paths=[pattern]))
        forwarding = Forwarding((X_FORWARDED, FORWARDED), self.trust)
        generation = Generation(None, RouteTable(routes), forwarding)
        digits = iter(range(1, 1_000_000))
        ids = RequestIds(lambda size: b"".join(next(digits).to_bytes(16, "big") for _ in range(size // 16)))
        self.frontend = Frontend(self.reactor, generation, self.counters, self.records, ids)
        self._site: Site | None = None

    def connect(self, peer: str = "192.0.2.1") -> Wire:
        """Connect as a client."""
        wire = Wire(peer)
        if self.way == "native":
            client = Client(peer, 50000, 8080, "http", "test", self.trust.is_trusted(peer))
            frontend = self.frontend
            wire.protocol = ServerConnection(
                self.settings, frontend.request_received, frontend.malformed, lambda connection: None, client
            )
        else:
            if self._site is None:
                self._site = Site(VirtualHostRoot(self.frontend, self.trust.is_trusted), reactor=self.reactor)
            wire.protocol = self._site.buildProtocol(wire.getPeer())
            wire.may_raise = True
        wire.protocol.makeConnection(wire)
        return wire
