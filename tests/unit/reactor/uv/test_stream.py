"""A connection: what goes in, what goes out, and how it ends; the same stories on Twisted's epoll."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.unit.reactor.uv.scene import HalfRecorder, Recorder, Scene
from txproxy.reactor.transport import send_now

MANY = 24 * 1024 * 1024


class Boom(Exception):
    """A fault of a protocol's."""


def boom(*about: Any) -> None:
    """Be at fault."""
    raise Boom


def test_what_a_turn_writes_arrives_in_order(scene: Scene) -> None:
    """Pieces of one turn, by every way of writing, arrive in the order in which they were written."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        for number in range(100):
            client.transport.write(b"%d," % number)
        client.transport.writeSequence([b"a", b"", b"b"])
        client.transport.write(b"")
        client.transport.write(b"x" * 100_000)
        expected = b"".join(b"%d," % number for number in range(100)) + b"ab" + b"x" * 100_000
        await scene.until(lambda: len(server.data) >= len(expected))
        assert server.data == expected

    scene.play(story)


def test_one_call_sends_what_a_turn_wrote(uv: Scene) -> None:
    """Small pieces that are written within one turn arrive as one piece."""
    pieces: list[bytes] = []

    async def story(scene: Scene) -> None:
        server, client = Recorder(data=lambda _, data: pieces.append(data)), Recorder()
        await scene.pair(server, client)
        for _ in range(10):
            client.transport.write(b"0123456789")
        await scene.until(lambda: len(server.data) == 100)
        assert pieces == [b"0123456789" * 10]

    uv.play(story)


def test_a_flush_keeps_the_order(uv: Scene) -> None:
    """What is flushed goes at once, and what is written behind it follows."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        client.transport.flush()
        client.transport.write(b"a")
        client.transport.flush()
        assert client.transport.unsent_bytes() == 0
        client.transport.write(b"b")
        assert client.transport.unsent_bytes() == 1
        await scene.until(lambda: server.data == b"ab")

    uv.play(story)


def test_only_bytes_are_written(scene: Scene) -> None:
    """Whatever is not bytes is refused where it is written."""

    async def story(scene: Scene) -> None:
        client = Recorder()
        await scene.pair(Recorder(), client)
        for wrong in ("text", bytearray(b"a"), None):
            with pytest.raises(TypeError):
                client.transport.write(wrong)
        with pytest.raises(TypeError):
            client.transport.writeSequence([b"a", "b"])

    scene.play(story)


@pytest.mark.parametrize("where", ["made", "data"])
def test_a_paused_connection_delivers_nothing_until_resumed(scene: Scene, where: str) -> None:
    """Data and the end that come while reading is paused are told behind `resumeProducing`, in order."""

    async def story(scene: Scene) -> None:
        server = HalfRecorder(**{where: lambda me, *_: me.events.count(where) == 1 and me.transport.pauseProducing()})
        client = HalfRecorder()
        await scene.pair(server, client)
        client.transport.write(b"a")
        if where == "data":
            await scene.until(lambda: server.data == b"a")
        await scene.turns()
        client.transport.write(b"bc")
        client.transport.loseWriteConnection()
        await scene.until(lambda: "write lost" in client.events)
        await scene.turns(20)
        assert server.data == (b"" if where == "made" else b"a")
        server.transport.resumeProducing()
        await scene.until(lambda: "read lost" in server.events)
        assert server.data == b"abc"
        assert server.story == ["made", "data", "read lost"]

    scene.play(story)


