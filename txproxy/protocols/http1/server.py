"""The downstream half of HTTP/1: one client's connection, one request at a time.

Rule: the connection is the Stream of its current request, and whoever `on_request` returned is that
request's Receiver. The next request of a pipeline is not looked at before both messages of this one
are complete (RFC 9112, section 9.3.2). How and when the connection ends is `server_ending`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.model.errors import (
    CLIENT_DISCONNECTED,
    PROXY_INTERNAL_ERROR,
    ProxyError,
)
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.model.seams import Receiver
from txproxy.reactor.deadlines import NEVER
from txproxy.reactor.transport import JOINED_BYTES, receive_with, untaken_bytes

from .codec_request import RequestDecoder
from .codec_write import CHUNK_END, chunk, informational_head, response_head
from .nobody import NOBODY
from .server_ending import AWAITED, BODY, CHUNKED, SENT, TUNNEL, Ending, ServerSettings

__all__ = ["ServerConnection", "ServerSettings"]

_BODILESS = (204, 304)


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class ServerConnection(Ending):
    """One client's connection.

    :param settings: see `ServerSettings`.
    :param on_request: called with (connection, head, end) for each request; it sets `receiver`.
    :param on_malformed: called with (connection, error) for bytes that make no request; it may answer through
        `send_head` and must, or `abort`.
    :param on_lost: called with the connection when it is gone.
    """

    __slots__ = (
        "__weakref__",
        "_is_head",
        "_on_malformed",
        "_on_request",
        "_remaining",
        "_version",
        "client",
        "received_bytes",
        "requests",
        "sent_bytes",
    )

    def __init__(
        self,
        settings: ServerSettings,
        on_request: Callable[[ServerConnection, RequestHead, bool], None],
        on_malformed: Callable[[ServerConnection, ProxyError], None],
        on_lost: Callable[[ServerConnection], None],
        client: Any = None,
    ) -> None:
        self.settings = settings
        #: whatever the listener knows of the client; not looked at here
        self.client = client
        self._on_request = on_request
        self._on_malformed = on_malformed
        self._on_lost = on_lost
        self._decoder = RequestDecoder(self, settings.header_bytes, settings.header_fields)
        #: Twisted calls the decoder itself: one call less for every read
        self.dataReceived = self._decoder.feed
        self.receiver: Receiver[RequestHead] = NOBODY
        self.transport: Any = None
        self.reading: Any = None
        self._splice = self._splices_to = None
        self.deadline = NEVER
        self.deadline_slot = 0
        self.requests = 0
        #: octets of the current request's body and of its response's body
        self.received_bytes = 0
        self.sent_bytes = 0
        #: no further request is taken; the current answer says so
        self.closing = False
        self.lost = False
        self.waits_for_continue = False
        self._version = 11
        self._is_head = False
        self._response = SENT
        self._remaining: int | None = None
        self._holds: tuple[str, ...] = ()
        self._stalled_at = -1
        self._linger_until = 0.0
        self._in_head = False

    def __repr__(self) -> str:
        state = ("awaiting", "answering", "answering", "idle", "tunnel")[self._response]
        return f"<ServerConnection {self.client} {'lost' if self.lost else state} request {self.requests}>"

    # Called by Twisted.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport; the header deadline begins."""
        self.transport = self.reading = transport
        receive_with(self, self.dataReceived)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)  # a piece of a slow answer waits for no acknowledgement of the last one
        transport.registerProducer(self, True)
        self.settings.deadlines.arm(self, self.settings.header_timeout)

    def connectionMade(self) -> None:
        """Part of IProtocol, for those who call it by themselves; `makeConnection` does all."""

    def connectionLost(self, reason: Failure) -> None:
        """The transport is gone, whoever ended it."""
        # Most end between two requests, and nobody asks why.
        told = self.receiver is not NOBODY and not self.lost
        self._gone(ProxyError(CLIENT_DISCONNECTED, reason.getErrorMessage()) if told else None)

    def readConnectionLost(self) -> None:
        """The client sends nothing more: a half-close in a tunnel, otherwise it has gone away."""
        if self._response == TUNNEL:
            self.receiver.end_received(b"")
        elif not self.lost:
            # A client that merely half-closed looks the same; like nginx, we take it for gone.
            transport = self.transport
            cut = self._response != SENT
            self._gone(ProxyError(CLIENT_DISCONNECTED, "the client closed the connection"))
            transport.unregisterProducer()
            # Half an answer must not end like a whole one; a whole one is still sent out.
            transport.abortConnection() if cut else transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our half is closed, by us: nothing to do."""

    def pauseProducing(self) -> None:
        """The client reads slower than we write."""
        self._stalled_at = untaken_bytes(self.transport)
        if self._response != TUNNEL:  # a tunnel has one deadline for both directions, of its own
            self.settings.deadlines.arm(self, self.settings.write_timeout)
        self.receiver.writing_paused()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._stalled_at = -1
        if self._response == SENT and self._decoder.complete:
            self._both_complete()  # the next request has waited for this
            return
        self._rearm()
        self.receiver.writing_resumed()

    def stopProducing(self) -> None:
        """Nothing can be written any more; `connectionLost` follows."""

    # Called by the decoder.

    def head(self, head: RequestHead, end: bool) -> None:
        """A request has come."""
        self.requests += 1
        self._in_head = False
        self.received_bytes = self.sent_bytes = 0
        self._version = head.version
        self._is_head = head.method == b"HEAD"
        self._response = AWAITED
        self.waits_for_continue = head.expects_continue
        settings = self.settings
        if not self._decoder.keep_alive or settings.draining or self.requests >= settings.requests_per_connection:
            self.closing = True
        if end:
            self.deadline = NEVER
        else:
            settings.deadlines.arm(self, settings.body_timeout)
        self._on_request(self, head, end)

    def body(self, data: bytes) -> None:
        """A piece of the body: whoever still sends one has not stalled."""
        self.received_bytes += len(data)
        if self._response == SENT:
            self._linger_on()
            return
        if self._stalled_at < 0 and self._response != TUNNEL:
            self.settings.deadlines.arm(self, self.settings.body_timeout)
        self.waits_for_continue = False
        self.receiver.body_received(data)
        if self._splices_to is not None:
            self._try_to_splice()

    def body_end(self, trailers: bytes) -> None:
        """The request is complete."""
        if self._stalled_at < 0:
            self.deadline = NEVER
        if self._response == SENT:
            self._both_complete()
        else:
            self.receiver.end_received(trailers)

    def head_begun(self) -> None:
        """The time for a head runs from its first byte, and nothing stretches it."""
        if not self._in_head:
            self._in_head = True
            if self.requests:
                self.settings.deadlines.arm(self, self.settings.header_timeout)

    def read_ahead(self) -> None:
        """The client sends many requests without waiting for answers."""
        self.hold("read-ahead")

    def malformed(self, error: ProxyError) -> None:
        """What the client sent is not HTTP."""
        self.closing = True
        self.deadline = NEVER
        if self._linger_until:
            self._close()  # the answer is out, only the rest of the request's body was broken
        elif self.receiver is not NOBODY:
            receiver, self.receiver = self.receiver, NOBODY
            receiver.stream_lost(error)
        else:
            self._response = AWAITED
            self._is_head = False
            self.received_bytes = self.sent_bytes = 0
            self._on_malformed(self, error)

    # The Stream of the current request.

    # Above 40 lines: the rules of framing are read one after the other, and the usual answer passes them in one step.
    def send_head(self, head: ResponseHead, body: bytes = b"", end: bool = False) -> None:
        """Send a response's head; a 1xx may come before it."""
        if self.lost or self._response != AWAITED:
            return
        status = head.status
        if status < 200:
            if self._version >= 11:
                self.transport.write(informational_head(head))
            return
        complete = self._decoder.complete
        if (
            end
            and complete
            and head.content_length == len(body) <= JOINED_BYTES
            and status not in _BODILESS
            and not self._is_head
        ):
            # Most answers: nothing is left to be asked of framing.
            self.sent_bytes = len(body)
            self.transport.write(response_head(head, self._version, self.closing, False, None, None, body))
            self._response = SENT
            self._both_complete()
            return
        if not complete and not self.closing:
            self.closing = self._cannot_stay_open(end)
        bodiless = self._is_head = self._is_head or status in _BODILESS
        length: int | None = 0 if bodiless else head.content_length
        if end and length is None:
            length = len(body)
        chunked = length is None and self._version >= 11
        if length is None and not chunked:
            self.closing = True
        add_length = length if end and head.content_length is None and not bodiless else None
        self._response = CHUNKED if chunked else BODY
        if bodiless:
            body = b""
        self._remaining = None if length is None else length - len(body)
        if self._remaining is not None and self._remaining < 0:
            self._too_long()
            return
        self.sent_bytes = len(body)
        framed = chunk(body) if chunked and body else body
        if len(framed) <= JOINED_BYTES:
            self.transport.write(response_head(head, self._version, self.closing, chunked, add_length, None, framed))
        else:
            self.transport.write(response_head(head, self._version, self.closing, chunked, add_length))
            self.transport.write(framed)
        if end:
            self.send_end()

    def send_body(self, data: bytes) -> None:
        """Send a piece of the response's body."""
        response = self._response
        if response == CHUNKED:
            if not data:
                return  # a chunk of nothing would be the last one
            self.transport.write(chunk(data))
        elif response == BODY:
            if self._is_head:
                return
            if self._remaining is not None:
                self._remaining -= len(data)
                if self._remaining < 0:
                    self._too_long()
                    return
            self.transport.write(data)
        elif response == TUNNEL:
            self.transport.write(data)
        else:
            return
        self.sent_bytes += len(data)

    def send_end(self, trailers: bytes = b"") -> None:
        """End the response; in a tunnel, half-close."""
        response = self._response
        if response == TUNNEL:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()
            return
        if response == CHUNKED:
            self.transport.write(b"0" + trailers + b"\r\n\r\n" if trailers else CHUNK_END)
        elif response != BODY:
            return
        elif self._remaining:
            self.reset(ProxyError(PROXY_INTERNAL_ERROR, f"the response lacks {self._remaining} bytes of its length"))
            return
        self._response = SENT
        if self._decoder.complete:
            self._both_complete()
        else:
            self._await_rest()

    def reset(self, error: ProxyError) -> None:
        """Cut the connection so that the client cannot take what it has for the whole."""
        self.abort()

    def detach(self) -> None:
        """Become a tunnel: after a 101 was sent as an ordinary head."""
        self._response = TUNNEL
        self.deadline = NEVER
        self._decoder.detach()
        self.release("read-ahead")

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110, section 10.1.1)."""
        if self.waits_for_continue and not self.lost:
            self.waits_for_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # The ends of a splice.

    def spliced_in(self, octets: int) -> None:
        """So much of the request's body came."""
        self._decoder.skipped(octets)
        self.received_bytes += octets
        self.waits_for_continue = False
        if self._stalled_at < 0:
            self.settings.deadlines.arm(self, self.settings.body_timeout)

    def takes_splice(self, octets: int) -> bool:
        """Whether the rest of the response is a body of just this length."""
        return self._response == BODY and not self._is_head and self._remaining == octets

    def spliced_out(self, octets: int) -> None:
        """So much of the response's body was taken."""
        assert self._remaining is not None
        self._remaining -= octets
        self.sent_bytes += octets
        if self._stalled_at >= 0:
            self._stalled_at += octets  # what was taken meanwhile is the difference

    @property
    def answering(self) -> bool:
        """Whether a request is under way."""
        return self._response != SENT

    # Inside.

    def _too_long(self) -> None:
        # More than was announced must not be read as the next response.
        self.reset(ProxyError(PROXY_INTERNAL_ERROR, "the response is longer than its Content-Length"))
