"""The life of one exchange: a request, whoever answers it, and its one end.

Rule: only the life is here. Framing is the protocols', where the answer comes from the leaf's, retries
the attempt's. An exchange ends in `_finish`, once, whatever happened; nothing is told to anybody after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

from txproxy.middleware.pipeline import EMPTY, Middleware, Pipeline
from txproxy.model import fields
from txproxy.model.errors import PROXY_INTERNAL_ERROR, ProxyError
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.observability.record import Record, agent_and_referer, record_of

from .error_page import error_page


class Client:
    """Who is at the other end of a downstream connection; one for each connection.

    :ivar ip: the address the connection comes from, "" on a unix socket.
    :ivar local_port: the port it came to, 0 on a unix socket.
    :ivar scheme: "http" or "https".
    :ivar listener: the listener's address as the route map has it.
    :ivar origin: what a leaf has told a backend of this client, for its next request: whatever the leaf likes.
    :ivar tls: what is known of its TLS connection (`tls.facts.TlsFacts`), None: it has none.
    """

    __slots__ = ("ip", "listener", "local_port", "origin", "port", "scheme", "tls", "trusted")

    def __init__(self, ip: str, port: int, local_port: int, scheme: str, listener: str, trusted: bool) -> None:
        self.ip = ip
        self.port = port
        self.local_port = local_port
        self.scheme = scheme
        self.listener = listener
        self.trusted = trusted
        self.origin: Any = None
        self.tls: Any = None

    def __repr__(self) -> str:
        return f"{self.ip or 'unix'}:{self.port}"


class Surroundings(Protocol):
    """What an exchange needs of the place where it happens (see `frontend.Frontend`)."""

    counters: Any
    access_log: Any
    seconds: Callable[[], float]
    time: Callable[[], float]

    def tell(self, exchange: Exchange, error: ProxyError) -> None:
        """Write down why an exchange failed."""


class Upstreamed(Protocol):
    """What a leaf that forwards keeps at the exchange: told of the downstream side."""

    def cancel(self, error: ProxyError) -> None:
        """Nobody waits for the answer any more."""

    def hold(self, reason: str) -> None:
        """Stop reading from the backend."""

    def release(self, reason: str) -> None:
        """Withdraw a reason."""


def _drop(_: bytes) -> None:
    """Nobody wants the request's body."""