def test_resuming_twice_delivers_once(scene: Scene) -> None:
    """Pausing and resuming again within a turn neither loses nor doubles what came meanwhile."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(made=lambda me: me.transport.pauseProducing()), Recorder()
        await scene.pair(server, client)
        client.transport.write(b"abc")
        await scene.turns(20)
        for _ in range(3):
            server.transport.resumeProducing()
            server.transport.pauseProducing()
        await scene.turns(20)
        assert server.data == b""
        server.transport.resumeProducing()
        server.transport.resumeProducing()
        await scene.until(lambda: server.data == b"abc")
        client.transport.write(b"d")
        await scene.until(lambda: server.data == b"abcd")

    scene.play(story)


def test_what_a_connection_made_schedules_comes_before_its_data(scene: Scene) -> None:
    """A call that `connectionMade` wants soon is made before the first data, as with every reactor of Twisted's."""
    order: list[str] = []

    async def story(scene: Scene) -> None:
        def made(me: Recorder) -> None:
            scene.reactor.callLater(0, order.append, "soon")

        server = Recorder(made=lambda me: (me.transport.write(b"banner"), me.transport.loseConnection()))
        client = Recorder(made=made, data=lambda *_: order.append("data"), lost=lambda *_: order.append("lost"))
        await scene.pair(server, client)
        await scene.until(lambda: client.lost)
        assert order == ["soon", "data", "lost"]

    scene.play(story)


def test_data_and_the_end_that_come_together_are_told_in_order(scene: Scene) -> None:
    """All data is delivered before the end that came with it."""

    async def story(scene: Scene) -> None:
        server = Recorder()
        port = scene.listen(lambda: server)
        with socket.create_connection((port.getHost().host, port.getHost().port)) as plain:
            plain.sendall(b"x" * 200_000)
            plain.shutdown(socket.SHUT_WR)
            await scene.until(lambda: server.lost)
        assert (len(server.data), server.why) == (200_000, "ConnectionDone")
        assert server.story == ["made", "data", "lost"]

    scene.play(story)


def test_a_closing_connection_sends_to_who_has_ended_its_half(scene: Scene) -> None:
    """The other end's half-close does not cut off what is being sent before the connection ends."""

    async def story(scene: Scene) -> None:
        def answer(me: Recorder) -> None:
            me.transport.write(b"x" * MANY)
            me.transport.loseConnection()

        server, client = Recorder(made=answer), HalfRecorder(made=lambda me: me.transport.loseWriteConnection())
        await scene.pair(server, client)
        await scene.until(lambda: "read lost" in client.events or client.lost)
        assert len(client.data) == MANY
        await scene.until(lambda: server.lost)
        assert server.why == "ConnectionDone"

    scene.play(story)


def test_half_close_both_ways(scene: Scene) -> None:
    """Each half ends by itself; the connection ends when a protocol says so."""

    async def story(scene: Scene) -> None:
        server, client = HalfRecorder(), HalfRecorder()
        await scene.pair(server, client)
        client.transport.write(b"question")
        client.transport.loseWriteConnection()
        client.transport.write(b" and more")
        await scene.until(lambda: "read lost" in server.events and "write lost" in client.events)
        client.transport.write(b" too late")
        assert server.data.startswith(b"question")
        server.transport.write(b"answer")
        server.transport.loseWriteConnection()
        await scene.until(lambda: "read lost" in client.events)
        assert client.data == b"answer"
        assert b"late" not in server.data
        await scene.turns()
        assert not server.lost
        assert not client.lost
        client.transport.loseConnection()
        server.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (server.why, client.why) == ("ConnectionDone", "ConnectionDone")

    scene.play(story)


@pytest.mark.parametrize("paused", [False, True])
def test_an_end_waits_for_what_was_written(scene: Scene, paused: bool) -> None:
    """`loseConnection` ends the connection behind many MiB, however slowly the other end reads."""

    async def story(scene: Scene) -> None:
        client = Recorder()
        server = Recorder(made=lambda me: paused and me.transport.pauseProducing())
        await scene.pair(server, client)
        client.transport.write(b"x" * MANY)
        client.transport.loseConnection()
        client.transport.loseConnection()
        if paused:
            await scene.turns(10)
            server.transport.resumeProducing()
        await scene.until(lambda: server.lost and client.lost)
        assert (len(server.data), server.why, client.why) == (MANY, "ConnectionDone", "ConnectionDone")

    scene.play(story)


