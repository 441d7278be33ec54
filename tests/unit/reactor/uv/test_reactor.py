"""Ports, connectors, signals and the end of a reactor; the same stories on Twisted's epoll."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.protocol import ProcessProtocol, ServerFactory

from tests.unit.reactor.uv.scene import Dialing, Recorder, Scene


def test_a_taken_port_cannot_be_listened_on(scene: Scene) -> None:
    """A second port at the same place is refused with Twisted's error."""

    async def story(scene: Scene) -> None:
        port = scene.listen(Recorder)
        with pytest.raises(error.CannotListenError):
            scene.reactor.listenTCP(port.getHost().port, ServerFactory(), interface="127.0.0.1")

    scene.play(story)


@pytest.mark.filterwarnings("ignore:unclosed .socket:ResourceWarning")  # Twisted leaves it, where it cannot bind
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_failures_of_dialing_have_twisteds_types(scene: Scene, tmp_path: Any) -> None:
    """Refused, nobody there, an address that is not ours, and too late."""
    seen: list[list[str]] = []

    async def story(scene: Scene) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = closed.getsockname()[1]
        dialed = [Dialing(Recorder) for _ in range(4)]
        scene.reactor.connectTCP("127.0.0.1", nobody, dialed[0])
        scene.reactor.connectUNIX(str(tmp_path / "nowhere"), dialed[1])
        scene.reactor.connectTCP("127.0.0.1", nobody, dialed[2], bindAddress=("192.0.2.1", 0))
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            fill = [socket.socket() for _ in range(4)]
            for one in fill:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            scene.reactor.connectTCP("127.0.0.1", full.getsockname()[1], dialed[3], timeout=0.05)
            await scene.until(lambda: all(factory.events for factory in dialed))
            for one in fill:
                one.close()
        seen.extend(factory.events for factory in dialed)

    scene.play(story)
    names = ("ConnectionRefusedError", "ConnectError", "ConnectBindError", "TimeoutError")
    assert seen == [[f"failed {name}"] for name in names]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_connector_may_give_up_at_any_time(scene: Scene, turns: int) -> None:
    """Whether it is connecting, connected, or in between: the factory is told once, and no connection stays."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        port = scene.listen(lambda: server)
        connector = scene.dial(port, lambda: client)
        factory = connector.factory
        await scene.turns(turns)
        connector.disconnect()
        await scene.until(lambda: factory.events)
        await scene.turns(20)
        assert factory.events in (["failed UserError"], ["lost ConnectionDone"])
        assert client.story in ([], ["made", "lost"])
        assert server.story in ([], ["made", "lost"])

    scene.play(story)


def test_giving_up_while_the_socket_is_handed_over(uv: Scene) -> None:
    """A connector that gives up when its socket is connected, and not yet uvloop's, has failed, and no more."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        port = scene.listen(lambda: server)
        adopt = scene.reactor.adopt

        def adopt_and_give_up(*about: Any) -> None:
            adopt(*about)
            connector.stopConnecting()

        scene.reactor.adopt = adopt_and_give_up
        connector = scene.dial(port, lambda: client)
        await scene.until(lambda: connector.factory.events)
        await scene.until(lambda: not scene.reactor._adopting)
        await scene.until(lambda: not server.events or server.lost)
        assert connector.factory.events == ["failed UserError"]
        assert not client.events
        assert not scene.reactor.streams

    uv.play(story)


def test_a_factory_that_fails_has_failed_to_connect(scene: Scene) -> None:
    """What `buildProtocol` raises is logged, the connector is told, and an accepted connection is closed."""

    def fail() -> Any:
        raise ZeroDivisionError

    async def story(scene: Scene) -> None:
        connector = scene.dial(scene.listen(Recorder), fail)
        await scene.until(lambda: connector.factory.events)
        assert connector.factory.events == ["failed ConnectError"]
        if scene.name == "epoll":
            return  # it closes an accepted one only when nothing holds the exception any more
        client = Recorder()
        scene.dial(scene.listen(fail), lambda: client)
        await scene.until(lambda: client.lost)
        assert scene.complaints == ["ZeroDivisionError"] * 2

    scene.play(story)


