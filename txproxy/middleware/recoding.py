"""A body filter around a rewriting of text: what was compressed is decoded, rewritten, and compressed again.

Rule: whatever a piece expands to, no more than `DECODED_BYTES` of it are there at once. A body that breaks off or
cannot be decoded fails its exchange; it never ends as if it were whole. Each piece of the backend's gives its part
of the text to the client at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from txproxy.model.errors import HTTP_RESPONSE_CONTENT_CODING, HTTP_RESPONSE_INCOMPLETE, ProxyError

from .pipeline import Middleware

#: what is decoded in one go: as much as is read from a backend in one go
DECODED_BYTES = 64 * 1024
# Half of the time that zlib's default (6) takes, for some 5 % more octets of HTML.
_LEVEL = 4
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's wbits
_GZIP_MAGIC = b"\x1f\x8b"


class Rewriting(Protocol):
    """A text on its way."""

    def piece(self, data: bytes) -> bytes:
        """Give what is certain once this piece is there."""

    def end(self) -> bytes:
        """Give the rest."""


class Rewritten(Middleware):
    """One uncompressed response body on its way through a rewriting."""

    def __init__(self, text: Rewriting) -> None:
        self._text = text

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Rewrite a piece."""
        return self._text.piece(data)

    def on_response_end(self, exchange: Any) -> bytes:
        """Give the rest."""
        return self._text.end()


class Recoded(Middleware):
    """One compressed response body on its way through a rewriting.

    :param coding: b"gzip", b"x-gzip" or b"deflate" (with zlib's header, as RFC 9110, section 8.4.1.2, has it, or
        without, as many send it).
    """

    def __init__(self, text: Rewriting, coding: bytes) -> None:
        self._text = text
        self._coding = coding
        self._wbits = 0 if coding == b"deflate" else _GZIP
        self._decoder: Any = None
        self._encoder: Any = None
        #: too few octets to know what they begin
        self._kept = b""
        #: what comes now is none of the body's
        self._over = False

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Decode, rewrite and encode a piece."""
        made: list[bytes] = []
        try:
            rewritten = map(self._text.piece, self._decoded(self._kept + data))
            made.extend(self._encoder.compress(text) for text in rewritten if text)
        except zlib.error as error:
            coding = self._coding.decode()
            raise ProxyError(HTTP_RESPONSE_CONTENT_CODING, f"a body that is not {coding}: {error}") from error
        if made:
            # Without it a page that comes slowly would wait in here for its next part.
            made.append(self._encoder.flush(zlib.Z_SYNC_FLUSH))
        return b"".join(made)

    def on_response_end(self, exchange: Any) -> bytes:
        """Give the rest, and the trailer."""
        if self._decoder is None and not self._kept:
            return b""  # no body at all is an empty one to every client
        if self._decoder is None or not self._decoder.eof:
            raise ProxyError(HTTP_RESPONSE_INCOMPLETE, "the compressed body ended too early")
        rest: bytes = self._encoder.compress(self._text.end()) + self._encoder.flush(zlib.Z_FINISH)
        return rest

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        self._kept = b""
        while data and self._begins(data):
            decoder = self._decoder
            text = b"\0"
            while text and not decoder.eof:
                # Full to the limit with all input taken, it may still hold some: it is asked until nothing comes.
                text = decoder.decompress(data, DECODED_BYTES)
                data = decoder.unconsumed_tail
                if text:
                    yield text
            data = decoder.unused_data

    def _begins(self, data: bytes) -> bool:
        """Tell whether these octets are to be decoded; begin where a stream does."""
        if self._over:
            return False
        if self._decoder is not None:
            if not self._decoder.eof:
                return True
            if self._wbits != _GZIP or not _GZIP_MAGIC.startswith(data[:2]):
                # Behind its end a body has line ends, or zeros, in the field; browsers overlook them.
                self._over = True
                return False
        if len(data) < 2:
            self._kept = data
            return False
        if not self._wbits:
            # RFC 1950, section 2.2: what zlib's header looks like.
            self._wbits = _ZLIB if data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0 else _RAW
        self._decoder = zlib.decompressobj(self._wbits)
        if self._encoder is None:
            self._encoder = zlib.compressobj(_LEVEL, zlib.DEFLATED, self._wbits)
        return True
