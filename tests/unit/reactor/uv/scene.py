"""One story on one reactor: Twisted's epoll or uvloop's, so that both can be asked the same questions."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientFactory, Factory, Protocol, ServerFactory
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.unit.reactor.batching import BatchingReactor

LIMIT = 8.0


class Recorder(Protocol):
    """Writes down what it is told, and does then what the story wants.

    :param acts: what to do, by the name of the event: called with the recorder, and with the data there is.
    """

    def __init__(self, **acts: Callable[..., object]) -> None:
        self.acts = acts
        self.events: list[str] = []
        self.data = b""
        self.reason: Failure | None = None

    def _told(self, event: str, *about: Any) -> None:
        self.events.append(event)
        act = self.acts.get(event)
        if act is not None:
            act(self, *about)

    def connectionMade(self) -> None:
        """See it."""
        self._told("made")

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self._told("data", data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        """Keep why."""
        self.reason = reason
        self._told("lost", reason)

    @property
    def lost(self) -> bool:
        """Whether it is over."""
        return self.reason is not None

    @property
    def why(self) -> str | None:
        """The name of the reason."""
        return None if self.reason is None else self.reason.type.__name__

    @property
    def story(self) -> list[str]:
        """The events, however the data was cut."""
        told: list[str] = []
        for event in self.events:
            if event != "data" or told[-1:] != ["data"]:
                told.append(event)
        return told


@implementer(IHalfCloseableProtocol)
class HalfRecorder(Recorder):
    """Is told of each half by itself."""

    def readConnectionLost(self) -> None:
        """Theirs."""
        self._told("read lost")

    def writeConnectionLost(self) -> None:
        """Ours."""
        self._told("write lost")


class _Accepting(ServerFactory):
    noisy = False

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.made: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        protocol = self.make()
        if protocol is not None:
            protocol.factory = self
            self.made.append(protocol)
        return protocol


class Dialing(ClientFactory):
    """Connects one protocol, and writes down what the connector tells."""

    noisy = False

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.events: list[str] = []
        self.reason: Failure | None = None

    def buildProtocol(self, addr: Any) -> Any:
        """Give the protocol."""
        return self.make()

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Keep why."""
        self.reason = reason
        self.events.append(f"failed {reason.type.__name__}")

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """Keep why."""
        self.events.append(f"lost {reason.type.__name__}")


class Scene:
    """What a story is played on.

    :ivar logged: failures that were logged.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reactor: Any = _REACTORS[name]()
        self.logged: list[Failure] = []
        self.said: list[str] = []
        self.recorders: list[Any] = []

    def close(self) -> None:
        """Let go of the reactor's own descriptors."""
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        for reader in list(self.reactor._internalReaders):
            self.reactor.removeReader(reader)
            reader.connectionLost(None)
        if self.name == "uvloop":
            self.reactor.loop.close()
        else:
            self.reactor._poller.close()
            # Twisted forgets who is neither read from nor written to when it stops.
            for recorder in self.recorders:
                if hasattr(recorder.transport, "socket"):
                    recorder.transport.socket.close()
        gc.collect()

    def play(self, story: Callable[[Scene], Awaitable[Any]], *, signals: bool = False) -> Any:
        """Play it to its end; what it raises is raised."""
        outcome: list[Any] = []

        def ended(result: Any) -> None:
            outcome.append(result)
            self.reactor.stop()

        def begin() -> None:
            playing: Deferred[Any] = Deferred.fromCoroutine(story(self))  # type: ignore[arg-type]
            playing.addBoth(ended)

        self.reactor.callWhenRunning(begin)
        too_late = self.reactor.callLater(LIMIT, self.reactor.stop)
        log.addObserver(self._observe)
        try:
            self.reactor.run(installSignalHandlers=signals)
        finally:
            log.removeObserver(self._observe)
        assert too_late.active(), "the story stands still"
        if outcome and isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0] if outcome else None

    def _observe(self, event: Any) -> None:
        if event["isError"] and event.get("failure") is not None:
            self.logged.append(event["failure"])
        self.said.append(log.textFromEventDict(event) or "")

    @property
    def complaints(self) -> list[str]:
        """The names of the failures that were logged."""
        return [failure.type.__name__ for failure in self.logged]

    def until(self, condition: Callable[[], Any]) -> Deferred[None]:
        """Wait until this holds, looking each turn."""
        fulfilled: Deferred[None] = Deferred()

        def look() -> None:
            if condition():
                fulfilled.callback(None)
            else:
                self.reactor.callLater(0.0005, look)

        look()
        return fulfilled

    def turns(self, count: int = 5) -> Deferred[None]:
        """Let so many turns of the loop pass."""
        passed = iter(range(count))
        return self.until(lambda: next(passed, None) is None)

    def listen(self, make: Callable[[], Any], interface: str = "127.0.0.1") -> Any:
        """Listen on a port of the system's choice."""
        return self.reactor.listenTCP(0, _Accepting(make), interface=interface)

    def dial(self, port: Any, make: Callable[[], Any]) -> Any:
        """Connect to a port of ours."""
        return self.reactor.connectTCP(port.getHost().host, port.getHost().port, Dialing(make))

    async def pair(self, server: Any, client: Any) -> Any:
        """Connect two recorders; give the port."""
        self.recorders += server, client
        port = self.listen(lambda: server)
        self.dial(port, lambda: client)
        await self.until(lambda: server.events and client.events)
        return port


def uvloop_reactor() -> Any:
    """Make a reactor of ours."""
    from txproxy.reactor.uv.reactor import UvloopReactor

    return UvloopReactor()


_REACTORS: dict[str, Callable[[], Any]] = {
    "epoll": EPollReactor,
    "batching": BatchingReactor,  # epoll with our transports
    "uvloop": uvloop_reactor,
}
__all__ = ["Dialing", "Factory", "HalfRecorder", "Recorder", "Scene"]
