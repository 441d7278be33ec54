"""TCP: ports whose accepted connections, and connectors whose connected sockets, are uvloop's.

Rule: binding, resolving, connecting and all their failures are Twisted's own code; uvloop gets a socket that
listens, or one that is connected.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet import address, tcp
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import ITCPTransport, ITLSTransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from .stream import StreamTransport

# libuv accepts one connection each time a listening socket is ready. With duplicates of it so many are accepted in
# one turn, and what a turn costs is shared by them: a fifth of a short connection's cost (measured).
ACCEPTS_A_TURN = 16
# listen(2) is called again by uvloop. Of a socket that was made elsewhere nobody tells how many may wait: as many as
# the system allows.
MOST_WAITING = 65535


@implementer(ITLSTransport, ITCPTransport)
class TCPTransport(StreamTransport):
    """A TCP connection."""

    __slots__ = ()

    def getHost(self) -> Any:
        """Give this end's address."""
        return tcp_address(self._uv.get_extra_info("sockname"))

    def _settle(self) -> None:
        super()._settle()
        if self._no_delay is None and self._uv is not None and not self._uv.is_closing():
            # libuv switches Nagle's algorithm off for every connection, Twisted leaves it on.
            self._set_no_delay(False)

    def _shut_down(self) -> None:
        # If data lies unread in the kernel, close(2) sends a reset and no end. Twisted shuts down first, too.
        try:
            shutting = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, self._uv.get_extra_info("socket").fileno())
        except (OSError, ValueError):
            return  # it is gone already
        try:
            shutting.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end has reset it
        finally:
            shutting.detach()

    def getTcpNoDelay(self) -> bool:
        """Tell whether small pieces are sent at once."""
        if self._no_delay is None:
            return False  # nobody has asked for it; `_settle` tells libuv
        return bool(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send small pieces at once, or collect them while earlier ones are on their way."""
        if self._no_delay is None and enabled:
            self._no_delay = True  # as libuv has it already
        elif self._no_delay is not bool(enabled):
            self._set_no_delay(bool(enabled))

    def _set_no_delay(self, enabled: bool) -> None:
        self._no_delay = enabled
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)
        except OSError:
            self._log.debug("TCP_NODELAY of {transport!r} cannot be set", transport=self)

    def getTcpKeepAlive(self) -> bool:
        """Tell whether the kernel asks a silent peer whether it is there."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Let the kernel ask a silent peer whether it is there, or not."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


def tcp_address(name: tuple[Any, ...]) -> Any:
    """Make Twisted's address of a socket's name."""
    if len(name) == 2:
        return address.IPv4Address("TCP", name[0], name[1])
    host = name[0]
    if name[3] and "%" not in host:  # a link-local one: with the name of its interface
        host = socket.getnameinfo(name, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return address.IPv6Address("TCP", host, *name[1:])


class Accepted:
    """Mixed into the transport of a connection that was accepted by a port, or given to us connected."""

    __slots__ = ()
    _peer: Any
    _uv: Any
    protocol: Any
    reactor: Any
    server: Any

    def build(self) -> Any:
        """Let the port's factory make the protocol."""
        name = self._uv.get_extra_info("peername")
        if name is None or not self.server.connected:
            return None  # the peer has reset the connection already, or the port is closed, and its factory stopped
        self._peer = self.server.peer_address(name)
        return self.server.factory.buildProtocol(self._peer)


class TCPServer(Accepted, TCPTransport):
    """A TCP connection that was accepted."""

    __slots__ = ("server", "sessionno")

    def __init__(self, reactor: Any, server: Any, sessionno: int = 0) -> None:
        super().__init__(reactor)
        self.server = server
        self.sessionno = sessionno

    @property
    def hostname(self) -> str:
        """The peer's IP address."""
        return str(self._peer.host)

    def logPrefix(self) -> str:
        """Name the protocol, the connection and its peer."""
        return f"{super().logPrefix()},{self.sessionno},{self.hostname}"

    def __repr__(self) -> str:
        return f"<{self._protocol_name} #{self.sessionno} on {self.server._realPortNumber}>"

    @property
    def client(self) -> tuple[str, int]:
        """The peer's IP address and port, as Twisted's transports have it."""
        return self._peer.host, self._peer.port


class Connected:
    """Mixed into the transport of a connection that a connector made."""

    __slots__ = ()
    _tlsClientDefault = True
    _peer: Any
    _uv: Any
    connected: bool
    connector: Any
    _given_up: Exception | None

    def build(self) -> Any:
        """Let the connector's factory make the protocol."""
        if self._given_up is not None:
            return None
        try:
            protocol = self.connector.buildProtocol(self._peer)
        except Exception as error:
            self.failIfNotConnected(ConnectError(string=error))
            raise
        if protocol is None:
            # As Twisted has it: somebody must be told, so there is a protocol for a moment.
            protocol = _Nobody()
        return protocol

    def failIfNotConnected(self, reason: Exception) -> None:
        """Give up, for this reason, what is not connected yet: called by Twisted's connector."""
        if self.connected or self._given_up is not None:
            return
        self._given_up = reason  # type: ignore[misc]  # a slot of the class that this is mixed into
        self.connector.connectionFailed(Failure(reason))

    not_adopted = failIfNotConnected

    def logPrefix(self) -> str:
        """Name the protocol, and that it is a client's."""
        return f"{super().logPrefix()},client"  # type: ignore[misc]

    def ended(self, reason: Failure) -> None:
        """Tell the connector."""
        self.connector.connectionLost(reason)


class _Nobody(Protocol):
    def connectionMade(self) -> None:
        """End it."""
        self.transport.loseConnection()  # type: ignore[union-attr]


class TCPClient(Connected, TCPTransport):
    """A TCP connection that we made."""

    __slots__ = ("_given_up", "addr", "connector")

    def __init__(self, reactor: Any, connector: Any, peer: Any, addr: tuple[Any, ...]) -> None:
        super().__init__(reactor)
        self.connector = connector
        #: what was asked to be connected to
        self.addr = addr
        self._peer = peer
        self._given_up: Exception | None = None

    def __repr__(self) -> str:
        return f"<{self.__class__} to {self.addr} at {id(self):x}>"


class Listening:
    """Mixed into a port of Twisted's: whoever accepts is uvloop, on duplicates of the port's socket."""

    reactor: Any
    socket: Any
    backlog: int
    _uv_servers: Sequence[Any] = ()

    def startReading(self) -> None:
        """Accept connections.

        :raises OSError: descriptors are short; none are accepted then.
        """
        if self._uv_servers:
            return
        self._uv_servers = servers = []
        self.reactor.ports.add(self)
        try:
            for _ in range(ACCEPTS_A_TURN):
                servers.append(self.reactor.serve(self.accept, self.socket.dup(), self.backlog or MOST_WAITING))  # noqa: PERF401
        except OSError:
            self.stopReading()
            raise

    def stopReading(self) -> None:
        """Accept none; those that come meanwhile wait in the kernel, as long as the port is open."""
        if self._uv_servers:
            servers, self._uv_servers = self._uv_servers, []
            for server in servers:
                server.close()
        self.reactor.ports.discard(self)

    def accept(self) -> StreamTransport:
        """Make the transport of a connection that is being accepted."""
        raise NotImplementedError


class TCPPort(Listening, tcp.Port):
    """A TCP port."""

    def accept(self) -> StreamTransport:
        """Make the transport of a connection that is being accepted."""
        self.sessionno += 1
        return TCPServer(self.reactor, self, self.sessionno - 1)

    @staticmethod
    def peer_address(name: tuple[Any, ...]) -> Any:
        """Give a peer's address."""
        return tcp_address(name)


class Adopted:
    """Stands for the port, and its factory, of a connection that was accepted elsewhere (`adoptStreamConnection`)."""

    connected = True

    def __init__(self, protocol: Any, peer: Any, name: Any) -> None:
        self.factory = self
        self._protocol = protocol
        self._peer = peer
        self._realPortNumber = name

    def peer_address(self, name: Any) -> Any:
        """Give the peer's address."""
        return self._peer

    def buildProtocol(self, peer: Any) -> Any:
        """Give the protocol that was made when the connection was adopted."""
        return self._protocol


class Connecting(tcp.Client):
    """Twisted's own connecting socket, which becomes uvloop's once it is connected."""

    def _connectDone(self) -> None:
        hand_over(self, TCPClient(self.reactor, self.connector, self.getPeer(), self.addr))  # type: ignore[no-untyped-call]


def hand_over(connecting: Any, transport: StreamTransport) -> None:
    """Give a connected socket of Twisted's to uvloop, and the connector its new transport."""
    connector = connecting.connector
    connector.transport = transport
    connected = connecting.socket
    # Nothing of Twisted's may look at it any more.
    del connecting.socket, connecting.fileno, connecting.connector
    connecting.reactor.adopt(transport, connected)


class TCPConnector(tcp.Connector):
    """Connects by TCP."""

    def _makeTransport(self) -> Any:
        return Connecting(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
