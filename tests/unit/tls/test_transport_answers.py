"""What OpenSSL has to say to what it has read, with nobody writing: KeyUpdates, and wishes to renegotiate."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.internet.task import Clock

from tests.support.tls import OpenSsl, Talk, client_context, server_context
from tests.unit.tls.key_updates import ByHand, Logged
from tests.unit.tls.talks import Recorder, records, talk
from txproxy.tls.openssl import Scratch
from txproxy.tls.transport import TlsTransport

BOTH = pytest.mark.parametrize("role", ["server", "client"])


def logged(role: str) -> tuple[Talk, ByHand]:
    """Shake hands in this role, and let a hand send for the other end from then on."""
    clock = Clock()
    ours = server_context("1.3") if role == "server" else client_context("1.3")
    theirs = client_context("1.3") if role == "server" else server_context("1.3")
    log = Logged(theirs)
    tls = SSL.Connection(ours, None)
    other = OpenSsl(theirs, server=role == "client")
    (tls.set_accept_state if role == "server" else tls.set_connect_state)()
    talking = Talk(TlsTransport(Scratch(clock), tls, Recorder()), other, clock).go()
    secret = log.secret(b"CLIENT_TRAFFIC_SECRET_0" if role == "server" else b"SERVER_TRAFFIC_SECRET_0")
    hand = ByHand(other, secret)
    for _ in range(2 if role == "client" else 0):
        hand.record(b"")  # OpenSSL has sent as many tickets, by the same keys
    return talking, hand


@BOTH
def test_a_key_update_is_survived_and_answered(role: str) -> None:
    """Data by the old and the new key arrives; what we write next is behind our answer, by our new key."""
    talking, hand = logged(role)
    talking.below.arrive(hand.record(b"old"))
    talking.below.arrive(hand.key_update(requested=True))
    talking.below.arrive(hand.record(b" new"))
    talking.ours.write(b"ours")
    talking.turn()
    sent = talking.below.take()
    assert len(records(sent)) == 2
    talking.other.feed(sent)
    assert talking.ours.inner.data == b"old new"
    assert talking.other.got == b"ours"
    assert talking.other.error is None


@BOTH
def test_a_key_update_that_wants_no_answer_gets_none(role: str) -> None:
    """Nothing is sent for it, and data goes on."""
    talking, hand = logged(role)
    talking.below.arrive(hand.key_update(requested=False) + hand.record(b"new"))
    assert talking.below.pieces == []
    assert talking.ours.inner.data == b"new"


@BOTH
@pytest.mark.parametrize("with_data", [False, True])
def test_key_updates_in_between_data_are_answered(role: str, with_data: bool) -> None:
    """Answers do not wait for somebody to write, whether data came along or not, and stay in order."""
    talking, hand = logged(role)
    answers = 0
    for _ in range(5):
        updates = [hand.key_update(requested=True) for _ in range(3)]
        data = hand.record(b"x") if with_data else b""
        talking.below.arrive(b"".join(updates) + data)
        answered = talking.below.take()
        answers += len(records(answered))
        talking.other.feed(answered)
    assert answers >= 10
    talking.ours.write(b"ours")
    assert talking.go().other.got == b"ours"
    assert talking.ours.inner.data == (b"xxxxx" if with_data else b"")


@BOTH
@pytest.mark.parametrize("with_data", [False, True])
def test_a_flood_of_key_updates_ends_the_connection(role: str, with_data: bool) -> None:
    """Answers to somebody who reads none of them must not fill our memory: the connection ends, with a reason."""
    talking, hand = logged(role)
    for _ in range(100):
        flood = b"".join(hand.key_update(requested=True) for _ in range(50))
        talking.below.arrive(flood + (hand.record(b"x") if with_data else b""))
    assert talking.below.ends == ["closed"]
    assert len(b"".join(talking.below.pieces)) < 32 * 1024
    talking.below.lose()
    assert talking.ours.inner.why == "Error"
    assert "too many" in str(talking.ours.inner.reason.value)


@BOTH
def test_one_key_update_beside_little_data_is_answered(role: str) -> None:
    """No answer waits for somebody to write, not beside the shortest of records: a long upload would pile them up."""
    talking, hand = logged(role)
    for _ in range(10):
        talking.below.arrive(hand.record(b"x") + hand.key_update(requested=True))
    # OpenSSL may hold the last one back for what comes next.
    assert len(records(talking.below.take())) >= 9
    assert talking.ours.inner.data == b"x" * 10


def test_our_end_behind_a_key_update_is_read() -> None:
    """With an answer that waits, our half's end still leaves by the right key."""
    talking, hand = logged("server")
    talking.below.arrive(hand.key_update(requested=True))
    talking.ours.write(b"end")
    talking.ours.loseConnection()
    talking.other.feed(talking.below.take())
    assert talking.other.got == b"end"
    assert talking.other.closed


def test_nothing_is_answered_behind_our_half() -> None:
    """Behind our close_notify nothing leaves any more, and nothing of it is kept."""
    talking, hand = logged("server")
    talking.ours.loseWriteConnection()
    talking.below.take()
    for _ in range(20):
        talking.below.arrive(hand.key_update(requested=True) + hand.record(b"x"))
    assert talking.below.pieces == []
    assert talking.ours.inner.data == b"x" * 20


def renegotiating() -> Talk:
    """Let a client of TLS 1.2 want to shake hands again."""
    talking = talk(("server", "1.2", "ours"))
    assert talking.other.tls.renegotiate()
    with pytest.raises(SSL.WantReadError):
        talking.other.tls.do_handshake()
    return talking


def test_renegotiation_is_refused() -> None:
    """It gets a warning (RFC 5246, section 7.2.2: no_renegotiation) and no handshake, and can end the connection."""
    talking = renegotiating()
    talking.deliver()
    talking.turn()
    assert [kind for kind, _ in records(b"".join(talking.below.pieces))] == [21]
    assert talking.ours.inner.events == ["made"]
    assert talking.below.ends == []
    talking.go()
    assert "no renegotiation" in (talking.other.alert or "")
