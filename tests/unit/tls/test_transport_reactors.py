"""TLS of ours on sockets, over Twisted's transports, ours on epoll, and uvloop's: the same stories everywhere."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.protocol import ServerFactory

from tests.support.tls import client_context, server_context
from tests.unit.reactor.uv.scene import HalfRecorder, Recorder, Scene
from txproxy.reactor.deadlines import Deadlines
from txproxy.tls.client import TlsClient
from txproxy.tls.openssl import Scratch
from txproxy.tls.server import TlsServer

LONG = bytes(range(256)) * 16384  # 4 MiB: more than the kernel takes


@pytest.fixture(params=["epoll", "batching", "uvloop"])
def scene(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give a reactor with each kind of transport."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    made = Scene(request.param)
    yield made
    made.close()


@pytest.fixture(params=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> str:
    """Give each version."""
    return str(request.param)


class Everybody(ServerFactory):
    """A server that lets everybody in, and the clients that come to it.

    :param serve: makes the server's protocols.
    """

    noisy = False

    def __init__(self, scene: Scene, version: str, serve: Callable[[], Recorder] = Recorder) -> None:
        self.scene = scene
        self.scratch = Scratch(scene.reactor)
        self.deadlines = Deadlines(scene.reactor, on_demand=True)
        self.server, self.client = server_context(version), client_context(version)
        self.serve = serve
        self.served: list[Recorder] = []
        self.turned: list[str] = []
        self.failures: list[Any] = []
        self.port = scene.reactor.listenTCP(0, self, interface="127.0.0.1")

    def buildProtocol(self, addr: Any) -> TlsServer:
        """A client has connected."""
        return TlsServer(self.scratch, self, self.deadlines, 5.0, None)

    # What a `TlsServer` asks.

    def admit(self, hello: Any, server: TlsServer) -> SSL.Connection:
        """Let everybody in."""
        connection = SSL.Connection(self.server, None)
        connection.set_accept_state()
        return connection

    def plain(self, server: TlsServer, data: bytes) -> bool:
        """Let nobody in without TLS."""
        return False

    def secured(self, server: TlsServer) -> Recorder:
        """Make a protocol."""
        self.served.append(self.serve())
        return self.served[-1]

    def turned_away(self, server: TlsServer, reason: str) -> None:
        """Keep it."""
        self.turned.append(reason)

    # What a `TlsClient` asks.

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make one."""
        return SSL.Connection(self.client, None)

    # What a story does.

    def dial(self, client: Recorder) -> None:
        """Let a client come."""
        self.scene.dial(self.port, lambda: TlsClient(self.scratch, self, client, self.failures.append))

    async def come(self, client: Recorder) -> tuple[Recorder, Recorder]:
        """Let a client come, and be let in; give the server's protocol, and the client."""
        count = len(self.served)
        self.dial(client)
        await self.scene.until(lambda: len(self.served) > count and client.events)
        return self.served[-1], client

    async def end(self, *protocols: Recorder) -> None:
        """End what is still open, and wait for it."""
        for protocol in protocols:
            if not protocol.lost:
                protocol.transport.abortConnection()
        await self.scene.until(lambda: all(protocol.lost for protocol in protocols))
        await self.port.stopListening()


def test_much_both_ways_at_once(scene: Scene, version: str) -> None:
    """4 MiB each way, with readers that pause at every delivery, arrive complete and in order; the end is clean."""

    def hesitate(recorder: Recorder, data: bytes) -> None:
        recorder.transport.pauseProducing()
        scene.reactor.callLater(0, recorder.transport.resumeProducing)

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version, lambda: Recorder(data=hesitate))
        server, client = await everybody.come(Recorder(data=hesitate))
        server.transport.write(LONG)
        client.transport.write(LONG)
        await scene.until(lambda: len(server.data) == len(client.data) == len(LONG))
        assert server.data == client.data == LONG
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (server.why, client.why) == ("ConnectionDone", "ConnectionDone")
        await everybody.end(server, client)
        assert (everybody.turned, everybody.failures) == ([], [])

    scene.play(story)
    assert scene.complaints == []


