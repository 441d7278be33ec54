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
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.backends import BackendContexts
from txproxy.tls.openssl import Scratch

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
    """All backends of the process: the state that survives a reload.

    :param reactor: Twisted's.
    :param deadlines: the wheel.
    :param scratch: of the reactor, for TLS; None: one is made once a backend speaks it.
    """

    def __init__(self, reactor: Any, deadlines: Deadlines, scratch: Scratch | None = None) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._scratch = scratch
        self._contexts: BackendContexts | None = None
        # By upstream, URL and how TLS is spoken: no connection that was believed under other settings is lent.
        self._backends: dict[tuple[str, str, BackendSettings | None], Backend] = {}

    def get(
        self, upstream: str, address: BackendAddress, keepalive: KeepAlive, tls: BackendSettings | None = None
    ) -> Backend:
        """Give the backend of this address, the same one as before where there was one.

        :param tls: how TLS is spoken with it; None: not at all.
        """
        key = (upstream, address.url, tls)
        backend = self._backends.get(key)
        if backend is None:
            secured = None if tls is None else self._tls().backend(tls)
            pool = Pool(self._reactor, self._deadlines, address, keepalive, secured)
            backend = self._backends[key] = Backend(address.url, address.authority.encode("ascii"), pool)
        else:
            backend.pool.keepalive = keepalive
        return backend

    def _tls(self) -> BackendContexts:
        if self._contexts is None:
            self._contexts = BackendContexts(self._scratch or Scratch(self._reactor))
        return self._contexts

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