def test_an_end_with_unread_data_looks_orderly_to_the_other_end(scene: Scene) -> None:
    """Who reads what was sent before a connection was ended sees its end, even if what it sent was never read."""

    async def story(scene: Scene) -> None:
        def answer(me: Recorder, data: bytes) -> None:
            me.transport.pauseProducing()
            me.transport.write(b"no")
            # The rest of what the client sends lies in the kernel by then.
            scene.reactor.callLater(0.05, me.transport.loseConnection)

        server = Recorder(data=answer)
        port = scene.listen(lambda: server)
        plain = socket.create_connection((port.getHost().host, port.getHost().port))
        with plain:
            plain.sendall(b"x")
            await scene.until(lambda: server.data)
            plain.sendall(b"y" * 1000)
            await scene.until(lambda: server.lost)
            assert (plain.recv(10), plain.recv(10)) == (b"no", b"")

    scene.play(story)


def test_an_abort_resets(scene: Scene) -> None:
    """`abortConnection` drops what was not sent, tells so, and the other end sees a reset."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        client.transport.write(b"x" * MANY)
        client.transport.abortConnection()
        client.transport.abortConnection()
        client.transport.loseConnection()
        assert not client.lost
        await scene.until(lambda: server.lost and client.lost)
        assert (client.why, server.why) == ("ConnectionAborted", "ConnectionLost")
        assert len(server.data) < MANY
        assert client.events.count("lost") == 1

    scene.play(story)


# Not among them: what `connectionMade` raises on Twisted's own reactors, which log it and go on with the connection.
RAISING = [(name, event) for name in ("epoll", "uvloop") for event in ("made", "data", "read lost", "write lost")]
RAISING.remove(("epoll", "made"))


@pytest.mark.parametrize(("scene", "event"), RAISING, indirect=["scene"])
def test_an_exception_of_a_protocol_ends_its_connection(scene: Scene, event: str) -> None:
    """Whatever callback raises: it is logged, and the reason for which this connection, and no other, ends."""

    async def story(scene: Scene) -> None:
        server, client = HalfRecorder(**{event: boom}), HalfRecorder()
        await scene.pair(server, client)
        client.transport.write(b"a")
        client.transport.loseWriteConnection()
        server.transport and server.transport.loseWriteConnection()
        await scene.until(lambda: server.lost)
        assert server.why == "Boom"
        assert scene.complaints == ["Boom"]
        assert server.events.count("lost") == 1

    scene.play(story)


def test_an_exception_at_the_end_is_only_logged(scene: Scene) -> None:
    """What `connectionLost` raises is logged, and the reactor goes on."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(lost=boom), Recorder()
        await scene.pair(server, client)
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        await scene.turns()
        assert scene.complaints == ["Boom"]

    scene.play(story)


ENDINGS = {
    "lose": lambda me, *_: me.transport.loseConnection(),
    "abort": lambda me, *_: me.transport.abortConnection(),
    "write and lose": lambda me, *_: (me.transport.write(b"bye"), me.transport.loseConnection()),
    "lose and abort": lambda me, *_: (me.transport.loseConnection(), me.transport.abortConnection()),
    "abort and raise": lambda me, *_: (me.transport.abortConnection(), boom()),
    "lose and raise": lambda me, *_: (me.transport.loseConnection(), boom()),
    "lose and write": lambda me, *_: (me.transport.loseConnection(), me.transport.write(b"bye")),
    "pause and abort": lambda me, *_: (me.transport.pauseProducing(), me.transport.abortConnection()),
    "half and lose": lambda me, *_: (me.transport.loseWriteConnection(), me.transport.loseConnection()),
    "lose twice": lambda me, *_: (me.transport.loseConnection(), me.transport.loseConnection()),
    "resume": lambda me, *_: (me.transport.loseConnection(), me.transport.resumeProducing()),
}
# What the other end gets, and why either connection ends.
EXPECTED = {
    "lose": (b"", "ConnectionDone", "ConnectionDone"),
    "abort": (b"", "ConnectionAborted", "ConnectionLost"),
    "write and lose": (b"bye", "ConnectionDone", "ConnectionDone"),
    "lose and abort": (b"", "ConnectionAborted", "ConnectionLost"),
    "abort and raise": (b"", "ConnectionAborted", "ConnectionLost"),
    "lose and raise": (b"", "Boom", "ConnectionDone"),
    "lose and write": (b"bye", "ConnectionDone", "ConnectionDone"),
    "pause and abort": (b"", "ConnectionAborted", "ConnectionLost"),
    "half and lose": (b"", "ConnectionDone", "ConnectionDone"),
    "lose twice": (b"", "ConnectionDone", "ConnectionDone"),
    "resume": (b"", "ConnectionDone", "ConnectionDone"),
}


