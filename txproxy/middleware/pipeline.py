"""Middleware is phases, not an onion (docs/adr): what a route does to its messages, compiled once.

Rule: a phase that nobody overrides is an empty tuple and costs nothing. A phase returns nothing and
changes the head it is given; to answer instead of the route's leaf it calls `exchange.respond` or `exchange.fail`.
A body that few responses of a route have changed is filtered for those alone: `exchange.filter_response`.
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

    def on_request_trailers(self, exchange: Any, block: bytes) -> bytes:
        """Give what becomes of the fields behind the request's body; not called where there are none."""
        return block

    def on_response(self, exchange: Any, head: ResponseHead) -> None:
        """The head that is about to be sent to the client; change it."""

    def on_response_body(self, exchange: Any, data: bytes) -> bytes:
        """Give what becomes of a piece of the response's body."""
        return data

    def on_response_end(self, exchange: Any) -> bytes:
        """Give what was kept back of the response's body, which has ended."""
        return b""

    def on_finish(self, exchange: Any) -> None:
        """The exchange has ended, whatever happened."""


class Pipeline:
    """The phases of one route: tuples of bound methods, in the order of the middleware.

    :ivar on_response_body, on_response_end: equal in number: who overrides one of them is in both.
    :ivar route: the route's own pipeline where this one is a single response's (see `filtering`), else None.
    """

    __slots__ = (
        "on_finish",
        "on_request",
        "on_request_body",
        "on_request_trailers",
        "on_response",
        "on_response_body",
        "on_response_end",
        "route",
    )

    def __init__(self, middleware: Iterable[Middleware] = ()) -> None:
        chain = tuple(middleware)
        self.route: Pipeline | None = None
        self.on_request = _phase(chain, "on_request")
        self.on_request_body = _phase(chain, "on_request_body")
        self.on_request_trailers = _phase(chain, "on_request_trailers")
        # What was first on the way in is last on the way out.
        self.on_response = _phase(chain[::-1], "on_response")
        self.on_response_body: tuple[Callable[..., bytes], ...] = ()
        self.on_response_end: tuple[Callable[..., bytes], ...] = ()
        for one in chain[::-1]:
            if _overrides(one, "on_response_body") or _overrides(one, "on_response_end"):
                self._filter(one)
        self.on_finish = _phase(chain[::-1], "on_finish")

    def filtering(self, one: Middleware) -> Pipeline:
        """Give the pipeline of a response whose body goes through `one` too, behind all others."""
        made = Pipeline()
        made.route = self if self.route is None else self.route
        made.on_request, made.on_request_body = self.on_request, self.on_request_body
        made.on_request_trailers = self.on_request_trailers
        made.on_response, made.on_finish = self.on_response, self.on_finish
        made.on_response_body, made.on_response_end = self.on_response_body, self.on_response_end
        made._filter(one)
        return made

    def without_messages(self) -> Pipeline:
        """Give the pipeline that is only told of the end."""
        made = Pipeline()
        made.on_finish = self.on_finish
        return made

    def request_body(self, exchange: Any, data: bytes) -> bytes:
        """Give what all make of a piece of the request's body."""
        for phase in self.on_request_body:
            data = phase(exchange, data)
        return data

    def request_trailers(self, exchange: Any, block: bytes) -> bytes:
        """Give what all make of the fields behind the request's body."""
        for phase in self.on_request_trailers:
            block = phase(exchange, block)
        return block

    def response_body(self, exchange: Any, data: bytes) -> bytes:
        """Give what all make of a piece of the response's body."""
        for phase in self.on_response_body:
            data = phase(exchange, data)
        return data

    def response_end(self, exchange: Any) -> bytes:
        """Give what all have kept back; what one gives goes through those behind it."""
        data = b""
        for phase, end in zip(self.on_response_body, self.on_response_end, strict=True):
            data = (phase(exchange, data) if data else data) + end(exchange)
        return data

    def _filter(self, one: Middleware) -> None:
        self.on_response_body += (one.on_response_body,)
        self.on_response_end += (one.on_response_end,)


def _overrides(one: Middleware, name: str) -> bool:
    return getattr(type(one), name) is not getattr(Middleware, name)


def _phase(chain: tuple[Middleware, ...], name: str) -> tuple[Callable[..., Any], ...]:
    return tuple(getattr(one, name) for one in chain if _overrides(one, name))


EMPTY = Pipeline()
