"""The client's end of TLS: a connection that its protocol gets only once the handshake is complete.

Rule: `failed` is called once or the protocol is connected once, never both and never neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from .openssl import Scratch
from .transport import TlsTransport


class Creator(Protocol):
    """Makes connections, as `twisted.internet.interfaces.IOpenSSLClientConnectionCreator`."""

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make one, whose application data is its protocol: who checks certificates calls its `failVerification`."""


class TlsClient(TlsTransport):
    """One connection to a server.

    :param scratch: of the reactor.
    :param creator: makes the `SSL.Connection`. That of Twisted's `optionsForClientTLS` asks a protocol for its factory,
        which this one has not (docs/adr/0017 tells who checks certificates here).
    :param inner: connected when the handshake is complete.
    :param failed: called with a Failure if the connection ends before that: of `OpenSSL.SSL.Error`, of what
        `failVerification` was called with, or of the transport's own end.
    """

    __slots__ = ("_creator", "_failed")

    def __init__(self, scratch: Scratch, creator: Creator, inner: Any, failed: Callable[[Failure], None]) -> None:
        super().__init__(scratch, None, inner)
        self._creator: Creator | None = creator
        self._failed: Callable[[Failure], None] | None = failed

    def _begin(self) -> None:
        creator, self._creator = self._creator, None
        assert creator is not None
        tls = creator.clientConnectionForTLS(self)
        tls.set_connect_state()
        self._use(tls)
        self._shake()

    def _secured(self) -> None:
        self._failed = None
        self.tls.set_app_data(None)  # it was us: a circle
        self.inner.makeConnection(self)

    def _lost(self, inner: Any, reason: Failure) -> None:
        failed, self._failed = self._failed, None
        if failed is None:
            inner.connectionLost(reason)
            return
        if self.tls is not None:
            self.tls.set_app_data(None)
        if self._reason is None and reason.check(SSL.Error) is None:
            reason = Failure(ConnectionLost(f"during the TLS handshake: {reason.getErrorMessage()}"))
        failed(reason)
