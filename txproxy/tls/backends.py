"""TLS to backends: who they must be, and what is kept from one connection for the next.

Rule: a connection is handed over only when the backend has proved, in a full handshake or in an earlier one
that this session comes from, that it is who the route map names. That proof is asked for anew every hour
(`SESSION_SECONDS`). A session is offered to the backend that it is from, under the same settings, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from OpenSSL import SSL, crypto
from twisted.python.failure import Failure

from txproxy.model.errors import ProxyError

from .alerts import is_fatal
from .backend_settings import BackendSettings
from .backend_trouble import alert_received, handshake_failed, misnamed, untrusted
from .client import TlsClient
from .context_parts import bare_context, believe, show
from .openssl import Scratch, was_resumed

# Seconds after which a full handshake looks at the certificate again: each resumed one gives a session of its own,
# and a chain of them would never end.
SESSION_SECONDS = 3600.0
# The first bytes that tell what a backend speaks, and are worth showing.
_HEARD_BYTES = 16

# For TLS 1.2, as Twisted has it: AEAD with forward secrecy first; what else old applications' servers can, behind it.
_CIPHERS = b":".join(
    (
        b"ECDH+AESGCM:ECDH+CHACHA20:DH+AESGCM:DH+CHACHA20:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES",
        b"!aNULL:!MD5:!DSS:!PSK:!SRP",
    )
)
# Ours, for ALPN (RFC 7301); a backend that knows no ALPN is taken as well.
_PROTOCOLS = [b"http/1.1"]


class _Notes:
    """What is found out within a handshake, where nothing can be raised; the application data of its connection."""

    __slots__ = ("alert", "settings", "wrong")

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        #: what is wrong with the backend's certificate
        self.wrong: ProxyError | None = None
        #: the alert that the backend has sent
        self.alert: int | None = None


class BackendContexts:
    """Contexts, one for all backends that are trusted alike: the system's CAs alone are a megabyte.

    :param scratch: of the reactor.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._made: WeakValueDictionary[Any, SSL.Context] = WeakValueDictionary()

    def backend(self, settings: BackendSettings) -> BackendTls:
        """Make what opens connections to one backend."""
        context = self._made.get(settings.trust)
        if context is None:
            context = self._made[settings.trust] = _context(settings)
        return BackendTls(self._scratch, context, settings)


class BackendTls:
    """Secures the connections to one backend.

    :param scratch: of the reactor.
    :param context: for these settings.
    """

    __slots__ = ("_context", "_scratch", "_session", "_session_until", "settings")

    def __init__(self, scratch: Scratch, context: SSL.Context, settings: BackendSettings) -> None:
        self._scratch = scratch
        self._context = context
        self.settings = settings
        self._session: SSL.Session | None = None
        self._session_until = 0.0

    def __repr__(self) -> str:
        return f"<BackendTls {self.settings.where} as {self.settings.server_name}>"

    def secure(self, inner: Any, failed: Callable[[ProxyError], None]) -> BackendClient:
        """Give what a transport is to be connected to so that `inner` gets it secured.

        :param failed: called once if it is not: then `inner` is never connected.
        """
        return BackendClient(self._scratch, self, inner, failed)

    def connection(self, notes: _Notes) -> SSL.Connection:
        """Make a connection, with the latest session."""
        settings = self.settings
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(notes)
        if not settings.is_address:
            connection.set_tlsext_host_name(settings.server_name.encode("ascii"))
        if self._session is not None:
            if self._seconds() < self._session_until:
                connection.set_session(self._session)
            else:
                self._session = None
        return connection

    def proven_until(self, connection: SSL.Connection) -> float:
        """Give the time up to which sessions of this connection may be taken up; its handshake has just ended."""
        return self._session_until if was_resumed(connection) else self._seconds() + SESSION_SECONDS

    def remember(self, client: Any) -> None:
        """Keep the session of a connection for the next one.

        The time for it is when the backend has answered: the tickets of TLS 1.3 come behind the handshake.

        :param client: a `BackendClient`.
        """
        session = client.tls.get_session()
        # An older proof does not replace a newer one.
        if session is not None and client.alert is None and client.proven_until >= self._session_until:
            self._session = session
            self._session_until = client.proven_until

    def forget(self) -> None:
        """Offer no session: it may be what a handshake has failed by."""
        self._session = None
        self._session_until = 0.0

    def _seconds(self) -> float:
        seconds: float = self._scratch.reactor.seconds()
        return seconds


