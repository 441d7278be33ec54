"""HTTP listeners: a bound socket whose connections speak HTTP/1.

Rule: the limit of connections holds over all listeners; one too many is closed at once, before a byte is read.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from txproxy.forwarding.exchange import Client
from txproxy.forwarding.frontend import Frontend
from txproxy.model.errors import ProxyError
from txproxy.protocols.http1.server import ServerConnection, ServerSettings
from txproxy.reactor.tcp import listen_tcp


class Connections:
    """All downstream connections of the process, of every listener."""

    log = Logger()

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open: set[ServerConnection] = set()
        self._refusing = False
        self._emptied: Callable[[], None] | None = None

    def admit(self) -> bool:
        """Whether there is room for one more; the first refusal is logged, not each."""
        if len(self.open) < self.limit:
            self._refusing = False
            return True
        if not self._refusing:
            self._refusing = True
            self.log.warn(
                "connection_limit_reached: limits.connections ({limit}) are open; new ones are closed",
                limit=self.limit,
            )
        return False

    def gone(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        self.open.discard(connection)
        self._tell_if_empty()

    def drain(self, emptied: Callable[[], None]) -> None:
        """End what is idle, let the rest finish, and tell once when nothing is left."""
        self._emptied = emptied
        for connection in tuple(self.open):
            connection.close_when_idle()
        self._tell_if_empty()

    def cut(self, error: ProxyError) -> None:
        """End what is left: requests without an answer get `error` as theirs, which may take a moment to leave."""
        for connection in tuple(self.open):
            connection.cut(error)

    def abort(self) -> None:
        """Reset what is left, now. After `cut`: exchanges are not told."""
        for connection in tuple(self.open):
            connection.abort()

    def _tell_if_empty(self) -> None:
        if not self.open and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied()


class HttpFactory(ServerFactory):
    """Makes the connections of one listener.

    :param frontend: takes the requests.
    :param settings: shared by all connections.
    :param connections: of all listeners.
    :param listener: its address as the route map has it.
    """

    noisy = False

    def __init__(
        self,
        frontend: Frontend,
        settings: ServerSettings,
        connections: Connections,
        listener: str,
        is_trusted: Callable[[str], bool],
    ) -> None:
        self._frontend = frontend
        self._settings = settings
        self._connections = connections
        self._listener = listener
        self.is_trusted = is_trusted
        #: the number of the port that clients come to, 0 for a unix socket
        self.local_port = 0
        # Made once, not for each connection.
        self._received, self._malformed, self._ended = frontend.request_received, frontend.malformed, self._lost

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A client has connected."""
        if not self._connections.admit():
            return None
        host = getattr(addr, "host", None) or ""
        port = getattr(addr, "port", 0)
        client = Client(host, port, self.local_port, "http", self._listener, self.is_trusted(host))
        connection = ServerConnection(self._settings, self._received, self._malformed, self._ended, client)
        self._connections.open.add(connection)
        self._frontend.counters.connection_opened()
        return connection

    def _lost(self, connection: ServerConnection) -> None:
        self._frontend.counters.connection_closed()
        self._connections.gone(connection)


# What waits for accept while the process is busy; nginx asks for 511, the kernel caps it (somaxconn).
BACKLOG = 1024


def listen(reactor: Any, address: Any, factory: HttpFactory) -> Any:
    """Bind one address of the route map.

    :returns: the IListeningPort.
    :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
    """
    if address.kind == "tcp":
        port = listen_tcp(reactor, address.port, factory, BACKLOG, address.host)
        factory.local_port = port.getHost().port
    else:
        _remove_stale_socket(address.path)
        mode = 0o666 if address.mode is None else address.mode
        port = reactor.listenUNIX(address.path, factory, backlog=BACKLOG, mode=mode, wantPID=False)
    return port


def _remove_stale_socket(path: str) -> None:
    """Remove a socket that a killed process left behind; one that is served stays, and binding fails."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def bound_addresses(ports: list[Any]) -> Iterator[str]:
    """Name what these IListeningPorts listen on, as a route map does."""
    for port in ports:
        at = port.getHost()
        if isinstance(at, UNIXAddress):
            yield f"http+unix:{os.fsdecode(at.name or '')}"
        else:
            yield f"http://[{at.host}]:{at.port}" if ":" in at.host else f"http://{at.host}:{at.port}"
