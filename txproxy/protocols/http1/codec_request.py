"""Bytes of an HTTP/1 client -> events (RFC 9112), without I/O.

Rule: whatever two servers could read in two ways is refused, with the connection (RFC 9112,
sections 3, 5.1, 6.3; RFC 9110, section 7.2): the request smuggling of the last twenty years lives in
the difference. The decoder stops by itself behind each message until `next_message`, and at once when held.
"""

from __future__ import annotations

from typing import Protocol

from txproxy.model import fields
from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError
from txproxy.model.head import RequestHead

from .codec_body import ChunkedReader, LengthReader
from .codec_decoder import BODY, HEAD, RESTING, Completing, Decoder
from .codec_grammar import (
    CONTENT_LENGTH,
    FRAMING,
    HOP_BY_HOP,
    HOST,
    PROVENANCE,
    REQUEST_HEAD,
    UNDERSCORED,
    UPGRADE_PROTOCOL,
    judge_request_head,
    nominated,
    too_large,
    too_many,
    usual_request_head,
)


class RequestSink(Protocol):
    """Who is told what the client sent."""

    def head(self, head: RequestHead, end: bool) -> None:
        """A request's head; `end`: it has no body."""

    def body(self, data: bytes) -> None:
        """A piece of the body, never empty."""

    def body_end(self, trailers: bytes) -> None:
        """The body is complete."""

    def head_begun(self) -> None:
        """Some bytes of a head are there and more must come; told again for each of them."""

    def read_ahead(self) -> None:
        """More than `READ_AHEAD` bytes of later requests are kept: stop reading."""

    def malformed(self, error: ProxyError) -> None:
        """Not HTTP/1, or not HTTP/1 that is accepted here. Nothing follows."""


_special = fields.finder((*FRAMING, *HOP_BY_HOP, *PROVENANCE))
_drop = fields.remover((*HOP_BY_HOP, *PROVENANCE, b"expect"))
_NO_DROP = frozenset(FRAMING) - {b"expect"}
_PROVENANCE = frozenset(PROVENANCE)

# What a client may send ahead while its request is being answered; Twisted keeps as much.
READ_AHEAD = 16 * 1024


