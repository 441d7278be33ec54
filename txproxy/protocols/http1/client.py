"""The upstream half of HTTP/1: one connection to a backend, one request at a time.

Rule: a connection goes back to whoever lends it only if both messages are complete, the backend said
that it stays open, and not one byte came that nobody asked for. Everything else ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.model.errors import (
    HTTP_PROTOCOL_ERROR,
    ProxyError,
)
from txproxy.model.head import RequestHead, ResponseHead
from txproxy.model.seams import Receiver
from txproxy.reactor.deadlines import NEVER, Deadlines
from txproxy.reactor.transport import receive_with, unsent_bytes, untaken_bytes

from .client_waiting import Waiting
from .codec_response import ResponseDecoder
from .codec_write import CHUNK_END, chunk, request_head
from .nobody import NOBODY

# What was written to a backend may take this long to leave once the connection is to end.
CLOSE_SECONDS = 30.0


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class ClientConnection(Waiting):
    """One connection to a backend.

    :param deadlines: the wheel.
    :param on_connected: called with the connection once it has its transport.
    :param on_idle: called with the connection when it may carry another request.
    :param on_lost: called with the connection when it is gone; it was idle, or its Receiver has been told.
    """

    __slots__ = (
        "__weakref__",
        "_chunked",
        "_on_connected",
        "_on_idle",
        "_on_lost",
        "_spoiled",
        "dataReceived",
        "receiver",
        "requests",
    )
    _decoder: ResponseDecoder

    def __init__(
        self,
        deadlines: Deadlines,
        on_connected: Callable[[ClientConnection], None],
        on_idle: Callable[[ClientConnection], None],
        on_lost: Callable[[ClientConnection], None],
    ) -> None:
        self._deadlines = deadlines
        self._on_connected = on_connected
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._decoder = ResponseDecoder(self)
        #: Twisted calls the decoder itself: one call less for every read
        self.dataReceived = self._decoder.feed
        self.receiver: Receiver[ResponseHead] = NOBODY
        self.transport: Any = None
        self.reading: Any = None
        self._splice = self._splices_to = None
        self.deadline = NEVER
        self.deadline_slot = 0
        self.requests = 0
        self.lost = False
        #: seconds to the first byte of a response, and between two pieces of one; None: for ever
        self.response_timeout: float | None = 60.0
        self.idle_timeout: float | None = 60.0
        self._chunked = False
        self._request_sent = self._response_done = True
        self._head_seen = False
        #: something is left over from this request: it is the last one
        self._spoiled = False
        #: while writing is paused: what the backend had not taken when we last looked, else -1
        self._stalled_at = -1
        self._tunnel = False
        self._holds: tuple[str, ...] = ()

    def __repr__(self) -> str:
        state = "lost" if self.lost else "idle" if self.idle else "in use"
        return f"<ClientConnection {state} request {self.requests}>"

    @property
    def answered(self) -> bool:
        """Whether the head of an answer has come to the latest request."""
        return self._head_seen

    # Called by Twisted.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = self.reading = transport
        receive_with(self, self.dataReceived)
        transport.registerProducer(self, True)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        self._on_connected(self)

    def connectionMade(self) -> None:
        """Part of IProtocol, for those who call it by themselves; `makeConnection` does all."""

    def connectionLost(self, reason: Failure) -> None:
        """The transport is gone, whoever ended it."""
        if not self.lost and not self._response_done:
            # Some servers end a body of unannounced length with a reset; only a clean end counts as one.
            self._lose(self._loss_for(reason))
        else:
            self._lose(None)
        self._deadlines.forget(self)

    def _loss_for(self, reason: Failure) -> ProxyError:
        if isinstance(reason.value, ProxyError) and self.requests == 1 and not self._head_seen:
            # Who secures the connection knows better: it was refused, which is told behind the handshake of TLS 1.3.
            return reason.value
        return self._loss(reason.getErrorMessage())

    def readConnectionLost(self) -> None:
        """The backend sends nothing more."""
        if self._tunnel:
            self.receiver.end_received(b"")
            return
        if not self._response_done:
            # What is held back comes first; the end counts when it is out.
            if self._decoder.held_back and self._holds:
                self._deadlines.disarm(self)
                self._spoiled = True
                receive_with(self, self._ended)
                return
            self._decoder.eof()
        self.discard()

    def writeConnectionLost(self) -> None:
        """Our half is closed, by us: nothing to do."""

    def pauseProducing(self) -> None:
        """The backend reads slower than we write."""
        self._spoiled = True  # a next request would not be told; `resumeProducing` takes it back
        self._stalled_at = untaken_bytes(self.transport)
        self.receiver.writing_paused()

    def resumeProducing(self) -> None:
        """The backend has caught up."""
        self._spoiled = self.dataReceived == self._ended
        self._stalled_at = -1
        self._touch()
        self.receiver.writing_resumed()

    def stopProducing(self) -> None:
        """Nothing can be written any more; `connectionLost` follows."""

    # Called by the decoder.

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """A response's head has come; 1xx too."""
        if head.status >= 200:
            self._head_seen = True
            if end:
                # `_end_response` without its frames, where nothing stands in the way of a next request.
                if self._request_sent and self._decoder.reusable() and not (self._spoiled or self._holds or self.lost):
                    receiver, self.receiver = self.receiver, NOBODY
                    self._response_done = True
                    self._on_idle(self)
                else:
                    receiver = self._end_response()
                receiver.head_received(head, body, True)
                return
            self._touch()
        elif head.status == 101 and not self._request_sent:
            # Half a request would become the tunnel's first bytes (RFC 9110, section 7.8).
            raise ProxyError(HTTP_PROTOCOL_ERROR, "the backend changed the protocol before it had the whole request")
        self.receiver.head_received(head, body, end)

    def body(self, data: bytes) -> None:
        """A piece of the body."""
        if self.idle_timeout is not None and not self._tunnel:
            self._deadlines.arm(self, self.idle_timeout)
        self.receiver.body_received(data)
        if self._splices_to is not None:
            self._try_to_splice()

    def body_end(self, trailers: bytes) -> None:
        """The response is complete."""
        self._end_response().end_received(trailers)

    def malformed(self, error: ProxyError) -> None:
        """The backend does not speak HTTP, or stopped in the middle of it."""
        self._cut(error)

    def stray(self) -> None:
        """Bytes on an idle connection belong to no request (or to one that is not ours): end it."""
        self._cut(None)

    # The Stream of the current request.

    def open(
        self, receiver: Receiver[ResponseHead], response_timeout: float | None, idle_timeout: float | None
    ) -> None:
        """Begin a request whose response goes to this Receiver."""
        self.receiver = receiver
        self.response_timeout = response_timeout
        self.idle_timeout = idle_timeout
        self.requests += 1
        self._request_sent = self._response_done = False
        self._head_seen = False

    def send_head(self, head: RequestHead, body: bytes = b"", end: bool = False) -> None:
        """Send a request's head."""
        self._decoder.expect(head.method == b"HEAD", head.upgrade is not None)
        self._chunked = head.content_length is None
        if self.response_timeout is not None:
            self._deadlines.arm(self, self.response_timeout)
        else:
            self.deadline = NEVER
        wire = request_head(head)
        if body:
            wire += chunk(body) if self._chunked else body
        self.transport.write(wire)
        if end:
            if self._chunked:
                self.transport.write(CHUNK_END)
            self._request_sent = True

    def send_body(self, data: bytes) -> None:
        """Send a piece of the request's body."""
        if self.lost or self._request_sent or not data:  # a chunk of nothing would be the last one
            return
        self.transport.write(chunk(data) if self._chunked else data)
        self._touch()

    def send_end(self, trailers: bytes = b"") -> None:
        """End the request; in a tunnel, half-close."""
        if self.lost:
            return
        if self._tunnel:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()
            return
        if self._request_sent:
            return
        if self._chunked:
            self.transport.write(b"0" + trailers + b"\r\n\r\n" if trailers else CHUNK_END)
        self._request_sent = True
        self._touch()
        if self._response_done:
            self._give_back()

    def reset(self, error: ProxyError) -> None:
        """Give the request up; the backend sees the connection end."""
        self.receiver = NOBODY
        self._cut(None)

    def detach(self) -> None:
        """Become a tunnel (after a 101)."""
        self._tunnel = True
        self._request_sent = self._chunked = False  # from here on it has neither end nor framing
        self.deadline = NEVER
        self._decoder.detach()

    def close(self) -> None:
        """End a tunnel once what was written is out."""
        self._tunnel = False
        self._response_done = self._request_sent = True
        self.receiver = NOBODY
        self.discard()

    def leave(self) -> None:
        """Nobody waits for more: a request that is not out by now will not be finished."""
        if not (self._request_sent and self._response_done):
            self.discard()

    def discard(self) -> None:
        """End the connection without further words: it is not to be used again."""
        if self.lost:
            return
        transport = self.transport
        is_whole = self._request_sent or self._tunnel
        self._lose(None)
        transport.unregisterProducer()
        if is_whole:
            if unsent_bytes(transport):
                self._deadlines.arm(self, CLOSE_SECONDS)
            transport.loseConnection()
        else:
            # The rest of the request will not come, and a backend that reads no more would keep us.
            transport.abortConnection()

    # Inside.

    def _released(self) -> None:
        if not self.lost:
            self._touch()
            self.reading.resumeProducing()
        self._decoder.release()
        # What is left now is a part of something that will not come.
        if self.dataReceived == self._ended and not self._holds and not self._decoder.running:
            self._decoder.eof()
            self.discard()

    def _end_response(self) -> Receiver[ResponseHead]:
        """Take the Receiver off, whom the end is still to be told, and give the connection back.

        In this order: the Receiver may start the next request of a pipeline, which wants the connection.
        """
        receiver, self.receiver = self.receiver, NOBODY
        self._response_done = True
        self.deadline = NEVER
        self._give_back()
        return receiver

    def _give_back(self) -> None:
        if self.lost:
            return
        if self._spoiled or not self._decoder.keep_alive:
            if self._request_sent:
                self.discard()
            return
        if self._request_sent and self._response_done:
            for reason in self._holds:
                self.release(reason)
            if self._decoder.idle and not self.lost:
                self._on_idle(self)

    def _cut(self, error: ProxyError | None) -> None:
        if not self.lost:
            transport = self.transport
            self._lose(error)
            transport.unregisterProducer()
            transport.abortConnection()

    def _lose(self, error: ProxyError | None) -> None:
        if self.lost:
            return
        self.lost = True
        self._deadlines.forget(self)
        self._decoder.abandon()
        self._stop_splicing()
        receiver, self.receiver = self.receiver, NOBODY
        self._response_done = self._request_sent = True
        if error is not None:
            receiver.stream_lost(error)
        self._on_lost(self)

    # The ends of a splice.

    def spliced_in(self, octets: int) -> None:
        """So much of the response's body came."""
        self._decoder.skipped(octets)
        self._touch()

    def takes_splice(self, octets: int) -> bool:
        """Whether the rest of the request's body is of this length, as far as is known here."""
        return not self._chunked and not self._request_sent

    def spliced_out(self, octets: int) -> None:
        """So much of the request's body was taken."""
        if self._stalled_at >= 0:
            self._stalled_at += octets  # what was taken meanwhile is the difference
        self._touch()

    def _ended(self, data: bytes) -> None:
        """Stand for `dataReceived` once the backend's end was seen while we held."""
