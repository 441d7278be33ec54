"""From an address to a connection: names are resolved, addresses tried in turn, all within one deadline.

Rule: this is one of the few doors where a Deferred stands. Every failure leaves here as a `ProxyError`. With TLS
a connection is one only when its handshake is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IConnector, IHostResolution, IProtocol, IResolutionReceiver
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.model.errors import (
    CONNECTION_REFUSED,
    CONNECTION_TIMEOUT,
    DESTINATION_IP_UNROUTABLE,
    DNS_ERROR,
    DNS_TIMEOUT,
    ProxyError,
)
from txproxy.model.hostname import is_address
from txproxy.reactor.tcp import Turn, connect_tcp


class Address(Protocol):
    """Where a backend is: `kind` is "tcp" or "unix"."""

    @property
    def kind(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def path(self) -> str: ...


def connection_error(failure: Failure, where: str) -> ProxyError:
    """Turn what Twisted says of a connection that did not come to be into our terms."""
    reason = failure.getErrorMessage()
    if failure.check(error.TimeoutError, error.TCPTimedOutError):
        return ProxyError(CONNECTION_TIMEOUT, f"no connection to {where} within timeouts.connect")
    if failure.check(error.NoRouteError):
        return ProxyError(DESTINATION_IP_UNROUTABLE, f"no route to {where}: {reason}")
    return ProxyError(CONNECTION_REFUSED, f"no connection to {where}: {reason}")


class Secure(Protocol):
    """Puts TLS between a transport and a protocol (see `tls.backends.BackendTls`)."""

    def __call__(self, inner: IProtocol, failed: Callable[[ProxyError], None]) -> Any:
        """Give what the transport is to be connected to; it may be told to `abortConnection`."""


class _Attempt(ClientFactory):
    """Twisted's view of one attempt at one address."""

    noisy = False

    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """The connection is there."""
        return self._dial.build()

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """The connection did not come to be."""
        self._dial.failed(reason)


class Dial:
    """One try to connect to one backend.

    :param reactor: Twisted's.
    :param address: where to.
    :param timeout: seconds for all of it, None: for ever.
    :param build: makes the protocol; called with `connected`, which the protocol calls with itself once
        it has its transport.
    :param turn: sends what the connection writes.
    :param secure: makes the connection one of TLS; None: it is plain.
    :ivar result: fires with the protocol, or fails with a `ProxyError`; cancel it to stop.
    """

    def __init__(
        self,
        reactor: Any,
        address: Address,
        timeout: float | None,
        build: Callable[[Callable[[Any], None]], IProtocol],
        turn: Turn,
        secure: Secure | None = None,
    ) -> None:
        self._reactor = reactor
        self._turn = turn
        self._secure = secure
        #: the connection whose handshake is under way
        self._shaking: Any = None
        self._address = address
        self._build = build
        self._connector: IConnector | None = None
        self._resolution: IHostResolution | None = None
        self._left: list[Any] = []
        self._done = False
        self.where = address.path if address.kind == "unix" else f"{address.host} port {address.port}"
        self.result: Deferred[Any] = Deferred(self._cancel)
        self._timer = None if timeout is None else reactor.callLater(timeout, self._too_late)
        # The timer above covers names and all addresses; Twisted's own would be a second one.
        if address.kind == "unix":
            self._connector = reactor.connectUNIX(address.path, _Attempt(self), timeout=None)
        elif is_address(address.host):
            self._connect(address.host)
        else:
            reactor.nameResolver.resolveHostName(_Addresses(self), address.host, address.port)

    def _connect(self, host: str) -> None:
        self._connector = connect_tcp(self._reactor, host, self._address.port, _Attempt(self), self._turn)

    def resolving(self, resolution: IHostResolution) -> None:
        """The name is being looked up."""
        self._resolution = resolution

    def resolved(self, addresses: list[Any]) -> None:
        """The name was looked up, with this result."""
        self._resolution = None
        if self._done:
            return
        if not addresses:
            self._end(ProxyError(DNS_ERROR, f"the name {self._address.host} has no address"))
            return
        self._left = addresses
        self._connect(self._left.pop(0).host)

    def build(self) -> IProtocol | None:
        """A connection is there: make what runs it. None (Twisted drops it) if nobody waits any more."""
        if self._done:
            return None
        protocol = self._build(self._end)
        if self._secure is None:
            return protocol
        self._shaking = secured = self._secure(protocol, self._not_secured)
        return cast("IProtocol", secured)

    def failed(self, reason: Failure) -> None:
        """An address did not answer: try the next."""
        if self._done:
            return
        if self._left:
            self._connect(self._left.pop(0).host)
        else:
            self._end(connection_error(reason, self.where))

    def _not_secured(self, error: ProxyError) -> None:
        """The connection has ended before TLS was agreed on; another address would be the same server."""
        self._shaking = None
        if not self._done:
            self._end(error)

    def _too_late(self) -> None:
        self._timer = None
        if self._shaking is not None:
            what = f"no TLS with {self.where} within timeouts.connect: it takes connections, and does not answer in TLS"
            self._end(ProxyError(CONNECTION_TIMEOUT, what))
        else:
            cause = DNS_TIMEOUT if self._resolution is not None else CONNECTION_TIMEOUT
            self._end(ProxyError(cause, f"no connection to {self.where} within timeouts.connect"))
        self._stop()

    def _cancel(self, result: Deferred[Any]) -> None:
        # The Deferred fails with CancelledError by itself: that nobody waits is no failure of the backend.
        self._done = True
        self._drop_timer()
        self._stop()

    def _stop(self) -> None:
        self._left = []
        if self._shaking is not None:
            shaking, self._shaking = self._shaking, None
            shaking.abortConnection()
        elif self._resolution is not None:
            # Twisted's own cannot be cancelled (it raises); `resolved` finds that nobody waits.
            self._resolution = None
        elif self._connector is not None:
            self._connector.stopConnecting()

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, outcome: Any) -> None:
        """Fire, once: with the protocol, or with a `ProxyError`."""
        self._done = True
        self._drop_timer()
        if isinstance(outcome, ProxyError):
            self.result.errback(outcome)
        else:
            self._shaking = None
            self.result.callback(outcome)


@implementer(IResolutionReceiver)
class _Addresses:
    """Collects what the resolver finds."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._found: list[IAddress] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """Twisted begins."""
        self._dial.resolving(resolution)

    def addressResolved(self, address: IAddress) -> None:
        """One address."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """That was all."""
        self._dial.resolved(self._found)
