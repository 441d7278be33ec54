"""Strict-Transport-Security: browsers are told to come by https only (RFC 6797).

Rule: it is said on https alone (section 7.2), once, and what a backend says of it itself is replaced.
"""

from __future__ import annotations

from typing import Any

from txproxy.model import fields
from txproxy.model.head import ResponseHead

from .pipeline import Middleware

_field = fields.remover((b"strict-transport-security",))


class StrictTransport(Middleware):
    """Adds the field to all answers of a route.

    :param max_age: seconds. :param include_subdomains: whether it is for them as well.
    """

    def __init__(self, max_age: float, *, include_subdomains: bool) -> None:
        also = b"; includeSubDomains" if include_subdomains else b""
        self._line = b"\r\nStrict-Transport-Security: max-age=%d%b" % (max_age, also)

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Add it."""
        if exchange.scheme == "https":
            head.block = _field.sub(b"", head.block) + self._line
