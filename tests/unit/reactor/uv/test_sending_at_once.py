"""What sends within the call: for whoever alone writes to a connection, as TLS does."""

from __future__ import annotations

from typing import Any

from tests.support.producers import Push
from tests.unit.reactor.uv.scene import Recorder, Scene
from txproxy.reactor.transport import sender_of


def test_a_sender_sends_in_order_and_pauses_producers(uv: Scene) -> None:
    """16 MiB sent at once arrive in order; the producer that is registered is paused and resumed."""
    piece = bytes(range(256)) * 4096
    push = Push()

    async def story(scene: Any) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        client.transport.registerProducer(push, True)
        send = sender_of(client.transport)
        for _ in range(16):
            send(piece)
        assert push.told == ["pause"]
        await scene.until(lambda: len(server.data) == 16 * len(piece))
        assert server.data == piece * 16
        await scene.until(lambda: push.told[-1] == "resume")
        client.transport.unregisterProducer()
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (client.why, server.why) == ("ConnectionDone", "ConnectionDone")

    uv.play(story)


def test_a_fault_at_the_end_of_a_turn_ends_one_connection(uv: Scene) -> None:
    """Whoever raises in `end_turn` loses its connection for that reason, which is logged; others have their turn."""

    class Waiting:
        def __init__(self, transport: Any, fault: type[Exception] | None) -> None:
            self.transport, self.fault, self.called = transport, fault, 0

        def end_turn(self) -> None:
            self.called += 1
            if self.fault is not None:
                raise self.fault

        def turn_failed(self, error: Exception) -> None:
            self.transport.turn_failed(error)

    async def story(scene: Any) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        faulty, fine = Waiting(client.transport, ZeroDivisionError), Waiting(client.transport, None)
        client.transport.turn.add(faulty)
        client.transport.turn.add(fine)
        await scene.until(lambda: client.lost and server.lost)
        assert (faulty.called, fine.called) == (1, 1)
        assert client.why == "ZeroDivisionError"

    uv.play(story)
    assert uv.complaints == ["ZeroDivisionError"]


def test_with_tls_started_there_is_no_way_past_it(uv: Scene) -> None:
    """A transport that TLS was started on gives no sender of its own: it would send in clear."""
    from twisted.internet import ssl

    async def story(scene: Any) -> None:
        server, client = Recorder(), Recorder()
        await scene.pair(server, client)
        client.transport.startTLS(ssl.CertificateOptions())
        sender_of(client.transport)(b"secret")
        await scene.until(lambda: server.data)
        await scene.turns()
        assert b"secret" not in server.data
        assert server.data[:1] == b"\x16"
        client.transport.abortConnection()
        await scene.until(lambda: client.lost and server.lost)

    uv.play(story)
