"""A `twisted.web` request without a connection, and what it has in place of one.

Rule: `twisted.web` decides what the response is, the exchange's Stream how it is framed. Once the exchange
has ended, or its client is gone, no call of the resource reaches either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.web import resource, server
from twisted.web.http_headers import Headers
from zope.interface import implementer

from txproxy.model import fields
from txproxy.model.errors import HTTP_REQUEST_ERROR, PROXY_INTERNAL_ERROR, ProxyError
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.protocols.http1.codec_grammar import HOP_BY_HOP

from .pulling import Pulling

_VERSIONS = {10: b"HTTP/1.0", 11: b"HTTP/1.1", 20: b"HTTP/2", 30: b"HTTP/3"}
_HOP_BY_HOP = frozenset(HOP_BY_HOP)


# The stock class is typed in places only.
_Request: Any = server.Request


class BridgedRequest(_Request):  # type: ignore[misc]
    """A request whose head and body are known from the start.

    :param channel: in place of a connection.
    :param head: the request.
    :param content: its body, open for reading and writing.
    :param placed: `prepath` and `postpath`.
    """

    def __init__(
        self, channel: Channel, head: RequestHead, content: IO[bytes], placed: tuple[list[bytes], list[bytes]]
    ) -> None:
        super().__init__(channel)
        self._head = head
        self._placed = placed
        self.content = content

    producer: Any

    @property
    def chunked(self) -> int:
        """Never: framing is the Stream's, whatever the stock class sets."""
        return 0

    @chunked.setter
    def chunked(self, value: int) -> None: ...

    def begin(self) -> None:
        """Read cookies, query and form, then let the resource render."""
        head = self._head
        headers = self.requestHeaders
        for name, value in fields.items(head.block):
            headers.addRawHeader(name, value)
        size = self.content.tell()
        if size != head.content_length:  # it was chunked or filtered; WSGI applications read no more than this says
            headers.setRawHeaders(b"Content-Length", [b"%d" % size])
        self.parseCookies()
        self.requestReceived(head.method, head.target, _VERSIONS[head.version])

    def process(self) -> None:
        """Find the resource and render it, as the stock class does for a Site."""
        self.site = site = self.channel.site
        self.prepath, self.postpath = self._placed
        if self.path == b"*":
            self._handleStar()
            return
        found = site.getResourceFor(self)
        if resource._IEncodingResource.providedBy(found):
            self._encoder = found.getEncoder(self)
        self.render(_Answering(found))

    def processingFailed(self, reason: Failure) -> Failure:
        """End with an error page of ours; frameworks call this too."""
        self._log.failure("{request!r} failed", reason, request=self)
        if self.channel is not None:
            self.channel.fail(PROXY_INTERNAL_ERROR, "the resource failed, logged above")
        return reason

    def finish(self) -> None:
        """End the response; harmless where that has happened already."""
        if self._disconnected or self.finished:
            return
        if not self.startedWriting:
            if self.code == 500 and not self._says_anything:
                # All that WSGIResource says of an application that raises; our page says more.
                self.channel.fail(PROXY_INTERNAL_ERROR, "the resource answered with an empty 500")
                return
            self.channel.ending = self._encoder is None
        if self.producer is not None:
            self.unregisterProducer()
        super().finish()

    @property
    def _says_anything(self) -> bool:
        return any(True for _ in self.responseHeaders.getAllRawHeaders())

    def write(self, data: bytes) -> None:
        """Send a piece of the response; dropped where nobody can get it any more."""
        if not (self._disconnected or self.finished):
            super().write(data)

    def unregisterProducer(self) -> None:
        """Let go of the producer."""
        if self.channel is not None:
            super().unregisterProducer()
        self.producer = None

    def _cleanup(self) -> None:
        # The stock class expects its channel to be there; ours may have gone within the last write.
        if not self._disconnected:
            super()._cleanup()


