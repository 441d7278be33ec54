"""Who produces for a TLS connection: pushed and pulled, before the handshake and behind it, to every kind of end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.producers import Push
from tests.support.tls import Talk
from tests.unit.tls.talks import EVERYWHERE, HalfRecorder, Recorder, records, talk
from txproxy.tls.writing import BUFFER_SIZE

everywhere = pytest.mark.parametrize("where", EVERYWHERE)
Where = tuple[str, str, str]
PIECE = bytes(range(256)) * 64  # 16 KiB


class Flood(Push):
    """Writes whenever it may, within the call, until it is paused or has nothing left."""

    def __init__(self, transport: Any, pieces: int) -> None:
        super().__init__()
        self.transport = transport
        self.left = pieces

    def resumeProducing(self) -> None:
        """Go on."""
        super().resumeProducing()
        self.go()

    def go(self) -> None:
        """Write until paused."""
        pauses = self.told.count("pause")
        while self.left and self.told.count("pause") == pauses:
            self.left -= 1
            self.transport.write(PIECE)


class Pull:
    """Has so many pieces, and unregisters behind the last."""

    def __init__(self, transport: Any, pieces: int, act: Callable[[Pull], object] = lambda _: None) -> None:
        self.transport = transport
        self.left = pieces
        self.told: list[str] = []
        self.act = act

    def resumeProducing(self) -> None:
        """Write one."""
        assert self.left, "asked behind its end"
        self.left -= 1
        self.told.append("resume")
        self.transport.write(PIECE)
        self.act(self)
        if not self.left:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """Be told."""
        self.told.append("stop")
        self.left = 0


def registering(producer: Any, streaming: bool = True) -> Recorder:
    """Make a protocol that registers a producer as soon as it is connected."""
    return Recorder(made=lambda inner: inner.transport.registerProducer(producer, streaming))


# Those who are paused and resumed.


@everywhere
def test_the_transport_below_pauses_and_resumes(where: Where) -> None:
    """Behind the handshake a producer is that of the transport below, which alone knows what is full."""
    talking, producer = talk(where), Push()
    talking.ours.registerProducer(producer, True)
    talking.below.producer.pauseProducing()
    talking.below.producer.resumeProducing()
    assert producer.told == ["pause", "resume"]
    talking.ours.unregisterProducer()
    assert talking.below.producer is None


@everywhere
def test_before_the_handshake_a_producer_may_write_what_a_transport_takes(where: Where) -> None:
    """Above 64 KiB it is paused, and resumed once when hands are shaken; then it is the transport's below."""
    producer = Push()
    talking = talk(where, registering(producer), shake=False)
    for _ in range(BUFFER_SIZE // len(PIECE)):
        talking.ours.write(PIECE)
    assert producer.told == []
    talking.ours.write(b"more")
    assert set(producer.told) == {"pause"}
    talking.go()
    assert producer.told.count("resume") == 1
    assert producer.told[-1] == "resume"
    assert talking.below.producer is producer
    assert talking.other.got == PIECE * (BUFFER_SIZE // len(PIECE)) + b"more"


@everywhere
def test_who_is_resumed_by_the_handshake_is_paused_by_what_is_full_below(where: Where) -> None:
    """What waited for the handshake fills the transport below: the producer ends up paused, whatever the order."""
    producer = Push()
    talking = talk(where, registering(producer), shake=False)
    talking.ours.write(PIECE * 10)
    write = talking.below.write

    def full(data: bytes) -> None:
        write(data)
        if len(data) > BUFFER_SIZE and talking.below.producer is not None:
            talking.below.producer.pauseProducing()

    talking.below.write = talking.ours._send = full
    talking.go()
    assert producer.told[-1] == "pause"


@everywhere
def test_a_flood_is_stopped_by_the_transport_below(where: Where) -> None:
    """Who writes on until it is paused is paused while it writes, with little in memory."""
    talking = talk(where)
    taken = 0
    write = talking.below.write

    def full(data: bytes) -> None:
        nonlocal taken
        write(data)
        taken += len(data)
        if taken > BUFFER_SIZE:
            talking.below.producer.pauseProducing()

    talking.below.write = talking.ours._send = full
    flood = Flood(talking.ours, 200)
    talking.ours.registerProducer(flood, True)
    flood.go()
    while flood.left:
        assert flood.told[-1] == "pause"
        assert talking.ours.unsent_bytes() <= BUFFER_SIZE
        assert sum(map(len, talking.below.pieces)) <= 4 * BUFFER_SIZE
        talking.other.feed(talking.below.take())
        taken = 0
        talking.below.producer.resumeProducing()
    talking.go()
    assert talking.other.got == PIECE * 200


def test_there_is_one_producer() -> None:
    """A second one is refused, and the first stays."""
    talking, producer = talk(), Push()
    talking.ours.registerProducer(producer, True)
    with pytest.raises(RuntimeError, match="was not unregistered"):
        talking.ours.registerProducer(Push(), True)
    assert talking.below.producer is producer


def test_unregistering_nobody_does_nothing() -> None:
    """As often as one likes; and a producer can be registered again."""
    talking, producer = talk(), Push()
    talking.ours.unregisterProducer()
    talking.ours.registerProducer(producer, True)
    talking.ours.unregisterProducer()
    talking.ours.unregisterProducer()
    talking.ours.registerProducer(producer, True)
    assert producer.told == []


# Those who are asked for each piece.


@everywhere
@pytest.mark.parametrize("early", [False, True])
def test_who_is_pulled_is_asked_to_the_end(where: Where, early: bool) -> None:
    """Each piece is asked for, all arrive in order, before the handshake too; nobody is asked behind its end."""
    pull = Pull(None, 20)
    inner = registering(pull, streaming=False)
    inner.acts["made"] = lambda inner: (
        setattr(pull, "transport", inner.transport),
        inner.transport.registerProducer(pull, False) if early else None,
    )
    talking = talk(where, inner, shake=False)
    if not early:
        talking.go()
        talking.ours.registerProducer(pull, False)
    talking.go()
    assert talking.other.got == PIECE * 20
    assert pull.told == ["resume"] * 20
    assert talking.below.producer is None


@everywhere
def test_before_the_handshake_not_everything_is_pulled(where: Where) -> None:
    """What waits for the handshake is as much as a transport takes."""
    pull = Pull(None, 100)
    inner = Recorder(
        made=lambda inner: (
            setattr(pull, "transport", inner.transport),
            inner.transport.registerProducer(pull, False),
        )
    )
    talking = talk(where, inner, shake=False)
    for _ in range(50):
        talking.turn()
    assert len(pull.told) <= BUFFER_SIZE // len(PIECE) + 1
    talking.go()
    assert talking.other.got == PIECE * 100


@everywhere
def test_who_is_pulled_is_paused_as_often_as_one_likes(where: Where) -> None:
    """A transport pauses for every write above its limit and resumes once; then the producer is asked again."""
    talking = talk(where)
    pull = Pull(talking.ours, 10)
    talking.ours.registerProducer(pull, False)
    talking.turn()
    for _ in range(3):
        talking.below.producer.pauseProducing()
    asked = len(pull.told)
    for _ in range(10):
        talking.turn()
    assert len(pull.told) == asked
    for _ in range(3):
        talking.below.producer.resumeProducing()
    talking.go()
    assert talking.other.got == PIECE * 10


def test_a_fault_of_who_is_pulled_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """As with a transport of the reactor's: the reason is the fault, and half a body does not look like a whole one."""

    def fail(pull: Pull) -> None:
        if pull.left == 2:
            raise ZeroDivisionError

    talking = talk()
    pull = Pull(talking.ours, 5, fail)
    talking.ours.registerProducer(pull, False)
    for _ in range(10):
        talking.turn()
    assert talking.below.ends == ["aborted"]
    assert pull.told == ["resume"] * 3 + ["stop"]
    talking.below.lose()
    assert talking.ours.inner.why == "ZeroDivisionError"


# Ends.


def losing(where: Where, inner: Any = None) -> tuple[Talk, Push]:
    """Lose the connection while somebody produces."""
    talking, producer = talk(where, inner), Push()
    talking.ours.registerProducer(producer, True)
    talking.ours.write(b"one ")
    talking.ours.loseConnection()
    talking.go()
    return talking, producer


@everywhere
def test_the_end_waits_for_who_produces(where: Where) -> None:
    """Behind `loseConnection` a producer still writes; the end comes when it unregisters, and nothing behind it."""
    talking, producer = losing(where)
    assert talking.below.ends == []
    talking.ours.write(b"two")
    talking.go()
    talking.ours.write(b" three")
    talking.ours.unregisterProducer()
    talking.ours.write(b"no")
    assert talking.below.ends == ["closed"]
    talking.go()
    assert talking.other.got == b"one two three"
    assert talking.other.closed
    assert producer.told == []


@everywhere
def test_the_end_waits_for_who_produces_before_the_handshake(where: Where) -> None:
    """Registered, written and ended at once, then the handshake: the producer is waited for."""
    producer = Push()

    def begin(inner: Recorder) -> None:
        inner.transport.registerProducer(producer, True)
        inner.transport.write(b"one ")
        inner.transport.loseConnection()

    talking = talk(where, Recorder(made=begin), shake=False)
    talking.go()
    assert talking.below.ends == []
    talking.ours.write(b"two")
    talking.ours.unregisterProducer()
    talking.go()
    assert talking.other.got == b"one two"
    assert talking.below.ends == ["closed"]


@everywhere
def test_their_end_does_not_wait_for_who_produces(where: Where) -> None:
    """Who has ended wants nothing more: the producer is stopped, and it ends, also when it was waited for."""
    for talking, producer in (losing(where), (talk(where), Push())):
        if not talking.ours.disconnecting:
            talking.ours.registerProducer(producer, True)
        talking.other.end()
        talking.go()
        assert producer.told == ["stop"]
        assert talking.below.producer is None
        assert talking.below.ends == ["closed"]


@everywhere
def test_a_protocol_with_halves_goes_on_producing_at_their_end(where: Where) -> None:
    """For it their end is no reason to stop."""
    talking, producer = losing(where, HalfRecorder())
    talking.other.end()
    talking.go()
    assert producer.told == []
    talking.ours.write(b"two")
    talking.ours.unregisterProducer()
    assert talking.below.ends == ["closed"]


@everywhere
@pytest.mark.parametrize("shake", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("end", ["lost", "aborted", "consumed"])
def test_who_produces_is_stopped_once(where: Where, shake: bool, streaming: bool, end: str) -> None:
    """However the connection ends, a producer hears of it once, and is asked for nothing any more."""
    producer: Any = Push() if streaming else Pull(None, 1000)
    inner = Recorder()
    talking = talk(where, inner, shake=shake)
    producer.transport = talking.ours
    talking.ours.registerProducer(producer, streaming)
    talking.turn()
    if end == "aborted":
        talking.ours.abortConnection()
    elif end == "consumed":
        talking.ours.stopConsuming()
        talking.turn()
        producer.stopProducing()  # whoever says so is the producer itself
    talking.below.lose()
    asked = len(producer.told)
    for _ in range(5):
        talking.turn()
    assert producer.told.count("stop") == 1
    assert len(producer.told) == asked
    assert inner.lost


@everywhere
@pytest.mark.parametrize("streaming", [False, True])
def test_who_comes_too_late_is_stopped(where: Where, streaming: bool) -> None:
    """A producer that is registered behind the end is stopped at once, and never asked."""
    for talking in (talk(where), talk(where), talk(where)):
        if talking.ours.inner.data == b"":
            talking.ours.loseConnection()
            talking.below.lose()
        late: Any = Push() if streaming else Pull(talking.ours, 1)
        talking.ours.registerProducer(late, streaming)
        talking.turn()
        assert late.told == ["stop"]


def test_an_error_of_writing_ends_the_connection() -> None:
    """What cannot be encrypted is the reason of the end, for small writes and for long ones."""
    for size in (10, 100_000):
        talking = talk()
        talking.ours.tls.shutdown()  # nobody of ours does it there: OpenSSL refuses to write behind it
        talking.ours.write(b"x" * size)
        talking.turn()
        assert talking.below.ends == ["closed"]
        assert 23 not in [kind for kind, _ in records(talking.below.take())[1:]]
        talking.below.lose()
        assert talking.ours.inner.why == "Error"
        assert "protocol is shutdown" in str(talking.ours.inner.reason.value)


def test_a_fault_at_the_end_of_a_turn_is_the_connections() -> None:
    """What a producer raises when it is paused then ends the connection below, for that reason."""

    class Faulty(Push):
        def pauseProducing(self) -> None:
            raise ZeroDivisionError

    talking = talk()
    talking.ours.registerProducer(Faulty(), True)
    write = talking.below.write

    def full(data: bytes) -> None:
        write(data)
        talking.below.producer.pauseProducing()

    talking.ours._send = full
    talking.ours.write(b"x")
    talking.turn()
    assert talking.below.over
    assert talking.ours.inner.why == "ZeroDivisionError"
