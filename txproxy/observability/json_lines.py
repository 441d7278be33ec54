r"""An exchange as one line of JSON.

Rule: whatever bytes a client sends, a line is ASCII and exactly one, and what is remembered is bounded in number
and in size. A byte that is not ASCII is escaped as the character if the text is UTF-8, else as ``\xNN``.

This runs once for every exchange, so it is made for that. `json.dumps` of a mapping costs five times as much. A line
is made of three pieces that exchanges have in common and of what is each one's own; the pieces are remembered by the
request's fields, which a client mostly repeats to the byte, and taken if all else that is in them is the same. There
is no `Record` in between.

An exchange that ends leaves its gist, a tuple of the pieces and of what is its own, and gists become lines some at a
time. Between two requests the code that formats is out of the processor's caches: a line by itself took 4.4 us, one
right behind another 2.0 (measured; gists and all, the log costs 4 us instead of 6). Nor may the exchange itself wait
to become a line: sixteen that were kept cost more in cold memory than that saves (with 64 connections: 10 us a line).
What is remembered of fields may hold cookies; it stays in this process, as the requests themselves do, and is
compared, not written.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from .private import safe_referer, safe_url
from .record import VERSIONS, Record, agent_and_referer

# Clients choose what is remembered: 2 MiB at most.
_MOST_SHAPES = 512
_LONGEST_FIELDS = 2048
_LONGEST_SHAPE = 2048
_QUESTION_MARK, _AT = b"?@"

_Key = tuple[bytes, bytes, int, str, str, int, str, str, str, str, int, bool]
_Shape = tuple[str, str, str]
#: the shape; time, request id (escaped), client, its port, target, octets received and sent, duration, connect,
#: first byte
Gist = tuple[_Shape, float, str, str, int, bytes, int, int, float, float | None, float | None]


class JsonLines:
    """Writes exchanges, and records of exchanges, as one JSON object each.

    Every line has the same keys; what does not apply is null (`host` and `target`: empty). Times
    are seconds, `time` is RFC 3339 in UTC.
    """

    __slots__ = ("_day_time", "_millisecond", "_second", "_shapes", "_stamp")

    def __init__(self) -> None:
        self._shapes: dict[bytes, tuple[_Key, _Shape]] = {}
        self._millisecond = -1
        self._stamp = ""
        self._second = -1
        self._day_time = ""

    def __call__(self, record: Record) -> str:
        """Write a record."""
        return self.lines([self.of_record(record)])[0]

    def of_record(self, record: Record) -> Gist:
        """Give the gist of a record."""
        key = (
            *(record.method, record.host, record.version, record.listener, record.scheme, record.status),
            *(record.cause, record.route, record.upstream, record.backend, record.attempts, record.reused),
        )
        return (
            _shape(key, record.user_agent, record.referer),
            record.time,
            quote(record.request_id)[1:-1],
            record.client,
            record.client_port,
            record.target,
            record.bytes_received,
            record.bytes_sent,
            record.duration,
            record.connect,
            record.first_byte,
        )

    def of_exchange(self, exchange: Any, time: float, duration: float, received: int, sent: int) -> Gist:
        """Give the gist of an exchange that has ended; the values are as `Record` has them."""
        head = exchange.head
        client = exchange.client
        route = exchange.route
        block = head.block
        # No objects but text: a route would keep alive the route map that it is of.
        key = (
            head.method,
            head.authority,
            head.version,
            client.listener,
            exchange.scheme,
            exchange.status,
            exchange.cause,
            "" if route is None else route.name,
            exchange.upstream,
            exchange.backend,
            exchange.attempts,
            exchange.reused,
        )
        known = self._shapes.get(block)
        return (
            known[1] if known is not None and known[0] == key else self._learn(block, key),
            time,
            # It is of our own making or was checked (`request_id`): nothing in it needs an escape.
            exchange.request_id,
            exchange.client_ip,
            client.port,
            head.target,
            received,
            sent,
            duration,
            exchange.connect_time,
            exchange.first_byte_time,
        )

    def lines(self, gists: Iterable[Gist]) -> list[str]:
        """Write the line of each."""
        made = []
        for shape, time, request_id, client, port, target, received, sent, duration, connect, first_byte in gists:
            millisecond = int(time * 1000)
            if millisecond != self._millisecond:
                self._tell_time(millisecond)
            # By number: with b"?" the interpreter makes and drops an exception before it searches.
            shown = safe_url(target) if _QUESTION_MARK in target or _AT in target else target
            what, where, how = shape
            # An answer that comes in one piece ends with its first byte: written once, for that takes longest.
            took = f"{duration:.6f}"
            first = took if first_byte == duration else "null" if first_byte is None else f"{first_byte:.6f}"
            made.append(
                f'{{"time":"{self._stamp}","request_id":"{request_id}","client":{quote(client) if client else "null"},'
                f'"client_port":{port or "null"},{what}{quote(shown.decode("utf-8", "backslashreplace"))}{where}'
                f'{received},"bytes_sent":{sent},"duration":{took},"connect":'
                f'{"null" if connect is None else f"{connect:.6f}"},"first_byte":{first},{how}'
            )
        return made

    def _learn(self, block: bytes, key: _Key) -> _Shape:
        shape = _shape(key, *agent_and_referer(block))
        if len(block) + len(key[0]) + len(key[1]) <= _LONGEST_FIELDS and sum(map(len, shape)) <= _LONGEST_SHAPE:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[block] = key, shape
        return shape

    def _tell_time(self, millisecond: int) -> None:
        second, rest = divmod(millisecond, 1000)
        if second != self._second:
            self._second = second
            self._day_time = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._millisecond = millisecond
        self._stamp = f"{self._day_time}.{rest:03d}Z"


def _shape(key: _Key, user_agent: bytes | None, referer: bytes | None) -> _Shape:
    """Write what an exchange has in common with others, in the three pieces that it makes of a line."""
    method, host, version, listener, scheme, status, cause, route, upstream, backend, attempts, reused = key
    if _AT in host:
        host = host.rpartition(b"@")[2]
    what = f'"method":{_text(method) if method else "null"},"host":{_text(host)},"target":'
    where = (
        f',"version":{_or_null(VERSIONS.get(version, "") if method else "")},"listener":{quote(listener)},'
        f'"scheme":{quote(scheme)},"route":{_or_null(route)},"upstream":{_or_null(upstream)},'
        f'"backend":{_or_null(backend)},"cause":{_or_null(cause)},"status":{status},"bytes_received":'
    )
    how = (
        f'"attempts":{attempts},"reused":{"true" if reused else "false"},'
        f'"user_agent":{"null" if user_agent is None else _text(user_agent)},'
        f'"referer":{"null" if referer is None else _text(safe_referer(referer))}}}\n'
    )
    return what, where, how


def _text(value: bytes) -> str:
    return quote(value.decode("utf-8", "backslashreplace"))


def _or_null(text: str) -> str:
    return quote(text) if text else "null"
