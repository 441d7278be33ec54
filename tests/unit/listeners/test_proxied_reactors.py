"""A connection that begins with a PROXY header, on real sockets of both reactors, by TCP and by unix sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import ServerFactory

pytest.importorskip("uvloop")

from tests.unit.reactor.uv.scene import HalfRecorder, Recorder, Scene
from txproxy.listeners.proxied import ProxyHeaderReceiver
from txproxy.protocols.proxy_protocol.codec import ProxyHeader
from txproxy.reactor.deadlines import Deadlines
from txproxy.reactor.tcp import listen_tcp
from txproxy.reactor.transport import receive_with

HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\r\n"
ACCEPTED = ProxyHeader("192.0.2.1", 56324, "192.0.2.11", 443)
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 11]) + struct.pack("!HH", 56324, 443)


class Bound(HalfRecorder):
    """Binds what receives its data, as the halves of HTTP do, and binds another one after its first data."""

    def connectionMade(self) -> None:
        """Bind it."""
        receive_with(self, self.first)
        super().connectionMade()

    def first(self, data: bytes) -> None:
        """Keep it."""
        receive_with(self, self.later)
        self.data += data
        self._told("data", data)

    def later(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self._told("data", data)


class Listener:
    """A bound socket whose connections begin with a header, and what is told of them."""

    def __init__(self, scene: Scene, make: Callable[[], Any], timeout: float, path: str | None) -> None:
        self.headers: list[ProxyHeader] = []
        self.reasons: list[str] = []
        self.ended: list[Any] = []
        self.made: list[Any] = []
        self._make = make
        deadlines = Deadlines(scene.reactor, 0.01, on_demand=True)
        factory = ServerFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: ProxyHeaderReceiver(  # type: ignore[method-assign]
            deadlines, timeout, self.accept, self.reasons.append, self.ended.append
        )
        if path is None:
            self.port = listen_tcp(scene.reactor, 0, factory, 50, "127.0.0.1")
        else:
            self.port = scene.reactor.listenUNIX(path, factory)
        self._path = path

    def accept(self, header: ProxyHeader, transport: Any) -> Any:
        """Take the header."""
        self.headers.append(header)
        protocol = self._make()
        if protocol is not None:
            self.made.append(protocol)
        return protocol

    def connect(self) -> socket.socket:
        """Connect a socket that does not block."""
        client = socket.socket(socket.AF_INET if self._path is None else socket.AF_UNIX)
        client.connect(self._path or (self.port.getHost().host, self.port.getHost().port))
        client.setblocking(False)
        return client


def received(client: socket.socket) -> bytes | str | None:
    """Give what has arrived, "reset", or None for nothing."""
    try:
        return client.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return "reset"


@pytest.fixture(params=["epoll", "uvloop"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Give a reactor of Twisted's, and one of ours."""
    made = Scene(request.param)
    yield made
    made.close()


