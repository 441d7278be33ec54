"""A reactor in memory, with names and unix sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import MemoryReactorClock

from tests.unit.protocols.http1.transports import Wire


@dataclass(frozen=True)
class Place:
    """Where a backend is."""

    kind: str = "tcp"
    host: str = "192.0.2.1"
    port: int = 80
    path: str = ""


class Resolution:
    """A look-up that, as Twisted's own, cannot be cancelled."""

    def __init__(self, receiver: Any, name: str, port: int) -> None:
        self.receiver = receiver
        self.name = name
        self.port = port

    def cancel(self) -> None:
        """Refuse."""
        raise NotImplementedError

    def found(self, *hosts: str) -> None:
        """Tell the result."""
        for host in hosts:
            kind = IPv6Address if ":" in host else IPv4Address
            self.receiver.addressResolved(kind("TCP", host, self.port))
        self.receiver.resolutionComplete()


class Names:
    """The reactor's nameResolver."""

    def __init__(self) -> None:
        self.asked: list[Resolution] = []

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0) -> Resolution:
        """Begin to look a name up."""
        resolution = Resolution(receiver, name, portNumber)
        self.asked.append(resolution)
        receiver.resolutionBegan(resolution)
        return resolution


class Reactor(MemoryReactorClock):
    """Twisted's, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self.names = Names()  # type: ignore[misc]

    def tried(self) -> list[Any]:
        """Give where connections were tried to, in order: (host, port), or a path."""
        return [client[:2] for client in self.tcpClients] + [client[0] for client in self.unixClients]

    def given_up(self) -> list[bool]:
        """Tell of each try whether it was given up."""
        return [connector.stoppedConnecting for connector in self.connectors]

    def accept(self, which: int = -1) -> Wire | None:
        """Let a try succeed; give the transport, or None if nobody wanted it any more."""
        client = (self.tcpClients or self.unixClients)[which]
        protocol = client[2 if self.tcpClients else 1].buildProtocol(None)
        if protocol is None:
            return None
        wire = Wire()
        protocol.makeConnection(wire)
        return wire

    def refuse(self, failure: Any, which: int = -1) -> None:
        """Let a try fail."""
        client = (self.tcpClients or self.unixClients)[which]
        client[2 if self.tcpClients else 1].clientConnectionFailed(None, failure)
