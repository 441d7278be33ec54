"""Connections that are opened, asked once, and then held while they idle.

Rule: few requests are in flight at a time, so that connections to the backend stay few and what a
proxy grows by is what its idle clients cost. It runs in the benchmark's own process, because the
memory is read while the connections are held; every wait has a timeout.
"""

from __future__ import annotations

import select
import socket
import ssl
from types import TracebackType
from typing import Self

from bench.answers import BadAnswer, connect, read_answer
from bench.cases import Case

from .result import LoadFailed

_AT_ONCE = 16


class Held:
    """Open connections to one port; a context manager that closes them all."""

    def __init__(self, case: Case, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._request, self._body, self._port, self._tls = case.request(), case.answer, port, tls
        self._socks: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._socks:
            sock.close()

    def open(self, count: int, *, requests: int = 1) -> None:
        """Open so many more, and ask so often on each, one request after the other.

        :raises LoadFailed: the proxy does not take them all, or does not answer well.
        """
        before = len(self._socks)
        try:
            while (left := before + count - len(self._socks)) > 0:
                batch = [self._connect() for _ in range(min(left, _AT_ONCE))]
                for _ in range(requests):
                    self._ask(batch)
        except (BadAnswer, OSError) as error:
            raise LoadFailed(f"connection {len(self._socks)} failed: {type(error).__name__}: {error}") from error

    def _connect(self) -> socket.socket:
        sock = connect(self._port, self._tls)
        self._socks.append(sock)
        return sock

    def _ask(self, batch: list[socket.socket]) -> None:
        for sock in batch:
            sock.sendall(self._request)
        for sock in batch:
            read_answer(sock, self._body)

    def lost(self) -> int:
        """Tell how many are not idle any more: closed by the proxy, or spoken on without a question."""
        poller = select.poll()
        for sock in self._socks:
            poller.register(sock, select.POLLIN)
        return len(poller.poll(0))
