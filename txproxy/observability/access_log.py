"""One line for every exchange, written in batches.

Rule: nothing that happens to the log reaches the data path. What exchanges leave behind is little, and becomes text
some at a time (`json_lines` has the figures). The lines wait in a bounded buffer; a reader that does not read, a full
disk or a closed pipe lose the oldest lines, are counted, and are told to the application log once a minute. What was
begun of a line is ended.
"""

from __future__ import annotations

import os
import select
import stat
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .formats import FORMATS
from .json_lines import JsonLines
from .record import Record

__all__ = ["AccessLog", "Record"]

# Exchanges that become text together: with 16 a line costs 0.8 us more, and more would make writes uneven.
_TOGETHER = 48
# Octets that are written without waiting for the next `flush`: about 150 lines, one call.
BATCH = 64 * 1024
# Octets that wait while nothing can be written: some 20 000 lines, which is a busy second or two
# of one process, and no danger to its memory.
BUFFER = 8 * 1024 * 1024
# A pipe that polls as writable takes this much without blocking (PIPE_BUF on Linux).
_PIECE = 4096
# Seconds between two reports, for a disk stays full for hours.
REPORT_EVERY = 60.0
# `close` waits at most this long (seconds) for a reader: it is the end, the reactor may be kept waiting.
_LAST_WAIT = 1.0
_STANDARD_OUTPUT = 1
_NEWLINE = 10


