"""Producers, and whoever must wait for a slow reader; the same stories on Twisted's epoll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.reactor.uv.scene import HalfRecorder, Recorder, Scene

PIECE = b"0123456789abcdef" * 4096
PIECES = 256  # 16 MiB: more than the kernel takes


class Boom(Exception):
    """A fault of a producer's."""


def boom(*about: Any) -> None:
    """Be at fault."""
    raise Boom


class Producing:
    """Produces so many pieces into a transport, and unregisters behind the last."""

    def __init__(self, transport: Any, pieces: int = PIECES) -> None:
        self.transport = transport
        self.left = pieces
        self.events: list[str] = []
        self.end: Callable[[], object] = lambda: None

    def one(self) -> None:
        """Write one piece."""
        self.left -= 1
        self.transport.write(PIECE)
        if not self.left:
            self.transport.unregisterProducer()
            self.end()

    def stopProducing(self) -> None:
        """Be told to."""
        self.events.append("stop")


class Pulled(Producing):
    """Is asked for each piece."""

    def resumeProducing(self) -> None:
        """Write one."""
        self.events.append("resume")
        if self.left:
            self.one()


class Pushed(Producing):
    """Writes on until it is paused."""

    def pauseProducing(self) -> None:
        """Be told to."""
        self.events.append("pause")

    def resumeProducing(self) -> None:
        """Go on."""
        self.events.append("resume")
        self.go()

    def go(self) -> None:
        """Write until paused."""
        count = self.events.count("pause")
        while self.left and self.events.count("pause") == count:
            self.one()


# Not among them: Twisted ends a connection whose push producer is not paused (see the test below).
PRODUCED = [(kind, ends) for kind in (Pulled, Pushed) for ends in ("lose behind", "lose before", "half", "stay")]
PRODUCED.remove((Pushed, "lose before"))


@pytest.mark.parametrize(("kind", "ends"), PRODUCED)
@pytest.mark.parametrize("slow", [False, True])
def test_producers_of_many_mib(scene: Scene, kind: type, slow: bool, ends: str) -> None:
    """All of a producer's bytes arrive in order, none too many wait here, and the end comes behind them."""

    async def story(scene: Scene) -> None:
        client = HalfRecorder()
        kind_of_server = HalfRecorder if ends == "half" else Recorder
        server = kind_of_server(made=lambda me: slow and me.transport.pauseProducing())
        await scene.pair(server, client)
        producer = kind(client.transport)
        if ends == "lose behind":
            producer.end = client.transport.loseConnection
        elif ends == "half":
            producer.end = client.transport.loseWriteConnection
        client.transport.registerProducer(producer, kind is Pushed)
        if kind is Pushed:
            producer.go()
        if ends == "lose before":
            client.transport.loseConnection()
        if slow:
            await scene.turns(20)
            assert producer.left > PIECES // 4
            server.transport.resumeProducing()
        await scene.until(lambda: len(server.data) == len(PIECE) * PIECES)
        assert server.data == PIECE * PIECES
        if ends.startswith("lose"):
            await scene.until(lambda: server.lost and client.lost)
            assert (server.why, client.why) == ("ConnectionDone", "ConnectionDone")
        elif ends == "half":
            await scene.until(lambda: "read lost" in server.events)
            assert not server.lost
        assert "stop" not in producer.events

    scene.play(story)


def test_an_end_waits_for_a_paused_producer(scene: Scene) -> None:
    """`loseConnection` with a paused push producer lets it go on until it unregisters."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(made=lambda me: me.transport.pauseProducing()), Recorder()
        await scene.pair(server, client)
        producer = Pushed(client.transport)
        client.transport.registerProducer(producer, True)
        producer.go()
        assert producer.events == ["pause"]
        client.transport.loseConnection()
        server.transport.resumeProducing()
        await scene.until(lambda: server.lost and client.lost)
        # It is resumed, and paused again, as often as the reader is slower.
        assert server.data == PIECE * (PIECES - producer.left)
        assert producer.events[:2] == ["pause", "resume"]

    scene.play(story)


def test_an_unpaused_producer_does_not_keep_a_connection(scene: Scene) -> None:
    """`loseConnection` with a push producer that is not paused ends the connection, and stops the producer."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        producer = Pushed(client.transport)
        client.transport.registerProducer(producer, True)
        client.transport.write(b"last")
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (server.data, producer.events) == (b"last", ["stop"])

    scene.play(story)


