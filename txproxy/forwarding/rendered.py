"""Leaves below a stock `twisted.web.server.Site`: its requests become exchanges.

Rule: a request that `twisted.web` has read is read once more by our own decoder, so that what is refused,
dropped and put aside natively is refused, dropped and put aside here. What a Site cannot do is left out:
no upgrades, no informational responses, no trailers; and the body is there before the leaf is asked.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.middleware.pipeline import EMPTY
from txproxy.model import fields
from txproxy.model.errors import CLIENT_DISCONNECTED, HTTP_REQUEST_ERROR, PROXY_INTERNAL_ERROR, ProxyError
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.policy.forwarded import Forwarding
from txproxy.policy.trust import Trust
from txproxy.protocols.http1.codec_request import RequestDecoder
from txproxy.routing.table import Route, RouteTable

from .exchange import Client
from .frontend import Frontend, Generation, RouteValue

# A piece of a body that has been received already. As much as a transport takes before it says that it is full.
PIECE = 64 * 1024
# twisted.web has limits of its own; what it took is not refused for its size here.
_NO_LIMIT = 1 << 30


def handle_rendered(leaf: Any, request: Any) -> None:
    """Let a leaf answer a request of `twisted.web`.

    :param leaf: has `handle(exchange)`. Its `surroundings`, a `Frontend` that leads to nothing but this leaf,
        are made when first needed: no access log, counters of its own.
    :param request: a `twisted.web.server.Request`, received whole.
    """
    if leaf.surroundings is None:
        leaf.surroundings = alone(leaf)
    serve(leaf.surroundings, request, leaf.surroundings.is_trusted)


def serve(frontend: Frontend, request: Any, is_trusted: Any) -> None:
    """Give a request of `twisted.web` to a frontend.

    :param is_trusted: tells of an IP address whether what it says of its clients is believed.
    """
    stream = RequestStream(request, _client(request, is_trusted))
    try:
        head = request_head(request)
    except ProxyError as error:
        frontend.malformed(stream, error)
        return
    frontend.request_received(stream, head, head.content_length == 0)
    if head.content_length:
        stream.deliver()


class _Alone(Frontend):
    """The surroundings of one leaf in somebody else's tree."""

    def __init__(self, leaf: Any, reactor: Any) -> None:
        forwarding = getattr(leaf, "forwarding", None) or Forwarding((), Trust(()))
        route = Route("leaf", "*", RouteValue(leaf, leaf.handle, leaf.pipeline or EMPTY))
        generation = Generation(None, RouteTable((route,)), forwarding)
        super().__init__(reactor, generation, Counters(), None, RequestIds(os.urandom))
        self.is_trusted = forwarding.is_trusted


def alone(leaf: Any) -> Frontend:
    """Make the surroundings of a leaf that stands for itself."""
    reactor = getattr(leaf, "reactor", None)
    if reactor is None:
        # The program around us has chosen it by now.
        from twisted.internet import reactor  # noqa: PLC0415, TID251
    return _Alone(leaf, reactor)


def _client(request: Any, is_trusted: Any) -> Client:
    address, here = request.getClientAddress(), request.getHost()
    ip = getattr(address, "host", None) or ""
    scheme = "https" if request.isSecure() else "http"
    return Client(ip, getattr(address, "port", 0), getattr(here, "port", 0), scheme, "", is_trusted(ip))


# From the request to a head.


class _Sink:
    """Takes the one head that a decoder is fed."""

    def __init__(self) -> None:
        self.found: RequestHead | None = None
        self.error: ProxyError | None = None

    def head(self, head: RequestHead, end: bool) -> None:
        self.found = head

    def malformed(self, error: ProxyError) -> None:
        self.error = error

    def body(self, data: bytes) -> None: ...
    def body_end(self, trailers: bytes) -> None: ...
    def head_begun(self) -> None: ...
    def read_ahead(self) -> None: ...


def request_head(request: Any) -> RequestHead:
    """Make the head of a request that `twisted.web` has received.

    Names have the case that `twisted.web` gives them, and fields of one name stand together: it keeps no more.

    :raises ProxyError: http_request_error, for what we do not accept and `twisted.web` does.
    """
    size = _content_size(request)
    block = _block(request, size)
    version = b"HTTP/1.0" if request.clientproto == b"HTTP/1.0" else b"HTTP/1.1"
    sink = _Sink()
    decoder = RequestDecoder(sink, _NO_LIMIT, _NO_LIMIT)
    decoder.feed(b"%b %b %b%b\r\n\r\n" % (request.method, own_target(request), version, block))
    head = sink.found
    if head is None:
        raise sink.error or ProxyError(HTTP_REQUEST_ERROR, "the head is malformed")
    head.content_length = size
    head.upgrade = None
    head.expects_continue = head.accepts_trailers = False
    if request.clientproto == b"HTTP/2":
        head.version = 20
    return head


def _block(request: Any, size: int) -> bytes:
    pairs: list[tuple[bytes, bytes]] = []
    length: list[bytes] = []
    for name, values in request.requestHeaders.getAllRawHeaders():
        lower = name.lower()
        if lower == b"content-length":
            length = [b"%d" % size]
            pairs.append((name, length[0]))
        elif lower == b"cookie" and request.clientproto == b"HTTP/2":
            pairs.append((name, b"; ".join(values)))  # RFC 9113, section 8.2.3
        elif lower != b"transfer-encoding":  # undone by now
            pairs += [(name, value) for value in values]
    if size and not length:
        pairs.append((b"Content-Length", b"%d" % size))
    try:
        return fields.from_items(pairs)
    except ValueError as error:
        raise ProxyError(HTTP_REQUEST_ERROR, str(error)) from error


