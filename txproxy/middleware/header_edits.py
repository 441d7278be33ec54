"""`request_headers` and `response_headers` of the route map: set, add, remove.

Rule: everything is compiled at load time to one pattern and one suffix, so an edit is one search and
one join, whatever the number of fields. Fields that are not named keep their place, case and number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from txproxy.model import fields
from txproxy.model.head import RequestHead, ResponseHead

from .pipeline import Middleware


class BlockEdit:
    """One change of a block.

    :raises ValueError: a name or value is not valid in a field.
    """

    __slots__ = ("_remove", "_suffix")

    def __init__(self, set: Mapping[str, str], add: Mapping[str, str], remove: Iterable[str]) -> None:  # noqa: A002 - the map's word
        gone = [name.encode("ascii") for name in (*remove, *set)]
        fields.from_items((name, b"") for name in gone)  # only tokens can be looked for
        self._remove: re.Pattern[bytes] | None = fields.remover(gone) if gone else None
        self._suffix = fields.from_items(
            (name.encode("ascii"), value.encode("utf-8")) for name, value in (*set.items(), *add.items())
        )

    def __call__(self, block: bytes) -> bytes:
        """Give the changed block."""
        return self.without(block) + self._suffix

    def without(self, block: bytes) -> bytes:
        """Give the block without what is set or removed, and with nothing new."""
        return block if self._remove is None else self._remove.sub(b"", block)

    def __bool__(self) -> bool:
        return self._remove is not None or bool(self._suffix)


class RequestHeaders(Middleware):
    """Changes the fields of requests."""

    def __init__(self, edit: BlockEdit) -> None:
        self._edit = edit

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """Apply the edit."""
        head.block = self._edit(head.block)

    def on_request_trailers(self, exchange: Any, block: bytes) -> bytes:
        """Drop what the client may not say: some backends take trailers for fields of the head."""
        return self._edit.without(block)


class ResponseHeaders(Middleware):
    """Changes the fields of responses."""

    def __init__(self, edit: BlockEdit) -> None:
        self._edit = edit

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """Apply the edit."""
        head.block = self._edit(head.block)
