"""How a TLS connection ends: by close_notify, by half, by errors, by the wire; and what is left of it."""

from __future__ import annotations

import gc
import weakref

import pytest
from twisted.internet.error import ConnectionLost

from tests.support.tls import Talk
from tests.unit.tls.talks import EVERYWHERE, HalfRecorder, Recorder, records, talk

everywhere = pytest.mark.parametrize("where", EVERYWHERE)
Where = tuple[str, str, str]
LONG = bytes(range(256)) * 2048  # 512 KiB: more than one delivery
GARBAGE = b"\x17\x03\x03\x00\x20" + b"g" * 32
# A record of the handshake that holds none of its messages.
NO_MESSAGE = b"\x16\x03\x03\x00\x20" + b"g" * 32


def reasons(talking: Talk) -> tuple[str, str]:
    """Give what the protocol was told at its end, once: the kind of error, and its words."""
    inner = talking.ours.inner
    assert inner.events.count("lost") == 1
    assert inner.reason is not None
    return inner.why, str(inner.reason.value)


# By us.


@everywhere
def test_losing_the_connection_sends_what_was_written_then_the_end(where: Where) -> None:
    """Bytes, close_notify, and the end of the transport, in this order, without waiting for the other end's."""
    talking = talk(where)
    talking.ours.write(b"last words")
    talking.ours.loseConnection()
    assert talking.below.ends == ["closed"]
    assert not talking.other.closed
    talking.go()
    assert talking.other.got == b"last words"
    assert talking.other.closed
    talking.below.lose()
    assert reasons(talking)[0] == "ConnectionDone"


@everywhere
def test_who_has_lost_the_connection_writes_no_more(where: Where) -> None:
    """Writes behind `loseConnection`, and a second one, have no effect."""
    talking = talk(where)
    talking.ours.write(b"x")
    talking.ours.loseConnection()
    before = list(talking.below.pieces)
    talking.ours.write(b"no")
    talking.ours.writeSequence([b"no"])
    talking.ours.loseConnection()
    talking.turn()
    assert talking.below.pieces == before
    assert talking.below.ends == ["closed"]


@everywhere
def test_what_was_written_before_the_handshake_is_sent_before_the_end(where: Where) -> None:
    """Written and ended when it was connected: hands are shaken, the bytes leave, and it ends."""

    def say_and_go(inner: Recorder) -> None:
        inner.transport.write(b"hello and goodbye")
        inner.transport.loseConnection()

    talking = talk(where, Recorder(made=say_and_go), shake=False)
    talking.go()
    assert talking.other.got == b"hello and goodbye"
    assert talking.other.closed
    assert talking.below.ends == ["closed"]


@everywhere
def test_with_nothing_to_say_there_is_no_handshake(where: Where) -> None:
    """Ended before the handshake and with nothing written, the connection is cut."""
    talking = talk(where, Recorder(made=lambda inner: inner.transport.loseConnection()), shake=False)
    talking.go()
    assert talking.below.ends == ["aborted"]
    assert not talking.other.shaken


@everywhere
def test_losing_it_within_a_delivery_ends_it(where: Where) -> None:
    """A protocol that answers and ends in `dataReceived` is answered for, and hears of its end once."""

    def answer(inner: Recorder, data: bytes) -> None:
        inner.transport.write(b"answer")
        inner.transport.loseConnection()

    talking = talk(where, Recorder(data=answer))
    talking.other.send(b"question")
    talking.go()
    assert talking.other.got == b"answer"
    assert talking.other.closed
    talking.below.lose()
    assert talking.ours.inner.story == ["made", "data", "lost"]


@everywhere
@pytest.mark.parametrize("size", [100, len(LONG)])
def test_aborting_within_a_delivery_ends_it_there(where: Where, size: int) -> None:
    """Behind `abortConnection` nothing is delivered any more, and nothing is sent."""
    talking = talk(where, Recorder(data=lambda inner, data: inner.transport.abortConnection()))
    talking.other.send(LONG[:size])
    talking.ours.write(b"never")
    talking.below.take()
    talking.below.arrive(talking.other.take())
    talking.go()
    assert talking.below.pieces == []
    assert talking.below.ends == ["aborted"]
    assert talking.ours.inner.events == ["made", "data"]
    talking.below.lose()
    assert reasons(talking)[0] == "ConnectionAborted"


