"""The wheel of deadlines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from txproxy.reactor.deadlines import NEVER, Deadlines

TICK = 0.25
LATE = 3 * TICK


class Entry:
    """Something with a deadline."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.deadline = NEVER
        self.deadline_slot = 0
        self.act = act
        self.passed = 0

    def deadline_passed(self) -> None:
        """It passed."""
        assert self.deadline == NEVER
        self.passed += 1
        self.act()


def wheel(start: float = 1000.1, *, on_demand: bool = False) -> tuple[Clock, Deadlines]:
    """Make a wheel that turns."""
    clock = Clock()
    clock.rightNow = start
    deadlines = Deadlines(clock, TICK, on_demand=on_demand)
    if not on_demand:
        deadlines.start()
    return clock, deadlines


def pass_time(clock: Clock, seconds: float) -> None:
    """Let time pass in small steps."""
    clock.pump([TICK / 5] * round(seconds / (TICK / 5)))


@given(
    st.floats(0, 1e6),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 5)), min_size=1, max_size=20),
)
def test_never_early_and_less_than_three_ticks_late(start: float, arms: list[tuple[float, float]]) -> None:
    """Whatever the phase of the clock, a deadline passes after its time and less than three ticks after it."""
    clock, deadlines = wheel(start)
    told: list[tuple[float, float]] = []
    for wait, seconds in arms:
        due = clock.seconds() + seconds
        deadlines.arm(Entry(lambda due=due: told.append((due, clock.seconds()))), seconds)  # type: ignore[misc]
        pass_time(clock, wait)
    pass_time(clock, 7)
    assert len(told) == len(arms)
    for due, at in told:
        assert -1e-6 <= at - due < LATE + TICK / 5 + 1e-6


def test_arming_again_replaces() -> None:
    """Each entry has one deadline: the last one, be it sooner or later than the one before."""
    clock, deadlines = wheel()
    sooner, later = Entry(), Entry()
    deadlines.arm(sooner, 10)
    deadlines.arm(sooner, 2)
    deadlines.arm(later, 2)
    deadlines.arm(later, 10)
    pass_time(clock, 2 + LATE)
    assert (sooner.passed, later.passed) == (1, 0)
    pass_time(clock, 8)
    assert (sooner.passed, later.passed) == (1, 1)


def test_disarmed_and_forgotten() -> None:
    """An entry without a deadline does not pass; a forgotten one is not kept."""
    clock, deadlines = wheel()
    disarmed, forgotten = Entry(), Entry()
    for entry in (disarmed, forgotten):
        deadlines.arm(entry, 1)
    deadlines.disarm(disarmed)
    deadlines.forget(forgotten)
    deadlines.forget(forgotten)
    assert forgotten not in {entry for slot in deadlines._slots.values() for entry in slot}
    pass_time(clock, 5)
    assert (disarmed.passed, forgotten.passed) == (0, 0)
    assert not deadlines._slots
    deadlines.arm(disarmed, 1)
    deadlines.arm(forgotten, 1)
    pass_time(clock, 1 + LATE)
    assert (disarmed.passed, forgotten.passed) == (1, 1)


@pytest.mark.parametrize("again", [False, True])
def test_forget_while_another_passes(again: bool) -> None:
    """An entry that another one's end forgets, at the same tick, does not pass, and may be armed again."""
    clock, deadlines = wheel()
    entries: list[Entry] = []

    def forget_others() -> None:
        for entry in entries:
            deadlines.forget(entry)
            if again:
                deadlines.arm(entry, 5)

    entries += [Entry(forget_others) for _ in range(10)]
    for entry in entries:
        deadlines.arm(entry, 1)
    pass_time(clock, 1 + LATE)
    assert sum(entry.passed for entry in entries) == 1
    assert sum(map(len, deadlines._slots.values())) == (10 if again else 0)
    pass_time(clock, 5 + LATE)
    assert sum(entry.passed for entry in entries) == (2 if again else 1)


