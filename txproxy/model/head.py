"""The heads of messages, the same for every version of HTTP.

Rule: a head holds what is end-to-end. What belongs to one connection (framing, hop-by-hop fields,
what `Connection` names, `Expect`, the upgrade token) the codec has taken out of the block and put
into attributes, and the codec of the other side writes it again in its own way.
"""

from __future__ import annotations

from . import fields


class RequestHead:
    """What a request says before its body.

    :ivar method: as sent, case-sensitive.
    :ivar target: origin-form (path and query) byte for byte as sent, or ``b"*"``.
    :ivar version: 10, 11, 20 or 30.
    :ivar authority: host and port the client asked for: of an absolute target, else of Host; may be ``b""`` for
        HTTP/1.0.
    :ivar block: the end-to-end fields (see `fields`), Host included.
    :ivar content_length: octets of the body: 0 where there is none, None where only its end will tell (chunked).
    :ivar upgrade: the value of Upgrade if Connection asked for one, else None.
    :ivar expects_continue: the client waits for a 100 before it sends the body.
    :ivar accepts_trailers: TE named `trailers`.
    :ivar provenance: (lower-case name, value) of the fields found that tell where a request came from
        (X-Forwarded-*, Forwarded, X-Real-IP, X-Request-Id); mostly ().
    """

    __slots__ = (
        "accepts_trailers",
        "authority",
        "block",
        "content_length",
        "expects_continue",
        "method",
        "provenance",
        "target",
        "upgrade",
        "version",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authority: bytes,
        block: bytes,
        content_length: int | None = 0,
        version: int = 11,
        upgrade: bytes | None = None,
        expects_continue: bool = False,
        accepts_trailers: bool = False,
        provenance: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.method = method
        self.target = target
        self.authority = authority
        self.block = block
        self.content_length = content_length
        self.version = version
        self.upgrade = upgrade
        self.expects_continue = expects_continue
        self.accepts_trailers = accepts_trailers
        self.provenance = provenance

    def field(self, name: bytes) -> bytes | None:
        """Give the first value of this field, or None."""
        return fields.get(self.block, name)

    def __repr__(self) -> str:
        said = b" ".join((self.method, self.authority, self.target))
        return f"<RequestHead {said.decode('latin-1')}>"


class ResponseHead:
    """What a response says before its body.

    :ivar status: 100 to 599.
    :ivar reason: the reason phrase as sent, may be empty.
    :ivar block: the end-to-end fields.
    :ivar content_length: octets of the body that follows: 0 where there is none (also for HEAD, 204,
        304, whatever Content-Length in the block says), None where only its end will tell.
    :ivar upgrade: for 101, the protocol switched to.
    """

    __slots__ = ("block", "content_length", "reason", "status", "upgrade")

    def __init__(
        self, status: int, reason: bytes, block: bytes, content_length: int | None = None, upgrade: bytes | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.block = block
        self.content_length = content_length
        self.upgrade = upgrade

    def field(self, name: bytes) -> bytes | None:
        """Give the first value of this field, or None."""
        return fields.get(self.block, name)

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status}>"
