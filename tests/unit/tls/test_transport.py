"""What goes through a TLS connection, both ways, against OpenSSL at the other end."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.internet import interfaces
from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.tls import NAME
from tests.unit.tls.talks import EVERYWHERE, HalfRecorder, Recorder, records, shake_up_to_the_last_flight, talk

KIB = 1024
everywhere = pytest.mark.parametrize("where", EVERYWHERE)
Where = tuple[str, str, str]
LONG = bytes(range(256)) * 400  # 100 KiB
MUCH = LONG * 5  # more than one delivery


@implementer(IHandshakeListener)
class Listener(Recorder):
    """Is told of the handshake."""

    def handshakeCompleted(self) -> None:
        """See it."""
        self._told("shaken")


# The handshake.


@everywhere
@pytest.mark.parametrize("cut", [0, 1, 100])
def test_hands_are_shaken_in_any_pieces(where: Where, cut: int) -> None:
    """However the wire cuts it, the handshake completes and both directions carry bytes."""
    talking = talk(where, cut=cut)
    assert talking.other.shaken
    assert not talking.ours.shaking
    talking.other.send(b"to you")
    talking.ours.write(b"to me")
    talking.go(cut)
    assert (talking.ours.inner.data, talking.other.got) == (b"to you", b"to me")


def test_a_protocol_is_told_of_the_handshake_before_any_data() -> None:
    """An `IHandshakeListener` hears of it once, behind `connectionMade` and before what came with it."""
    talking = talk(inner=Listener(), shake=False)
    talking.go()
    talking.other.send(b"x")
    talking.go()
    assert talking.ours.inner.events == ["made", "shaken", "data"]


@everywhere
def test_what_is_written_before_the_handshake_leaves_behind_it(where: Where) -> None:
    """Nothing is lost, and nothing leaves in clear."""
    inner = Recorder(made=lambda inner: inner.transport.write(b"early"))
    talking = talk(where, inner, shake=False)
    assert b"early" not in b"".join(talking.below.pieces)
    talking.go()
    assert talking.other.got == b"early"


@everywhere
def test_what_comes_with_the_last_flight_is_delivered(where: Where) -> None:
    """Data in the same segment as the end of the handshake arrives, also if it is all there will ever be."""
    talking = talk(where, shake=False)
    shake_up_to_the_last_flight(talking)
    talking.other.send(b"at once")
    talking.other.end()
    talking.go()
    assert talking.ours.inner.data == b"at once"
    assert talking.below.ends == ["closed"]


def test_the_last_flight_leaves_with_what_is_said_first() -> None:
    """A protocol that writes at the end of the handshake adds no segment to it."""
    inner = Listener(shaken=lambda inner: inner.transport.write(b"hello"))
    talking = talk(("client", "1.3", "ours"), inner, shake=False)
    talking.turn()
    talking.other.feed(talking.below.take())
    talking.below.arrive(talking.other.take())
    assert len(talking.below.pieces) == 1
    talking.other.feed(talking.below.take())
    assert talking.other.got == b"hello"


# What is written.


@everywhere
def test_what_one_turn_writes_is_one_record_and_one_write(where: Where) -> None:
    """Many small pieces make one record, in order, sent by one call at the end of the turn."""
    talking = talk(where)
    for number in range(100):
        talking.ours.write(b"%02d," % number)
    talking.ours.writeSequence([b"and", b" so on"])
    assert talking.below.pieces == []
    talking.turn()
    (piece,) = talking.below.pieces
    ((kind, size),) = records(piece)
    assert kind == 23
    assert size >= 309
    talking.go()
    assert talking.other.got == b"".join(b"%02d," % number for number in range(100)) + b"and so on"


@everywhere
@pytest.mark.parametrize("cuts", [[100 * KIB], [1000] * 102 + [400], [60 * KIB, 40 * KIB]], ids=len)
def test_records_are_filled(where: Where, cuts: list[int]) -> None:
    """100 KiB become records of 16 KiB and a rest, in few writes, however they were written."""
    talking = talk(where)
    at = 0
    for size in cuts:
        talking.ours.write(LONG[at : at + size])
        at += size
    talking.turn()
    assert len(talking.below.pieces) <= 4
    written = talking.below.take()
    sizes = [size for _, size in records(written)]
    assert sum(size >= 16 * KIB for size in sizes) >= 5
    assert len(sizes) <= 8
    talking.other.feed(written)
    assert talking.other.got == LONG


def test_the_next_turn_is_the_next_record() -> None:
    """Turns are not mixed, and a turn without a write sends nothing."""
    talking = talk()
    talking.ours.write(b"one")
    talking.turn()
    talking.ours.write(b"two")
    talking.turn().turn()
    assert [len(records(piece)) for piece in talking.below.pieces] == [1, 1]


def test_nothing_becomes_nothing() -> None:
    """An empty write is no record: it would look like padding, or an attack."""
    talking = talk()
    talking.ours.write(b"")
    talking.ours.writeSequence([])
    talking.turn()
    assert talking.below.pieces == []


def test_only_bytes_are_written() -> None:
    """Text is refused where it is written, and the connection goes on."""
    talking = talk()
    with pytest.raises(TypeError):
        talking.ours.write("text")
    talking.ours.write(b"bytes")
    assert talking.go().other.got == b"bytes"


def test_what_waits_is_counted() -> None:
    """What was written in this turn, and what the transport below keeps, is told to whoever asks."""
    talking = talk()
    talking.below.unsent_bytes = lambda: 7
    talking.ours.write(b"12345")
    assert talking.ours.unsent_bytes() == 12
    talking.turn()
    assert talking.ours.unsent_bytes() == 7


# What arrives.


@everywhere
@pytest.mark.parametrize("cut", [0, 1, 1000, 20000])
def test_what_arrives_in_any_pieces_is_delivered_in_order(where: Where, cut: int) -> None:
    """40 KiB arrive complete and in order, whatever the wire does to the records."""
    talking = talk(where)
    talking.other.send(LONG[: 40 * KIB])
    talking.go(cut)
    assert talking.ours.inner.data == LONG[: 40 * KIB]


def test_records_that_came_together_are_delivered_together() -> None:
    """Small records of one read are one call of `dataReceived`."""
    talking = talk()
    for piece in (b"a", b"b", b"c"):
        talking.other.send(piece)
    talking.go()
    assert talking.ours.inner.events == ["made", "data"]
    assert talking.ours.inner.data == b"abc"


def test_what_is_bound_is_called_instead() -> None:
    """A receiver that was bound gets what arrives, straight; `dataReceived` is not asked."""
    talking = talk()
    bound: list[bytes] = []
    talking.ours.bindReceiver(bound.append)
    talking.other.send(b"x")
    talking.go()
    assert bound == [b"x"]
    assert talking.ours.inner.data == b""


# Pauses.


@everywhere
def test_a_pause_within_a_delivery_holds_back_the_rest(where: Where) -> None:
    """What could be decrypted behind a pause waits, in order and complete, until it is wanted."""
    inner = Recorder(data=lambda inner, data: inner.transport.pauseProducing())
    talking = talk(where, inner)
    talking.other.send(MUCH)
    talking.below.arrive(talking.other.take())
    first = len(inner.data)
    assert 0 < first < len(MUCH)
    assert inner.events == ["made", "data"]
    assert not talking.below.reading
    inner.acts = {}
    talking.ours.resumeProducing()
    assert len(inner.data) == first, "it was resumed within the call"
    talking.go()
    assert inner.data == MUCH
    assert talking.below.reading


@everywhere
def test_every_piece_may_be_paused(where: Where) -> None:
    """Paused at each delivery and resumed once a turn, everything arrives, without one call inside another."""
    depth: list[int] = []

    def pause(inner: Recorder, data: bytes) -> None:
        assert not depth
        depth.append(1)
        inner.transport.pauseProducing()
        talking.clock.callLater(0, inner.transport.resumeProducing)
        depth.pop()

    inner = Recorder(data=pause)
    talking = talk(where, inner)
    talking.other.send(MUCH)
    talking.go()
    assert inner.data == MUCH


def test_a_pause_that_is_taken_back_at_once_changes_nothing() -> None:
    """Paused and resumed within one delivery, all comes in the same turn."""

    def waver(inner: Recorder, data: bytes) -> None:
        inner.transport.pauseProducing()
        inner.transport.resumeProducing()

    inner = Recorder(data=waver)
    talking = talk(inner=inner)
    talking.other.send(MUCH)
    talking.below.arrive(talking.other.take())
    assert inner.data == MUCH
    talking.go()
    assert talking.below.reading
    talking.other.send(b"more")
    assert talking.go().ours.inner.data == MUCH + b"more"


@everywhere
def test_who_is_paused_from_the_start_hears_nothing_until_it_wants_to(where: Where) -> None:
    """A protocol that pauses when it is connected stops the handshake too; it completes once it is resumed."""
    inner = Recorder(made=lambda inner: inner.transport.pauseProducing())
    talking = talk(where, inner)
    assert not talking.other.shaken
    talking.ours.resumeProducing()
    talking.go()
    assert talking.other.shaken
    talking.other.send(b"x")
    talking.go()
    assert inner.story == ["made", "data"]


@everywhere
def test_an_end_stays_behind_what_is_held(where: Where) -> None:
    """With data and close_notify and the wire's end held back, the data comes first, then the end, and it is clean."""
    inner = HalfRecorder(data=lambda inner, data: inner.transport.pauseProducing())
    talking = talk(where, inner)
    talking.other.send(MUCH)
    talking.other.end()
    talking.below.arrive(talking.other.take())
    talking.below.eof()
    assert inner.events == ["made", "data"]
    inner.acts = {}
    talking.ours.resumeProducing()
    talking.go()
    assert inner.data == MUCH
    assert inner.story == ["made", "data", "read lost"]
    talking.ours.loseConnection()
    talking.close()
    assert inner.why == "ConnectionDone"


