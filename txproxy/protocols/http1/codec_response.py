"""Bytes of an HTTP/1 server -> events (RFC 9112), without I/O.

Rule: a response is complete only if its framing says so. An end of the connection that the framing
did not announce is an error, never an end; a response whose length can be read in two ways is an error.
"""

from __future__ import annotations

from typing import Protocol

from txproxy.model import fields
from txproxy.model.errors import (
    CONNECTION_TERMINATED,
    HTTP_PROTOCOL_ERROR,
    HTTP_RESPONSE_HEADER_SECTION_SIZE,
    HTTP_RESPONSE_INCOMPLETE,
    ProxyError,
)
from txproxy.model.head import ResponseHead

from .codec_body import ChunkedReader, LengthReader, UntilCloseReader
from .codec_decoder import BODY, HEAD, RESTING, SWITCHING, Completing, Decoder
from .codec_grammar import (
    CONTENT_LENGTH,
    HOP_BY_HOP,
    RESPONSE_HEAD,
    USUAL_RESPONSE_HEAD,
    mend_response_head,
    nominated,
    response_head_error,
)

# What backends set in cookies and policies is theirs to decide; this bounds only what we keep.
# nginx takes 4 to 8 KiB by default, Envoy 60 KiB, Node 16 KiB.
MAX_RESPONSE_HEAD = 64 * 1024


