"""Binding the addresses of a route map.

Rule: what the route map names is bound or the reason is raised; a socket's file that somebody serves is never taken.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from typing import Any

from twisted.internet.address import UNIXAddress

from txproxy.reactor.tcp import listen_tcp

from .http import HttpFactory

# What waits for accept while the process is busy; nginx asks for 511, the kernel caps it (somaxconn).
BACKLOG = 1024


def listen(reactor: Any, address: Any, factory: HttpFactory) -> Any:
    """Bind one address of the route map.

    :returns: the IListeningPort.
    :raises twisted.internet.error.CannotListenError: it is taken, or not ours to bind.
    """
    if address.kind == "tcp":
        port = listen_tcp(reactor, address.port, factory, BACKLOG, address.host)
        factory.local_port = port.getHost().port
    else:
        _remove_stale_socket(address.path)
        mode = 0o666 if address.mode is None else address.mode
        port = reactor.listenUNIX(address.path, factory, backlog=BACKLOG, mode=mode, wantPID=False)
    return port


def _remove_stale_socket(path: str) -> None:
    """Remove a socket that a killed process left behind; one that is served stays, and binding fails."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def bound_addresses(ports: list[Any]) -> Iterator[str]:
    """Name what these IListeningPorts listen on, as a route map does."""
    for port in ports:
        at, scheme = port.getHost(), port.factory.scheme
        if isinstance(at, UNIXAddress):
            yield f"{scheme}+unix:{os.fsdecode(at.name or '')}"
        else:
            yield f"{scheme}://[{at.host}]:{at.port}" if ":" in at.host else f"{scheme}://{at.host}:{at.port}"