def test_nobody_wants_a_connection(scene: Scene) -> None:
    """A factory that gives no protocol ends the connection, at either end."""

    async def story(scene: Scene) -> None:
        client = Recorder()
        scene.dial(scene.listen(lambda: None), lambda: client)
        await scene.until(lambda: client.lost)
        server = Recorder()
        connector = scene.dial(scene.listen(lambda: server), lambda: None)
        await scene.until(lambda: server.lost and connector.factory.events)
        assert connector.factory.events == ["lost ConnectionDone"]

    scene.play(story)


def test_a_peer_that_resets_before_it_is_accepted(scene: Scene) -> None:
    """It disturbs nobody: nothing is logged, and who comes behind it is served."""

    async def story(scene: Scene) -> None:
        port = scene.listen(Recorder)
        with socket.create_connection((port.getHost().host, port.getHost().port)) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client = Recorder()
        scene.dial(port, lambda: client)
        await scene.until(lambda: client.events)
        await scene.turns()
        assert scene.complaints == []

    scene.play(story)


def test_ipv6(scene: Scene) -> None:
    """Addresses of both ends are IPv6Address."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        scene.recorders += server, client
        port = scene.listen(lambda: server, interface="::1")
        scene.dial(port, lambda: client)
        await scene.until(lambda: server.events and client.events)
        assert server.transport.getPeer() == client.transport.getHost()
        assert client.transport.getPeer() == server.transport.getHost() == port.getHost()
        assert type(server.transport.getPeer()).__name__ == "IPv6Address"

    scene.play(story)


def test_sockets_that_are_given_to_the_reactor(scene: Scene) -> None:
    """A listening and a connected descriptor of somebody else's are used on duplicates."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(), Recorder()
        scene.recorders += server, client
        factory = ServerFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: server  # type: ignore[method-assign]
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            scene.reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, factory)
            with socket.create_connection(listening.getsockname()) as plain:
                plain.setblocking(False)
                giving = ServerFactory()
                giving.noisy = False
                giving.buildProtocol = lambda addr: client  # type: ignore[method-assign]
                scene.reactor.adoptStreamConnection(plain.fileno(), socket.AF_INET, giving)
        await scene.until(lambda: server.events and client.events)
        client.transport.write(b"abc")
        await scene.until(lambda: server.data == b"abc")

    scene.play(story)


def test_an_adopted_port_keeps_room_for_those_who_wait(uv: Scene) -> None:
    """Uvloop calls listen(2) again, and does not shorten the queue of a socket that was made with a long one."""

    async def story(scene: Scene) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=300) as listening:
            listening.setblocking(False)
            scene.reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, ServerFactory())
            information = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert int.from_bytes(information[28:32], "little") >= 300  # tcpi_sacked: the queue's length, if it listens

    uv.play(story)


def test_nodelay_is_as_twisted_has_it(scene: Scene) -> None:
    """It is off unless a protocol turns it on, in `connectionMade` or later, and may be turned off again."""

    async def story(scene: Scene) -> None:
        server, client = Recorder(made=lambda me: me.transport.setTcpNoDelay(True)), Recorder()
        await scene.pair(server, client)
        for recorder, expected in ((server, True), (client, False)):
            sock = recorder.transport.getHandle()
            assert recorder.transport.getTcpNoDelay() is expected
            assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is expected
            recorder.transport.setTcpNoDelay(not expected)
            assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is not expected

    scene.play(story)


def test_a_port_that_stops_while_connections_come(scene: Scene) -> None:
    """Whoever was accepted is served or ended, all others are refused, and nothing is logged."""

    async def story(scene: Scene) -> None:
        port = scene.listen(Recorder)
        clients = [Recorder() for _ in range(50)]
        for client in clients:
            scene.dial(port, lambda client=client: client)
        await scene.turns(1)
        await port.stopListening()
        await scene.turns(20)
        made = port.factory.made
        assert all(client.lost or len(made) for client in clients)
        for recorder in (*made, *clients):
            if recorder.transport is not None:
                recorder.transport.abortConnection()
        await scene.until(lambda: all(one.lost for one in made))
        assert scene.complaints == []

    scene.play(story)