# Which of two reasons stands, the one asked for or the exception, is ours to say (docs/reactor.md).
WITHIN = [
    (name, where, how)
    for name in ("epoll", "uvloop")
    for where in ("made", "data")
    for how in ENDINGS
    if "raise" not in how or (name, where) == ("uvloop", "data")
]


@pytest.mark.parametrize(("scene", "where", "how"), WITHIN, indirect=["scene"])
def test_a_protocol_may_end_from_within_what_it_is_told(scene: Scene, where: str, how: str) -> None:
    """Ends that are asked for within a callback come once, with their reason, and what was written goes before."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(**{where: ENDINGS[how]}), Recorder()
        await scene.pair(server, client)
        if where == "data":
            client.transport.write(b"go")
        await scene.until(lambda: server.lost and client.lost)
        await scene.turns()
        got, ours, theirs = EXPECTED[how]
        assert (client.data, server.why) == (got, ours)
        # With Twisted an exception ends a connection for the peer in order or not, as data was unread or not.
        assert client.why == theirs
        assert server.events.count("lost") == client.events.count("lost") == 1

    scene.play(story)


def after_the_end(transport: Any) -> dict[str, Any]:
    """Call everything that a transport has, and give what came of it."""
    outcome: dict[str, Any] = {}

    class Producer:
        stopped = 0

        def stopProducing(self) -> None:
            self.stopped += 1

    producer = Producer()
    calls = {
        "write": (b"x",),
        "writeSequence": ([b"x"],),
        "loseConnection": (),
        "abortConnection": (),
        "pauseProducing": (),
        "resumeProducing": (),
        "stopProducing": (),
        "unregisterProducer": (),
        "registerProducer": (producer, True),
        "stopConsuming": (),
        "getPeer": (),
        "getHost": (),
        "getHandle": (),
        "getTcpKeepAlive": (),
        "logPrefix": (),
        "fileno": (),
    }
    for name, arguments in calls.items():
        try:
            result = getattr(transport, name)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
            outcome[name] = type(error).__name__
        else:
            outcome[name] = result if name in {"fileno", "logPrefix"} else result is not None
    outcome["stopped"] = producer.stopped
    return outcome


@pytest.mark.parametrize("when", ["within", "behind"])
def test_a_lost_transport_may_still_be_called(scene: Scene, when: str) -> None:
    """Within `connectionLost` and behind it each method of a transport does what it does with Twisted's."""
    outcomes: list[dict[str, Any]] = []

    async def story(scene: Scene) -> None:
        server = Recorder(lost=lambda me, _: when == "within" and outcomes.append(after_the_end(me.transport)))
        client = Recorder()
        await scene.pair(server, client)
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        if when == "behind":
            await scene.turns()
            outcomes.append(after_the_end(server.transport))
        await scene.turns()
        assert server.events.count("lost") == 1
        assert scene.complaints == []

    scene.play(story)
    (outcome,) = outcomes
    assert outcome.pop("logPrefix").startswith("Recorder,0,")
    assert outcome == {
        "write": False,
        "writeSequence": False,
        "loseConnection": False,
        "abortConnection": False,
        "pauseProducing": False,
        "resumeProducing": False,
        "stopProducing": False,
        "unregisterProducer": False,
        "registerProducer": False,
        "stopConsuming": False,
        "getPeer": True,
        "getHost": "AttributeError",
        "getHandle": "AttributeError",
        "getTcpKeepAlive": "AttributeError",
        "fileno": -1,
        "stopped": 1,
    }


