"""The reactor: Twisted's asyncio reactor on a uvloop loop, whose streams are uvloop's own transports.

Rule: TCP, UNIX and TLS (which Twisted puts on top) go through uvloop's transports; all else, from UDP to
processes, is Twisted's own code, which uvloop tells when a descriptor is ready or a time has come.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

import uvloop
from twisted.internet import error, process, unix
from twisted.internet._signals import _MultiSignalHandling
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.main import CONNECTION_LOST, installReactor
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.log import callWithLogger

from .stream import StreamTransport
from .tcp import Adopted, Listening, TCPConnector, TCPPort, TCPServer, tcp_address
from .turn import Turn
from .unix import UNIXConnector, UNIXPort, UNIXServer


class _Children:
    """Learns of the end of child processes.

    Twisted learns of it by the descriptor that Python writes the numbers of signals to; that one is uvloop's.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def install(self) -> None:
        """Take SIGCHLD; what has ended until now is looked for as well."""
        signal.signal(signal.SIGCHLD, self._ended)
        process.reapAllProcesses()

    def uninstall(self) -> None:
        """Leave SIGCHLD alone."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def _ended(self, number: int, frame: Any) -> None:
        self._loop.call_soon_threadsafe(process.reapAllProcesses)


class UvloopReactor(AsyncioSelectorReactor):
    """A reactor on uvloop.

    :param loop: a uvloop loop of its own; None: a new one.
    :ivar streams: all open connections of uvloop's. :ivar ports: all that accept such.
    """

    _log = Logger()
    #: connections are not descriptors that the reactor watches
    own_transports = True

    def __init__(self, loop: Any = None) -> None:
        self.loop: Any = uvloop.new_event_loop() if loop is None else loop
        self.loop.set_exception_handler(self._told)
        self.streams: set[StreamTransport] = set()
        self.ports: set[Any] = set()
        self.turn = Turn(self.loop)
        #: sockets on their way to uvloop: the task that hands each over, and the transport that is to have it
        self._adopting: dict[Any, StreamTransport] = {}
        super().__init__(self.loop)

    def _signalsFactory(self) -> Any:
        return _MultiSignalHandling((ReactorBase._signalsFactory(self), _Children(self.loop)))

    # For ports and connectors.

    def serve(self, accept: Callable[[], StreamTransport], listening: socket.socket, backlog: int) -> Any:
        """Let uvloop accept what comes to a listening socket, which is uvloop's from here.

        :param accept: makes the transport of each connection.
        :returns: uvloop's server.
        """
        # With a socket that exists there is nothing that the coroutine would have to wait for.
        if listening.family == socket.AF_UNIX:
            # Its path is removed by Twisted's port, and not when that only pauses.
            starting = self.loop.create_unix_server(accept, sock=listening, backlog=backlog, cleanup_socket=False)
        else:
            starting = self.loop.create_server(accept, sock=listening, backlog=backlog)
        try:
            starting.send(None)
        except StopIteration as done:
            return done.value
        raise RuntimeError("uvloop's create_server waits although it was given a socket")

    def adopt(self, transport: StreamTransport, connected: socket.socket) -> None:
        """Let uvloop have a connected socket; in the next turn the transport is told that it is connected."""
        task = self.loop.create_task(self.loop.connect_accepted_socket(lambda: transport, connected))
        # A task is only kept alive by whoever holds it.
        self._adopting[task] = transport
        task.add_done_callback(self._adopted)

    def _adopted(self, task: Any) -> None:
        transport = self._adopting.pop(task, None)
        reason = None if task.cancelled() else task.exception()
        if transport is not None and reason is not None:
            self._log.failure("a socket could not be adopted", Failure(reason))
            transport.not_adopted(reason)

    def _told(self, loop: Any, context: dict[str, Any]) -> None:
        """Write down what uvloop says of an exception that nobody took."""
        exception = context.get("exception")
        if exception is None:
            self._log.error("uvloop: {message}", message=context.get("message"))
        else:
            self._log.failure("uvloop: {message}", Failure(exception), message=context.get("message"))

    # IReactorTCP, IReactorUNIX, IReactorSocket.

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen on a TCP port.

        :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
        """
        made = TCPPort(port, factory, backlog, interface, self)
        made.startListening()
        return made

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30.0, bindAddress: Any = None) -> Any:
        """Connect by TCP."""
        made = TCPConnector(host, port, factory, timeout, bindAddress, self)
        made.connect()
        return made

    def listenUNIX(self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0) -> Any:
        """Listen on a UNIX socket.

        :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
        """
        made: Any = UNIXPort(address, factory, backlog, mode, self, wantPID)
        made.startListening()
        return made

    def connectUNIX(self, address: Any, factory: Any, timeout: float = 30, checkPID: int = 0) -> Any:
        """Connect by a UNIX socket."""
        make: Any = UNIXConnector
        made = make(address, factory, timeout, self, checkPID)
        made.connect()
        return made

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: Any, factory: Any) -> Any:
        """Listen on a socket that listens already.

        :raises twisted.internet.error.UnsupportedAddressFamily: of another family.
        """
        if addressFamily not in self._supportedAddressFamilies:
            raise error.UnsupportedAddressFamily(addressFamily)
        made: Any
        if addressFamily == socket.AF_UNIX:
            made = UNIXPort._fromListeningDescriptor(self, fileDescriptor, factory)  # type: ignore[no-untyped-call]
        else:
            made = TCPPort._fromListeningDescriptor(  # type: ignore[no-untyped-call]
                self, fileDescriptor, addressFamily, factory
            )
        made.startListening()
        return made

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: Any, factory: Any) -> Any:
        """Take a connected socket; its protocol is made in the next turn.

        :raises twisted.internet.error.UnsupportedAddressFamily: of another family.
        """
        if addressFamily not in self._supportedAddressFamilies:
            raise error.UnsupportedAddressFamily(addressFamily)
        connected = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        is_unix = addressFamily == socket.AF_UNIX
        name = connected.getsockname()
        # Twisted gives a factory the path that it was accepted at, for the peer has none.
        peer = UNIXPort.peer_address(name) if is_unix else tcp_address(connected.getpeername())
        protocol = factory.buildProtocol(peer)
        if protocol is None:
            connected.close()
            return None
        if is_unix and IFileDescriptorReceiver.providedBy(protocol):
            connected.close()
            known = Adopted(protocol, peer, name)
            return unix.Server._fromConnectedSocket(fileDescriptor, known, self)
        made = UNIXServer if is_unix else TCPServer
        transport = made(self, Adopted(protocol, peer, name if is_unix else name[1]))
        self.adopt(transport, connected)
        return transport

    # The end, and what is open by then.

    def addReader(self, reader: Any) -> None:
        """Read from it; a connection or a port of uvloop's sees to that by itself."""
        if isinstance(reader, (StreamTransport, Listening)):
            reader.startReading()
        else:
            super().addReader(reader)  # type: ignore[no-untyped-call]

    def removeReader(self, reader: Any) -> None:
        """Read from it no more; also from a connection of uvloop's, as those do who take its descriptor away."""
        if isinstance(reader, (StreamTransport, Listening)):
            reader.stopReading()
        else:
            super().removeReader(reader)  # type: ignore[no-untyped-call]

    def getReaders(self) -> list[Any]:
        """Give what is read from: ports and connections of uvloop's, and all others."""
        others: list[Any] = super().getReaders()  # type: ignore[no-untyped-call]
        return [*others, *self.ports, *(one for one in self.streams if one.reading)]

    def disconnectAll(self) -> None:
        """End every connection, as a reactor does when it stops."""
        super().disconnectAll()
        adopting, self._adopting = self._adopting, {}
        for transport in adopting.values():
            transport.not_adopted(error.ConnectError(string="the reactor stops"))
        for one in (*self.ports, *self.streams):
            callWithLogger(one, one.connectionLost, Failure(CONNECTION_LOST))


def install(loop: Any = None) -> UvloopReactor:
    """Install this reactor as the process's, before anything imports `twisted.internet.reactor`.

    :raises twisted.internet.error.ReactorAlreadyInstalledError: there is one.
    """
    made = UvloopReactor(loop)
    installReactor(made)
    return made