@everywhere
def test_aborting_drops_what_was_written(where: Where) -> None:
    """Not even a close_notify leaves, also when it was written in the same turn; whoever wrote hears nothing of it."""
    talking = talk(where)
    talking.ours.write(b"never")
    talking.ours.abortConnection()
    talking.ours.write(b"never")
    talking.ours.loseConnection()
    talking.ours.abortConnection()
    talking.turn()
    assert talking.below.pieces == []
    assert talking.below.ends == ["aborted"]


# By the other end.


@everywhere
def test_their_close_notify_ends_it_cleanly(where: Where) -> None:
    """A protocol without halves loses the connection: close_notify for close_notify, and the reason is clean."""
    talking = talk(where)
    talking.other.send(b"bye")
    talking.other.end()
    talking.go()
    assert talking.ours.inner.data == b"bye"
    assert talking.below.ends == ["closed"]
    talking.below.lose()
    assert reasons(talking)[0] == "ConnectionDone"


@everywhere
def test_what_is_written_at_their_end_is_still_sent(where: Where) -> None:
    """A protocol that answers in the turn in which the end comes is still heard."""

    def answer(inner: Recorder, data: bytes) -> None:
        inner.transport.write(b"answer")

    talking = talk(where, Recorder(data=answer))
    talking.other.send(b"question")
    talking.other.end()
    talking.deliver()
    talking.turn()
    kinds = [kind for kind, _ in records(talking.below.take())]
    assert kinds[0] == 23
    assert len(kinds) == 2


@everywhere
def test_what_comes_behind_their_end_is_dropped(where: Where) -> None:
    """Records behind a close_notify are no data and no error (RFC 8446, section 6.1)."""
    talking = talk(where, HalfRecorder())
    talking.other.end()
    talking.go()
    talking.below.arrive(GARBAGE)
    talking.go()
    assert talking.ours.inner.events == ["made", "read lost"]
    assert talking.below.ends == []


@everywhere
@pytest.mark.parametrize("held", [False, True])
def test_the_wires_end_without_close_notify_is_a_loss(where: Where, held: bool) -> None:
    """What came before is delivered; then it is ConnectionLost, because whoever cuts the wire could have done it."""
    talking = talk(where, HalfRecorder())
    if held:
        talking.ours.pauseProducing()
    talking.other.send(b"half a mess")
    talking.deliver()
    talking.below.eof()
    talking.ours.resumeProducing()
    talking.go()
    assert talking.ours.inner.data == b"half a mess"
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert reasons(talking) == ("ConnectionLost", str(ConnectionLost("the connection was closed without close_notify")))


@everywhere
def test_a_transport_that_knows_no_halves_cannot_hide_a_loss(where: Where) -> None:
    """A transport that only says that the connection was closed cleanly does not know; we do."""
    talking = talk(where)
    talking.below.lose()
    assert reasons(talking)[0] == "ConnectionLost"


@everywhere
def test_the_wires_end_within_the_handshake_is_a_loss(where: Where) -> None:
    """The reason says that it was during the handshake."""
    talking = talk(where, shake=False)
    talking.below.eof()
    talking.below.lose()
    kind, words = reasons(talking)
    assert kind == "ConnectionLost"
    assert "during the handshake" in words


@everywhere
def test_a_reset_is_what_the_transport_says_it_is(where: Where) -> None:
    """Whatever reason the transport below has is the protocol's."""
    talking = talk(where)
    talking.below.lose(ConnectionLost("reset"))
    assert reasons(talking) == ("ConnectionLost", str(ConnectionLost("reset")))


# By halves.


@everywhere
def test_our_half_ends_and_theirs_goes_on(where: Where) -> None:
    """Behind `loseWriteConnection` a close_notify leaves; what arrives is still delivered, what is written dropped."""
    talking = talk(where, HalfRecorder())
    talking.ours.write(b"all I say")
    talking.ours.loseWriteConnection()
    talking.ours.write(b"no")
    talking.go()
    assert talking.other.got == b"all I say"
    assert talking.other.closed
    assert talking.below.ends == ["half-closed"]
    talking.other.send(LONG)
    talking.go()
    assert talking.ours.inner.data == LONG
    talking.other.end()
    talking.go()
    assert talking.ours.inner.story == ["made", "data", "read lost"]
    talking.ours.loseConnection()
    assert talking.below.ends == ["half-closed", "closed"]
    talking.below.lose()
    assert reasons(talking)[0] == "ConnectionDone"


