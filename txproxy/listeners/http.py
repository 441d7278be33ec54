"""HTTP listeners: who connects, and what is made of the connection.

Rule: a listener makes connections and knows nothing of requests. A PROXY header is required of those who are
named to send one and is an error from all others; nothing of a connection is believed before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from txproxy.forwarding.exchange import Client
from txproxy.forwarding.frontend import Frontend
from txproxy.policy.trust import Trust
from txproxy.protocols.http1.server import ServerConnection, ServerSettings
from txproxy.protocols.proxy_protocol.codec import ProxyHeader

from .connections import Connections
from .proxied import ProxyHeaderReceiver


class HttpFactory(ServerFactory):
    """Makes the connections of one listener.

    :param frontend: takes the requests.
    :param settings: shared by all connections.
    :param connections: of all listeners.
    :param address: a `config.model.Listen`.
    """

    noisy = False
    scheme = "http"
    log = Logger()

    def __init__(
        self,
        frontend: Frontend,
        settings: ServerSettings,
        connections: Connections,
        address: Any,
        is_trusted: Callable[[str], bool],
    ) -> None:
        self._frontend = frontend
        self._settings = settings
        self._connections = connections
        self._listener = address.address
        self.is_trusted = is_trusted
        #: the number of the port that clients come to, 0 for a unix socket
        self.local_port = 0
        proxied = address.proxy_protocol
        self._sends_header: Callable[[str], bool] | None = None
        if proxied is not None:
            # As with trusted_proxies: whoever may open a unix socket is on this machine.
            networks = proxied.sources
            self._sends_header = Trust(networks, unix=any(network.is_loopback for network in networks)).is_trusted
            self._header_timeout = proxied.timeout
        # Made once, not for each connection.
        self._received, self._malformed, self._ended = frontend.request_received, frontend.malformed, self._lost

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A client has connected."""
        if not self._connections.admit():
            return None
        host = getattr(addr, "host", None) or ""
        if self._sends_header is not None and self._sends_header(host):
            made = self._behind_header(host)
        else:
            made = self.connection(host, getattr(addr, "port", 0), self.local_port)
        self._connections.open.add(made)
        self._frontend.counters.connection_opened()
        return made

    def connection(self, ip: str, port: int, local_port: int, local_ip: str = "") -> Any:
        """Make what runs a connection.

        :param ip: of the client, "" on a unix socket. :param port: the client's.
        :param local_port: that the client came to. :param local_ip: likewise, "": ask the transport.
        """
        client = Client(ip, port, local_port, "http", self._listener, self.is_trusted(ip))
        return ServerConnection(self._settings, self._received, self._malformed, self._ended, client)

    def _behind_header(self, host: str) -> ProxyHeaderReceiver:
        def accept(header: ProxyHeader, transport: Any) -> Any:
            if header.local or not header.source:
                peer = transport.getPeer()
                made = self.connection(host, getattr(peer, "port", 0), self.local_port)
            else:
                made = self.connection(header.source, header.source_port, header.destination_port, header.destination)
            self._connections.replace(receiver, made)
            return made

        def refused(reason: str) -> None:
            self.log.info(
                "no PROXY header from {host} at {listener}: {reason}", host=host, listener=self._listener, reason=reason
            )

        receiver = ProxyHeaderReceiver(
            self._settings.deadlines, self._header_timeout, accept=accept, refused=refused, ended=self._lost
        )
        return receiver

    def _lost(self, connection: Any) -> None:
        self._frontend.counters.connection_closed()
        self._connections.gone(connection)
