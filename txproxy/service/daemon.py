"""The daemon as a Twisted service: binds, serves, reopens logs, drains and stops.

Rule: everything is made before anything is bound, and what is bound first stays bound until the end.
The order of stopping is: no new connections, no new requests, the end of those in flight or of
`timeouts.drain`, then the rest is cut.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from txproxy.config.model import Config
from txproxy.forwarding.frontend import Frontend
from txproxy.listeners.binding import bound_addresses, listen
from txproxy.listeners.connections import Connections
from txproxy.listeners.http import HttpFactory
from txproxy.model.errors import SHUTTING_DOWN, ProxyError
from txproxy.observability.access_log import AccessLog
from txproxy.observability.counters import Counters
from txproxy.observability.request_id import RequestIds
from txproxy.protocols.http1.server import ServerSettings
from txproxy.reactor.deadlines import Deadlines
from txproxy.reactor.memory import keep_freed_memory, leave_out_what_is_loaded
from txproxy.tls.openssl import Scratch
from txproxy.upstream.upstream import Backends

from .compose import Composer
from .securing import Securing

# Seconds for the answers that a cut makes to leave: for the network, not for a client that does not read.
_LAST_WORDS = 0.5
# Seconds between two looks at what waits for the access log: who watches it sees a request at once, as it were.
_FLUSH_SECONDS = 0.25


class ProxyService(Service):
    """Serves one route map.

    :param config: the route map.
    :param reactor: Twisted's.
    :param own_signals: take SIGUSR1 and a second SIGTERM; not for a service inside of another program.
    """

    log = Logger()

    def __init__(self, config: Config, reactor: Any, *, own_signals: bool = True) -> None:
        self.setName("txproxy")  # type: ignore[no-untyped-call]
        self._config = config
        self._reactor = reactor
        self._own_signals = own_signals
        self.deadlines = Deadlines(reactor)
        scratch = Scratch(reactor) if any(each.tls for each in config.listen) else None
        self.backends = Backends(reactor, self.deadlines, scratch)
        self.counters = Counters()
        self._securing = None if scratch is None else Securing(config, reactor, scratch)
        covers = None if self._securing is None else self._securing.store.covers
        composer = Composer(config, reactor, self.deadlines, self.backends, covers)
        self._is_trusted = composer.trust.is_trusted
        self._access_log = _access_log(config, reactor)
        generation = composer.generation()
        self.frontend = Frontend(
            reactor, generation, self.counters, self._access_log, RequestIds(os.urandom), level=config.log.level
        )
        self.connections = Connections(config.limits.connections)
        limits, times = config.limits, config.timeouts
        self._settings = ServerSettings(
            deadlines=self.deadlines,
            header_bytes=limits.header_bytes,
            header_fields=limits.header_fields,
            requests_per_connection=limits.requests_per_connection,
            header_timeout=times.header,
            keepalive_timeout=times.keepalive,
            body_timeout=times.body,
            write_timeout=times.write,
        )
        self._ports: list[Any] = []
        self._flushing: Any = None
        self._limit: Any = None
        self._stopping = False

    def privilegedStartService(self) -> None:
        """Bind, while twistd may still have the rights to."""
        self._bind()

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()  # type: ignore[no-untyped-call]
        self._bind()  # under `twist` there is no privileged phase
        self._raise_descriptor_limit()
        if self._own_signals:  # the process is ours
            keep_freed_memory()
            leave_out_what_is_loaded()
        self.deadlines.start()
        if self._securing is not None:
            self._securing.start()
        self._flush()
        if self._own_signals:
            self._take_signals()
        addresses = ", ".join(bound_addresses(self._ports))
        self.log.info("serving {hosts} hosts on {addresses}", hosts=len(self._config.hosts), addresses=addresses)

    def stopService(self) -> Deferred[None]:
        """Drain, then stop."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._stopping = True
        self._settings.draining = True
        for port in self._ports:
            port.stopListening()
        waiting = len(self.connections.open)
        drained: Deferred[None] = Deferred()
        self._limit = self._reactor.callLater(self._config.timeouts.drain, self._drain_is_over)

        def emptied() -> None:
            if self._limit.active():
                self._limit.cancel()
            # Not at once: a reset leaves in the next turn, and without it half an answer may look whole.
            self._reactor.callLater(0, drained.callback, None)

        self.connections.drain(emptied)
        if self.connections.open:
            self.log.info(
                "stopping: {busy} of {waiting} connections carry a request; they have {drain:g} s (timeouts.drain)",
                busy=sum(connection.answering for connection in self.connections.open),
                waiting=waiting,
                drain=self._config.timeouts.drain,
            )
        return drained.addCallback(self._end)

    # Inside.

    def _bind(self) -> None:
        if self._ports:
            return
        for address in self._config.listen:
            details = (self.frontend, self._settings, self.connections, address, self._is_trusted)
            if self._securing is not None and address.tls:
                factory: HttpFactory = self._securing.factory(address, *details)
            else:
                factory = HttpFactory(*details)
            self._ports.append(listen(self._reactor, address, factory))

    def _raise_descriptor_limit(self) -> None:
        """Take as many descriptors as the system allows; each request may need two."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        wanted = 2 * self._config.limits.connections
        if hard < wanted:
            self.log.warn(
                "limits.connections is {limit}, which may take {wanted} descriptors; the system allows {hard}",
                limit=self._config.limits.connections,
                wanted=wanted,
                hard=hard,
            )

    def _drain_is_over(self) -> None:
        self.log.warn("timeouts.drain is over: {open} connections are cut", open=len(self.connections.open))
        self._cut("timeouts.drain is over")

    def _cut(self, why: str) -> None:
        """End all exchanges now; their last words get a moment to leave, and `emptied` follows."""
        if not self.connections.open:
            return  # drained already
        if self._limit.active():
            self._limit.cancel()
        self._limit = self._reactor.callLater(_LAST_WORDS, self.connections.abort)
        self.connections.cut(ProxyError(SHUTTING_DOWN, why))

    def _end(self, result: None) -> Deferred[None]:
        self.backends.close()
        if self._securing is not None:
            self._securing.stop()
        self.deadlines.stop()
        if self._flushing is not None:
            self._flushing.cancel()
        if self._access_log is not None:
            self._access_log.close()
        return succeed(None)

    def _flush(self) -> None:
        self._flushing = self._reactor.callLater(_FLUSH_SECONDS, self._flush)
        if self._access_log is not None:
            self._access_log.flush()

    def _take_signals(self) -> None:
        """Take SIGUSR1, and the second SIGTERM, beside the handlers that Twisted has or will install."""
        earlier = signal.getsignal(signal.SIGUSR1)

        def rotated(number: int, frame: Any) -> None:
            if callable(earlier):
                earlier(number, frame)  # twistd's own: it rotates the file of --logfile
            self._reactor.callFromThread(self._reopen)

        signal.signal(signal.SIGUSR1, rotated)
        self._reactor.callWhenRunning(self._watch_for_second, signal.SIGTERM)
        self._reactor.callWhenRunning(self._watch_for_second, signal.SIGINT)

    def _watch_for_second(self, number: int) -> None:
        twisted_own = signal.getsignal(number)

        def asked_to_stop(received: int, frame: Any) -> None:
            if self._stopping:
                # Nobody waits any more: not even for what the drain would still allow.
                self._reactor.callFromThread(self._stop_now)
            elif callable(twisted_own):
                twisted_own(received, frame)

        signal.signal(number, asked_to_stop)

    def _stop_now(self) -> None:
        self.log.warn("asked to stop a second time: {open} connections are cut", open=len(self.connections.open))
        self._cut("asked to stop a second time")

    def _reopen(self) -> None:
        if self._access_log is not None:
            self._access_log.reopen()


def _access_log(config: Config, reactor: Any) -> AccessLog | None:
    access = config.log.access
    if access is None:
        return None
    return AccessLog(access.path, access.format, reactor)


def warn_of_lost_log(config: Config, daemonized: bool) -> str | None:
    """Say so if the access log would go nowhere: a daemon has no standard output."""
    access = config.log.access
    if daemonized and access is not None and access.path == "-":
        return "the access log goes to standard output, which a daemon does not have: set log.access.path"
    return None