class Exchange:
    """One request and its response. It is the Receiver of the downstream Stream.

    :ivar head: the request as the client sent it; not to be changed.
    :ivar stream: the downstream Stream.
    :ivar client: where the request comes from; `client_ip` and `scheme` after what trusted proxies say.
    :ivar route: the route that was found, or None.
    :ivar body_received, end_received: what becomes of the request's body: a leaf puts the other side's
        `send_body` and `send_end` here, so that a piece takes one call from codec to codec.
    """

    log = Logger()
    __slots__ = (
        "_surroundings",
        "attempts",
        "backend",
        "body_received",
        "cause",
        "client",
        "client_ip",
        "connect_time",
        "end_received",
        "ended",
        "first_byte_time",
        "forwarded",
        "head",
        "head_sent",
        "pipeline",
        "request_id",
        "reused",
        "route",
        "scheme",
        "seconds",
        "started",
        "status",
        "stream",
        "upstream",
    )

    def __init__(
        self, surroundings: Surroundings, stream: Any, head: RequestHead, client: Client, request_id: str
    ) -> None:
        self._surroundings = surroundings
        self.stream = stream
        self.head = head
        self.client = client
        self.client_ip = client.ip
        self.scheme = client.scheme
        self.request_id = request_id
        self.seconds = seconds = surroundings.seconds
        self.started = seconds()
        self.body_received: Callable[[bytes], None] = _drop
        self.end_received: Callable[[bytes], None] = _drop
        self.route: Any = None
        self.pipeline = EMPTY
        #: what a leaf that forwards keeps here (`Upstreamed`)
        self.forwarded: Upstreamed | None = None
        self.upstream = ""
        self.backend = ""
        self.attempts = 0
        self.reused = False
        self.connect_time: float | None = None
        self.first_byte_time: float | None = None
        self.status = 0
        self.cause = ""
        self.head_sent = False
        self.ended = False

    def __repr__(self) -> str:
        state = "ended" if self.ended else "answering" if self.head_sent else "open"
        return f"<Exchange {self.request_id} {self.head!r} {state}>"

    # For leaves.

    def edit_request(self, head: RequestHead) -> bool:
        """Run the request phase on the head that a leaf is about to use.

        :returns: whether to go on; False if a middleware has answered.
        """
        for phase in self.pipeline.on_request:
            phase(self, head)
            if self.ended or self.head_sent:
                return False
        return True

    def send_head(self, head: ResponseHead, body: bytes = b"", end: bool = False) -> None:
        """Send the final response's head, with it the first bytes of the body; `end`: it is all."""
        if self.ended:
            return
        pipeline = self.pipeline
        if pipeline.on_response:
            if not self._edited_response(pipeline, head):
                return
            pipeline = self.pipeline  # a phase may have called `filter_response`
        if pipeline.on_response_body and head.content_length != 0:
            filtered = self._begin_filtered(head, body, end)
            if filtered is None:
                return
            body = filtered
        self.status = head.status
        self.head_sent = True
        if end:
            # Written down first: behind its end the stream may be at the next request of a pipeline already.
            self._finish(0 if head.status in (204, 304) or self.head.method == b"HEAD" else len(body), True)
        self.stream.send_head(head, body, end)

    def _edited_response(self, pipeline: Pipeline, head: ResponseHead) -> bool:
        if pipeline.route is not None:  # a response in place of one that was to be filtered
            self.pipeline = pipeline = pipeline.route
        try:
            for phase in pipeline.on_response:
                phase(self, head)
        except Exception:  # noqa: BLE001 - middleware is the user's and may raise anything
            self._middleware_failed()
            return False
        return not self.ended

    def filter_response(self, one: Middleware) -> None:
        """Send the body of the response through `one`, made for it; to be called within `on_response`."""
        self.pipeline = self.pipeline.filtering(one)

    def _begin_filtered(self, head: ResponseHead, body: bytes, end: bool) -> bytes | None:
        """Give the first bytes of a body that is filtered; None if a filter has ended the exchange."""
        # Nobody knows what the filters will make of it.
        head.block = fields.without(head.block, b"content-length")
        head.content_length = None
        if body:
            body = self.filtered(self.pipeline.response_body, body)
        if end:
            body += self.filtered(self.pipeline.response_end)
        return None if self.ended else body

    def filter_request_body(self, data: bytes) -> bytes:
        """Give what the route's middleware makes of a piece of the request's body."""
        return self.filtered(self.pipeline.request_body, data)

    def filtered(self, phases: Callable[..., bytes], *data: bytes) -> bytes:
        """Give what these phases of the middleware make of it; nothing if they end the exchange."""
        try:
            made = phases(self, *data)
            return b"" if self.ended else made
        except ProxyError as error:  # what is wrong is the body: its head is not answered for by the same phases
            self.pipeline = self.pipeline.without_messages()
            self.fail(error)
        except Exception:  # noqa: BLE001 - as above
            self._middleware_failed()
        return b""

    def _middleware_failed(self) -> None:
        """End this exchange, and only this; what has raised once is not asked again."""
        self.log.failure("middleware failed: {exchange!r}", exchange=self)
        self.pipeline = self.pipeline.without_messages()
        self.fail(internal_error("middleware failed, logged above"))

    def send_body(self, data: bytes) -> None:
        """Send a piece of the response's body."""
        if self.ended:
            return
        if self.pipeline.on_response_body:
            data = self.filtered(self.pipeline.response_body, data)
            if not data:
                return
        self.stream.send_body(data)

    def send_end(self, trailers: bytes = b"") -> None:
        """End the response, and with it the exchange."""
        if self.pipeline.on_response_end and not self.ended and (data := self.filtered(self.pipeline.response_end)):
            self.stream.send_body(data)
        if not self.ended:
            self._finish()  # first, as above
            self.stream.send_end(trailers)

    def respond(self, status: int, reason: bytes, block: bytes, body: bytes = b"") -> None:
        """Send a whole response; Content-Length is added.

        :param block: the fields (see `model.fields`).
        """
        if not self.ended:
            if status >= 200 and status not in (204, 304):
                block += b"\r\nContent-Length: %d" % len(body)
            if self.head.method == b"HEAD":
                body = b""
            self.send_head(ResponseHead(status, reason, block, len(body)), body, True)

    def fail(self, error: ProxyError) -> None:
        """End the exchange with a failure: an error page, or a reset where the answer has begun."""
        if self.ended:
            return
        self.cause = error.cause.token
        self._surroundings.tell(self, error)
        self._cancel(error)
        if self.stream.lost:
            self.status = error.status if error.status == 499 else self.status
            self._finish()
        elif self.head_sent:
            # Half an answer must not look like a whole one.
            self._finish_before(lambda: self.stream.reset(error))
        elif error.status == 499:
            self.status = 499
            self._finish_before(self.stream.abort)
        else:
            head, body = error_page(error, self.request_id, self._accept(), self.head.method)
            self.send_head(head, body, True)

    def upgrade(self, head: ResponseHead) -> None:
        """Send a 101 and leave HTTP behind; the exchange ends with `finish_tunnel`."""
        self.status = head.status
        self.head_sent = True
        self.stream.send_head(head)

    def finish_tunnel(self, error: ProxyError | None) -> None:
        """End an exchange that has become a tunnel."""
        if not self.ended:
            if error is not None:
                self.cause = error.cause.token
                self._surroundings.tell(self, error)
            self._finish()

    def _accept(self) -> bytes | None:
        values = fields.get_all(self.head.block, b"accept")
        return b", ".join(values) if values else None

    # As the Receiver of the downstream Stream.

    def head_received(self, head: RequestHead, body: bytes, end: bool) -> None:
        """Not called: an exchange is made of a head."""

    def writing_paused(self) -> None:
        """The client does not keep up: stop reading from the backend."""
        if self.forwarded is not None:
            self.forwarded.hold("downstream")

    def writing_resumed(self) -> None:
        """The client has caught up."""
        if self.forwarded is not None:
            self.forwarded.release("downstream")

    def stream_lost(self, error: ProxyError) -> None:
        """The client went away, or its request cannot be completed."""
        if not self.ended:
            self.fail(error)

    # The end.

    def _cancel(self, error: ProxyError) -> None:
        forwarded, self.forwarded = self.forwarded, None
        if forwarded is not None:
            forwarded.cancel(error)

    def _finish_before(self, last: Callable[[], None]) -> None:
        # The end is written down first: what `last` sets off must find the exchange ended.
        self._finish()
        last()

    def _finish(self, last: int = 0, whole: bool = False) -> None:
        """The one end. `last` octets of the answer's body are yet to be sent with it; `whole`: that is all of it."""
        self.ended = True
        self.body_received = self.end_received = _drop
        self.forwarded = None
        surroundings = self._surroundings
        stream = self.stream
        status = self.status
        received = stream.received_bytes
        sent = stream.sent_bytes + last
        counters = surroundings.counters
        # In place: a call would cost as much as all of it.
        counters.active_exchanges -= 1
        counters.responses[status // 100] += 1
        counters.bytes_received += received
        counters.bytes_sent += sent
        if self.cause:
            counters.failed(self.cause)
        for phase in self.pipeline.on_finish:
            try:
                phase(self)
            except Exception:  # noqa: BLE001 - as above; the others are still told, and the log
                self.log.failure("middleware failed at the end of {exchange!r}", exchange=self)
        if surroundings.access_log is not None:
            # What came whole ends with its first byte; else, or where a filter took its time, the clock is asked.
            duration = self.first_byte_time if whole else None
            if duration is None or self.pipeline.on_response:
                duration = self.seconds() - self.started
            surroundings.access_log.ended(self, surroundings.time() - duration, duration, received, sent)

    def record(self, time: float, duration: float, received: int, sent: int) -> Record:
        """Give what is written down of this exchange, which has ended."""
        head = self.head
        route = self.route
        user_agent, referer = agent_and_referer(head.block)
        return record_of(
            (
                time,
                self.request_id,
                self.client_ip,
                self.client.port,
                self.client.listener,
                self.scheme,
                head.method,
                head.authority,
                head.target,
                head.version if head.method else 0,
                self.status,
                self.cause,
                "" if route is None else route.name,
                self.upstream,
                self.backend,
                received,
                sent,
                duration,
                self.connect_time,
                self.first_byte_time,
                self.attempts,
                self.reused,
                user_agent,
                referer,
            )
        )


def internal_error(detail: str) -> ProxyError:
    """Make the error of a defect of ours, or of code that the route map names."""
    return ProxyError(PROXY_INTERNAL_ERROR, detail)
