"""Two of our ends on one wire, whatever is done to them: what is written arrives, in order, and ends are seen once.

The wire loses nothing, cuts as it likes, and does what a reactor does; everything else is drawn.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.task import Clock

from tests.support.tls import KINDS, Below, Talk
from tests.unit.reactor.uv.scene import HalfRecorder, Recorder
from tests.unit.tls.talks import _client_context, _server_context
from txproxy.tls.openssl import Scratch
from txproxy.tls.transport import TlsTransport

SIDES = st.sampled_from((0, 1))
SIZES = st.one_of(st.integers(1, 50), st.integers(16_380, 16_390), st.integers(1, 300_000))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SIDES, SIZES),
        st.tuples(st.just("carry"), SIDES, st.sampled_from((1, 7, 100, 5_000, 70_000, 10_000_000))),
        st.tuples(st.just("turn"), st.just(0), st.just(0)),
        st.tuples(st.just("pause"), SIDES, st.just(0)),
        st.tuples(st.just("resume"), SIDES, st.just(0)),
        st.tuples(st.just("half"), SIDES, st.just(0)),
    ),
    max_size=40,
)


class Line:
    """A server of ours and a client of ours.

    :ivar sent: what each has written, and will leave.
    """

    def __init__(self, version: str, kinds: tuple[str, str], halves: bool) -> None:
        self.clock = Clock()
        scratch = Scratch(self.clock)
        self.inners: list[Any] = [HalfRecorder() if halves else Recorder() for _ in range(2)]
        self.ends: list[TlsTransport] = []
        self.belows: list[Below] = []
        self.on_their_way: list[bytes] = [b"", b""]
        self.sent = [b"", b""]
        self.halved = [False, False]
        self.letters = 0
        for side, (inner, kind) in enumerate(zip(self.inners, kinds, strict=True)):
            tls = SSL.Connection((_server_context, _client_context)[side](version), None)
            (tls.set_accept_state, tls.set_connect_state)[side]()
            end = TlsTransport(scratch, tls, inner)
            below = KINDS[kind](self.clock)
            below.protocol = end
            self.ends.append(end)
            self.belows.append(below)
        for end, below in zip(self.ends, self.belows, strict=True):
            end.makeConnection(below)

    def step(self, what: str, side: int, size: int) -> None:
        """Do one thing to one side."""
        if what == "write":
            self.letters += 1
            data = bytes([65 + self.letters % 26]) * size
            self.ends[side].write(data)
            if not self.halved[side]:
                self.sent[side] += data
        elif what == "half":
            self.ends[side].loseWriteConnection()
            self.halved[side] = True
        elif what == "pause":
            self.ends[side].pauseProducing()
        elif what == "resume":
            self.ends[side].resumeProducing()
        elif what == "turn":
            Talk.turn(self)  # type: ignore[arg-type]
        else:
            self.carry(side, size)
        self.check()

    _due = Talk._due

    def carry(self, side: int, size: int) -> bool:
        """Let so many of a side's bytes arrive, and its end behind the last; False: there was nothing."""
        below, other = self.belows[side], self.belows[1 - side]
        self.on_their_way[side] += below.take()
        data, self.on_their_way[side] = self.on_their_way[side][:size], self.on_their_way[side][size:]
        if data:
            other.arrive(data)
        if below.ends and not self.on_their_way[side] and not other._eof:
            other.eof()
            return True
        return bool(data)

    def check(self) -> None:
        """What has arrived is what was written first."""
        for side, inner in enumerate(self.inners):
            assert self.sent[1 - side].startswith(inner.data)
            assert inner.events.count("made") == 1
            assert inner.events.count("read lost") <= 1

    def settle(self, size: int) -> None:
        """Let everything go on until nothing moves."""
        for end in self.ends:
            end.resumeProducing()
        moved = True
        while moved or self._due():
            Talk.turn(self)  # type: ignore[arg-type]
            moved = self.carry(0, size) | self.carry(1, size)
            self.check()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    version=st.sampled_from(("1.2", "1.3")),
    kinds=st.tuples(st.sampled_from(("ours", "plain")), st.sampled_from(("ours", "plain"))),
    cut=st.sampled_from((1_000, 16_411, 10_000_000)),
    last=st.sampled_from((0, 1, 2)),
)
def test_what_is_written_arrives_whatever_happens(
    steps: list[tuple[str, int, int]], version: str, kinds: tuple[str, str], cut: int, last: int
) -> None:
    """With halves that may end at any time, everything arrives both ways; at the end both hear of it once, cleanly."""
    line = Line(version, kinds, halves=True)
    for step in steps:
        line.step(*step)
    line.settle(cut)
    for side in (0, 1):
        assert line.inners[1 - side].data == line.sent[side]
        assert line.inners[1 - side].events.count("read lost") == line.halved[side]
    # Then whoever is last ends it: one side, the other, or both at once.
    for side in (0, 1) if last == 2 else (last,):
        line.ends[side].loseConnection()
    line.settle(cut)
    for end in line.ends:
        end.loseConnection()
    line.settle(cut)
    for below, inner in zip(line.belows, line.inners, strict=True):
        assert below.ends[-1] == "closed"
        below.lose()
        assert inner.events.count("lost") == 1
        assert inner.why == "ConnectionDone"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    version=st.sampled_from(("1.2", "1.3")),
    kinds=st.tuples(st.sampled_from(("ours", "plain")), st.sampled_from(("ours", "plain"))),
    side=SIDES,
    cut=st.sampled_from((1_000, 16_411, 10_000_000)),
)
def test_what_was_written_before_the_end_arrives(
    steps: list[tuple[str, int, int]], version: str, kinds: tuple[str, str], side: int, cut: int
) -> None:
    """One side writes and ends at any time; all of it arrives where somebody reads on, and it ends cleanly there."""
    line = Line(version, kinds, halves=False)
    for what, who, size in steps:
        if what != "half" and (what, who) != ("write", 1 - side):
            line.step(what, who, size)
    wrote = bool(line.sent[side])
    line.ends[side].loseConnection()
    line.settle(cut)
    assert line.inners[1 - side].data == line.sent[side]
    for below in line.belows:
        below.lose()
    other = line.inners[1 - side]
    assert other.events.count("lost") == 1
    # Who has nothing to say before hands are shaken just cuts.
    assert other.why == "ConnectionDone" or not wrote