class AccessLog:
    """Writes records to a file, a pipe or standard output.

    Call `flush` several times a second, `reopen` on SIGUSR1, and `close` at the end, all from the reactor's thread.

    :param destination: a path, or "-" for standard output.
    :param format: a key of `FORMATS`: "json" or "combined".
    :param clock: for the pace of reports.
    :param limit: octets that may wait.
    :param write: as `os.write`.
    :raises OSError: the file cannot be opened.

    :ivar failures: writes that failed. :ivar dropped: lines lost for want of room.
    """

    _log = Logger()

    def __init__(
        self,
        destination: str,
        format: str,  # noqa: A002 - the word of the route map
        clock: IReactorTime,
        *,
        limit: int = BUFFER,
        write: Callable[[int, bytes | memoryview], int] = os.write,
    ) -> None:
        self._destination = destination
        self._clock = clock
        self._limit = limit
        self._os_write = write
        write_one = FORMATS[format]()
        self._gist_of: Callable[[Any, float, float, int, int], Any] = _record_of
        self._gist_of_record: Callable[[Record], Any] = _itself
        self._lines_of: Callable[[list[Any]], list[str]] = lambda records: list(map(write_one, records))
        if isinstance(write_one, JsonLines):
            self._gist_of = write_one.of_exchange
            self._gist_of_record = write_one.of_record
            self._lines_of = write_one.lines
        # What is to become lines.
        self._gists: list[Any] = []
        self._lines: list[str] = []
        self._size = 0
        # Batches not yet written; of the first, `_sent` octets are.
        self._batches: deque[bytes] = deque()
        self._backlog = 0
        self._sent = 0
        self.failures = 0
        self.dropped = 0
        self._told = (0, 0)
        self._next_report = clock.seconds()
        self._trouble = ""
        self._descriptor = self._open()
        self._poll = _poll_for(self._descriptor)

    def write(self, record: Record) -> None:
        """Take the record of an exchange that has ended. Never raises for what happens to the log."""
        self._take(self._gist_of_record(record))

    def ended(self, exchange: Any, time: float, duration: float, received: int, sent: int) -> None:
        """Take an exchange that has ended; `time` and what follows are as `Record` has them."""
        # `_take` without its frame.
        gists = self._gists
        gists.append(self._gist_of(exchange, time, duration, received, sent))
        if len(gists) >= _TOGETHER:
            self._make_lines()
            if self._size >= BATCH:
                self.flush()

    def _take(self, gist: Any) -> None:
        self._gists.append(gist)
        if len(self._gists) >= _TOGETHER:
            self._make_lines()
            if self._size >= BATCH:
                self.flush()

    def _make_lines(self) -> None:
        gists, self._gists = self._gists, []
        lines = self._lines_of(gists)
        self._lines += lines
        self._size += sum(map(len, lines))

    def flush(self) -> None:
        """Write what waits, as far as it can be written now."""
        if self._gists:
            self._make_lines()
        if self._lines:
            self._batches.append("".join(self._lines).encode("ascii"))
            self._backlog += self._size
            self._lines.clear()
            self._size = 0
        if self._batches:
            self._drain(0)
            if self._backlog > self._limit:
                self._drop_oldest()
        if (self.failures, self.dropped) != self._told:
            self._report()

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was moved away.

        If there cannot be a new one, that is reported and the old one stays in use.
        """
        self.flush()
        if self._destination == "-":
            return
        try:
            new = self._open()
        except OSError as error:
            self._failed(error)
            self._report()
            return
        os.close(self._descriptor)
        self._descriptor = new
        self._poll = _poll_for(new)
        # A line that the old file has a part of is written whole into the new one.
        self._backlog += self._sent
        self._sent = 0
        self.flush()

    def close(self) -> None:
        """Write what waits, for which a slow reader gets a second, and let go of the file."""
        self.flush()
        if self._batches:
            self._drain(_LAST_WAIT)
        if self._destination != "-" and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1  # whoever writes yet meets EBADF, which is counted

    def _open(self) -> int:
        if self._destination == "-":
            return _STANDARD_OUTPUT
        # O_APPEND: processes may share the file. O_NONBLOCK: a named pipe without a reader is an error, not a wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        return os.open(self._destination, flags, 0o640)

    def _drain(self, patience: float) -> None:
        """Write until nothing is left, or nothing more is taken for `patience` seconds in all."""
        deadline = self._clock.seconds() + patience
        batches = self._batches
        try:
            while batches:
                piece = self._next_piece()
                if self._poll is not None:
                    left = max(0.0, min(patience, deadline - self._clock.seconds()))
                    if not self._poll.poll(left * 1000):
                        self._trouble = "it is not read"
                        return
                written = self._os_write(self._descriptor, piece)
                self._backlog -= written
                self._sent += written
                if self._sent == len(batches[0]):
                    batches.popleft()
                    self._sent = 0
        except BlockingIOError:
            self._trouble = "it is not read"
        except OSError as error:
            self._failed(error)

    def _next_piece(self) -> bytes | memoryview:
        batch = self._batches[0]
        if self._poll is None:
            return memoryview(batch)[self._sent :] if self._sent else batch
        # Whole lines where they fit: what others write to the same pipe then comes between lines.
        end = self._sent + _PIECE
        if end < len(batch):
            end = batch.rfind(b"\n", self._sent, end) + 1 or end
        return batch[self._sent : end]

    def _drop_oldest(self) -> None:
        begun = 0
        if self._sent:
            # Leave of the first batch only the line that was begun, if it was.
            batch = self._batches.popleft()
            end = self._sent if batch[self._sent - 1] == _NEWLINE else batch.find(b"\n", self._sent) + 1
            start = batch.rfind(b"\n", 0, self._sent) + 1
            if end < len(batch):
                self._batches.appendleft(batch[end:])
            self._sent -= start
            if self._sent:
                self._batches.appendleft(batch[start:end])
                begun = 1
        while self._backlog > self._limit and len(self._batches) > begun:
            batch = self._batches[begun]
            del self._batches[begun]
            self._backlog -= len(batch)
            self.dropped += batch.count(b"\n")

    def _failed(self, error: OSError) -> None:
        self.failures += 1
        self._trouble = str(error)

    def _report(self) -> None:
        now = self._clock.seconds()
        if now < self._next_report:
            return
        self._next_report = now + REPORT_EVERY
        self._told = (self.failures, self.dropped)
        self._log.error(
            "the access log {destination} cannot be written: {trouble}; so far {failures} writes failed"
            " and {dropped} lines were lost",
            destination="on standard output" if self._destination == "-" else self._destination,
            trouble=self._trouble,
            failures=self.failures,
            dropped=self.dropped,
        )


def _record_of(exchange: Any, time: float, duration: float, received: int, sent: int) -> Any:
    return exchange.record(time, duration, received, sent)


def _itself(record: Record) -> Record:
    return record


def _poll_for(descriptor: int) -> select.poll | None:
    """Give what tells whether a descriptor takes a piece, or None for a file, which always does.

    The flag O_NONBLOCK of standard output belongs to everyone who shares it, so it is not set there.
    """
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll
