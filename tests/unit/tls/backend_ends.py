"""A backend's end of TLS, in memory, and the pump between it and ours.

Rule: it is OpenSSL's server as pyOpenSSL has it, and knows nothing of what is tested. Certificates are good for a
century, because OpenSSL looks at the real clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.support.certificates import Issued, issue
from tests.unit.protocols.http1.transports import Wire
from txproxy.model.errors import ProxyError
from txproxy.tls.backend_files import ClientCertificate, Roots
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.backends import BackendContexts, BackendTls
from txproxy.tls.openssl import Scratch

START, END = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
PAST = datetime(2002, 1, 1, tzinfo=UTC)
NAME = "app.internal"


def lasting(*names: str, **more: Any) -> Issued:
    """Issue a certificate for a century."""
    return issue(*names, **({"start": START, "end": END} | more))


def root(common_name: str = "a root", **more: Any) -> Issued:
    """Make a CA for a century."""
    return lasting(common_name=common_name, is_ca=True, **more)


def roots_of(*authorities: Issued) -> Roots:
    """Give what `ca` of the route map becomes."""
    return Roots(tuple(each.certificate for each in authorities), "ca.pem")


def shown(issued: Issued) -> ClientCertificate:
    """Give what `client_certificate` of the route map becomes."""
    return ClientCertificate(issued.chain, "me.pem", issued.key)


def server_context(issued: Issued, **more: Any) -> SSL.Context:
    """Make a backend's context.

    :param more: `clients`: the CA of the client certificates that it wants; `version`: the only one it speaks;
        `protocols`: what it speaks for ALPN; `tickets`: whether sessions can be taken up.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.key)
    for issuer in issued.issuers:
        context.add_extra_chain_cert(issuer)
    context.set_session_id(b"test")
    if "version" in more:
        context.set_min_proto_version(more["version"])
        context.set_max_proto_version(more["version"])
    if not more.get("tickets", True):
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if "clients" in more:
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(more["clients"].certificate))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    if "protocols" in more:
        context.set_alpn_select_callback(
            lambda _, offered: next((each for each in more["protocols"] if each in offered), b"")
        )
    return context


class Inner:
    """The protocol inside: it remembers what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.ended = False
        self.lost: list[Any] = []

    def makeConnection(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        """The end."""
        self.lost.append(reason.value)


class Joined:
    """One connection of ours to a backend of the test's.

    :ivar errors: what we were told of a handshake that failed.
    :ivar server_error: what the backend's OpenSSL has said, None: nothing.
    """

    def __init__(self, backend: BackendTls, context: SSL.Context) -> None:
        self.inner = Inner()
        self.errors: list[ProxyError] = []
        self.wire = Wire()
        self.client = backend.secure(self.inner, self.errors.append)
        self.server = SSL.Connection(context, None)
        self.server.set_accept_state()
        self.server_error: SSL.Error | None = None
        self.shaken = False
        self.got = b""
        self.client.makeConnection(self.wire)

    def pump(self) -> Joined:
        """Let both go on until neither has anything to say."""
        while sent := self.wire.take():
            self.server.bio_write(sent)
            self._serve()
            self.flush()
        return self

    def flush(self) -> None:
        """Let what the backend has written arrive."""
        try:
            while data := self.server.bio_read(65536):
                if not self.wire.ends:
                    self.client.dataReceived(data)
        except SSL.WantReadError:
            pass

    def _serve(self) -> None:
        try:
            if not self.shaken:
                self.server.do_handshake()
                self.shaken = True
            while data := self.server.recv(65536):
                self.got += data
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.server_error = self.server_error or error.with_traceback(None)

    def answer(self, data: bytes) -> None:
        """Let the backend send."""
        self.server.send(data)
        self.flush()

    def lose(self, reason: Exception | None = None) -> Joined:
        """Let the transport below end."""
        self.client.connectionLost(Failure(reason or ConnectionDone()))
        return self

    def converse(self) -> Joined:
        """Shake hands, ask, be answered: then there is a session to keep."""
        self.pump()
        assert self.errors == [], self.errors
        self.inner.transport.write(b"ping")
        self.client.end_turn()
        self.pump()
        assert self.got == b"ping"
        self.answer(b"pong")
        assert self.inner.received == b"pong"
        return self


class Place:
    """A backend's address as far as TLS is concerned, and what opens connections to it."""

    def __init__(self, issued: Issued, authority: Issued | None, server_name: str = NAME, **more: Any) -> None:
        self.clock = Clock()
        self.context = server_context(issued, **more.pop("server", {}))
        roots = None if authority is None else roots_of(authority)
        settings = BackendSettings("https://10.0.0.7:8443", server_name, roots, **more)
        self.backend = BackendContexts(Scratch(self.clock)).backend(settings)

    def join(self, context: SSL.Context | None = None) -> Joined:
        """Open a connection."""
        return Joined(self.backend, context or self.context)


Refusal = Callable[[], Joined]
