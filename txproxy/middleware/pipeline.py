"""Middleware is phases, not an onion (docs/adr): what a route does to its messages, compiled once.

Rule: a phase that nobody overrides is an empty tuple and costs nothing. A phase returns nothing and
changes the head it is given; to answer instead of the route's leaf it calls `exchange.respond` or `exchange.fail`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from txproxy.model.head import RequestHead, ResponseHead


class Middleware:
    """Base of all middleware. Override what is needed; what is not overridden is never called."""

    def on_request(self, exchange: Any, head: RequestHead) -> None:
        """The head that is about to be sent to the leaf; change it."""

    def on_request_body(self, exchange: Any, data: bytes) -> bytes:
        """Give what becomes of a piece of the request's body."""
        return data

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """The head that is about to be sent to the client; change it."""

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Give what becomes of a piece of the response's body."""
        return data

    def on_finish(self, exchange: Any) -> None:
        """The exchange has ended, whatever happened."""


class Pipeline:
    """The phases of one route: tuples of bound methods, in the order of the middleware."""

    __slots__ = ("on_finish", "on_request", "on_request_body", "on_response", "on_response_body")

    def __init__(self, middleware: Iterable[Middleware] = ()) -> None:
        chain = tuple(middleware)
        self.on_request = _phase(chain, "on_request")
        self.on_request_body = _phase(chain, "on_request_body")
        # What was first on the way in is last on the way out.
        self.on_response = _phase(chain[::-1], "on_response")
        self.on_response_body = _phase(chain[::-1], "on_response_body")
        self.on_finish = _phase(chain[::-1], "on_finish")


def _phase(chain: tuple[Middleware, ...], name: str) -> tuple[Callable[..., Any], ...]:
    return tuple(getattr(one, name) for one in chain if getattr(type(one), name) is not getattr(Middleware, name))


EMPTY = Pipeline()