def test_what_was_written_before_the_end_arrives(scene: Scene, version: str) -> None:
    """4 MiB and `loseConnection` in one turn: all of it arrives, then a clean end, on both sides."""

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version)
        server, client = await everybody.come(Recorder())
        server.transport.write(LONG)
        server.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert client.data == LONG
        assert (server.why, client.why) == ("ConnectionDone", "ConnectionDone")
        await everybody.end()

    scene.play(story)


def test_halves_end_by_themselves(scene: Scene, version: str) -> None:
    """The client's half ends first; the server answers with 4 MiB behind it; both halves are told, and it is over."""

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version, HalfRecorder)
        server, client = await everybody.come(HalfRecorder())
        client.transport.write(b"question")
        client.transport.loseWriteConnection()
        await scene.until(lambda: "read lost" in server.events)
        assert server.data == b"question"
        server.transport.write(LONG)
        server.transport.loseWriteConnection()
        await scene.until(lambda: "read lost" in client.events)
        assert client.data == LONG
        # The client's reactor may end it as soon as both halves are over, before the server's has told of its own.
        await scene.until(lambda: all("write lost" in each.events or each.lost for each in (server, client)))
        server.transport.loseConnection()
        client.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        assert (server.why, client.why) == ("ConnectionDone", "ConnectionDone")
        assert server.events.count("write lost") <= 1
        assert client.events.count("write lost") == 1
        await everybody.end()

    scene.play(story)


@pytest.mark.parametrize("when", ["made", "data", "later"])
@pytest.mark.parametrize("side", ["server", "client"])
def test_a_fault_ends_one_connection(scene: Scene, version: str, when: str, side: str) -> None:
    """An exception of a protocol ends its own connection, is its reason, and is logged; the one beside it goes on."""

    def fail(recorder: Recorder, *_: Any) -> None:
        if when == "later" and not recorder.data.endswith(b"again"):
            recorder.transport.pauseProducing()
            scene.reactor.callLater(0.01, recorder.transport.resumeProducing)
            return
        raise ZeroDivisionError

    acts = {"made" if when == "made" else "data": fail}

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version)
        fine_server, fine_client = await everybody.come(Recorder())
        server, client = Recorder(), Recorder()
        faulty, other = (server, client) if side == "server" else (client, server)
        faulty.acts = acts
        everybody.serve = lambda: server
        everybody.dial(client)
        if when != "made":
            await scene.until(lambda: server.events and client.events)
            other.transport.write(b"x")
            await scene.turns()
            if when == "later":
                other.transport.write(b"again")
        await scene.until(lambda: faulty.lost)
        assert faulty.why == "ZeroDivisionError"
        # Who is done with the handshake first may end the connection before the other is.
        await scene.until(lambda: other.lost or everybody.failures or everybody.turned)
        fine_client.transport.write(b"still here")
        await scene.until(lambda: fine_server.data == b"still here")
        await everybody.end(fine_server, fine_client)

    scene.play(story)
    assert "ZeroDivisionError" in scene.complaints


def test_aborting_within_a_delivery(scene: Scene, version: str) -> None:
    """Nothing more is delivered, however much had come with it; the other end is reset, or sees no end."""

    async def story(scene: Any) -> None:
        everybody = Everybody(
            scene, version, lambda: Recorder(data=lambda recorder, data: recorder.transport.abortConnection())
        )
        server, client = await everybody.come(Recorder())
        client.transport.write(LONG)
        await scene.until(lambda: server.lost and client.lost)
        assert server.events == ["made", "data", "lost"]
        assert server.why == "ConnectionAborted"
        assert client.why == "ConnectionLost"
        await everybody.end()

    scene.play(story)