def test_resuming_what_is_not_paused_does_nothing() -> None:
    """The transport below is not told, and nothing is delivered twice."""
    talking = talk()
    talking.below.reading = False
    talking.ours.resumeProducing()
    assert not talking.below.reading


# What is asked of it.


def test_it_is_what_it_says() -> None:
    """It provides the interfaces of a transport with TLS, with all of their methods."""
    talking = talk()
    for name in ("getTcpNoDelay", "setTcpNoDelay", "getTcpKeepAlive", "setTcpKeepAlive"):
        setattr(talking.below, name, lambda *_: None)
    for interface in (
        interfaces.ISSLTransport,
        interfaces.ITCPTransport,
        interfaces.INegotiated,
        interfaces.ISystemHandle,
        interfaces.IPushProducer,
        interfaces.IConsumer,
        interfaces.IHalfCloseableProtocol,
    ):
        assert verifyObject(interface, talking.ours)


def test_addresses_are_those_below() -> None:
    """Who is at the ends is asked of the transport below; what nobody knows is an AttributeError."""
    talking = talk()
    assert talking.ours.getPeer() == talking.below.getPeer()
    assert talking.ours.getHost() == talking.below.getHost()
    assert talking.ours.fileno() == -1
    with pytest.raises(AttributeError, match="TlsTransport has no attribute 'pieces'"):
        talking.ours.pieces  # noqa: B018


def test_the_certificate_of_the_other_end_can_be_asked_for() -> None:
    """As Twisted's certificates do, by `getHandle` and `getPeerCertificate`; without ALPN nothing is negotiated."""
    talking = talk(("client", "1.3", "ours"))
    assert isinstance(talking.ours.getHandle(), SSL.Connection)
    assert NAME in talking.ours.getPeerCertificate().to_cryptography().subject.rfc4514_string()
    assert talking.ours.negotiatedProtocol is None


def test_its_name_shows_its_state() -> None:
    """`repr` tells whether it shakes hands, is open or over."""
    talking = talk(shake=False)
    assert repr(talking.ours).startswith("<TlsTransport shaking")
    talking.go()
    assert repr(talking.ours).startswith("<TlsTransport open")
    talking.close()
    assert repr(talking.ours).startswith("<TlsTransport over")