def test_an_entry_may_arm_itself_again() -> None:
    """An entry may take another deadline when one has passed."""
    clock, deadlines = wheel()
    entry = Entry(lambda: deadlines.arm(entry, 1))
    deadlines.arm(entry, 1)
    pass_time(clock, 10)
    assert 5 <= entry.passed <= 10


def test_one_defect_does_not_stop_the_wheel() -> None:
    """An exception of one entry, or of a tick's work, is logged; everything else goes on."""
    clock, deadlines = wheel()

    def broken() -> None:
        raise RuntimeError("broken")

    ticks: list[float] = []
    deadlines.every_tick(lambda: (ticks.append(clock.seconds()), broken()))
    first, second = Entry(broken), Entry()
    deadlines.arm(first, 1)
    deadlines.arm(second, 1)
    with capturedLogs() as logged:
        pass_time(clock, 2)
    assert (first.passed, second.passed) == (1, 1)
    assert len(ticks) >= 7
    assert [event["log_level"] for event in logged] == [LogLevel.critical] * (len(ticks) + 1)


def test_a_clock_that_jumps() -> None:
    """After a long pause of the process all that is due passes at once, in order."""
    clock, deadlines = wheel()
    order: list[int] = []
    for seconds in (30, 10, 20, 90):
        deadlines.arm(Entry(lambda seconds=seconds: order.append(seconds)), seconds)  # type: ignore[misc]
    clock.advance(60)
    assert order == [10, 20, 30]


def test_stopped() -> None:
    """A stopped wheel leaves no timer behind."""
    clock, deadlines = wheel()
    deadlines.arm(Entry(), 1)
    deadlines.stop()
    deadlines.stop()
    assert clock.getDelayedCalls() == []


def test_on_demand() -> None:
    """For programs that embed us the wheel turns only while something has a deadline, also after a long sleep."""
    clock, deadlines = wheel(on_demand=True)
    assert clock.getDelayedCalls() == []
    for _ in range(3):
        clock.advance(1000)  # an embedding program sleeps
        first, second = Entry(), Entry()
        deadlines.arm(first, 1)
        deadlines.arm(second, 2)
        pass_time(clock, 1)
        assert (first.passed, second.passed) == (0, 0)
        pass_time(clock, LATE)
        assert (first.passed, second.passed) == (1, 0)
        deadlines.forget(second)
        pass_time(clock, LATE)
        assert clock.getDelayedCalls() == []


class Wheel(RuleBasedStateMachine):
    """The wheel against a list of deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.deadlines = wheel()
        self.entries = [Entry() for _ in range(4)]
        self.due: dict[int, float] = {}

    @rule(which=st.integers(0, 3), seconds=st.floats(0.01, 4))
    def arm(self, which: int, seconds: float) -> None:
        """Give one a deadline."""
        self.deadlines.arm(self.entries[which], seconds)
        self.due[which] = self.clock.seconds() + seconds

    @rule(which=st.integers(0, 3))
    def disarm(self, which: int) -> None:
        """Take one's deadline."""
        self.deadlines.disarm(self.entries[which])
        self.due.pop(which, None)

    @rule(which=st.integers(0, 3))
    def forget(self, which: int) -> None:
        """Let go of one."""
        self.deadlines.forget(self.entries[which])
        self.due.pop(which, None)

    @rule(steps=st.integers(1, 40))
    def wait(self, steps: int) -> None:
        """Let time pass; what passes is due, and nothing that is long due is left."""
        for _ in range(steps):
            self.clock.advance(TICK / 5)
            now = self.clock.seconds()
            for which, entry in enumerate(self.entries):
                if entry.passed:
                    assert self.due.pop(which) <= now + 1e-6
                    entry.passed = 0
            assert all(due > now - LATE - 1e-6 for due in self.due.values())

    @invariant()
    def each_stands_in_one_place(self) -> None:
        """An entry is in the slot it knows of and in no other."""
        for entry in self.entries:
            slots = [number for number, slot in self.deadlines._slots.items() if entry in slot]
            assert slots == ([entry.deadline_slot] if entry.deadline_slot else [])


test_the_wheel_is_a_list_of_deadlines = Wheel.TestCase
