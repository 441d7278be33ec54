"""HTTPS listeners: TLS first, then HTTP by what ALPN has agreed on.

Rule: a connection is one of the listener's from its first byte on, within its limits and deadlines, whatever
phase it is in. Why a handshake has failed is logged, for whoever has to mend the client.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from txproxy.forwarding.exchange import Client
from txproxy.protocols.http1.server import ServerConnection
from txproxy.tls.contexts import ServerContexts
from txproxy.tls.facts import TlsFacts
from txproxy.tls.hello import ClientHello
from txproxy.tls.openssl import Scratch
from txproxy.tls.policies import HostPolicy
from txproxy.tls.server import TlsServer

from .http import HttpFactory


class _Arrival:
    """Who has come, and to where; the policy once the client has named a host."""

    __slots__ = ("ip", "local_ip", "local_port", "policy", "port")

    def __init__(self, ip: str, port: int, local_port: int, local_ip: str) -> None:
        self.ip = ip
        self.port = port
        self.local_port = local_port
        self.local_ip = local_ip
        self.policy = HostPolicy()


class HttpsFactory(HttpFactory):
    """Makes the connections of one listener.

    :param scratch: of the reactor. :param contexts: of the certificates and policies.
    :param handshake_timeout: seconds. :param redirects_plain: `redirect_plain_http`.
    """

    scheme = "https"

    def __init__(
        self, *details: Any, scratch: Scratch, contexts: ServerContexts, handshake_timeout: float, redirects_plain: bool
    ) -> None:
        super().__init__(*details)
        self._scratch = scratch
        self._contexts = contexts
        self._handshake_timeout = handshake_timeout
        self._redirects_plain = redirects_plain

    def connection(self, ip: str, port: int, local_port: int, local_ip: str = "") -> Any:
        """Make what runs a connection."""
        arrival = _Arrival(ip, port, local_port, local_ip)
        return TlsServer(self._scratch, self, self._settings.deadlines, self._handshake_timeout, arrival)

    # What a `TlsServer` asks of its doorkeeper.

    def admit(self, hello: ClientHello, server: TlsServer) -> SSL.Connection:
        """Choose certificate and policy by what the client says.

        :raises Refused: there is no certificate for it.
        """
        arrival: _Arrival = server.peer
        local_ip = arrival.local_ip or getattr(server.transport.getHost(), "host", "")
        connection, arrival.policy = self._contexts.connection(hello, local_ip)
        return connection

    def secured(self, server: TlsServer) -> ServerConnection:
        """Make the protocol that ALPN has agreed on."""
        arrival: _Arrival = server.peer
        name = None if server.hello is None else server.hello.server_name
        made = self._http(arrival, "https", TlsFacts(server.tls, arrival.policy, name))
        self._connections.replace(server, made)
        return made

    def plain(self, server: TlsServer, data: bytes) -> bool:
        """Answer a client that speaks HTTP without TLS: with a redirect, or with what is wrong."""
        arrival: _Arrival = server.peer
        made = self._http(arrival, "http", None)
        transport = server.transport
        self._connections.replace(server, made)
        transport.protocol = made
        made.makeConnection(transport)
        made.dataReceived(data)
        return True

    def turned_away(self, server: TlsServer, reason: str) -> None:
        """Note why a client got no further."""
        arrival: _Arrival = server.peer
        name = "-" if server.hello is None else server.hello.server_name or "-"
        # Who says nothing at all is a scanner, or a browser that changed its mind.
        say = self.log.info if server.spoken else self.log.debug
        say(
            "tls_handshake_failed: {reason} [server name {name}, client {client}, listener {listener}]",
            reason=reason,
            name=name,
            client=arrival.ip or "-",
            listener=self._listener,
        )
        self._frontend.counters.failed_handshakes += 1
        self._lost(server)

    def _http(self, arrival: _Arrival, scheme: str, facts: TlsFacts | None) -> ServerConnection:
        ip = arrival.ip
        client = Client(ip, arrival.port, arrival.local_port, scheme, self._listener, self.is_trusted(ip))
        client.tls = facts
        received = self._received if facts is not None else self._plain_received
        return ServerConnection(self._settings, received, self._malformed, self._ended, client)

    def _plain_received(self, stream: Any, head: Any, end: bool) -> None:
        self._frontend.plain_received(stream, head, redirects=self._redirects_plain)