def test_stopping_ends_every_connection_once(scene: Scene) -> None:
    """A reactor that stops tells each protocol once; one that raises keeps nobody from being told."""

    def fail(*about: Any) -> None:
        raise ZeroDivisionError

    recorders = [(Recorder(lost=fail if number == 3 else lambda *_: None), Recorder()) for number in range(8)]

    async def story(scene: Scene) -> None:
        for server, client in recorders:
            await scene.pair(server, client)

    scene.play(story)
    assert [(a.events, b.events) for a, b in recorders] == [(["made", "lost"], ["made", "lost"])] * 8
    assert {one.why for pair in recorders for one in pair} == {"ConnectionLost"}
    assert scene.complaints == ["ZeroDivisionError"]


def test_a_thousand_quick_connections_leave_nothing(uv: Scene) -> None:
    """Behind them no transport, no descriptor and no connection of the reactor's is left."""

    async def story(scene: Scene) -> None:
        def answer(me: Recorder, data: bytes) -> None:
            me.transport.write(data)
            me.transport.loseConnection()

        port = scene.listen(lambda: Recorder(data=answer))
        ended: list[int] = []
        before = 0
        for batch in range(20):
            for _ in range(50):
                scene.dial(
                    port,
                    lambda: Recorder(
                        made=lambda me: me.transport.write(b"ping"), lost=lambda me, _: ended.append(len(me.data))
                    ),
                )
            await scene.until(lambda batch=batch: len(ended) == 50 * (batch + 1))
            await scene.until(lambda: not scene.reactor.streams)
            port.factory.made.clear()
            if not batch:
                before = len(os.listdir("/proc/self/fd"))
        assert ended == [4] * 1000
        assert len(os.listdir("/proc/self/fd")) <= before
        assert not scene.reactor._adopting

    uv.play(story)


def test_no_descriptor_left_for_who_comes(uv: Scene) -> None:
    """While descriptors are short connections are closed; once there are some, the same port serves again."""

    async def story(scene: Scene) -> None:
        port = scene.listen(Recorder)
        address = (port.getHost().host, port.getHost().port)
        clients = [socket.socket() for _ in range(5)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        hoard: list[int] = []
        await scene.turns(2)  # the loop has its own descriptors by now
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 2, hard))
        try:
            while True:
                try:
                    hoard.append(os.dup(0))
                except OSError:
                    break
            for client in clients:
                client.connect(address)
                client.setblocking(False)
            await scene.turns(20)
            assert port.factory.made == []
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for one in hoard:
                os.close(one)
        for client in clients:
            client.close()
        served = Recorder()
        scene.dial(port, lambda: served)
        await scene.until(lambda: served.events)

    uv.play(story)


def test_a_call_from_a_thread_wakes_the_reactor(scene: Scene) -> None:
    """It is made in the reactor's thread, though nothing else happens there."""

    async def story(scene: Scene) -> None:
        seen: list[int] = []
        call = lambda: scene.reactor.callFromThread(lambda: seen.append(threading.get_ident()))  # noqa: E731
        thread = threading.Thread(target=call)
        thread.start()
        await scene.until(lambda: seen)
        thread.join()
        assert seen == [threading.get_ident()]

    scene.play(story)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_reactor(scene: Scene, number: int) -> None:
    """SIGTERM and SIGINT stop it as `stop` does."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        scene.reactor.callWhenRunning(os.kill, os.getpid(), number)
        late = scene.reactor.callLater(5, scene.reactor.stop)
        scene.reactor.run()
        assert late.active()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_a_programs_own_handler_runs_promptly(scene: Scene) -> None:
    """A handler that a program has set for SIGUSR1 runs while the reactor waits for nothing else."""
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))

        def look() -> None:
            scene.reactor.stop() if seen else scene.reactor.callLater(0.2, look)

        scene.reactor.callWhenRunning(killer.start)
        scene.reactor.callWhenRunning(look)
        late = scene.reactor.callLater(5, scene.reactor.stop)
        scene.reactor.run()
        killer.join()
        assert late.active()
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_children_are_reaped(scene: Scene) -> None:
    """A protocol hears of its child's end, and no zombie is left."""

    class Child(ProcessProtocol):
        ended: Any = None

        def processEnded(self, reason: Any) -> None:
            self.ended = reason

    async def story(scene: Scene) -> None:
        children = [Child() for _ in range(3)]
        processes = [scene.reactor.spawnProcess(child, "/bin/true", ["true"]) for child in children]
        await scene.until(lambda: all(child.ended for child in children))
        assert [process.pid for process in processes] == [None] * 3

    before = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    try:
        scene.play(story, signals=True)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
