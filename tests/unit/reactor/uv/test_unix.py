"""UNIX sockets, and descriptors that are sent along; the same stories on Twisted's epoll."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet import interfaces
from zope.interface import implementer

from tests.unit.reactor.uv.scene import Dialing, Recorder, Scene


@implementer(interfaces.IFileDescriptorReceiver)
class Receiving(Recorder):
    """Wants descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors: list[int] = []

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """Keep it."""
        self.descriptors.append(descriptor)


async def unix_pair(scene: Scene, path: Path, server: Any, client: Any) -> Any:
    """Connect two recorders by a UNIX socket; give the port."""
    from twisted.internet.protocol import ServerFactory

    factory = ServerFactory()
    factory.noisy = False
    factory.buildProtocol = lambda addr: server  # type: ignore[method-assign]
    scene.recorders += server, client
    port = scene.reactor.listenUNIX(str(path), factory)
    scene.reactor.connectUNIX(str(path), Dialing(lambda: client))
    await scene.until(lambda: server.events and client.events)
    return port


def test_descriptors_go_with_the_bytes(scene: Scene, tmp_path: Path) -> None:
    """Each descriptor arrives before the byte that it was sent with, and it is the same file."""

    async def story(scene: Scene) -> None:
        server, client = Receiving(), Recorder()
        await unix_pair(scene, tmp_path / "socket", server, client)
        reading, writing = os.pipe()
        client.transport.write(b"a")
        client.transport.sendFileDescriptor(writing)
        client.transport.write(b"b" * 100_000)
        await scene.until(lambda: len(server.data) == 100_001)
        (got,) = server.descriptors
        assert os.fstat(got) == os.fstat(writing)
        for descriptor in (reading, writing, got):
            os.close(descriptor)
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)

    scene.play(story)


def test_more_descriptors_than_bytes_end_the_connection(scene: Scene, tmp_path: Path) -> None:
    """A descriptor needs a byte to go with."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        await unix_pair(scene, tmp_path / "socket", server, client)
        client.transport.sendFileDescriptor(0)
        await scene.until(lambda: client.lost)
        assert client.why == "FileDescriptorOverrun"

    scene.play(story)


def test_many_mib_and_both_ends(scene: Scene, tmp_path: Path) -> None:
    """Data of many MiB arrives whole before the end; the socket's path goes with its port, not before."""

    async def story(scene: Scene) -> None:
        path = tmp_path / "socket"
        server, client = Recorder(), Recorder()
        port = await unix_pair(scene, path, server, client)
        client.transport.write(b"x" * 8_000_000)
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (len(server.data), server.why, client.why) == (8_000_000, "ConnectionDone", "ConnectionDone")
        port.stopReading()
        await scene.turns()
        assert path.exists()
        port.startReading()
        again = Recorder()
        scene.reactor.connectUNIX(str(path), Dialing(lambda: again))
        await scene.until(lambda: again.events)
        again.transport.abortConnection()
        await port.stopListening()
        assert not path.exists()

    scene.play(story)
