"""Clients that speak TLS: Python's ssl for requests, pyOpenSSL for what only that can tell.

Rule: a client believes one CA and nobody else, and says what it got, be it an alert.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from .messages import Buffer, Gone
from .raw_client import RawClient
from .waiting import PATIENCE

REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"


@dataclass
class TlsClient:
    """One kind of client, for one address.

    :ivar ca: the file of the CA that it believes. :ivar shows: files of its own certificate and key.
    """

    address: tuple[str, int]
    ca: Path
    shows: tuple[Path, Path] | None = None
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ciphers: str = ""
    alpn: Sequence[str] = ()
    checks_name: bool = True
    _made: list[ssl.SSLContext] = field(default_factory=list)

    @property
    def context(self) -> ssl.SSLContext:
        """Its context, one for all its connections: sessions are of a context."""
        if not self._made:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self.ca)
            context.minimum_version, context.maximum_version = self.versions
            context.check_hostname = self.checks_name
            if self.ciphers:
                context.set_ciphers(self.ciphers)
            if self.alpn:
                context.set_alpn_protocols(list(self.alpn))
            if self.shows is not None:
                context.load_cert_chain(*self.shows)
            self._made.append(context)
        return self._made[0]

    def connect(self, name: str | None, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """Shake hands.

        :param name: the host that is named; None: none.
        :raises ssl.SSLError: an alert came, or the certificate is not believed.
        """
        plain = socket.create_connection(self.address, PATIENCE)
        try:
            return self.context.wrap_socket(plain, server_hostname=name, session=session)
        except BaseException:
            plain.close()
            raise

    def ask(
        self, name: str | None, host: str | None = None, path: str = "/", more: str = "", session: Any = None
    ) -> bytes:
        """Send one request on a connection of its own, and give all that comes until a close_notify."""
        with closing(self.connect(name, session)) as connection:
            connection.sendall(REQUEST.format(path=path, host=host or name, more=more).encode())
            return read_all(connection)


def read_all(connection: ssl.SSLSocket) -> bytes:
    """Read until a close_notify.

    :raises ssl.SSLEOFError: the end came without one.
    """
    received = b""
    connection.suppress_ragged_eofs = False
    while piece := connection.recv(65536):
        received += piece
    return received


def alert_of(client: TlsClient, name: str | None) -> str:
    """Give the alert that a handshake ends by, in OpenSSL's words; "" if it succeeds.

    An alert about a client's certificate comes behind the handshake of TLS 1.3, with the first read.
    """
    try:
        with closing(client.connect(name)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            read_all(connection)
    except ssl.SSLEOFError:
        return "closed"
    except ssl.SSLError as error:
        return str(error.reason or error)
    return ""


def group_of(address: tuple[str, int], name: str) -> str | None:
    """Give the group that pyOpenSSL's own OpenSSL agrees on with a server."""
    with socket.create_connection(address, PATIENCE) as plain:
        plain.settimeout(None)
        connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), plain)
        connection.set_tlsext_host_name(name.encode())
        connection.set_connect_state()
        connection.do_handshake()
        return connection.get_group_name()


class SecuredClient(RawClient):
    """A client that sends exactly the bytes it is told, by TLS; an end without close_notify is a `Gone("cut")`."""

    def __init__(self, of: TlsClient, name: str, *, receive_buffer: int | None = None) -> None:
        super().__init__(of.address, receive_buffer=receive_buffer)
        self.plain = self.socket
        # Kept apart, so that the end of one may be told without the other.
        try:
            self.secured = of.context.wrap_socket(self.plain, server_hostname=name, suppress_ragged_eofs=False)
        except BaseException:
            self.plain.close()
            raise
        self.socket = self.secured
        self.buffer = Buffer(self._read)

    def _read(self) -> bytes:
        try:
            return self.secured.recv(65536)
        except ssl.SSLEOFError:
            raise Gone("cut") from None
