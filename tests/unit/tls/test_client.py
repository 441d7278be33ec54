"""Our end towards a server: connected once, or failed once, and nothing else."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.support.tls import OpenSsl, Talk, client_context, server_context
from tests.unit.tls.talks import Recorder
from txproxy.tls.client import TlsClient
from txproxy.tls.openssl import Scratch

VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])


class Creator:
    """Makes connections as whoever checks certificates does."""

    def __init__(self, context: SSL.Context) -> None:
        self.context = context

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make one."""
        connection = SSL.Connection(self.context, None)
        connection.set_app_data(tlsProtocol)
        return connection


class Dialed(Talk):
    """One connection of ours.

    :ivar failures: what was told of a handshake that failed.
    """

    def __init__(self, creator: Any, server: SSL.Context, inner: Recorder | None = None) -> None:
        clock = Clock()
        self.failures: list[Failure] = []
        self.inner = inner or Recorder()
        ours = TlsClient(Scratch(clock), creator, self.inner, self.failures.append)
        super().__init__(ours, OpenSsl(server, server=True), clock)


@VERSIONS
@pytest.mark.parametrize("cut", [0, 1])
def test_a_protocol_is_connected_behind_the_handshake(version: str, cut: int) -> None:
    """Not before; then what it writes at once is the first that the server reads, and nothing has failed."""
    inner = Recorder(made=lambda inner: inner.transport.write(b"question"))
    dialed = Dialed(Creator(client_context(version)), server_context(), inner)
    assert inner.events == []
    dialed.go(cut)
    assert inner.events == ["made"]
    assert dialed.other.got == b"question"
    dialed.other.send(b"answer")
    dialed.go(cut)
    assert inner.data == b"answer"
    dialed.ours.loseConnection()
    dialed.close()
    assert inner.story == ["made", "data", "lost"]
    assert dialed.failures == []


@VERSIONS
def test_an_exception_in_connection_made_ends_it(version: str) -> None:
    """The protocol hears of its end, with the reason; it is not told twice, as a failure of the handshake."""

    def fail(inner: Recorder) -> None:
        raise ZeroDivisionError

    dialed = Dialed(Creator(client_context(version)), server_context(), Recorder(made=fail)).go()
    assert dialed.below.over
    assert dialed.inner.why == "ZeroDivisionError"
    assert dialed.failures == []


def test_a_creator_that_fails_is_a_failure() -> None:
    """What it raises is for whoever calls; the end that follows is told as a failure, once."""

    class Broken:
        def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
            raise ZeroDivisionError

    failures: list[Failure] = []
    clock = Clock()
    inner = Recorder()
    ours = TlsClient(Scratch(clock), Broken(), inner, failures.append)
    with pytest.raises(ZeroDivisionError) as raised:
        Talk(ours, OpenSsl(server_context(), server=True), clock)
    ours.connectionLost(Failure(raised.value))
    assert len(failures) == 1
    assert "ZeroDivision" in repr(failures[0].value) or failures[0].check(ConnectionLost)
    assert inner.events == []


class Unbelieved(Exception):
    """What a check of certificates says."""


class Checking(Creator):
    """Checks certificates: believes none, and says so by the protocol in the connection.

    :param answers: what OpenSSL is told.
    """

    def __init__(self, context: SSL.Context, *, answers: bool) -> None:
        super().__init__(context)
        self.answers = answers

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make one."""
        connection = super().clientConnectionForTLS(tlsProtocol)
        connection.set_verify(SSL.VERIFY_PEER, self._check)
        return connection

    def _check(self, connection: SSL.Connection, certificate: Any, error: int, depth: int, good: int) -> bool:
        if depth == 0:
            connection.get_app_data().failVerification(Failure(Unbelieved()))
            return self.answers
        return True


@VERSIONS
@pytest.mark.parametrize("answers", [True, False])
def test_whoever_checks_certificates_decides(version: str, answers: bool) -> None:
    """What `failVerification` was called with is the failure, whatever OpenSSL was told, and nothing is sent."""
    inner = Recorder(made=lambda inner: inner.transport.write(b"secret"))
    dialed = Dialed(Checking(client_context(version), answers=answers), server_context(), inner).go()
    assert dialed.below.ends == ["closed"]
    dialed.close()
    (failure,) = dialed.failures
    assert failure.check(Unbelieved)
    assert dialed.inner.events == []
    assert dialed.other.got == b""


@VERSIONS
def test_a_server_that_refuses_us_is_a_failure(version: str) -> None:
    """Its alert, within the handshake, is OpenSSL's error."""
    other = "1.2" if version == "1.3" else "1.3"
    dialed = Dialed(Creator(client_context(version)), server_context(other)).go()
    assert dialed.below.ends == ["closed"]
    dialed.close()
    (failure,) = dialed.failures
    assert failure.check(SSL.Error)
    assert dialed.inner.events == []


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"\x00" * 100])
def test_what_is_no_handshake_is_a_failure(noise: bytes) -> None:
    """Plain text, an alert, and nonsense."""
    dialed = Dialed(Creator(client_context()), server_context())
    dialed.below.take()
    dialed.below.arrive(noise)
    assert dialed.below.ends == ["closed"]
    dialed.below.lose()
    assert [failure.check(SSL.Error) for failure in dialed.failures] == [SSL.Error]


@pytest.mark.parametrize("how", ["eof", "reset", "clean"])
def test_an_end_within_the_handshake_is_a_failure(how: str) -> None:
    """Whatever the transport says, it is ConnectionLost, and says that it was during the handshake."""
    dialed = Dialed(Creator(client_context()), server_context())
    if how == "eof":
        dialed.below.eof()
    dialed.below.lose(ConnectionLost("reset") if how == "reset" else None)
    (failure,) = dialed.failures
    assert failure.check(ConnectionLost)
    assert "during the" in failure.getErrorMessage()
    assert dialed.inner.events == []


def test_who_gives_up_is_told_of_the_end() -> None:
    """An abort within the handshake is a failure too: never neither."""
    dialed = Dialed(Creator(client_context()), server_context())
    dialed.ours.abortConnection()
    assert dialed.below.ends == ["aborted"]
    dialed.below.lose()
    assert len(dialed.failures) == 1


@VERSIONS
@pytest.mark.parametrize("good", [True, False])
def test_nothing_is_left_for_the_garbage_collector(version: str, good: bool) -> None:
    """Whoever checks certificates keeps the protocol in the connection: that is let go of, with the last reference."""
    context = client_context(version)
    dialed = Dialed(Creator(context) if good else Checking(context, answers=False), server_context()).go()
    if good:
        dialed.ours.loseConnection()
    dialed.close()
    gone = weakref.ref(dialed.ours)
    dialed.failures.clear()
    dialed.inner.transport = None
    gc.collect()
    gc.disable()
    try:
        dialed.ours = None
        assert gone() is None
    finally:
        gc.enable()
