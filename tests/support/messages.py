"""HTTP/1.1 messages as the tests read them, on their own account.

Rule: nothing of txproxy is used here. What the product sends is judged by a reader that shares no
code with it, and that refuses whatever is not exactly well-formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ?([^\r\n]*)")
_REQUEST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/1\.([01])")
_CHUNK = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?")


class Gone(Exception):
    """The other end closed or reset the connection; `how` says which, `partial` what of a message was there."""

    def __init__(self, how: str, partial: bytes = b"") -> None:
        super().__init__(f"connection {how} after {partial[-200:]!r}")
        self.how = how
        self.partial = partial


@dataclass
class Message:
    """One message as received: its start line, its fields in order as sent, body and trailers."""

    start: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Give every value of this field (any case), in order."""
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == name.lower().encode()]

    def value(self, name: str) -> str | None:
        """Give the only value of this field, None where it is missing."""
        found = self.values(name)
        assert len(found) < 2, f"{name} more than once: {found}"
        return found[0] if found else None

    def names(self) -> list[str]:
        """Give the fields' names in lower case."""
        return [name.decode("latin-1").lower() for name, _ in self.fields]


class Response(Message):
    """A response; `start` is its status line."""

    @property
    def status(self) -> int:
        return int(self.start.split(b" ", 2)[1])

    @property
    def reason(self) -> str:
        return self.start.split(b" ", 2)[2].decode("latin-1")


class Request(Message):
    """A request; `start` is its request line."""

    @property
    def method(self) -> str:
        return self.start.split(b" ")[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.start.split(b" ")[1].decode("latin-1")


def parse_fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Give the fields of these lines.

    :raises AssertionError: one of them is not a field line.
    """
    result = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        assert match, f"not a field line: {line!r}"
        result.append((match[1], match[2]))
    return result


class Buffer:
    """Bytes from a source, taken by line, by count, or to the end; keeps all that ever came."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._pending = bytearray()
        self.everything = bytearray()

    def more(self) -> bool:
        """Read once more from the source; False at its end. A reset is raised as `Gone`."""
        try:
            data = self._receive()
        except (ConnectionResetError, BrokenPipeError):
            raise Gone("reset", bytes(self._pending)) from None
        self._pending += data
        self.everything += data
        return bool(data)

    def up_to(self, mark: bytes) -> bytes:
        """Give what comes before `mark`, and drop the mark."""
        while mark not in self._pending:
            if not self.more():
                raise Gone("closed", bytes(self._pending))
        found, _, rest = bytes(self._pending).partition(mark)
        self._pending[:] = rest
        return found

    def exactly(self, count: int) -> bytes:
        """Give the next `count` octets."""
        while len(self._pending) < count:
            if not self.more():
                raise Gone("closed", bytes(self._pending))
        found = bytes(self._pending[:count])
        del self._pending[:count]
        return found

    def at_least(self, count: int) -> bytes:
        """Give what is there as soon as it is `count` octets or more."""
        while len(self._pending) < count:
            if not self.more():
                raise Gone("closed", bytes(self._pending))
        return self.exactly(len(self._pending))

    def rest_at_hand(self) -> bytes:
        """Give what was read and not taken yet, without reading more."""
        return self.exactly(len(self._pending))

    def rest(self) -> bytes:
        """Give everything up to the end of the connection."""
        while self.more():
            pass
        return self.exactly(len(self._pending))

    def chunked(self, message: Message) -> None:
        """Read a chunked body and its trailers into `message` (RFC 9112, section 7.1)."""
        while True:
            line = self.up_to(b"\r\n")
            match = _CHUNK.fullmatch(line)
            assert match, f"not a chunk line: {line!r}"
            size = int(match[1], 16)
            if size == 0:
                break
            message.body += self.exactly(size)
            assert self.exactly(2) == b"\r\n", "a chunk does not end where it says"
        lines = []
        while line := self.up_to(b"\r\n"):
            lines.append(line)
        message.trailers = parse_fields(lines)

    def request(self) -> Request:
        """Read one request with its body."""
        message = self.request_head()
        if message.value("transfer-encoding") == "chunked":
            assert message.value("content-length") is None, f"two framings: {message}"
            self.chunked(message)
        else:
            assert message.value("transfer-encoding") is None, f"framing unknown: {message}"
            message.body = self.exactly(int(message.value("content-length") or 0))
        return message

    def request_head(self) -> Request:
        """Read the head of a request."""
        start, *lines = self.up_to(b"\r\n\r\n").split(b"\r\n")
        assert _REQUEST.fullmatch(start), f"not a request line: {start!r}"
        return Request(start, parse_fields(lines))

    def response(self, method: str = "GET") -> Response:
        """Read one response to `method`, interim ones included: each is a response here."""
        message = self.response_head()
        if method == "HEAD" or message.status < 200 or message.status in (204, 304):
            return message
        if message.value("transfer-encoding") == "chunked":
            assert message.value("content-length") is None, f"two framings: {message}"
            self.chunked(message)
        elif (length := message.value("content-length")) is not None:
            message.body = self.exactly(int(length))
        else:
            message.body = self.rest()
        return message

    def response_head(self) -> Response:
        """Read the head of a response."""
        start, *lines = self.up_to(b"\r\n\r\n").split(b"\r\n")
        assert _STATUS.fullmatch(start), f"not a status line: {start!r}"
        return Response(start, parse_fields(lines))