def test_a_reset_is_a_lost_connection(scene: Scene) -> None:
    """A reset by the other end is told as `ConnectionLost`, and nothing is logged."""

    async def story(scene: Scene) -> None:
        server, client = HalfRecorder(), Recorder()
        await scene.pair(server, client)
        client.transport.abortConnection()
        await scene.until(lambda: server.lost)
        assert (server.why, scene.complaints) == ("ConnectionLost", [])

    scene.play(story)


@pytest.mark.parametrize("paused", [False, True])
def test_what_came_before_a_reset_is_read_although_a_write_finds_it_first(scene: Scene, paused: bool) -> None:
    """An early answer, or TLS's last alert, is not lost with the connection; who has paused gets nothing."""

    async def story(scene: Scene) -> None:
        server = Recorder()
        port = scene.listen(lambda: server)
        plain = socket.create_connection((port.getHost().host, port.getHost().port))
        with plain:
            await scene.until(lambda: server.events)
            server.transport.write(b"unread")
            await scene.turns()
            if paused:
                server.transport.pauseProducing()
            plain.sendall(b"no, because ...")
        # In the turn in which it was closed: nobody has looked whether something can be read.
        server.transport.write(b"more")
        send_now(server.transport)
        if paused:
            server.transport.write(b"and more")  # Twisted's epoll asks again only if it has something to send
        await scene.until(lambda: server.lost)
        assert (server.data, server.why) == (b"" if paused else b"no, because ...", "ConnectionLost")
        assert scene.complaints == []

    scene.play(story)


def test_a_lost_connection_is_garbage_at_once(uv: Scene) -> None:
    """Nothing of a connection that is over waits for the garbage collector."""
    import gc
    import weakref

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        seen = weakref.ref(server.transport)
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        await scene.turns()
        gc.disable()
        try:
            server.factory.made.clear()
            server.transport = None
            assert seen() is None
        finally:
            gc.enable()

    uv.play(story)


def test_the_end_of_the_other_half_is_told_once(uv: Scene) -> None:
    """Reading that is resumed behind the other end's half-close tells nothing again."""

    async def story(scene: Scene) -> None:
        server, client = HalfRecorder(), HalfRecorder()
        await scene.pair(server, client)
        client.transport.loseWriteConnection()
        await scene.until(lambda: "read lost" in server.events)
        for _ in range(3):
            server.transport.pauseProducing()
            server.transport.resumeProducing()
            await scene.turns()
        assert server.events == ["made", "read lost"]

    uv.play(story)


def test_an_end_may_begin_the_next_connection(scene: Scene) -> None:
    """A protocol that dials again from within `connectionLost`, and writes to the lost transport, disturbs nobody."""

    async def story(scene: Scene) -> None:
        port = scene.listen(lambda: Recorder(data=lambda me, _: me.transport.abortConnection()))
        dialed: list[Recorder] = []

        def dial() -> None:
            client = Recorder(made=lambda me: me.transport.write(b"x"), lost=again)
            dialed.append(client)
            scene.dial(port, lambda: client)

        def again(me: Recorder, _: object) -> None:
            me.transport.write(b"too late")
            me.transport.loseConnection()
            if len(dialed) < 5:
                dial()

        dial()
        await scene.until(lambda: len(dialed) == 5 and dialed[-1].lost)
        assert [one.story for one in dialed] == [["made", "lost"]] * 5
        assert scene.complaints == []

    scene.play(story)


def test_a_protocol_may_stop_the_reactor(scene: Scene) -> None:
    """`reactor.stop` from within `dataReceived` ends all connections, and what was written is not waited for."""
    server = Recorder(data=lambda me, _: (me.transport.write(b"x"), stopped.append(scene.reactor.stop())))
    client = Recorder(made=lambda me: me.transport.write(b"x"))
    stopped: list[None] = []
    scene.recorders += server, client
    scene.reactor.callWhenRunning(lambda: scene.dial(scene.listen(lambda: server), lambda: client))
    scene.reactor.run(installSignalHandlers=False)
    assert stopped
    assert (server.events.count("lost"), client.events.count("lost")) == (1, 1)