def test_a_second_producer_is_refused(scene: Scene) -> None:
    """While there is a producer, another one cannot be registered."""

    async def story(scene: Scene) -> None:
        client = Recorder()
        await scene.pair(Recorder(), client)
        client.transport.registerProducer(Pushed(client.transport), True)
        with pytest.raises(RuntimeError):
            client.transport.registerProducer(Pushed(client.transport), True)

    scene.play(story)


@pytest.mark.parametrize("cause", ["peer", "abort"])
@pytest.mark.parametrize("kind", [Pulled, Pushed])
def test_a_lost_connection_stops_its_producer(scene: Scene, kind: type, cause: str) -> None:
    """A producer is stopped once, before its protocol is told."""

    async def story(scene: Scene) -> None:
        order: list[str] = []
        server = Recorder(made=lambda me: me.transport.pauseProducing())
        client = Recorder(lost=lambda *_: order.extend(producer.events[-1:]))
        await scene.pair(server, client)
        producer = kind(client.transport)
        client.transport.registerProducer(producer, kind is Pushed)
        if kind is Pushed:
            producer.go()
        await scene.turns()
        (client if cause == "abort" else server).transport.abortConnection()
        await scene.until(lambda: client.lost)
        assert order == ["stop"]
        assert producer.events.count("stop") == 1
        client.transport.registerProducer(late := Pushed(client.transport), True)
        assert late.events == ["stop"]

    scene.play(story)


@pytest.mark.parametrize("callback", ["pauseProducing", "resumeProducing"])
@pytest.mark.parametrize("what", ["abortConnection", "loseConnection", "unregisterProducer", "raise"])
def test_a_producer_may_end_it_all_from_within(scene: Scene, callback: str, what: str) -> None:
    """Within `pauseProducing` and `resumeProducing` a connection may be ended, and producers may go or fail."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(made=lambda me: me.transport.pauseProducing()), Recorder()
        await scene.pair(server, client)
        producer = Pushed(client.transport)
        done: list[str] = []

        def act() -> None:
            if not done:
                done.append("acted")
                boom() if what == "raise" else getattr(client.transport, what)()

        setattr(producer, callback, act)
        client.transport.registerProducer(producer, True)
        try:
            client.transport.write(PIECE * PIECES)
        except Boom:
            # Twisted lets who writes hear of it.
            assert (callback, what) == ("pauseProducing", "raise")
            client.transport.abortConnection()
        server.transport.resumeProducing()
        await scene.until(lambda: done)
        if what == "unregisterProducer":
            client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        await scene.turns()
        assert client.events.count("lost") == server.events.count("lost") == 1
        assert scene.complaints == (["Boom"] if (callback, what) == ("resumeProducing", "raise") else [])
        if what == "raise":
            why = "ConnectionAborted" if callback == "pauseProducing" else "Boom"
        else:
            why = "ConnectionAborted" if what == "abortConnection" else "ConnectionDone"
        assert client.why == why

    scene.play(story)


def test_a_producer_that_fails_at_its_end_does_not_keep_the_protocol_from_hearing(uv: Scene) -> None:
    """What `stopProducing` raises is logged, and `connectionLost` comes all the same."""

    async def story(scene: Scene) -> None:
        client = Recorder()
        await scene.pair(Recorder(), client)
        producer = Pushed(client.transport)
        producer.stopProducing = boom  # type: ignore[method-assign]
        client.transport.registerProducer(producer, True)
        client.transport.abortConnection()
        await scene.until(lambda: client.lost)
        assert scene.complaints == ["Boom"]

    uv.play(story)


def test_a_transport_may_produce_for_another(scene: Scene) -> None:
    """A slow reader behind a relay slows down the writer in front of it, and nothing is lost."""

    async def story(scene: Scene) -> None:
        sink = Recorder(made=lambda me: me.transport.pauseProducing())
        relay_out = Recorder()
        await scene.pair(sink, relay_out)
        relay_in = Recorder(
            made=lambda me: relay_out.transport.registerProducer(me.transport, True),
            data=lambda _, data: relay_out.transport.write(data),
            lost=lambda *_: (relay_out.transport.unregisterProducer(), relay_out.transport.loseConnection()),
        )
        source = Recorder()
        await scene.pair(relay_in, source)
        producer = Pushed(source.transport)
        producer.end = source.transport.loseConnection
        source.transport.registerProducer(producer, True)
        producer.go()
        await scene.turns(30)
        assert producer.left
        sink.transport.resumeProducing()
        await scene.until(lambda: sink.lost)
        assert sink.data == PIECE * PIECES

    scene.play(story)
