"""The application log as text."""

from __future__ import annotations

import io
import re

import pytest
from constantly import NamedConstant
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import InvalidLogLevelError, Logger, LogLevel
from twisted.python.failure import Failure

from txproxy.observability.app_log import LEVELS, text_line, text_observer

SPOILERS = st.text(alphabet=st.characters() | st.sampled_from("\n\r\x1b\u2028\x85\ud800"))


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level: str) -> None:
    """Events of the chosen level and above are written, each as one line, and no others."""
    stream = io.StringIO()
    log = Logger("a.b", observer=text_observer(stream, level))
    for name in LEVELS:
        log.emit(LogLevel.levelWithName(name), "said {name}", name=name)
    written = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert written == [f"{name} [a.b] said {name}" for name in LEVELS[LEVELS.index(level) :]]


def test_bytes() -> None:
    """A stream of bytes gets UTF-8."""
    stream = io.BytesIO()
    Logger("a", observer=text_observer(stream, "info")).info("\u00e9")
    assert stream.getvalue().endswith(b" info [a] \xc3\xa9\n")


def test_unknown_level() -> None:
    """A level that does not exist is refused."""
    with pytest.raises(InvalidLogLevelError):
        text_observer(io.StringIO(), "loud")


def test_time() -> None:
    """The time is UTC with milliseconds."""
    event = {"log_time": 1763826840.123, "log_level": LogLevel.warn, "log_namespace": "a", "log_format": "b"}
    assert text_line(event) == "2025-11-22T15:54:00.123Z warn [a] b\n"


def test_bare_event() -> None:
    """An event of a program that says nothing about it is still a line."""
    assert text_line({}) == "1970-01-01T00:00:00.000Z - [-] \n"


def test_failure() -> None:
    """A traceback stays on its event's line."""
    try:
        raise ValueError("no\nway")
    except ValueError:
        line = text_line({"log_format": "it broke", "log_failure": Failure()})
    assert re.fullmatch(r"\S+ - \[-\] it broke\\nTraceback .*ValueError: no\\nway\n", line)


@given(SPOILERS, SPOILERS, st.sampled_from([None, *LogLevel.iterconstants()]))
def test_any_event_is_one_line(text: str, namespace: str, level: NamedConstant | None) -> None:
    """Whatever is in an event, it is one line that can be encoded and moves no cursor."""
    event = {"log_format": "{text}", "text": text, "log_namespace": namespace, "log_level": level}
    line = text_line(event)
    assert line.encode().count(b"\n") == 1
    assert line[:-1].isprintable()
    assert len(line.splitlines()) == 1