@pytest.mark.parametrize("how", ["cut", "close_notify"])
def test_a_wire_that_is_cut_is_told_from_an_end(scene: Scene, version: str, how: str) -> None:
    """A client of Python's `ssl` that closes its socket alone is a loss; one that says so first is an end."""

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version)
        address = everybody.port.getHost()
        done = threading.Event()

        def client() -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with socket.create_connection((address.host, address.port), timeout=5) as raw:
                wrapped = context.wrap_socket(raw, suppress_ragged_eofs=False)
                wrapped.sendall(b"said")
                if how == "cut":
                    # Closed by the kernel, and nothing of TLS before it.
                    socket.socket(fileno=wrapped.detach()).close()
                else:
                    wrapped.unwrap().close()
            done.set()

        thread = threading.Thread(target=client)
        thread.start()
        await scene.until(lambda: everybody.served and everybody.served[0].lost)
        (server,) = everybody.served
        assert server.data == b"said"
        assert server.why == ("ConnectionLost" if how == "cut" else "ConnectionDone")
        await scene.until(done.is_set)
        thread.join()
        await everybody.end()

    scene.play(story)


class Tally(Recorder):
    """Keeps no bytes, but their number and a sum."""

    size = sum = 0

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)
        self.sum = zlib.crc32(data, self.sum)


class Source:
    """Produces so much when it is asked, and knows how much was in memory at most."""

    def __init__(self, transport: Any, size: int, *, pulled: bool) -> None:
        self.transport = transport
        self.left = size
        self.pulled = pulled
        self.paused = False
        self.sum = self.most = 0

    def resumeProducing(self) -> None:
        """Write one piece, or on."""
        self.paused = False
        while self.left and not self.paused:
            piece = LONG[: min(self.left, 100_000)]
            self.left -= len(piece)
            self.sum = zlib.crc32(piece, self.sum)
            self.transport.write(piece)
            self.most = max(self.most, self.transport.unsent_bytes())
            if not self.left:
                self.transport.unregisterProducer()
            if self.pulled:
                return

    def pauseProducing(self) -> None:
        """Wait."""
        self.paused = True

    def stopProducing(self) -> None:
        """Have nothing more."""
        self.left = 0


@pytest.mark.parametrize("pulled", [False, True])
def test_who_produces_waits_for_a_slow_reader(scene: Scene, version: str, pulled: bool) -> None:
    """32 MiB for a reader that first does not read: little of it is in memory meanwhile, and all of it arrives."""
    size = 8 * len(LONG)

    async def story(scene: Any) -> None:
        everybody = Everybody(scene, version)
        tally = Tally()
        server, client = await everybody.come(tally)
        client.transport.pauseProducing()
        source = Source(server.transport, size, pulled=pulled)
        server.transport.registerProducer(source, not pulled)
        if not pulled:
            source.resumeProducing()
        left = -1
        while source.left != left:
            left = source.left
            await scene.turns(30)
        assert left > size / 4
        client.transport.resumeProducing()
        await scene.until(lambda: tally.size == size)
        assert tally.sum == source.sum
        assert source.most < 1024 * 1024
        server.transport.loseConnection()
        await scene.until(lambda: server.lost and client.lost)
        await everybody.end()

    scene.play(story)


def test_nothing_is_left_for_the_garbage_collector(scene: Scene, version: str) -> None:
    """Connections that have ended are gone with their last reference: the collector finds nothing of them."""

    async def story(scene: Any) -> list[weakref.ref[Any]]:
        everybody = Everybody(scene, version)
        gone: list[weakref.ref[Any]] = []
        for end in ("lose", "abort", "half"):
            server, client = await everybody.come(Recorder())
            client.transport.write(LONG)
            server.transport.write(LONG)
            await scene.until(lambda server=server, client=client: len(server.data) == len(client.data) == len(LONG))
            if end == "lose":
                client.transport.loseConnection()
            elif end == "abort":
                client.transport.abortConnection()
            else:
                client.transport.loseWriteConnection()
            await scene.until(lambda server=server, client=client: server.lost and client.lost)
            for protocol in (server, client):
                gone += weakref.ref(protocol.transport), weakref.ref(protocol.transport.tls)
                protocol.transport = protocol.reason = None
        everybody.served.clear()
        del server, client, protocol
        gc.collect()
        gc.disable()
        try:
            # The loop itself keeps its last call for a moment.
            await scene.turns(3)
            return [each for each in gone if each() is not None]
        finally:
            gc.enable()
            await everybody.end()

    assert scene.play(story) == []
