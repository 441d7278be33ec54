"""The application log as text: one line for one event.

Rule: an event is one line, whatever is in it. Tracebacks and texts that came from outside keep their
line ends and control characters only as escapes, so that nobody can write a line of his own into the log.
Nothing is installed here: who starts the program hands the observer to Twisted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.failure import Failure

# From the least severe to the most.
LEVELS = tuple(level.name for level in LogLevel.iterconstants())


def text_observer(stream: IO[Any], level: str) -> FilteringLogObserver:
    """Make the observer that writes events of this level and above as lines of text.

    :param stream: of text, or of bytes, which then are UTF-8; flushed after every event.
    :param level: one of `LEVELS`, the route map's `log.level`.
    :raises InvalidLogLevelError: there is no such level.
    """
    return FilteringLogObserver(FileLogObserver(stream, text_line), [level_filter(level)])


def level_filter(level: str) -> LogLevelFilterPredicate:
    """Make the predicate that lets events of this level (one of `LEVELS`) and above through.

    :raises InvalidLogLevelError: there is no such level.
    """
    return LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(level))


def text_line(event: LogEvent) -> str:
    """Write an event as ``time level [namespace] message``; the time is RFC 3339 in UTC."""
    when = datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds")
    level = event.get("log_level")
    text = formatEvent(event)
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        text = f"{text}\n{failure.getTraceback()}".strip()
    return (
        f"{when.removesuffix('+00:00')}Z {'-' if level is None else level.name} "
        f"[{_one_line(str(event.get('log_namespace', '-')))}] {_one_line(text)}\n"
    )


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text])