class RequestDecoder(Decoder):
    """Decode one client's side of one connection.

    :param sink: who is told.
    :param header_bytes: the longest head, in bytes, its request line included.
    :param header_fields: the most field lines of a head.
    """

    __slots__ = ("_judged", "_usual", "header_bytes", "header_fields")
    _sink: RequestSink

    def __init__(self, sink: RequestSink, header_bytes: int, header_fields: int) -> None:
        super().__init__(sink, HEAD)
        self.header_bytes = header_bytes
        self.header_fields = header_fields
        #: of an incomplete head: where its first incomplete line begins, and how many are before it
        self._judged = (0, 0)
        self._usual = usual_request_head(header_fields)

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; the sink is told what they mean before this returns."""
        # A usual head, whole and alone in its piece, takes a fraction of the general way.
        if self._state == HEAD and not self._buffer and not self._holds and not self._running:
            match = self._usual(data)
            if match is not None and len(data) <= self.header_bytes:
                method, target, first, early, block, host, late, last = match.groups()
                self.keep_alive = early != b"close" and late != b"close"
                self._state = RESTING
                self._running = True
                try:
                    # Unless `Connection` stood in between the whole of it is one piece.
                    if first or last:
                        block = first + block + last
                    self._sink.head(RequestHead(method, target, host, block), True)
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

    def next_message(self) -> None:
        """Go on to the next request, after `head(end=True)` or `body_end`."""
        if self._state == RESTING:
            self._state = HEAD
            if self._buffer and not self._running:
                self._run()

    @property
    def between_messages(self) -> bool:
        """Whether nothing of a next request has arrived."""
        return self._state in (HEAD, RESTING) and not self._buffer

    @property
    def complete(self) -> bool:
        """Whether the last request has arrived whole."""
        return self._state == RESTING

    @property
    def buffered(self) -> int:
        """Bytes kept."""
        return len(self._buffer)

    # Inside.

    def _rest(self, state: int) -> bool:
        if len(self._buffer) > READ_AHEAD:
            self._sink.read_ahead()
        return False

    def _read_head(self) -> bool:
        data = self._buffer
        judged = self._judged[0]
        # A head that comes in drops is matched once, at its end: the lines before have been judged.
        match = None if judged and data.find(b"\r\n\r\n", judged - 2) < 0 else REQUEST_HEAD.match(data)
        if match is None:
            self._judged = judge_request_head(data, self.header_bytes, self.header_fields, *self._judged)
            self._sink.head_begun()
            return False
        method, target, minor, block = match.groups()
        end = match.end()
        if end > self.header_bytes:
            judge_request_head(data, self.header_bytes, self.header_fields)
            raise too_large(self.header_bytes)
        if block.count(b"\r") > self.header_fields:
            raise too_many(self.header_fields)
        if judged:
            self._judged = (0, 0)
        self._buffer = data[end:]
        if b"_" in block:
            block = UNDERSCORED.sub(b"", block)
        head = RequestHead(method, target, b"", block, version=11 if minor == b"1" else 10)
        chunked = self._interpret(head)
        if head.content_length == 0:
            self._state = RESTING
            self._reader = None
            self._sink.head(head, True)
        else:
            self._state = BODY
            sink = Completing(self)
            if chunked:
                self._reader = ChunkedReader(sink, HTTP_REQUEST_ERROR)
            else:
                assert head.content_length is not None
                self._reader = LengthReader(sink, head.content_length)
            self._sink.head(head, False)
        return True

    def _interpret(self, head: RequestHead) -> bool:
        """Settle what the special fields mean; give whether the body is chunked."""
        seen: dict[bytes, bytes] = {}
        provenance: list[tuple[bytes, bytes]] = []
        drop = False
        for name, value in _special.findall(head.block):
            lower = name.lower()
            value = value.rstrip(b" \t")
            if lower in _PROVENANCE:
                provenance.append((lower, value))
                drop = True
                continue
            drop = drop or lower not in _NO_DROP
            if lower not in seen:
                seen[lower] = value
            elif lower in FRAMING or lower == b"transfer-encoding":
                raise ProxyError(HTTP_REQUEST_ERROR, f"more than one {lower.decode()} field")
            else:
                seen[lower] += b"," + value
        head.provenance = tuple(provenance)
        if drop:
            head.block = _drop.sub(b"", head.block)
        _read_host_and_target(head, seen.get(b"host"))
        chunked = self._read_framing(head, seen)
        self._read_options(head, seen)
        return chunked

    def _read_framing(self, head: RequestHead, seen: dict[bytes, bytes]) -> bool:
        """Find the body's length (RFC 9112, section 6.3); give whether it is chunked."""
        length = seen.get(b"content-length")
        coding = seen.get(b"transfer-encoding")
        if coding is not None:
            if length is not None:
                raise ProxyError(HTTP_REQUEST_ERROR, "both Transfer-Encoding and Content-Length")
            if head.version == 10:
                raise ProxyError(HTTP_REQUEST_ERROR, "Transfer-Encoding in an HTTP/1.0 request")
            if coding.lower() != b"chunked":
                members = fields.list_members(coding)
                known = members[-1:] == [b"chunked"] and members.count(b"chunked") == 1 and b"identity" not in members
                status = 501 if known else 400
                raise ProxyError(
                    HTTP_REQUEST_ERROR, f"Transfer-Encoding {coding[:40]!r} is not accepted", status=status
                )
            head.content_length = None
            return True
        if length is not None:
            if not CONTENT_LENGTH.fullmatch(length):
                raise ProxyError(HTTP_REQUEST_ERROR, f"not a Content-Length: {length[:40]!r}")
            head.content_length = int(length)
        return False

    def _read_options(self, head: RequestHead, seen: dict[bytes, bytes]) -> None:
        connection = seen.get(b"connection")
        options = fields.list_members(connection) if connection else []
        if head.version == 10:
            self.keep_alive = b"keep-alive" in options and b"close" not in options
        else:
            self.keep_alive = b"close" not in options
        extra = nominated(options)
        if extra:
            head.block = fields.without_any(head.block, extra)
        if head.version == 10:
            return
        if b"upgrade" in options and b"upgrade" in seen:
            protocols = fields.list_members(seen[b"upgrade"])
            # An upgrade to h2c would carry requests past every route and rule (h2c smuggling), however spelled.
            if protocols and all(UPGRADE_PROTOCOL.fullmatch(p) and not p.startswith(b"h2c") for p in protocols):
                head.upgrade = seen[b"upgrade"]
        if b"te" in seen:
            head.accepts_trailers = b"trailers" in fields.list_members(seen[b"te"])
        if b"expect" in seen:
            if seen[b"expect"].lower() != b"100-continue":
                raise ProxyError(HTTP_REQUEST_ERROR, f"unknown expectation {seen[b'expect'][:40]!r}", status=417)
            head.expects_continue = head.content_length != 0


def _read_host_and_target(head: RequestHead, host: bytes | None) -> None:
    """Settle the authority and the origin-form of the target (RFC 9112, sections 3.2 and 3.3)."""
    if not host:
        if head.version == 11:  # RFC 9110, section 4.2.1: no http URI has an empty host
            raise ProxyError(HTTP_REQUEST_ERROR, "no Host field" if host is None else "an empty Host field")
        host = b""
    target = head.target
    head.authority = host
    if target.startswith(b"/") and head.method != b"CONNECT":
        return
    if target == b"*":
        if head.method != b"OPTIONS":
            raise ProxyError(HTTP_REQUEST_ERROR, "the target * is for OPTIONS only")
        return
    if head.method == b"CONNECT":
        raise ProxyError(HTTP_REQUEST_ERROR, "CONNECT: this is not a forward proxy", status=501)
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise ProxyError(HTTP_REQUEST_ERROR, f"not a request target: {target[:80]!r}")
    cut = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    head.authority, path = rest[:cut], rest[cut:]
    if not head.authority:
        raise ProxyError(HTTP_REQUEST_ERROR, "the request target has no authority")
    if not path:
        path = b"*" if head.method == b"OPTIONS" else b"/"
    head.target = b"/" + path if path.startswith(b"?") else path
    # The received Host is replaced by the target's authority (RFC 9112, section 3.2.2), and judged nevertheless (3.2).
    if host and not HOST.fullmatch(host):
        raise ProxyError(HTTP_REQUEST_ERROR, f"malformed host {host[:80]!r}")
    head.block = b"\r\nHost: " + head.authority + fields.without(head.block, b"host")
