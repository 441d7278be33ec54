"""UNIX sockets: as TCP, and descriptors that are sent along.

Rule: binding, lock files and connecting are Twisted's. uvloop reads no ancillary data, so a connection whose
protocol wants descriptors (`IFileDescriptorReceiver`) is left to Twisted's own transport, on this reactor.
"""

from __future__ import annotations

import array
import socket
from typing import Any

from twisted.internet import address, error, interfaces, unix
from twisted.python.failure import Failure
from zope.interface import implementer

from .stream import StreamTransport
from .tcp import Accepted, Connected, Listening, hand_over

# How many descriptors may wait before producers are paused: that of `twisted.internet.unix`.
DESCRIPTORS = 64


@implementer(interfaces.IUNIXTransport, interfaces.ITLSTransport, interfaces.ITCPTransport)
class UNIXTransport(StreamTransport):
    """A connection by a UNIX socket."""

    __slots__ = ("_descriptors", "_sender")

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        #: to be sent with the next bytes, one with each
        self._descriptors: list[int] = []
        #: while the kernel takes no descriptors: a duplicate of the socket, that uvloop lets us watch
        self._sender: socket.socket | None = None

    def sendFileDescriptor(self, descriptor: int) -> None:
        """Send a descriptor with the next byte that is written."""
        self._descriptors.append(descriptor)
        if len(self._descriptors) > DESCRIPTORS:
            self._pause_producer()
        self._await_end_of_turn()

    def flush(self) -> None:
        """Send what was written, and descriptors with its first bytes."""
        if self._sender is not None:
            return  # `_retry` goes on
        if self._descriptors and self.connected and self._reason is None:
            self._flush_descriptors()
        else:
            super().flush()

    def end_turn(self) -> None:
        """As for every stream, once the descriptors are out."""
        if self._descriptors and self.connected:
            self.flush()
        if self._sender is None:
            super().end_turn()
        else:
            self._dirty = False

    def _flush_descriptors(self) -> None:
        data = b"".join(self._pending)
        if len(self._descriptors) > len(data):
            self._end(Failure(error.FileDescriptorOverrun()))
            return
        sent = 0
        sender: socket.socket = self.socket.dup()
        try:
            while self._descriptors and not self._uv.get_write_buffer_size():
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._descriptors[:1]))]
                sender.sendmsg([data[sent : sent + 1]], rights)
                del self._descriptors[0]
                sent += 1
        except BlockingIOError:
            pass
        except OSError:
            self._descriptors.clear()  # uvloop finds the same out when it writes the bytes, and ends the connection
        self._pending = [data[sent:]] if sent < len(data) else []
        self._pending_size = len(data) - sent
        if self._descriptors:
            self._sender = sender
            self.reactor.loop.add_writer(sender.fileno(), self._retry)
        else:
            sender.close()
            super().flush()
            if self.producerPaused and not self._uv.get_write_buffer_size():
                self._drained()

    def _retry(self) -> None:
        self._stop_waiting()
        if self._uv is not None:
            self.end_turn()

    def _stop_waiting(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            self.reactor.loop.remove_writer(sender.fileno())
            sender.close()

    def _drop_pending(self) -> None:
        self._stop_waiting()
        self._descriptors.clear()
        super()._drop_pending()

    def getTcpNoDelay(self) -> bool:
        """Tell what there is not, for protocols that think of TCP only."""
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing, for protocols that think of TCP only."""

    def getTcpKeepAlive(self) -> bool:
        """Tell whether SO_KEEPALIVE is set, which means nothing here."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Set SO_KEEPALIVE, which means nothing here."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


class UNIXServer(Accepted, UNIXTransport):
    """A connection by a UNIX socket that was accepted."""

    __slots__ = ("server", "sessionno")

    def __init__(self, reactor: Any, server: Any, sessionno: int = 0) -> None:
        super().__init__(reactor)
        self.server = server
        self.sessionno = sessionno

    def build(self) -> Any:
        """Let the port's factory make the protocol; one that wants descriptors goes to Twisted's transport."""
        protocol: Any = super().build()
        wants_descriptors: bool = interfaces.IFileDescriptorReceiver.providedBy(protocol)
        if wants_descriptors:
            duplicate = self.socket.dup()
            transport: Any = unix.Server(duplicate, protocol, self._peer.name, self.server, 0, self.reactor)
            protocol.makeConnection(transport)
            return None
        return protocol

    def getHost(self) -> Any:
        """Give the path that it was accepted at."""
        return address.UNIXAddress(self.socket.getsockname())

    def logPrefix(self) -> str:
        """Name the protocol, the connection and where it was accepted."""
        return f"{super().logPrefix()},{self.sessionno},{self._place}"

    @property
    def _place(self) -> Any:
        return self.server._realPortNumber if self.server._realPortNumber is not None else self.server._bindPath

    def __repr__(self) -> str:
        return f"<{self._protocol_name} #{self.sessionno} on {self._place}>"


class UNIXClient(Connected, UNIXTransport):
    """A connection by a UNIX socket that we made."""

    __slots__ = ("_given_up", "_made", "connector")

    def __init__(self, reactor: Any, connector: Any, peer: Any, protocol: Any) -> None:
        super().__init__(reactor)
        self.connector = connector
        self._peer = peer
        self._made = protocol
        self._given_up: Exception | None = None

    def build(self) -> Any:
        """Give the protocol that was made when the socket was connected."""
        return self._made

    def getHost(self) -> Any:
        """Give this end's address, which has no name."""
        return address.UNIXAddress(None)


class UNIXPort(Listening, unix.Port):
    """A UNIX socket that is listened on."""

    def accept(self) -> StreamTransport:
        """Make the transport of a connection that is being accepted."""
        self.sessionno += 1
        return UNIXServer(self.reactor, self, self.sessionno - 1)

    @staticmethod
    def peer_address(name: Any) -> Any:
        """Give a peer's address; most have no name."""
        return address.UNIXAddress(name or None)


class Connecting(unix.Client):
    """Twisted's own connecting socket, which becomes uvloop's once it is connected."""

    def _connectDone(self) -> None:
        connector = self.connector
        peer = self.getPeer()  # type: ignore[no-untyped-call]
        protocol = connector.buildProtocol(peer)
        if protocol is None or interfaces.IFileDescriptorReceiver.providedBy(protocol):
            self._made = protocol
            connector.buildProtocol = self._give
            super()._connectDone()  # type: ignore[no-untyped-call]
            return
        hand_over(self, UNIXClient(self.reactor, connector, peer, protocol))

    def _give(self, peer: Any) -> Any:
        del self.connector.buildProtocol
        return self._made


class UNIXConnector(unix.Connector):
    """Connects by a UNIX socket."""

    def _makeTransport(self) -> Any:
        return Connecting(self.address, self, self.reactor, self.checkPID)  # type: ignore[no-untyped-call]
