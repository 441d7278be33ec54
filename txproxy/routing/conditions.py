"""What a route asks of a request beyond its host: one small object per condition.

Rule: a condition that holds for everything is not made at all, so a route without conditions costs
nothing; and `find` and `trace` ask the same objects, so an explanation cannot differ from service.

A field or query name that occurs several times matches if one of its values does.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol
from urllib.parse import parse_qsl

from txproxy.model import fields
from txproxy.policy.addresses import AddressSet

from .pattern import PathSet, compile_regex


class Request:
    """What conditions may ask about; the dear parts are read when first asked for.

    :ivar method: as sent.  :ivar path: in normal form.  :ivar target: as sent.
    :ivar block: the fields (see `model.fields`).  :ivar client: the client's IP address, "" without one.
    """

    __slots__ = ("_query", "block", "client", "method", "path", "target")

    def __init__(self, method: bytes, path: str, target: bytes, block: bytes, client: str) -> None:
        self.method = method
        self.path = path
        self.target = target
        self.block = block
        self.client = client
        self._query: dict[str, list[str]] | None = None

    @property
    def query(self) -> dict[str, list[str]]:
        """The decoded values of each name in the query, in order; octets that are not UTF-8 as surrogates."""
        if self._query is None:
            self._query = {}
            text = self.target.partition(b"?")[2].decode("utf-8", "surrogateescape")
            for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
                self._query.setdefault(name, []).append(value)
        return self._query


class Condition(Protocol):
    """One thing that a route asks for. `kind` is the key of the route map it stands under."""

    kind: str
    where: object

    def holds(self, request: Request) -> bool:
        """Tell whether the request fulfils it."""

    def why_not(self, request: Request) -> str:
        """Say in a few words what was asked and what came, for a request that does not fulfil it."""


class Value:
    """A value as the route map has it: exact text, or ``~`` and a regular expression to search for.

    :raises ValueError: the regular expression is none.
    """

    __slots__ = ("regex", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.regex = compile_regex(text) if text.startswith("~") else None

    def matches(self, text: str) -> bool:
        """Compare."""
        return text == self.text if self.regex is None else self.regex.search(text) is not None

    def __str__(self) -> str:
        return self.text


class PathCondition:
    """The path matches one of these patterns."""

    __slots__ = ("kind", "paths", "where")

    def __init__(self, paths: PathSet, where: object) -> None:
        self.kind = "path"
        self.paths = paths
        self.where = where

    def holds(self, request: Request) -> bool:
        return self.paths.matches(request.path)

    def why_not(self, request: Request) -> str:
        return f"{_shown(request.path)} is not {_any_of(pattern.text for pattern in self.paths.patterns)}"


class MethodCondition:
    """The method is one of these; methods are case-sensitive (RFC 9110, section 9.1)."""

    __slots__ = ("kind", "methods", "where")

    def __init__(self, methods: Iterable[str], where: object) -> None:
        self.kind = "methods"
        self.methods = frozenset(method.encode("ascii") for method in methods)
        self.where = where

    def holds(self, request: Request) -> bool:
        return request.method in self.methods

    def why_not(self, request: Request) -> str:
        asked = _any_of(method.decode("ascii") for method in sorted(self.methods))
        return f"{_shown(request.method.decode('latin-1'))} is not {asked}"


class HeaderCondition:
    """A field of this name (any case) has this value."""

    __slots__ = ("_name", "kind", "name", "value", "where")

    def __init__(self, name: str, value: str, where: object) -> None:
        self.kind = "headers"
        self.name = name
        self._name = name.encode("ascii")
        if not fields.TOKEN.fullmatch(self._name):
            raise ValueError(f"{name!r} is not a header name")
        self.value = Value(value)
        self.where = where

    def _values(self, request: Request) -> list[str]:
        return [value.decode("utf-8", "surrogateescape") for value in fields.get_all(request.block, self._name)]

    def holds(self, request: Request) -> bool:
        return any(map(self.value.matches, self._values(request)))

    def why_not(self, request: Request) -> str:
        if values := self._values(request):
            return f"{self.name} is {_any_of(map(_shown, values))}, not {self.value}"
        return f"there is no {self.name}"


class QueryCondition:
    """A name in the query (case-sensitive, decoded) has this value (decoded)."""

    __slots__ = ("kind", "name", "value", "where")

    def __init__(self, name: str, value: str, where: object) -> None:
        self.kind = "query"
        self.name = name
        self.value = Value(value)
        self.where = where

    def holds(self, request: Request) -> bool:
        return any(map(self.value.matches, request.query.get(self.name, ())))

    def why_not(self, request: Request) -> str:
        if values := request.query.get(self.name):
            return f"{self.name} is {_any_of(map(_shown, values))}, not {self.value}"
        return f"there is no {self.name} in the query"


class ClientCondition:
    """The client's address is in one of these networks; a client without one (unix socket) is in none."""

    __slots__ = ("addresses", "kind", "where")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network], where: object) -> None:
        self.kind = "clients"
        self.addresses = AddressSet(networks)
        self.where = where

    def holds(self, request: Request) -> bool:
        return request.client in self.addresses

    def why_not(self, request: Request) -> str:
        client = _shown(request.client) if request.client else "a client without an address"
        return f"{client} is not in {_any_of(map(str, self.addresses.networks))}"


def _any_of(texts: Iterable[str]) -> str:
    return " or ".join(texts)


def _shown(text: str) -> str:
    # What a client sent goes to a terminal: controls and lone surrogates as escapes.
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
