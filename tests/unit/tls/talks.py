"""Conversations of a `TlsTransport` with OpenSSL, in every constellation that should make no difference."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.task import Clock

from tests.support.tls import OpenSsl, Talk, client_context, server_context
from tests.unit.reactor.uv.scene import HalfRecorder, Recorder
from txproxy.tls.openssl import Scratch
from txproxy.tls.transport import TlsTransport

EVERYWHERE = [
    pytest.param((role, version, kind), id=f"{role}-{version}-{kind}")
    for role in ("server", "client")
    for version in ("1.2", "1.3")
    for kind in ("ours", "plain")
]


@cache
def _server_context(version: str | None) -> SSL.Context:
    return server_context(version)


@cache
def _client_context(version: str | None) -> SSL.Context:
    return client_context(version)


def ends(role: str, version: str | None = None) -> tuple[SSL.Connection, OpenSsl]:
    """Make our connection in this role, and the other end."""
    if role == "server":
        tls = SSL.Connection(_server_context(version), None)
        tls.set_accept_state()
        return tls, OpenSsl(_client_context(version), server=False)
    tls = SSL.Connection(_client_context(version), None)
    tls.set_connect_state()
    return tls, OpenSsl(_server_context(version), server=True)


def talk(
    where: tuple[str, str | None, str] = ("server", "1.3", "ours"),
    inner: Any = None,
    *,
    cut: int = 0,
    shake: bool = True,
) -> Talk:
    """Begin a conversation, and shake hands unless told otherwise.

    :param where: our role, the version, and what kind of transport is below.
    :param cut: everything goes in pieces of so many bytes.
    """
    role, version, kind = where
    clock = Clock()
    tls, other = ends(role, version)
    made = Talk(TlsTransport(Scratch(clock), tls, inner if inner is not None else Recorder()), other, clock, kind)
    return made.go(cut) if shake else made


def shake_up_to_the_last_flight(talking: Talk) -> None:
    """Shake hands until the other end has done so, whose last flight has not yet been taken from it."""
    other = talking.other
    while not other.shaken:
        talking.turn()
        other.feed(talking.below.take())
        if not other.shaken:
            talking.below.arrive(other.take())


def records(data: bytes) -> list[tuple[int, int]]:
    """Give type and length of each record; there is nothing behind the last."""
    found = []
    while data:
        size = int.from_bytes(data[3:5], "big")
        assert len(data) >= 5 + size
        found.append((data[0], size))
        data = data[5 + size :]
    return found


__all__ = ["EVERYWHERE", "HalfRecorder", "Recorder", "ends", "records", "shake_up_to_the_last_flight", "talk"]
