"""Upstreams: named groups of backends, and what is known of each backend.

Rule: a `Backend` is live state, keyed by its address; an `Upstream` is part of a configuration and only
refers to backends. So a new configuration keeps every pool whose backend is still in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from txproxy.policy.balance import RoundRobin
from txproxy.reactor.deadlines import Deadlines

from .dial import Address
from .pool import KeepAlive, Pool


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """Seconds to connect, to the first byte of the response, and between two of its pieces; None: for ever."""

    connect: float | None = 3.0
    response: float | None = 60.0
    idle: float | None = 60.0


class Backend:
    """One address of an upstream, with its connections.

    :ivar url: as the route map has it, for logs.
    :ivar authority: for Host, where the route says `host_header: backend`.
    """

    __slots__ = ("authority", "pool", "url")

    def __init__(self, url: str, authority: bytes, pool: Pool) -> None:
        self.url = url
        self.authority = authority
        self.pool = pool

    def __repr__(self) -> str:
        return f"<Backend {self.url} {self.pool!r}>"


class Upstream:
    """A named group of backends, one of which serves each request.

    :ivar pick: gives the backend for the next request.
    """

    __slots__ = ("backends", "name", "pick", "timeouts")

    def __init__(self, name: str, backends: Iterable[Backend], timeouts: UpstreamTimeouts) -> None:
        self.name = name
        self.backends = tuple(backends)
        self.timeouts = timeouts
        self.pick = RoundRobin(self.backends).pick

    def __repr__(self) -> str:
        return f"<Upstream {self.name} {list(self.backends)}>"


class BackendAddress(Address, Protocol):
    """What a `Backend` is made of."""

    @property
    def url(self) -> str: ...
    @property
    def authority(self) -> str: ...


class Backends:
    """All backends of the process, by upstream and URL: the state that survives a reload."""

    def __init__(self, reactor: Any, deadlines: Deadlines) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._backends: dict[tuple[str, str], Backend] = {}

    def get(self, upstream: str, address: BackendAddress, keepalive: KeepAlive) -> Backend:
        """Give the backend of this address, the same one as before where there was one."""
        key = (upstream, address.url)
        backend = self._backends.get(key)
        if backend is None:
            pool = Pool(self._reactor, self._deadlines, address, keepalive)
            backend = self._backends[key] = Backend(address.url, address.authority.encode("ascii"), pool)
        else:
            backend.pool.keepalive = keepalive
        return backend

    def keep_only(self, wanted: Iterable[Backend]) -> None:
        """Let go of every other backend: its idle connections end now, the rest with their requests."""
        kept = set(map(id, wanted))
        for key, backend in list(self._backends.items()):
            if id(backend) not in kept:
                del self._backends[key]
                backend.pool.close()

    def close(self) -> None:
        """Let go of all."""
        self.keep_only(())
