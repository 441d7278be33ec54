"""Any `twisted.web` resource as a leaf: it renders a request made from an exchange.

Rule: the resource gets a real `twisted.web.server.Request` and cannot tell the difference; the exchange gets
what the resource says and nothing that `twisted.web` would add on its own account (its version, chunks,
a traceback). Whatever the resource does after the exchange has ended does nothing.
"""

from __future__ import annotations

from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import Site

from txproxy.model.errors import PROXY_INTERNAL_ERROR, ProxyError
from txproxy.model.head import RequestHead
from txproxy.policy.forwarded import Forwarding
from txproxy.routing import path as routing_path
from txproxy.routing.pattern import PathPattern

from .attempt import body_too_large
from .bridged import BridgedRequest, Channel
from .mount import depth, place

# Longer bodies go to disk; twisted.web draws the line here too.
SPOOL_BYTES = 100_000


class Bridge:
    """Renders a resource for exchanges.

    :param resource: what answers; it is mounted where its route's pattern ends (see `mount`).
    :param max_body: octets of a request's body; all of it is there when the resource is asked.
    :param strip_prefix: mounts the resource there instead.
    :param forwarding: tells the application where a request comes from, as it tells a backend; None: nothing is told.
    :param reactor: Twisted's; None: the one that is installed.
    :param parse_forms: let `twisted.web` read forms into `request.args`; a WSGI application reads them itself.
    """

    def __init__(
        self,
        resource: IResource,
        *,
        max_body: int = 1024 * 1024,
        strip_prefix: str | None = None,
        forwarding: Forwarding | None = None,
        reactor: Any = None,
        parse_forms: bool = True,
    ) -> None:
        self.resource = resource
        self.max_body = max_body
        self._prefix = PathPattern(strip_prefix.rstrip("/") + "/*") if strip_prefix else None
        self._forwarding = forwarding
        self._keep_last = getattr(resource, "keeps_last_segment", False)
        #: sessions are kept here; nothing listens for it
        self.site = Site(resource, reactor=reactor, parsePOSTFormSubmission=parse_forms)

    def __repr__(self) -> str:
        return f"<Bridge to {self.resource!r}>"

    def handle(self, exchange: Any) -> None:
        """Let the resource answer an exchange."""
        head = exchange.head
        if head.content_length is not None and head.content_length > self.max_body:
            exchange.fail(body_too_large(self.max_body))
            return
        request = self._request_head(exchange)
        if exchange.edit_request(request):
            _Rendering(self, exchange, request).begin()

    def placed(self, exchange: Any, target: bytes) -> tuple[list[bytes], list[bytes]]:
        """Give `prepath` and `postpath` for a request."""
        prefix = self._prefix
        if prefix is None:
            return place(target, depth(exchange.route, exchange.head.target, keep_last=self._keep_last))
        return place(target, len(prefix.steps) if prefix.matches(routing_path.normalize(target)) else 0)

    def _request_head(self, exchange: Any) -> RequestHead:
        head, client = exchange.head, exchange.client
        block = head.block
        if self._forwarding is not None:
            block += self._forwarding.block(
                head.provenance,
                client.ip,
                client.port,
                client.scheme,
                head.authority,
                client.local_port,
                client.trusted,
            )
            block += b"\r\nX-Request-Id: " + exchange.request_id.encode("ascii")
        return RequestHead(head.method, head.target, head.authority, block, head.content_length, version=head.version)


class _Rendering:
    """One exchange at a resource: collects the body, then asks. What the exchange tells comes here.

    :ivar channel: what the request has instead of a connection, once it is made.
    """

    __slots__ = ("_bridge", "_content", "_exchange", "_head", "_size", "channel")
    _log = Logger()

    def __init__(self, bridge: Bridge, exchange: Any, head: RequestHead) -> None:
        self._bridge = bridge
        self._exchange = exchange
        self._head = head
        self._content: IO[bytes] = BytesIO()
        self._size = 0
        self.channel: Channel | None = None

    def begin(self) -> None:
        """Ask the resource, or wait for the request's body first."""
        exchange = self._exchange
        exchange.forwarded = self
        length = self._head.content_length
        if length == 0:
            self._render()
            return
        if length is None or length >= SPOOL_BYTES:
            self._content = SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - the request closes it
        exchange.body_received = self._collect
        exchange.end_received = self._collected
        exchange.stream.send_continue()

    def _collect(self, data: bytes) -> None:
        exchange = self._exchange
        self._size += len(data)
        if self._size > self._bridge.max_body:
            exchange.fail(body_too_large(self._bridge.max_body))
            return
        if exchange.pipeline.on_request_body:
            data = exchange.filter_request_body(data)
            if exchange.ended:
                return
        try:
            self._content.write(data)
        except OSError as error:  # the disk is full
            exchange.fail(ProxyError(PROXY_INTERNAL_ERROR, f"the request's body cannot be kept: {error}"))

    def _collected(self, trailers: bytes) -> None:
        # Asked at once, the frontend would stand around us; by now nobody does.
        exchange = self._exchange
        try:
            self._render()
        except ProxyError as error:
            exchange.fail(error)
        except Exception:  # noqa: BLE001
            # The resource is the user's and may raise anything; the others' requests go on.
            self._log.failure("{exchange!r} failed", exchange=exchange)
            exchange.fail(ProxyError(PROXY_INTERNAL_ERROR, "an exception, logged above"))

    def _render(self) -> None:
        bridge, exchange, head = self._bridge, self._exchange, self._head
        placed = ([], [b"*"]) if head.target == b"*" else bridge.placed(exchange, head.target)
        self.channel = channel = Channel(exchange, bridge.site)
        content, self._content = self._content, BytesIO()
        channel.request = BridgedRequest(channel, head, content, placed)
        channel.request.begin()

    # As what the exchange tells of the downstream side.

    def hold(self, reason: str) -> None:
        """The client does not keep up."""
        if self.channel is not None:
            self.channel.hold()

    def release(self, reason: str) -> None:
        """It has caught up."""
        if self.channel is not None:
            self.channel.release()

    def cancel(self, error: ProxyError) -> None:
        """Nobody waits for the answer any more."""
        self._content.close()
        if self.channel is not None:
            self.channel.lose(error)