class BackendClient(TlsClient):
    """One connection to a backend.

    :ivar proven_until: the time up to which its sessions may be taken up.
    """

    __slots__ = ("_backend", "_heard", "_not_secured", "_notes", "proven_until")

    def __init__(self, scratch: Scratch, backend: BackendTls, inner: Any, failed: Callable[[ProxyError], None]) -> None:
        super().__init__(scratch, self, inner, self._handshake_failed)
        self._backend = backend
        self._not_secured = failed
        self._notes = _Notes(backend.settings)
        self._heard = b""
        self.proven_until = 0.0

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make the connection: we are our own creator."""
        return self._backend.connection(self._notes)

    def _shaking_received(self, data: bytes) -> None:
        if len(self._heard) < _HEARD_BYTES:
            self._heard += data[: _HEARD_BYTES - len(self._heard)]
        super()._shaking_received(data)

    def _secured(self) -> None:
        self.proven_until = self._backend.proven_until(self.tls)
        super()._secured()
        # In TLS 1.3 it is behind the handshake that a backend says what it thinks of our certificate.
        self.tls.set_app_data(self._notes)

    @property
    def alert(self) -> int | None:
        """The alert by which the backend has ended the connection."""
        return self._notes.alert

    def _handshake_failed(self, failure: Failure) -> None:
        backend, notes = self._backend, self._notes
        backend.forget()
        if notes.wrong is not None:
            error = notes.wrong
        elif notes.alert is not None:
            error = alert_received(backend.settings, notes.alert)
        else:
            error = handshake_failed(backend.settings, failure, self._heard)
        self._reason = None  # with its traceback, which refers to us, it would be a circle
        self._not_secured(error)

    def _lost(self, inner: Any, reason: Failure) -> None:
        if not self.shaking and self._notes.alert is not None:
            self._backend.forget()
            reason = Failure(alert_received(self._backend.settings, self._notes.alert))
        super()._lost(inner, reason)


def _context(settings: BackendSettings) -> SSL.Context:
    """Make a context, complete: pyOpenSSL lets nothing be changed once it is used."""
    # Sessions are kept by `BackendTls`, each for its backend.
    context = bare_context(SSL.TLS_CLIENT_METHOD, _CIPHERS)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_alpn_protos(_PROTOCOLS)
    context.set_info_callback(_told)
    if settings.verify:
        if settings.roots is None:
            context.set_default_verify_paths()
        else:
            believe(context, settings.roots.certificates)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
    else:
        context.set_verify(SSL.VERIFY_NONE)
    if settings.client is not None:
        show(context, settings.client.chain, settings.client.key)
    return context


def _verify(connection: SSL.Connection, certificate: crypto.X509, number: int, depth: int, ok: int) -> bool:
    """Called by OpenSSL: for the first thing that is wrong, or for each certificate of a chain that is good."""
    notes: _Notes = connection.get_app_data()
    if not ok:
        notes.wrong = untrusted(notes.settings, certificate.to_cryptography(), number, depth)
    elif depth == 0:
        notes.wrong = misnamed(notes.settings, certificate.to_cryptography())
    return notes.wrong is None


def _told(connection: SSL.Connection, where: int, what: int) -> None:
    """Called by OpenSSL at each step; an alert's level is in front of its number."""
    if where == SSL.SSL_CB_READ_ALERT and is_fatal(what & 0xFF):
        notes: _Notes | None = connection.get_app_data()
        if notes is not None:
            notes.alert = what & 0xFF