class _Answering:
    """A resource whose answer is checked: the stock class shows the client its `repr` instead."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def __repr__(self) -> str:
        return repr(self._found)

    def render(self, request: Any) -> bytes | int:
        """Render, and give bytes or NOT_DONE_YET."""
        answer: bytes | int = self._found.render(request)
        if answer is not server.NOT_DONE_YET and not isinstance(answer, bytes):
            raise TypeError(f"{self._found!r} rendered {type(answer).__name__}, not bytes")
        return answer


@implementer(IConsumer, IPushProducer)
class Channel:
    """What a request has in place of an HTTPChannel and its transport.

    :param exchange: where the response goes.
    :param site: keeps sessions.
    :ivar ending: the head that comes next is the whole response.
    """

    def __init__(self, exchange: Any, site: server.Site) -> None:
        self._exchange = exchange
        self.site = site
        self.transport = self
        self.request: Any = None
        self.ending = False
        self._producer: Any = None
        self._held = False
        self._remaining: int | None = None

    @property
    def request_id(self) -> str:
        """The exchange's, for pages that show it."""
        return str(self._exchange.request_id)

    # The response.

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Send the response's head."""
        exchange = self._exchange
        if exchange.ended:
            return
        try:
            head = self._response_head(int(code), reason, headers)
        except ValueError as error:
            self.fail(PROXY_INTERNAL_ERROR, f"the resource's response cannot be sent: {error}")
            return
        # Where no body follows the client may leave at once (RFC 9110, section 6.4.1).
        exchange.send_head(head, b"", self._remaining == 0 or (self.ending and not self._remaining))

    def _response_head(self, status: int, reason: bytes, headers: Headers) -> ResponseHead:
        if not 200 <= status <= 599:
            raise ValueError(f"status {status}")
        block = fields.from_items(_end_to_end(status, headers))
        bodiless = status in {204, 304} or self._exchange.head.method == b"HEAD"
        given = {value.strip() for value in headers.getRawHeaders(b"content-length", ())}
        if bodiless:
            self._remaining = 0
        elif given:
            (length,) = given  # several that differ are a ValueError
            self._remaining = int(length)
        fields.from_items([(b"Reason", reason)])  # no control characters: the same rule as for a value
        return ResponseHead(status, reason, block, self._remaining)

    def write(self, data: bytes) -> None:
        """Send a piece of the response's body."""
        exchange = self._exchange
        if not data or exchange.ended:
            return
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining < 0:
                self.fail(PROXY_INTERNAL_ERROR, "the resource wrote more than its Content-Length")
                return
        exchange.send_body(data)
        if self._remaining == 0:
            # The client has all of it and may leave; an application in a thread finishes when it comes to it.
            exchange.send_end()

    def writeSequence(self, iovec: list[bytes]) -> None:
        """Send several pieces."""
        self.write(b"".join(iovec))

    def requestDone(self, request: Any) -> None:
        """The response is complete."""
        if self._remaining:
            self.fail(PROXY_INTERNAL_ERROR, f"the resource's response lacks {self._remaining} bytes of its length")
        else:
            self._exchange.send_end()

    def fail(self, cause: Any, detail: str) -> None:
        """End the exchange with a failure."""
        self._exchange.fail(ProxyError(cause, detail))

    # Backpressure.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let a producer write when there is room."""
        self._producer = producer if streaming else Pulling(producer, self.site.reactor, self._pulling_failed)
        if self._held:
            self._producer.pauseProducing()
        elif not streaming:
            self._producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """The producer has written what it had."""
        producer, self._producer = self._producer, None
        if isinstance(producer, Pulling):
            producer.pauseProducing()

    def _pulling_failed(self, failure: Failure) -> None:
        self.request.processingFailed(failure)

    def hold(self) -> None:
        """The client does not keep up."""
        self._held = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def release(self) -> None:
        """It has caught up."""
        self._held = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def lose(self, error: ProxyError) -> None:
        """Nobody waits for the response any more: tell the producer and the request, as a lost connection would."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        request = self.request
        if request is not None and not (request._disconnected or request.finished):
            request.producer = None
            request.connectionLost(Failure(ConnectionLost(str(error))))

    # What else a resource may ask of a connection.

    def loseConnection(self) -> None:
        """The resource gives up: what it has sent must not look like a whole answer."""
        self.fail(PROXY_INTERNAL_ERROR, "the resource closed the connection")

    abortConnection = stopProducing = loseConnection

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.fail(HTTP_REQUEST_ERROR, "the request's form is malformed")

    def pauseProducing(self) -> None:
        """Nothing more of this request is to come."""

    resumeProducing = pauseProducing

    def isSecure(self) -> bool:
        """Whether the client came over TLS, after what trusted proxies say of it."""
        return bool(self._exchange.scheme == "https")

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the client's address, after what trusted proxies say of it; with an empty one for a unix socket."""
        exchange = self._exchange
        ip = exchange.client_ip
        return _address(ip, exchange.client.port if ip == exchange.client.ip else 0)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give host and port as the client asked for them: a resource makes addresses of itself from these."""
        exchange = self._exchange
        authority = exchange.head.authority.decode("latin-1")
        if not authority:
            return _address("", exchange.client.local_port)
        host, colon, port = authority.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = authority, ""
        return _address(host.strip("[]"), int(port) if port else 443 if self.isSecure() else 80)


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


def _end_to_end(status: int, headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for name, values in headers.getAllRawHeaders():
        lower = name.lower()
        # RFC 9110, section 8.6: for 304 it is the length that 200 would have; twisted.web says 0.
        if lower in _HOP_BY_HOP or (lower == b"content-length" and status in {204, 304}):
            continue
        for value in dict.fromkeys(values) if lower == b"content-length" else values:
            yield name, value
