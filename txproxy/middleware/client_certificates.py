"""`{client_cert.NAME}` in a route's `request_headers`: what a client's certificate says, for the backend.

Rule: a field that is made of a certificate comes from a certificate that was verified, or is not there at
all: what a client sends under its name is dropped, whether it has shown one or not, and on every route of a map that
has such a field on any: a backend that believes it may be reached by several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from txproxy.model import fields
from txproxy.model.head import RequestHead

from .pipeline import Middleware

PLACEHOLDER = re.compile(r"\{client_cert\.([a-z_]+)\}")


def names_certificate(value: str) -> bool:
    """Tell whether a value of `request_headers` is made of a certificate."""
    return PLACEHOLDER.search(value) is not None


class ForgedFields(Middleware):
    """Drops what clients send under names that stand for what certificates say.

    :param names: of fields, in any case.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._remove = fields.remover([name.encode("ascii") for name in names])

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Drop them."""
        head.block = self._remove.sub(b"", head.block)

    def on_request_trailers(self, exchange: Any, block: bytes) -> bytes:
        """Drop them here as well: some backends take trailers for fields of the head."""
        return self._remove.sub(b"", block)


class CertificateHeaders(ForgedFields):
    """Sets such fields.

    :param values: (name, value with placeholders), in the order of the map.
    """

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self._values = tuple(values)
        super().__init__(name for name, _ in self._values)

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Drop the client's, and set ours if there is a certificate."""
        super().on_request(exchange, head)
        facts = exchange.client.tls
        shown: Mapping[str, str] = {} if facts is None else facts.client_certificate()
        if shown:
            head.block += fields.from_items(
                (name.encode("ascii"), PLACEHOLDER.sub(lambda found: shown[found[1]], value).encode("utf-8"))
                for name, value in self._values
            )