@everywhere
def test_their_half_ends_and_ours_goes_on(where: Where) -> None:
    """A protocol with halves hears of theirs, and goes on writing, also when the wire's half has ended as well."""
    talking = talk(where, HalfRecorder())
    talking.other.send(b"question")
    talking.other.end()
    talking.deliver()
    talking.below.eof()
    assert talking.ours.inner.events == ["made", "data", "read lost"]
    assert talking.below.ends == []
    talking.ours.write(LONG)
    talking.turn()
    talking.ours.loseConnection()
    # The other end of this test reads no more behind its own end, as pyOpenSSL's `recv` raises; so count bytes.
    sent = records(b"".join(talking.below.pieces))
    assert sum(size for _, size in sent) > len(LONG)
    assert talking.below.ends == ["closed"]


@everywhere
def test_when_both_halves_have_ended_it_is_over(where: Where) -> None:
    """Our half, then theirs, then the wire's: the transport is closed without anybody asking for it."""
    talking = talk(where, HalfRecorder())
    talking.ours.loseWriteConnection()
    talking.go()
    talking.other.end()
    talking.go()
    talking.below.eof()
    assert talking.below.ends == ["half-closed", "closed"]


@everywhere
def test_our_half_may_end_before_the_handshake(where: Where) -> None:
    """What was written then leaves behind the handshake, with the end of our half."""

    def say(inner: Recorder) -> None:
        inner.transport.write(b"only this")
        inner.transport.loseWriteConnection()

    talking = talk(where, HalfRecorder(made=say), shake=False)
    talking.go()
    assert talking.other.got == b"only this"
    assert talking.other.closed
    assert talking.below.ends == ["half-closed"]


def test_without_halves_below_our_half_still_ends() -> None:
    """A transport that has no halves of its own is left open, behind our close_notify."""
    talking = talk(inner=HalfRecorder())

    class Whole:
        def __init__(self, below: object) -> None:
            self._below = below

        def __getattr__(self, name: str) -> object:
            if name == "loseWriteConnection":
                raise AttributeError(name)
            return getattr(self._below, name)

    talking.ours.transport = Whole(talking.below)
    talking.ours.loseWriteConnection()
    talking.go()
    assert talking.other.closed
    assert talking.below.ends == []


# By errors.


@everywhere
def test_garbage_behind_the_handshake_is_an_alert_and_an_error(where: Where) -> None:
    """Bytes that are no TLS of this connection are told to the other end, and our protocol gets OpenSSL's error."""
    talking = talk(where)
    talking.other.send(b"good")
    talking.below.arrive(talking.other.take() + GARBAGE)
    assert talking.ours.inner.data == b"good"
    assert talking.below.ends == ["closed"]
    talking.go()
    assert "bad record mac" in (talking.other.alert or "")
    talking.below.lose()
    assert reasons(talking)[0] == "Error"


@everywhere
def test_garbage_from_who_takes_nothing_cuts(where: Where) -> None:
    """An end in order would wait for a peer that does not read, and is not to be waited for any more."""
    talking = talk(where)
    talking.below.unsent_bytes = lambda: 1  # type: ignore[attr-defined]
    talking.below.arrive(GARBAGE)
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert reasons(talking)[0] == "Error"


@everywhere
def test_garbage_in_the_handshake_is_an_alert_and_an_error(where: Where) -> None:
    """The same within the handshake; nobody is told that it is complete."""
    talking = talk(where, shake=False)
    talking.below.arrive(NO_MESSAGE)
    assert talking.below.ends == ["closed"]
    assert records(b"".join(talking.below.pieces))[-1] == (21, 2)
    talking.below.lose()
    assert reasons(talking)[0] == "Error"