@pytest.fixture(params=["tcp", "unix"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Listener]:
    """Give what makes a listener; it has to be made within the story."""

    def make(scene: Scene, make: Callable[[], Any], timeout: float = 5.0) -> Listener:
        return Listener(scene, make, timeout, str(tmp_path / "socket") if request.param == "unix" else None)

    return make


@pytest.mark.parametrize("kind", [Recorder, HalfRecorder, Bound])
@pytest.mark.parametrize("header", [HEADER, BINARY], ids=["version 1", "version 2"])
def test_what_comes_with_the_header_and_after_it(
    scene: Scene, listener: Callable[..., Listener], kind: Any, header: bytes
) -> None:
    """The next protocol gets it all, in order; what it writes goes to the client; it is told of the end."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, lambda: kind(data=lambda me, data: me.transport.write(data.upper())))
        with listening.connect() as client:
            client.send(header + b"a")
            await scene.until(lambda: listening.made and listening.made[0].data)
            (server,) = listening.made
            for piece in (b"bc", b"def"):
                client.send(piece)
                await scene.until(lambda piece=piece: server.data.endswith(piece))
            answer = b""
            while len(answer) < 6:
                await scene.turns(1)
                answer += received(client) or b""  # type: ignore[operator]
        assert answer == b"ABCDEF"
        assert listening.headers == [ACCEPTED]
        if kind is not Recorder:
            await scene.until(lambda: "read lost" in server.events)
            server.transport.loseConnection()
        await scene.until(lambda: server.lost)
        assert server.data == b"abcdef"
        assert server.story == ["made", "data", "lost"] if kind is Recorder else ["made", "data", "read lost", "lost"]
        assert (listening.reasons, listening.ended, scene.complaints) == ([], [], [])

    scene.play(story)


@pytest.mark.parametrize("kind", [Recorder, HalfRecorder, Bound])
def test_all_of_it_and_the_end_at_once(scene: Scene, listener: Callable[..., Listener], kind: Any) -> None:
    """A client that has sent header, data and the end of its data before anybody looked loses none of it."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, kind)
        with listening.connect() as client:
            client.send(HEADER + b"abc")
            client.shutdown(socket.SHUT_WR)
            await scene.until(lambda: listening.made and listening.made[0].data)
            (server,) = listening.made
            await scene.until(lambda: "read lost" in server.events or server.lost)
            if not server.lost:
                server.transport.write(b"answer")
                server.transport.loseConnection()
                await scene.until(lambda: server.lost)
                assert received(client) == b"answer"
        assert server.data == b"abc"
        assert server.story == ["made", "data", "lost"] if kind is Recorder else ["made", "data", "read lost", "lost"]
        assert (listening.reasons, listening.ended) == ([], [])

    scene.play(story)


def test_a_header_byte_by_byte(scene: Scene, listener: Callable[..., Listener]) -> None:
    """Each byte in a segment of its own is as good, and nothing is told before the last."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, Bound)
        with listening.connect() as client:
            if client.family == socket.AF_INET:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in BINARY:
                assert listening.headers == []
                client.send(bytes([byte]))
                await scene.turns(2)
            client.send(b"abc")
            await scene.until(lambda: listening.made and listening.made[0].data == b"abc")
        assert listening.headers == [ACCEPTED]

    scene.play(story)


def test_a_protocol_that_does_not_want_to_read_yet(scene: Scene, listener: Callable[..., Listener]) -> None:
    """One that pauses the transport with its first data gets nothing more, nor the end, until it goes on."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, lambda: HalfRecorder(data=lambda me, data: me.transport.pauseProducing()))
        with listening.connect() as client:
            client.send(HEADER + b"a")
            await scene.until(lambda: listening.made and listening.made[0].data)
            (server,) = listening.made
            client.send(b"b")
            client.shutdown(socket.SHUT_WR)
            await scene.turns(20)
            assert server.story == ["made", "data"]
            assert server.data == b"a"
            server.acts.clear()
            server.transport.resumeProducing()
            await scene.until(lambda: "read lost" in server.events)
            assert server.data == b"ab"
            server.transport.abortConnection()
            await scene.until(lambda: server.lost)

    scene.play(story)


def test_a_client_that_resets_behind_its_header(scene: Scene) -> None:
    """The next protocol is told, and nobody else."""

    async def story(scene: Scene) -> None:
        listening = Listener(scene, Recorder, 5.0, None)
        client = listening.connect()
        client.send(HEADER + b"abc")
        await scene.until(lambda: listening.made and listening.made[0].data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        (server,) = listening.made
        await scene.until(lambda: server.lost)
        assert server.why == "ConnectionLost"
        assert (listening.reasons, listening.ended) == ([], [])

    scene.play(story)


def test_a_protocol_that_fails(scene: Scene, listener: Callable[..., Listener]) -> None:
    """What the next protocol raises, with the data that came with the header, ends its connection and is logged."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def story(scene: Scene) -> None:
        listening = listener(scene, lambda: Recorder(data=fail))
        with listening.connect() as client:
            client.send(HEADER + b"abc")
            await scene.until(lambda: listening.made and listening.made[0].lost)
        assert listening.made[0].why == "ZeroDivisionError"
        assert scene.complaints == ["ZeroDivisionError"]
        assert (listening.reasons, listening.ended) == ([], [])

    scene.play(story)


def test_accepting_fails(scene: Scene, listener: Callable[..., Listener]) -> None:
    """What accepting raises is logged, and ends the connection, whose end is told."""

    def fail() -> Any:
        raise ZeroDivisionError

    async def story(scene: Scene) -> None:
        listening = listener(scene, fail)
        with listening.connect() as client:
            client.send(HEADER)
            await scene.until(lambda: listening.ended)
        assert scene.complaints == ["ZeroDivisionError"]
        assert (listening.reasons, len(listening.ended)) == ([], 1)

    scene.play(story)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "it begins with b'GET / HTTP/1.1\\r', not with a PROXY header"),
        (b"", "a PROXY header did not come within 0.05 s"),
        (HEADER[:-1], "the whole of its PROXY header did not come within 0.05 s"),
    ],
    ids=["something else", "nothing", "too late"],
)
def test_no_header(scene: Scene, listener: Callable[..., Listener], data: bytes, reason: str) -> None:
    """The client gets a reset and not one byte; the reason and the end are told, once."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, Recorder, 0.05)
        with listening.connect() as client:
            if data:
                client.send(data)
            await scene.until(lambda: listening.ended)
            seen = received(client)
            # A unix socket resets only if something lay unread.
            assert seen == "reset" if client.family == socket.AF_INET else seen in ("reset", b"")
        await scene.turns(20)
        assert (listening.reasons, len(listening.ended), listening.headers) == ([reason], 1, [])
        assert scene.complaints == []

    scene.play(story)


def test_a_client_that_leaves_before_its_header(scene: Scene, listener: Callable[..., Listener]) -> None:
    """Without a word only the end is told, within a header a reason as well."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, Recorder)
        listening.connect().close()
        await scene.until(lambda: listening.ended)
        assert listening.reasons == []
        with listening.connect() as client:
            client.send(HEADER[:9])
        await scene.until(lambda: len(listening.ended) == 2)
        assert listening.reasons == ["the connection ended within its PROXY header"]
        assert scene.complaints == []

    scene.play(story)


def test_a_header_that_is_not_accepted(scene: Scene, listener: Callable[..., Listener]) -> None:
    """The connection is reset, and its end is told."""

    async def story(scene: Scene) -> None:
        listening = listener(scene, lambda: None)
        with listening.connect() as client:
            client.send(HEADER + b"abc")
            await scene.until(lambda: listening.ended)
            assert received(client) in ("reset", b"")
        assert (listening.headers, listening.reasons, len(listening.ended)) == ([ACCEPTED], [], 1)

    scene.play(story)
