"""Twisted's TCP transports, with a `write` that tries to send at once.

Rule: bytes are buffered only if the kernel does not take them now. Twisted always buffers, asks epoll
for writability, sends in the next turn and tells epoll to stop: two system calls and one more turn of
the reactor for every write, about a fifth of a small request's cost. Order, producers, closing and
errors stay Twisted's: whatever is not sent at once takes its usual way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase


class _SendsAtOnce:
    """Mixed into a transport of `twisted.internet.tcp`."""

    _tempDataBuffer: list[bytes]
    dataBuffer: bytes
    connected: int
    disconnecting: int
    socket: Any

    def write(self, data: bytes) -> None:
        """Write, as `ITransport.write` has it."""
        if (
            not self._tempDataBuffer
            and not self.dataBuffer
            and self.connected
            and not self.disconnecting
            and not self._writeDisconnecting  # type: ignore[attr-defined]  # Twisted's own
        ):
            try:
                sent = self.socket.send(data)
            except OSError:
                # Full, or broken: Twisted's own path waits or reports, after it has read what is left.
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)  # type: ignore[misc]


class _Server(_SendsAtOnce, tcp.Server):  # type: ignore[misc]  # Twisted's transports are not typed
    pass


class _Client(_SendsAtOnce, tcp.Client):  # type: ignore[misc]
    pass


class _Port(tcp.Port):  # type: ignore[misc]
    transport = _Server


class _Connector(tcp.Connector):  # type: ignore[misc]
    def _makeTransport(self) -> tcp.Client:
        return _Client(self.host, self.port, self.bindAddress, self, self.reactor)


def listen_tcp(reactor: Any, port: int, factory: Any, backlog: int, interface: str) -> IListeningPort:
    """Do as `reactor.listenTCP`, with transports that send at once where the reactor watches descriptors.

    :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
    """
    if not _watches_descriptors(reactor):
        return reactor.listenTCP(port, factory, backlog=backlog, interface=interface)  # type: ignore[no-any-return]
    listening = _Port(port, factory, backlog, interface, reactor)
    listening.startListening()
    return listening  # type: ignore[no-any-return]


def connect_tcp(reactor: Any, host: str, port: int, factory: Any) -> Any:
    """Do as `reactor.connectTCP` without a timeout, with a transport that sends at once where that is possible.

    :returns: the IConnector.
    """
    if not _watches_descriptors(reactor):
        return reactor.connectTCP(host, port, factory, timeout=None)
    connector = _Connector(host, port, factory, None, None, reactor)
    connector.connect()
    return connector


def _watches_descriptors(reactor: Any) -> bool:
    # A reactor with transports of its own (IOCP, uvloop's) or a test's stays in charge of them.
    return isinstance(reactor, PosixReactorBase)