@everywhere
def test_their_alert_is_our_error(where: Where) -> None:
    """A fatal alert ends the connection, with its words."""
    talking = talk(where)
    talking.ours.write(b"x")
    talking.turn()
    sent = bytearray(talking.below.take())
    sent[-1] ^= 1
    talking.other.feed(bytes(sent))
    assert talking.other.error is not None
    talking.go()
    talking.below.lose()
    kind, words = reasons(talking)
    assert kind == "Error"
    assert "bad record mac" in words


@everywhere
def test_an_error_is_told_also_to_who_has_paused(where: Where) -> None:
    """What comes with an error is delivered once, and the connection ends though its protocol has paused."""
    talking = talk(where, Recorder(data=lambda inner, data: inner.transport.pauseProducing()))
    talking.other.send(b"good")
    talking.below.arrive(talking.other.take() + GARBAGE)
    talking.go()
    assert talking.below.ends == ["closed"]
    assert talking.ours.inner.events == ["made", "data"]


@everywhere
def test_an_error_of_one_connection_is_not_anothers(where: Where) -> None:
    """Right behind the failure of one, others read, write, shake hands and end as if nothing had been."""
    fine, fresh, ending = talk(where), talk(where, shake=False), talk(where)
    for broken in (talk(where), talk(where, shake=False)):
        broken.below.arrive(GARBAGE)
        assert broken.below.ends == ["closed"]
        fine.other.send(b"in")
        fine.ours.write(b"out")
        fine.go()
    fresh.go()
    ending.ours.loseConnection()
    ending.go()
    assert (fine.ours.inner.data, fine.other.got, fine.below.ends) == (b"inin", b"outout", [])
    assert fresh.other.shaken
    assert ending.other.closed


@everywhere
def test_an_error_that_somebody_left_behind_is_not_ours(where: Where) -> None:
    """A call of OpenSSL's that failed elsewhere, and whose error nobody took, does not end a connection."""
    talking = talk(where)
    fresh = talk(where, shake=False)
    for size in (2, len(LONG)):
        talking.other.send(LONG[:size])
        sent = talking.other.take()
        _leave_an_error()
        talking.below.arrive(sent)
    talking.ours.write(b"out")
    _leave_an_error()
    talking.go()
    assert talking.ours.inner.data == LONG[:2] + LONG
    assert talking.other.got == b"out"
    assert talking.below.ends == []
    _leave_an_error()
    fresh.go()
    assert fresh.other.shaken
    assert fresh.below.ends == []


def _leave_an_error() -> None:
    """Let OpenSSL fail at something, and take nothing of it."""
    from OpenSSL._util import ffi, lib

    bio = lib.BIO_new_mem_buf(b"no PEM", 6)
    assert lib.PEM_read_bio_X509(bio, ffi.NULL, ffi.NULL, ffi.NULL) == ffi.NULL
    lib.BIO_free(bio)
    assert lib.ERR_peek_error() != 0


# What is left.


@everywhere
@pytest.mark.parametrize("end", ["lose", "theirs", "abort", "garbage", "wire"])
def test_nothing_is_left_for_the_garbage_collector(where: Where, end: str) -> None:
    """Behind its end a connection is gone with its last reference, whatever ended it."""
    talking = talk(where)
    talking.other.send(LONG)
    talking.ours.write(LONG)
    talking.go()
    if end == "lose":
        talking.ours.loseConnection()
    elif end == "theirs":
        talking.other.end()
    elif end == "abort":
        talking.ours.abortConnection()
    elif end == "garbage":
        talking.below.arrive(GARBAGE)
    else:
        talking.below.eof()
    talking.close()
    gone = weakref.ref(talking.ours)
    connection = weakref.ref(talking.ours.tls)
    assert talking.ours.inner.lost
    gc.collect()
    gc.disable()
    try:
        talking.ours.inner.transport = None  # a protocol keeps it, as Twisted's do
        talking.ours = None
        talking.turn()
        assert gone() is None
        assert connection() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


@everywhere
def test_an_idle_connection_holds_no_big_buffers(where: Where) -> None:
    """Behind a megabyte each way nothing of it is kept on our side."""
    talking = talk(where)
    talking.other.send(LONG * 4)
    talking.ours.write(LONG * 4)
    talking.go()
    ours = talking.ours
    assert ours.inner.data == LONG * 4
    kept = sum(len(piece) for piece in ours._pending) + ours._pending_size
    assert kept == 0
    assert talking.below.pieces == []
