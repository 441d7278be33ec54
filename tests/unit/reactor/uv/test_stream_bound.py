"""Receivers that are bound: uvloop calls them with nothing in between."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.protocols.policies import WrappingFactory

from tests.unit.reactor.uv.scene import Recorder, Scene


class Boom(Exception):
    """A fault of a receiver's."""


class Bound(Recorder):
    """Binds its receiver when it is connected."""

    receiver: Any = None

    def connectionMade(self) -> None:
        """Bind it."""
        self.transport.bindReceiver(self.receiver or self.keep)
        super().connectionMade()

    def keep(self, data: bytes) -> None:
        """Keep it."""
        self.events.append("kept")
        self.data += data


def test_a_bound_receiver_gets_the_data(uv: Scene) -> None:
    """What is bound gets all data, `dataReceived` none."""

    async def story(scene: Scene) -> None:
        server, client = Bound(), Recorder()
        await scene.pair(server, client)
        client.transport.write(b"abc")
        await scene.until(lambda: server.data == b"abc")
        assert server.story == ["made", "kept"]

    uv.play(story)


def test_a_receiver_may_be_bound_anew_while_connected(uv: Scene) -> None:
    """A receiver that binds another one, within a piece, has had that piece, and the other gets the next."""
    got: list[tuple[str, bytes]] = []

    async def story(scene: Scene) -> None:
        server, client = Bound(), Recorder()

        def first(data: bytes) -> None:
            got.append(("first", data))
            server.transport.bindReceiver(lambda data: got.append(("second", data)))

        server.receiver = first
        await scene.pair(server, client)
        client.transport.write(b"a")
        await scene.until(lambda: got)
        client.transport.write(b"b")
        await scene.until(lambda: len(got) == 2)
        assert got == [("first", b"a"), ("second", b"b")]

    uv.play(story)


@pytest.mark.parametrize("fault", [Boom, FileNotFoundError, ConnectionResetError, KeyboardInterrupt])
def test_what_a_bound_receiver_raises_ends_its_connection(uv: Scene, fault: type[BaseException]) -> None:
    """The exception is the reason of the end, whatever its kind, and it is logged."""

    async def story(scene: Scene) -> None:
        def fail(data: bytes) -> None:
            raise fault

        server, client = Bound(), Recorder()
        server.receiver = fail
        await scene.pair(server, client)
        client.transport.write(b"a")
        await scene.until(lambda: server.lost and client.lost)
        assert server.why == fault.__name__
        assert scene.complaints == [fault.__name__]

    uv.play(story)


def test_a_receiver_that_is_paused_from_the_start_gets_the_data_later(uv: Scene) -> None:
    """Bound and paused in `connectionMade`: nothing comes, and after `resumeProducing` it comes to what is bound."""

    async def story(scene: Scene) -> None:
        server, client = Bound(made=lambda me: me.transport.pauseProducing()), Recorder()
        await scene.pair(server, client)
        client.transport.write(b"ab")
        await scene.turns(20)
        assert server.data == b""
        server.transport.resumeProducing()
        await scene.until(lambda: server.data == b"ab")
        client.transport.write(b"c")
        client.transport.loseConnection()
        await scene.until(lambda: server.lost)
        assert (server.data, server.story[:2], "data" in server.events) == (b"abc", ["made", "kept"], False)
        assert server.why == "ConnectionDone"

    uv.play(story)


def test_a_receiver_behind_a_wrapper_does_not_get_what_is_for_the_wrapper(uv: Scene) -> None:
    """A wrapper, such as TLS, hands its protocol an attribute of the transport's; it still gets its own data."""

    async def story(scene: Scene) -> None:
        server, client = Bound(), Recorder()
        port = scene.reactor.listenTCP(0, WrappingFactory(_factory(server)), interface="127.0.0.1")
        scene.dial(port, lambda: client)
        await scene.until(lambda: server.events and client.events)
        client.transport.write(b"abc")
        await scene.until(lambda: server.data)
        assert server.events == ["made", "data"]

    uv.play(story)


def _factory(protocol: Any) -> Any:
    from twisted.internet.protocol import ServerFactory

    factory = ServerFactory()
    factory.noisy = False
    factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
    return factory


def test_a_receiver_cannot_be_bound_to_a_connection_that_is_over(uv: Scene) -> None:
    """Binding behind the end does nothing."""

    async def story(scene: Scene) -> None:
        server, client = Bound(), Recorder()
        await scene.pair(server, client)
        client.transport.abortConnection()
        await scene.until(lambda: server.lost)
        server.transport.bindReceiver(server.keep)

    uv.play(story)
