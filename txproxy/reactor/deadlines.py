"""Deadlines for all connections on one coarse wheel.

Rule: arming a deadline costs two attribute stores and no timer. Time is read once a tick, so what is
armed between two ticks counts from the first of them, and a slot's deadlines wait for its end: with
ticks in time a deadline passes never early and less than three ticks late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

NEVER = float("inf")
_log = Logger()


class Entry(Protocol):
    """What can have a deadline: one at a time. Both attributes belong to the wheel."""

    deadline: float
    deadline_slot: int

    def deadline_passed(self) -> None:
        """It passed; the entry has none any more."""


class Deadlines:
    """The wheel. An entry whose deadline moves further away is not moved until its old slot comes up.

    :param clock: where time comes from.
    :param tick: seconds between two looks, the precision of every deadline.
    :param on_demand: look at the clock only while something has a deadline: for programs that embed
        txproxy and do not start and stop it.
    """

    __slots__ = ("_clock", "_last", "_loop", "_on_demand", "_slots", "now", "tick")

    def __init__(self, clock: IReactorTime, tick: float = 0.25, *, on_demand: bool = False) -> None:
        self._clock = clock
        self._on_demand = on_demand
        self.tick = tick
        self.now = clock.seconds()
        self._last = int(self.now / tick)
        self._slots: dict[int, set[Entry]] = {}
        self._loop = LoopingCall(self.turn)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to look at the clock."""
        self._loop.start(self.tick, now=True)

    def stop(self) -> None:
        """Stop looking: nothing passes any more."""
        if self._loop.running:
            self._loop.stop()

    def every_tick(self, call: Callable[[], object]) -> None:
        """Call this after every tick, for work that is done in batches."""
        turn = self.turn

        def with_call() -> None:
            turn()
            try:
                call()
            except Exception:  # noqa: BLE001 - logged whole; see below
                # A loop that raises would stop, and no deadline would pass any more.
                _log.failure("the work of a tick failed")

        self._loop.f = with_call

    def arm(self, entry: Entry, seconds: float) -> None:
        """Let the entry's deadline pass in so many seconds, instead of the one it has."""
        if self._on_demand and not self._loop.running:
            self.now = self._clock.seconds()
            self._last = int(self.now / self.tick)
            self._loop.start(self.tick, now=False)
        at = self.now + seconds
        entry.deadline = at
        old = entry.deadline_slot
        if old and at >= old * self.tick:
            return  # it is looked at before that; nearly always
        slot = int(at / self.tick) + 2
        if not old or slot < old:
            if old:
                self._take_out(entry)
            self._put_in(entry, slot)

    @staticmethod
    def disarm(entry: Entry) -> None:
        """Let the entry have no deadline for now."""
        entry.deadline = NEVER

    def forget(self, entry: Entry) -> None:
        """Let go of an entry for good: nothing of it is kept."""
        entry.deadline = NEVER
        if entry.deadline_slot:
            self._take_out(entry)
            entry.deadline_slot = 0

    def _put_in(self, entry: Entry, slot: int) -> None:
        entry.deadline_slot = slot
        present = self._slots.get(slot)
        if present is None:
            self._slots[slot] = {entry}
        else:
            present.add(entry)

    def _take_out(self, entry: Entry) -> None:
        # The slot is gone while its own entries are being looked at.
        slot = self._slots.get(entry.deadline_slot)
        if slot is not None:
            slot.discard(entry)

    def turn(self) -> None:
        """Look at the clock and let pass what is due."""
        self.now = now = self._clock.seconds()
        current = int(now / self.tick)
        if current - self._last > len(self._slots):
            due = sorted(slot for slot in self._slots if slot <= current)
        else:
            due = [slot for slot in range(self._last + 1, current + 1) if slot in self._slots]
        self._last = current
        for slot in due:
            for entry in self._slots.pop(slot):
                # One that was looked at before may have moved this one.
                if entry.deadline_slot == slot:
                    self._look_at(entry, current)
        if self._on_demand and not any(self._slots.values()):
            self._slots.clear()
            self.stop()

    def _look_at(self, entry: Entry, current: int) -> None:
        entry.deadline_slot = 0
        if entry.deadline == NEVER:
            return
        # Slots are compared, not times: what was armed late in a tick is not due when its time says so.
        slot = int(entry.deadline / self.tick) + 2
        if slot > current:
            self._put_in(entry, slot)
            return
        entry.deadline = NEVER
        try:
            entry.deadline_passed()
        except Exception:  # noqa: BLE001 - logged whole; see below
            # One entry's defect must not keep the others from being looked at.
            _log.failure("a deadline of {entry} failed", entry=entry)