def _content_size(request: Any) -> int:
    content = request.content
    if content is None:
        return 0
    size: int = content.seek(0, os.SEEK_END)
    content.seek(0)
    return size


def own_target(request: Any) -> bytes:
    """Give what is left of a request's target below the resources that were passed on the way, as it was sent."""
    uri: bytes = request.uri
    own = request.postpath
    if not request.prepath or not uri.startswith(b"/"):
        return uri
    path, mark, query = uri.partition(b"?")
    raw = path[1:].split(b"/")
    raw = raw[len(raw) - len(own) :] if own else []
    if [unquote_to_bytes(segment) for segment in raw] != own:
        # A resource on the way has rewritten the path; then that is what counts.
        raw = [quote_from_bytes(segment, safe="~!$&'()*+,;=:@").encode("ascii") for segment in own]
    return b"/" + b"/".join(raw) + mark + query


# The Stream.


@implementer(IPushProducer)
class RequestStream:
    """The Stream of a request of `twisted.web`.

    :param request: a `twisted.web.server.Request`.
    :param client: where it comes from.
    """

    def __init__(self, request: Any, client: Client) -> None:
        self.client = client
        self.receiver: Any = None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.lost = False
        self._request = request
        self._head_sent = False
        self._over = False
        self._is_head = request.method == b"HEAD"
        self._remaining: int | None = None
        self._holds: tuple[str, ...] = ()
        self._delivering = False
        self._undelivered = False
        request.notifyFinish().addErrback(self._gone)

    def __repr__(self) -> str:
        return f"<RequestStream {self.client} {'lost' if self.lost else 'over' if self._over else 'open'}>"

    # The response.

    def send_head(self, head: ResponseHead, body: bytes = b"", end: bool = False) -> None:
        """Send a response's head."""
        if self.lost or self._head_sent or head.status < 200:
            return  # a Site has no way to send 1xx
        self._head_sent = True
        request = self._request
        request.setResponseCode(head.status, head.reason)
        request.defaultContentType = None
        bodiless = self._is_head or head.status in {204, 304}
        self._remaining = 0 if bodiless else head.content_length
        self._set_fields(head.block)
        if end and not bodiless and head.content_length is None:
            self._remaining = len(body)
            request.setHeader(b"Content-Length", b"%d" % len(body))
        if not end:
            request.registerProducer(self, True)
        if body and not bodiless:
            self.send_body(body)
        else:
            request.write(b"")
        if end:
            self.send_end()

    def _set_fields(self, block: bytes) -> None:
        request = self._request
        headers = request.responseHeaders
        headers.removeHeader(b"Server")  # its name and version are nobody's business
        named: dict[bytes, tuple[bytes, list[bytes]]] = {}
        for name, value in fields.items(block):
            named.setdefault(name.lower(), (name, []))[1].append(value)
        for lower, (name, values) in named.items():
            if lower == b"set-cookie" and request.cookies:
                request.cookies.extend(values)  # these would replace the field: somebody above has set one
            else:
                headers.setRawHeaders(name, values)

    def send_body(self, data: bytes) -> None:
        """Send a piece of the response's body."""
        if self.lost or self._over or self._is_head:
            return
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining < 0:
                self.reset(ProxyError(PROXY_INTERNAL_ERROR, "the response is longer than its Content-Length"))
                return
        self.sent_bytes += len(data)
        self._request.write(data)

    def send_end(self, trailers: bytes = b"") -> None:
        """End the response; a Site sends no trailers."""
        if self.lost or self._over:
            return
        if self._remaining:
            self.reset(ProxyError(PROXY_INTERNAL_ERROR, f"the response lacks {self._remaining} bytes of its length"))
            return
        self._over = True
        request = self._request
        if request.producer is self:
            request.unregisterProducer()
        request.finish()

    def reset(self, error: ProxyError) -> None:
        """Cut the connection (of HTTP/2: the stream) so that the client cannot take what it has for the whole."""
        self.abort()

    def abort(self) -> None:
        """Cut it."""
        if self.lost or self._over:
            return
        self.lost = True
        channel = self._request.channel
        if channel is not None:
            abort = getattr(channel, "abortConnection", None) or channel.transport.abortConnection
            abort()

    close = abort

    def detach(self) -> None:
        """Not called: upgrades are not asked for, so none comes about."""

    # The request.

    def splice_to(self, sink: object) -> None:
        """Nothing to do: the body has been received."""

    def send_continue(self) -> None:
        """Nothing to do: the Site has done it, before anybody could say otherwise."""

    def hold(self, reason: str) -> None:
        """Deliver nothing for this reason."""
        if reason not in self._holds:
            self._holds += (reason,)

    def release(self, reason: str) -> None:
        """Withdraw a reason; delivery goes on when none is left."""
        self._holds = tuple(held for held in self._holds if held != reason)
        if self._undelivered and not self._holds:
            self.deliver()

    def deliver(self) -> None:
        """Pass the request's body on, as far as nobody holds it."""
        self._undelivered = True
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._undelivered and not (self._holds or self.lost or self._over):
                data = self._request.content.read(PIECE)
                if data:
                    self.received_bytes += len(data)
                    self.receiver.body_received(data)
                else:
                    self._undelivered = False
                    self.receiver.end_received(b"")
        finally:
            self._delivering = False

    # What twisted.web tells.

    def pauseProducing(self) -> None:
        """The client reads slower than we write."""
        self.receiver.writing_paused()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self.receiver.writing_resumed()

    def stopProducing(self) -> None:
        """Nothing can be written any more; the request tells why."""

    def _gone(self, failure: Failure) -> None:
        if not self.lost:
            self.lost = True
            self.receiver.stream_lost(ProxyError(CLIENT_DISCONNECTED, failure.getErrorMessage()))
