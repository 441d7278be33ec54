"""The load generator for TLS handshakes: what it counts, and what it does not let pass."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bench.answers import BadAnswer
from bench.cases import CASES, SMALL_BODY, Case
from bench.identity import Identity, make
from bench.load.handshakes import Visiting, check
from bench.load.idle import Held
from tests.support.addresses import free_port
from tests.support.backend import Backend, Connection, ok

FULL, RESUMED, IDLE = (
    next(case for case in CASES if case.name == name) for name in ("tls-full", "tls-resumed", "tls-idle")
)
Reply = Callable[[Connection], bytes]


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Make one identity for all tests."""
    return make(tmp_path_factory.mktemp("bench") / "identity")


def server(identity: Identity) -> ssl.SSLContext:
    """Make a context that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


class Secure(Backend):
    """A server that shakes hands, takes one request and gives `answer`; `resumed` tells of each handshake."""

    def __init__(self, context: ssl.SSLContext, answer: bytes = ok(SMALL_BODY), *, polite: bool = True) -> None:
        self.resumed: list[bool | None] = []
        self._context, self._answer, self._polite = context, answer, polite
        super().__init__(self._once)

    def _once(self, connection: Connection) -> None:
        with suppress(ssl.SSLError):  # a handshake that fails, or a client whose time is up: for the client to tell
            self._visit(connection)

    def _visit(self, connection: Connection) -> None:
        secure = self._context.wrap_socket(connection.socket, server_side=True)
        connection.socket = secure
        self.resumed.append(secure.session_reused)
        connection.request()
        connection.send(self._answer)
        if self._polite:
            with suppress(OSError):  # says close_notify, and is not answered
                secure.unwrap()


def few(case: Case) -> Case:
    """Give the case with two connections at a time."""
    return replace(case, connections=2)


def test_full_handshakes_are_counted_one_for_each_connection(identity):
    """Each connection is a full handshake with one request; what is counted is what the server saw."""
    with Secure(server(identity)) as backend:
        found = Visiting(few(FULL), backend.port).run(0.4)
        backend.all_ended()
    assert found["answers"] > 2
    assert found["errors"] == 0
    assert found["answers"] <= len(backend.resumed) <= found["answers"] + 2
    assert not any(backend.resumed)


def test_resumed_handshakes_follow_one_full_one_on_each_connection(identity):
    """The first handshake of each of two is full, before the clock runs; all others are resumed."""
    with Secure(server(identity)) as backend:
        found = Visiting(few(RESUMED), backend.port).run(0.4)
        backend.all_ended()
    assert found["answers"] > 2
    assert found["errors"] == 0
    assert backend.resumed[:2] == [False, False]
    assert all(backend.resumed[2:])


@pytest.mark.parametrize("case", [FULL, RESUMED], ids=lambda case: case.name)
def test_an_end_without_close_notify_is_one(identity, case):
    """The answer's length says that it is whole; its session is still good for resumption."""
    with Secure(server(identity), polite=False) as backend:
        check(case, backend.port)
    assert backend.resumed == [False, True][: 1 + case.resumed]


def test_what_is_not_resumed_is_no_resumed_handshake(identity):
    """A server without tickets fails the check, and under load each of its handshakes is an error."""
    context = server(identity)
    context.num_tickets = 0
    with Secure(context) as backend:
        with pytest.raises(BadAnswer, match="not resumed"):
            check(RESUMED, backend.port)
        check(FULL, backend.port)


def test_a_server_that_loses_its_keys_makes_errors(identity):
    """A handshake that had to be resumed and was full counts as an error, and not as an answer."""
    one, other = server(identity), server(identity)
    with Secure(one) as backend:
        visiting = Visiting(few(RESUMED), backend.port)
        backend._context = other
        other.num_tickets = 0
        found = visiting.run(0.4)
    assert found["answers"] == 0
    assert found["errors"] > 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(
            lambda context: context.set_ecdh_curve("prime256v1"),
            "^the handshake failed: .*handshake failure",
            id="group",
        ),
        pytest.param(
            lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2),
            "^the handshake failed: .*version",
            id="version",
        ),
    ],
)
def test_another_handshake_than_the_case_asks_for_fails(identity, change, why):
    """A server that has neither the group nor the version is told by its alert."""
    context = server(identity)
    change(context)
    with Secure(context) as backend, pytest.raises(BadAnswer, match=why):
        check(FULL, backend.port)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ok(SMALL_BODY)[:-1], "before the end of the answer"),
        (ok(b"something else"), "another body"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "not 200"),
        (b"", "before the end of the answer"),
    ],
)
def test_an_answer_that_is_not_good_is_an_error(identity, answer, why):
    """It is not counted, and the next connection is made."""
    with Secure(server(identity), answer) as backend:
        with pytest.raises(BadAnswer, match=why):
            check(FULL, backend.port)
        found = Visiting(few(FULL), backend.port).run(0.4)
    assert found["answers"] == 0
    assert found["errors"] > 2


def test_nobody_listening_is_an_error_that_ends_in_time():
    """Connections that are refused are counted until the time is over."""
    port = free_port()
    with pytest.raises(BadAnswer, match="not accepted"):
        check(FULL, port)
    found = Visiting(few(FULL), port).run(0.05)
    assert found["answers"] == 0
    assert found["errors"] > 0


def test_a_group_that_this_openssl_lacks_is_named():
    """A case that the client cannot make says so, instead of measuring another."""
    with pytest.raises(BadAnswer, match="no group X0"):
        check(replace(FULL, group="X0"), 1)


def test_idle_connections_are_held_over_tls(identity):
    """The certificate is verified, each connection is asked once, and then all are idle."""

    def script(connection: Connection) -> None:
        connection.socket = server(identity).wrap_socket(connection.socket, server_side=True)
        connection.request()
        connection.send(ok(SMALL_BODY))
        connection.rest()

    with Backend(script) as backend, Held(IDLE, backend.port, identity.client()) as held:
        held.open(20)
        assert held.lost() == 0


def test_a_certificate_of_another_is_not_believed(identity, tmp_path: Path):
    """A client trusts the root of its own run alone, and its server name is the host that is asked for."""
    with Secure(server(make(tmp_path / "other"))) as backend, pytest.raises(ssl.SSLCertVerificationError):
        Held(IDLE, backend.port, identity.client())._connect()
