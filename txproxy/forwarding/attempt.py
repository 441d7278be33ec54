"""One exchange's way to a backend and back: the Receiver of the upstream Stream.

Rule: whether a request is sent again is decided here and nowhere else: never after a byte of an answer,
never where it could take effect twice (`policy.retry`), never more than `MAX_ATTEMPTS` times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from txproxy.model import fields
from txproxy.model.errors import (
    CONNECTION_TERMINATED,
    PROXY_INTERNAL_ERROR,
    REQUEST_BODY_TOO_LARGE,
    ProxyError,
)
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.policy.retry import may_repeat

from .tunnel import Tunnel

if TYPE_CHECKING:
    from txproxy.upstream.upstream import Backend

    from .exchange import Exchange
    from .proxy import ReverseProxyResource

# The first and one more, as `retries` of the route map has it by default.
MAX_ATTEMPTS = 2


class Attempt:
    """Sends one request to a backend, to a second one if the first fails early, and its answer to the client.

    :param leaf: the route's leaf: upstream, timeouts, limits.
    :param exchange: whose request it is.
    :param request: the head as it goes to the backend.
    """

    __slots__ = (
        "_answered",
        "_body_left",
        "_dialing",
        "_request",
        "_streamed",
        "backend",
        "body_received",
        "connection",
        "exchange",
        "leaf",
    )

    def __init__(self, leaf: ReverseProxyResource, exchange: Exchange, request: RequestHead) -> None:
        self.leaf = leaf
        self.exchange = exchange
        self._request = request
        self._dialing: Deferred[Any] | None = None
        self._streamed = False
        #: something of an answer has come, be it a 1xx
        self._answered = False
        self._body_left = 0
        self.connection: Any = None
        self.backend: Any = None

    def begin(self, backend: Backend) -> None:
        """Send to this backend, or connect to it first."""
        exchange = self.exchange
        exchange.forwarded = self
        self.backend = backend
        exchange.backend = backend.url
        connection = backend.pool.take()
        if connection is not None:
            exchange.reused = True
            self._send(connection)
        else:
            self._dial()

    def _dial(self) -> None:
        exchange = self.exchange
        exchange.reused = False
        if self._request.content_length != 0:
            exchange.stream.hold("dialing")
        dialing = self._dialing = self.backend.pool.dial(self.leaf.timeouts.connect)
        dialing.addCallbacks(self._connected, self._not_connected)

    def _connected(self, connection: Any) -> None:
        self._dialing = None
        exchange = self.exchange
        exchange.connect_time = exchange.seconds() - exchange.started
        self._send(connection)

    def _not_connected(self, failure: Failure) -> None:
        self._dialing = None
        if failure.check(CancelledError):
            return
        exchange = self.exchange
        exchange.attempts += 1
        error = failure.value
        if not isinstance(error, ProxyError):
            exchange.fail(ProxyError(PROXY_INTERNAL_ERROR, f"connecting failed: {failure.getTraceback()}"))
        elif exchange.attempts < MAX_ATTEMPTS and len(self.leaf.upstream.backends) > 1:
            self._try_another()
        else:
            exchange.fail(error)

    def _try_another(self) -> None:
        backend = self.leaf.upstream.pick()
        if self.leaf.sends_backends_host:
            self._request.block = self.leaf.with_host(self._request.block, backend)
        self.begin(backend)

    def _send(self, connection: Any) -> None:
        exchange = self.exchange
        request = self._request
        exchange.attempts += 1
        self.connection = connection
        timeouts = self.leaf.timeouts
        connection.open(self, timeouts.response, timeouts.idle)
        if request.content_length and exchange.pipeline.on_request_body:
            # Nobody knows what the filters will make of it.
            request.block = fields.without(request.block, b"content-length")
            request.content_length = None
        if request.content_length == 0:
            connection.send_head(request, b"", True)
            return
        connection.send_head(request)
        self._body_left = self.leaf.max_body
        if request.content_length is None:
            exchange.body_received = self._counted_body
        else:
            exchange.body_received = connection.send_body
        exchange.end_received = self._end_body
        self._streamed = True
        exchange.stream.send_continue()
        # Held since the first backend was dialed, be it that the second had a connection ready.
        exchange.stream.release("dialing")
        if request.content_length is not None and request.content_length == exchange.head.content_length:
            exchange.stream.splice_to(connection)

    def _counted_body(self, data: bytes) -> None:
        """Pass on a piece of a body whose length nobody announced."""
        self._body_left -= len(data)
        if self._body_left < 0:
            self.exchange.fail(body_too_large(self.leaf.max_body))
        else:
            self._filtered_body(data)

    def _filtered_body(self, data: bytes) -> None:
        if self.exchange.pipeline.on_request_body:
            data = self.exchange.filter_request_body(data)
        if data and self.connection is not None:
            self.connection.send_body(data)

    def _end_body(self, trailers: bytes) -> None:
        if trailers:
            exchange = self.exchange
            trailers = exchange.filtered(exchange.pipeline.request_trailers, trailers)
        if self.connection is not None:
            self.connection.send_end(trailers)

    # As the Receiver of the upstream Stream.

    def head_received(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """The backend answers."""
        exchange = self.exchange
        status = head.status
        self._answered = True
        if status < 200:
            if status == 101:
                self._upgrade(head)
            elif status != 100:  # the client has had its 100 from us
                exchange.stream.send_head(head)
            return
        exchange.first_byte_time = exchange.seconds() - exchange.started
        if end:
            # `_leave` without its frame.
            connection, self.connection = self.connection, None
            exchange.forwarded = None
            if connection is not None:
                connection.leave()
            exchange.send_head(head, body, True)
            return
        self.body_received: Callable[[bytes], None] = exchange.send_body
        exchange.send_head(head, body)
        # The phases of the head have said whether the body is filtered; if not, nothing stands between the two.
        if not exchange.pipeline.on_response_body:
            self.body_received = exchange.stream.send_body
            if head.content_length is not None and self.connection is not None:
                self.connection.splice_to(exchange.stream)

    def end_received(self, trailers: bytes) -> None:
        """The answer is complete."""
        self._leave()
        self.exchange.send_end(trailers)

    def writing_paused(self) -> None:
        """The backend does not keep up with the request's body."""
        self.exchange.stream.hold("upstream")

    def writing_resumed(self) -> None:
        """It has caught up."""
        self.exchange.stream.release("upstream")

    def stream_lost(self, error: ProxyError) -> None:
        """The backend is gone before its answer was complete."""
        exchange = self.exchange
        self.connection = None
        early = error.cause is CONNECTION_TERMINATED
        body_kept = not self._streamed
        if (
            early
            and exchange.reused
            and exchange.attempts < MAX_ATTEMPTS
            and may_repeat(self._request.method, body_kept=body_kept, answered=self._answered)
        ):
            # The backend closed an idle connection just as we took it. Another idle one may be as old.
            self._dial()
            return
        exchange.fail(error)

    # As what the exchange tells of the downstream side.

    def hold(self, reason: str) -> None:
        """Stop reading the answer."""
        if self.connection is not None:
            self.connection.hold(reason)

    def release(self, reason: str) -> None:
        """Go on."""
        if self.connection is not None:
            self.connection.release(reason)

    def cancel(self, error: ProxyError) -> None:
        """Nobody waits any more: the backend sees its connection end."""
        if self._dialing is not None:
            dialing, self._dialing = self._dialing, None
            dialing.cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.reset(error)

    def _leave(self) -> None:
        """The answer is in."""
        connection, self.connection = self.connection, None
        self.exchange.forwarded = None
        if connection is not None:
            connection.leave()

    def _upgrade(self, head: ResponseHead) -> None:
        exchange = self.exchange
        connection, self.connection = self.connection, None
        exchange.forwarded = None
        exchange.upgrade(head)
        Tunnel(exchange, connection, self.leaf.deadlines, self.leaf.tunnel_timeout).begin()


def body_too_large(limit: int) -> ProxyError:
    """Make the error for a body over the route's limit."""
    hint = f"The limit is {limit} bytes: max_body of the route, or limits.body of the route map."
    return ProxyError(REQUEST_BODY_TOO_LARGE, f"the request's body is longer than {limit} bytes", hint=hint)
