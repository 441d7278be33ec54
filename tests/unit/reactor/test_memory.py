"""What is asked of the allocator."""

from __future__ import annotations

import ctypes
import gc
from types import SimpleNamespace

import pytest

from txproxy.reactor.memory import FREE_BYTES, MAPPED_BYTES, keep_freed_memory, leave_out_what_is_loaded


def test_the_allocator_is_told_both_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of glibc, the limits for trimming and for mappings of their own are set."""
    told = []
    libc = SimpleNamespace(mallopt=lambda parameter, value: told.append((parameter, value)) or 1)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    assert keep_freed_memory()
    assert told == [(-1, FREE_BYTES), (-3, MAPPED_BYTES)]


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no mallopt nothing happens."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()


def test_what_is_loaded_is_left_out() -> None:
    """What is there when it is asked for is frozen, and no longer among what the collector goes through."""
    here = [[]]
    assert any(one is here for one in gc.get_objects())
    try:
        leave_out_what_is_loaded()
        assert gc.get_freeze_count() > 0
        assert not any(one is here for one in gc.get_objects())
    finally:
        gc.unfreeze()