class ResponseSink(Protocol):
    """Who is told what the server sent."""

    def head(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """A response's head (1xx too), with the part of the body that is there; `end`: it is the whole message."""

    def body(self, data: bytes) -> None:
        """A further piece of the body, never empty."""

    def body_end(self, trailers: bytes) -> None:
        """The body is complete."""

    def malformed(self, error: ProxyError) -> None:
        """Not an acceptable response. Nothing follows."""

    def stray(self) -> None:
        """Bytes came where none were due: the connection cannot be trusted."""


_special = fields.finder((b"content-length", *HOP_BY_HOP))
_drop = fields.remover(HOP_BY_HOP)
_without_length = fields.remover((b"content-length",))
_usual = USUAL_RESPONSE_HEAD.match


class ResponseDecoder(Decoder):
    """Decode the server's side of one connection, one response for each `expect`."""

    __slots__ = ("_is_head", "_may_switch", "_scanned")
    _sink: ResponseSink

    def __init__(self, sink: ResponseSink) -> None:
        super().__init__(sink, RESTING)
        #: so far no head's end was found
        self._scanned = 0
        self._is_head = False
        self._may_switch = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; the sink is told what they mean before this returns."""
        # A usual head whose body is there as well takes a fraction of the general way.
        if self._state == HEAD and not (self._buffer or self._holds or self._running or self._is_head):
            match = _usual(data)
            if match is not None:
                status, reason, block, length, more = match.groups()
                end = match.end()
                body = data[end:]
                size = int(length)
                if len(body) == size and end <= MAX_RESPONSE_HEAD:
                    self.keep_alive = True
                    self._state = RESTING
                    head = ResponseHead(int(status), reason or b"", block + more if more else block, size)
                    self._running = True
                    try:
                        self._sink.head(head, body, True)
                    except ProxyError as error:
                        self._fail(error)
                    finally:
                        self._running = False
                    if self._buffer:
                        self._run()  # type: ignore[unreachable]  # fed meanwhile
                    return
        self._buffer = self._buffer + data if self._buffer else data
        if not self._running:
            self._run()

    def expect(self, is_head: bool, may_switch: bool) -> None:
        """Expect the response to a request: of HEAD (it has no body), of one that offered an upgrade."""
        self._is_head = is_head
        self._may_switch = may_switch
        self._state = HEAD

    def eof(self) -> None:
        """The server ended the connection: an end of the message only if that is what delimits it."""
        if self._state == BODY and isinstance(self._reader, UntilCloseReader):
            self._state = RESTING
            self.keep_alive = False
            self._sink.body_end(b"")
        elif self._state == BODY:
            self._fail(ProxyError(HTTP_RESPONSE_INCOMPLETE, "the backend closed the connection within the body"))
        elif self._state == HEAD and self._buffer:
            self._fail(ProxyError(HTTP_RESPONSE_INCOMPLETE, "the backend closed the connection within the head"))
        elif self._state == HEAD:
            self._fail(ProxyError(CONNECTION_TERMINATED, "the backend closed the connection without an answer"))

    @property
    def idle(self) -> bool:
        """Whether no response is due and nothing is left over."""
        return self._state == RESTING and not self._buffer

    def reusable(self) -> bool:
        """Whether the connection may carry another request: it is idle, and the last head said that it stays."""
        return self.keep_alive and self._state == RESTING and not self._buffer

    @property
    def running(self) -> bool:
        """Whether the sink is being told of something right now."""
        return self._running

    def _rest(self, state: int) -> bool:
        if state == SWITCHING:
            return False
        self.abandon()
        self.keep_alive = False
        self._sink.stray()
        return True

    def _read_head(self) -> bool:
        scanned = self._scanned
        # A head that comes in drops is matched once, at its end.
        is_whole = not scanned or self._buffer.find(b"\r\n\r\n", max(0, scanned - 3)) >= 0
        match = RESPONSE_HEAD.match(self._buffer) if is_whole else None
        if match is None:
            error = response_head_error(self._buffer, MAX_RESPONSE_HEAD)
            if error is None:
                self._scanned = len(self._buffer)
                return False
            if error.cause is HTTP_RESPONSE_HEADER_SECTION_SIZE:
                raise error
            mended = mend_response_head(self._buffer)
            match = RESPONSE_HEAD.match(mended)
            if match is None:
                raise error
            self._buffer = mended
        if match.end() > MAX_RESPONSE_HEAD:
            raise ProxyError(HTTP_RESPONSE_HEADER_SECTION_SIZE, f"the head is longer than {MAX_RESPONSE_HEAD} bytes")
        if scanned:
            self._scanned = 0
        minor, status, reason, block = match.groups()
        rest = self._buffer[match.end() :]
        head = ResponseHead(int(status), reason or b"", block)
        chunked = self._interpret(head, minor == b"1")
        if head.status < 200:
            self._informational(head, rest)
        elif head.content_length == 0:
            # The state changes before the sink is told: it may give the connection its next request.
            self._buffer = rest
            self._state = RESTING
            self._sink.head(head, b"", True)
        elif head.content_length is not None and len(rest) >= head.content_length:
            self._buffer = rest[head.content_length :]
            self._state = RESTING
            self._sink.head(head, rest[: head.content_length] if self._buffer else rest, True)
        else:
            self._open_body(head, chunked, rest)
        return True

    def _open_body(self, head: ResponseHead, chunked: bool, rest: bytes) -> None:
        self._state = BODY
        sink = Completing(self)
        if chunked:
            self._reader = ChunkedReader(sink, HTTP_PROTOCOL_ERROR)
            self._buffer, rest = rest, b""
        elif head.content_length is None:
            self._reader = UntilCloseReader(sink)
            self.keep_alive = False
            self._buffer = b""
        else:
            self._reader = LengthReader(sink, head.content_length - len(rest))
            self._buffer = b""
        self._sink.head(head, rest, False)

    def _informational(self, head: ResponseHead, rest: bytes) -> None:
        self._buffer = rest
        if head.status == 101:
            if not self._may_switch or head.upgrade is None:
                raise ProxyError(HTTP_PROTOCOL_ERROR, "the backend changed the protocol without being asked")
            # What follows is not HTTP any more; it waits for `detach`.
            self._state = SWITCHING
            self.keep_alive = False
        self._sink.head(head, b"", False)

    def _interpret(self, head: ResponseHead, is_11: bool) -> bool:
        """Settle framing (RFC 9112, section 6.3) and persistence (section 9.3); give whether it is chunked."""
        seen: dict[bytes, bytes] = {}
        for name, value in _special.findall(head.block):
            lower = name.lower()
            seen[lower] = seen[lower] + b"," + value.rstrip(b" \t") if lower in seen else value.rstrip(b" \t")
        options = fields.list_members(seen[b"connection"]) if b"connection" in seen else []
        self.keep_alive = b"close" not in options and (is_11 or b"keep-alive" in options)
        if head.status == 101 and b"upgrade" in options:
            head.upgrade = seen.get(b"upgrade")
        if seen.keys() - {b"content-length"}:
            head.block = _drop.sub(b"", head.block)
        extra = nominated(options)
        if extra:
            head.block = fields.without_any(head.block, extra)
        if not is_11 and b"transfer-encoding" in seen:
            self.keep_alive = False  # RFC 9112, section 6.1: what an HTTP/1.0 hop made of the framing is unknown
        return self._settle_body(head, seen.get(b"transfer-encoding"), seen.get(b"content-length"))

    def _settle_body(self, head: ResponseHead, coding: bytes | None, length: bytes | None) -> bool:
        if coding is not None and coding.lower() == b"identity":
            coding = None  # an old server's way of saying nothing
        if coding is not None and length is not None:
            raise ProxyError(HTTP_PROTOCOL_ERROR, "both Transfer-Encoding and Content-Length")
        if head.status < 200 or head.status == 204:
            head.block = _without_length.sub(b"", head.block)  # RFC 9110, section 8.6: MUST NOT
            head.content_length = 0
            return False
        if length is not None:
            members = {member.strip(b" \t") for member in length.split(b",")}
            if len(members) != 1:
                raise ProxyError(HTTP_PROTOCOL_ERROR, f"several lengths: {length[:40]!r}")
            if b"," in length:  # the same one twice: one is sent on (RFC 9110, section 8.6)
                length = members.pop()
                head.block = _without_length.sub(b"", head.block) + b"\r\nContent-Length: " + length
            self._set_length(head, length)
            return False
        if self._is_head or head.status == 304:
            head.content_length = 0
            return False
        if coding is not None and coding.lower() != b"chunked":
            raise ProxyError(HTTP_PROTOCOL_ERROR, f"Transfer-Encoding {coding[:40]!r} was not asked for")
        head.content_length = None
        return coding is not None

    def _set_length(self, head: ResponseHead, length: bytes) -> None:
        if not CONTENT_LENGTH.fullmatch(length):
            raise ProxyError(HTTP_PROTOCOL_ERROR, f"not a Content-Length: {length[:40]!r}")
        if head.status < 200 or head.status == 204:
            head.block = _without_length.sub(b"", head.block)
            head.content_length = 0
        else:
            head.content_length = 0 if self._is_head or head.status == 304 else int(length)
