"""Twisted's TCP transports with two shorter ways: one read, and one write at the end of each turn.

Rule: what is written within one turn of the reactor is sent at its end, transport by transport, and
epoll is asked for writability only if the kernel did not take it all. Twisted asks for every write,
which costs two system calls and one more event each; and sending at once instead would wake the
receiver for every piece (measured: half of a small request's cost). Order, producers, closing and
errors stay Twisted's: the bytes wait in its own buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet import main, tcp
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from .transport import JOINED_BYTES

# What the kernel takes in one call (IOV_MAX on Linux).
MOST_PIECES = 1024


class Turn:
    """What is to be sent at the end of this turn of the reactor; its transports share one."""

    __slots__ = ("_reactor", "_waiting")
    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: list[Any] = []

    def add(self, transport: Any) -> None:
        """Call the transport's `end_turn` at the end of the turn, and `turn_failed` if that raises."""
        if not self._waiting:
            self._reactor.callLater(0, self._send)
        self._waiting.append(transport)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.end_turn()
            except Exception as error:  # noqa: BLE001 - a protocol's; as in the reactor, it ends its connection only
                self._log.failure("a producer of {transport!r} failed", transport=transport)
                transport.turn_failed(error)


class _Batching:
    """Mixed into a transport of `twisted.internet.tcp`."""

    # Twisted's own, of `FileDescriptor` and `Connection`.
    _tempDataBuffer: list[bytes]
    _tempDataLen: int
    dataBuffer: bytes
    _aborting: bool
    connected: int
    disconnecting: int
    producer: Any
    producerPaused: bool
    streamingProducer: bool
    protocol: Any
    reactor: Any
    socket: Any
    turn: Turn
    _waits = False

    def write(self, data: bytes) -> None:
        """Write, as `ITransport.write` has it."""
        pulled = self.producer is not None and not self.streamingProducer
        if self.dataBuffer or not self.connected or self.disconnecting or pulled or not data:
            # The reactor is sending already, or asks a producer for each piece; or nothing is to be sent.
            super().write(data)  # type: ignore[misc]
            return
        self._tempDataBuffer.append(data)
        self._tempDataLen += len(data)
        if not self._waits:
            self._waits = True
            self.turn.add(self)
        self._maybePauseProducer()  # type: ignore[attr-defined]

    def sender(self) -> Callable[[bytes], None]:
        """Give what writes and sends at once; see `transport.sender_of`."""
        return self.write_now

    def write_now(self, data: bytes) -> None:
        """Write, and send it with what was written before in this turn."""
        pulled = self.producer is not None and not self.streamingProducer
        if self.dataBuffer or not self.connected or self.disconnecting or pulled or not data:
            self.write(data)
            return
        self._tempDataBuffer.append(data)
        self._tempDataLen += len(data)
        self.flush()
        self._maybePauseProducer()  # type: ignore[attr-defined]

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """Put TLS between this transport and its protocol, as `ITLSTransport.startTLS` has it.

        From here on whoever writes goes Twisted's own ways, which know of it: ours would send in clear.
        """
        twisteds: Any = tcp.Connection.write
        self.__dict__.update(write=partial(twisteds, self), sender=None)
        super().startTLS(contextFactory, normal)  # type: ignore[misc]

    def end_turn(self) -> None:
        """Called at the end of a turn in which something was written."""
        self.flush()

    def turn_failed(self, error: Exception) -> None:
        """End the connection for an exception of whoever was told that it was sent."""
        self.reactor._disconnectSelectable(self, error, False)

    def flush(self) -> None:
        """Send what was written in this turn, as far as the kernel takes it."""
        self._waits = False
        if not self._tempDataBuffer or self.dataBuffer or not self.connected or self.disconnecting or self._aborting:
            return  # gone, or left to the reactor, which closes behind the last byte
        pieces = self._tempDataBuffer
        try:
            if len(pieces) == 1:
                data = pieces[0]
                sent = self.socket.send(data)
            elif self._tempDataLen <= JOINED_BYTES:
                data = b"".join(pieces)
                sent = self.socket.send(data)
            else:
                sent = self.socket.sendmsg(pieces[:MOST_PIECES])
                data = b"" if sent == self._tempDataLen else b"".join(pieces)
        except OSError:
            # Full, or broken: Twisted's own way waits or reports, after it has read what is left.
            self.startWriting()  # type: ignore[attr-defined]
            return
        whole = sent == self._tempDataLen
        self._tempDataBuffer = []
        self._tempDataLen = 0
        if not whole:
            self.dataBuffer = data[sent:]
            self.startWriting()  # type: ignore[attr-defined]
        elif self.producer is not None and (self.producerPaused or not self.streamingProducer):
            self.producerPaused = False
            self.producer.resumeProducing()

    def doRead(self) -> Any:
        """Read, as `IReadDescriptor.doRead` has it."""
        try:
            data = self.socket.recv(self.bufferSize)  # type: ignore[attr-defined]
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        return self.protocol.dataReceived(data)


class _Server(_Batching, tcp.Server):
    pass


class _Client(_Batching, tcp.Client):
    pass


class _Port(tcp.Port):
    turn: Turn

    def transport(self, *details: Any) -> tcp.Server:  # type: ignore[override]  # Twisted only calls it
        """Make a connection's transport."""
        made = _Server(*details)
        made.turn = self.turn
        return made


class _Connector(tcp.Connector):
    turn: Turn

    def _makeTransport(self) -> tcp.Client:
        made = _Client(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
        made.turn = self.turn
        return made


def listen_tcp(reactor: Any, port: int, factory: Any, backlog: int, interface: str) -> Any:
    """Do as `reactor.listenTCP`, with the transports above where the reactor watches descriptors.

    :returns: the IListeningPort.
    :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
    """
    if not _watches_descriptors(reactor):
        return reactor.listenTCP(port, factory, backlog=backlog, interface=interface)
    listening = _Port(port, factory, backlog, interface, reactor)
    listening.turn = Turn(reactor)
    listening.startListening()
    return listening


def connect_tcp(reactor: Any, host: str, port: int, factory: Any, turn: Turn) -> Any:
    """Do as `reactor.connectTCP` without a timeout, with a transport as above where that is possible.

    :returns: the IConnector.
    """
    if not _watches_descriptors(reactor):
        return reactor.connectTCP(host, port, factory, timeout=None)
    never: Any = None  # Twisted takes None for no timeout, whatever its annotation says
    connector = _Connector(host, port, factory, never, None, reactor)
    connector.turn = turn
    connector.connect()
    return connector


def _watches_descriptors(reactor: Any) -> bool:
    # A reactor with transports of its own (IOCP, uvloop's) or a test's stays in charge of them.
    return isinstance(reactor, PosixReactorBase) and not getattr(reactor, "own_transports", False)
