"""The access log as a file, a pipe and standard output, when all is well and when it is not."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from tests.unit.observability.test_formats import USUAL
from txproxy.model.head import RequestHead
from txproxy.observability.access_log import BATCH, REPORT_EVERY, AccessLog, Record

BLOCK = b"\r\nHost: a\r\nUser-Agent: %b"


def record(number: int, filler: int = 0) -> Record:
    """Make a record that can be told from others, and is about as long as `filler`."""
    return USUAL._replace(request_id=str(number), user_agent=b"x" * filler)


def numbers(text: bytes) -> list[int]:
    """Read the numbers of the records in a log: each line is whole."""
    assert text == b"" or text.endswith(b"\n")
    return [int(json.loads(line)["request_id"]) for line in text.splitlines()]


class Disk:
    """Stands for `os.write`: takes of each write as much as the plan says, or fails as it says."""

    def __init__(self, plan: Iterator[int | OSError]) -> None:
        self._plan = plan
        self.taken = b""
        self.calls = 0

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Take a part; when the plan has ended, all."""
        self.calls += 1
        step = next(self._plan, len(data))
        if isinstance(step, OSError):
            raise step
        part = bytes(data[: max(1, step)])
        self.taken += part
        return len(part)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log goes."""
    return tmp_path / "access.log"


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def reports() -> Iterator[list[LogEvent]]:
    """What the application log was told about the access log."""
    events: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "txproxy.observability.access_log.AccessLog":
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def pipe() -> Iterator[tuple[int, str]]:
    """The reading end of a small pipe, and the path of its writing end."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reading, False)
    yield reading, f"/dev/fd/{writing}"
    os.close(writing)
    os.close(reading)


def read_all(descriptor: int) -> bytes:
    """Read what is in a pipe."""
    text = b""
    try:
        while piece := os.read(descriptor, 65536):
            text += piece
    except BlockingIOError:
        return text
    return text


def test_written_when_flushed(path: Path, clock: Clock) -> None:
    """Records wait for a flush and are then in the file, in their order."""
    log = AccessLog(str(path), "json", clock)
    for number in range(3):
        log.write(record(number))
    assert path.read_bytes() == b""
    log.flush()
    assert numbers(path.read_bytes()) == [0, 1, 2]
    log.flush()
    assert numbers(path.read_bytes()) == [0, 1, 2]
    log.close()


def test_written_when_much(path: Path, clock: Clock) -> None:
    """More than a batch does not wait for a flush, and one write carries many lines."""
    disk = Disk(iter([]))
    log = AccessLog(str(path), "json", clock, write=disk.write)
    for number in range(1000):
        log.write(record(number))
    assert len(disk.taken) > 3 * BATCH
    assert disk.calls == len(disk.taken) // BATCH
    log.close()
    assert numbers(disk.taken) == list(range(1000))


class Ended:
    """An exchange that has ended, as the log sees it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.head = RequestHead(record.method, record.target, record.host, BLOCK % record.user_agent)
        self.client = SimpleNamespace(listener=record.listener, port=record.client_port)
        self.client_ip = record.client
        self.route = SimpleNamespace(name=record.route)
        self.connect_time, self.first_byte_time = record.connect, record.first_byte
        for name in ("request_id", "scheme", "status", "cause", "upstream", "backend", "attempts", "reused"):
            setattr(self, name, getattr(record, name))

    def record(self, time: float, duration: float, received: int, sent: int) -> Record:
        """Give the record."""
        return self._record._replace(time=time, duration=duration, bytes_received=received, bytes_sent=sent)


@pytest.mark.parametrize("format", ["json", "combined"])
def test_exchanges_become_lines_when_they_end(path: Path, clock: Clock, format: str) -> None:  # noqa: A002
    """Of an exchange the same line is made as of its record, between the lines of others, and nothing is kept of it."""
    log = AccessLog(str(path), format, clock)
    exchange = Ended(record(1, 9))
    kept = weakref.ref(exchange)
    log.write(record(0, 9))
    log.ended(exchange, 1763826840.5, 0.25, 7, 9)
    log.write(exchange.record(1763826840.5, 0.25, 7, 9))
    del exchange
    assert kept() is None
    log.close()
    lines = path.read_text().splitlines()
    assert lines[1] == lines[2] != lines[0]


def test_combined(path: Path, clock: Clock) -> None:
    """The format is chosen by its name in the route map."""
    log = AccessLog(str(path), "combined", clock)
    log.write(record(1))
    log.close()
    assert path.read_bytes().startswith(b'203.0.113.7 - - [22/Nov/2025:15:54:00 +0000] "GET /a/b?c=d HTTP/1.1" 200 34 ')


def test_file_is_appended_and_not_for_everyone(path: Path, clock: Clock) -> None:
    """What is in the file stays, and a new file is not readable by others."""
    before = os.umask(0)
    try:
        for number in range(2):
            log = AccessLog(str(path), "json", clock)
            log.write(record(number))
            log.close()
    finally:
        os.umask(before)
    assert numbers(path.read_bytes()) == [0, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_file_that_cannot_be_opened(tmp_path: Path, clock: Clock) -> None:
    """A path that leads nowhere is an error at the start, not a log that is missing later."""
    with pytest.raises(FileNotFoundError):
        AccessLog(str(tmp_path / "none" / "access.log"), "json", clock)


def test_standard_output(capfd: pytest.CaptureFixture[str], clock: Clock) -> None:
    """A destination of "-" is the process's standard output, which stays open."""
    for number in range(2):
        log = AccessLog("-", "json", clock)
        log.write(record(number))
        log.reopen()
        log.close()
    assert numbers(capfd.readouterr().out.encode()) == [0, 1]


def test_reopen(path: Path, clock: Clock) -> None:
    """After a rotation the old file has what was logged before, the new one the rest."""
    log = AccessLog(str(path), "json", clock)
    log.write(record(1))
    old = path.rename(path.with_suffix(".1"))
    log.reopen()
    log.write(record(2))
    log.close()
    assert (numbers(old.read_bytes()), numbers(path.read_bytes())) == ([1], [2])


def test_reopen_in_vain(tmp_path: Path, clock: Clock, reports: list[LogEvent]) -> None:
    """If there can be no new file the old one stays in use, and that is told."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(str(folder / "access.log"), "json", clock)
    moved = folder.rename(tmp_path / "moved")
    log.reopen()
    log.write(record(1))
    log.close()
    assert numbers((moved / "access.log").read_bytes()) == [1]
    assert len(reports) == 1


def test_reopen_in_the_middle_of_a_line(path: Path, clock: Clock) -> None:
    """A line that the old file has only a part of is whole in the new file."""
    disk = Disk(iter([5, FULL, FULL]))
    log = AccessLog(str(path), "json", clock, write=disk.write)
    log.write(record(1))
    log.write(record(2))
    log.flush()
    log.reopen()
    assert disk.taken[:5] == b'{"tim'
    assert numbers(disk.taken[5:]) == [1, 2]
    log.close()


def test_partial_writes(path: Path, clock: Clock) -> None:
    """What a write did not take is written next."""
    disk = Disk(iter([1, 2, 3, 1000, 7]))
    log = AccessLog(str(path), "json", clock, write=disk.write)
    for number in range(9):
        log.write(record(number))
    log.close()
    assert numbers(disk.taken) == list(range(9))


def test_full_disk(path: Path, clock: Clock, reports: list[LogEvent]) -> None:
    """A failed write raises nothing, is told once a minute, and nothing is lost when there is room again."""
    disk = Disk(iter([FULL] * 5))
    log = AccessLog(str(path), "json", clock, write=disk.write)
    for number in range(5):
        log.write(record(number))
        log.flush()
    assert (log.failures, log.dropped, len(reports)) == (5, 0, 1)
    assert "No space left" in reports[0]["trouble"]
    clock.advance(REPORT_EVERY)
    log.flush()
    assert numbers(disk.taken) == [0, 1, 2, 3, 4]
    assert [report["failures"] for report in reports] == [1, 5]
    clock.advance(REPORT_EVERY)
    log.flush()
    assert len(reports) == 2
    log.close()


def test_bounded(path: Path, clock: Clock, reports: list[LogEvent]) -> None:
    """What waits is bounded: the oldest lines are lost, counted and told, the newest are kept."""
    disk = Disk(iter([3, *[FULL] * 100]))
    log = AccessLog(str(path), "json", clock, limit=4 * BATCH, write=disk.write)
    total = 200
    for number in range(total):
        log.write(record(number, 10_000))
    disk_was_full_for = disk.calls
    clock.advance(REPORT_EVERY)
    log._os_write = Disk(iter([])).write
    repaired = Disk(iter([]))
    log._os_write = repaired.write
    log.flush()
    kept = numbers(disk.taken + repaired.taken)
    # The line that had been begun is ended; of the others the oldest are gone.
    assert kept[0] == 0
    assert kept[1:] == list(range(total - len(kept) + 1, total))
    assert log.dropped == total - len(kept)
    assert len(repaired.taken) <= 5 * BATCH
    assert disk_was_full_for < total
    assert reports[-1]["dropped"] == log.dropped
    log.close()


def test_pipe_that_is_not_read(pipe: tuple[int, str], clock: Clock, reports: list[LogEvent]) -> None:
    """A reader that does not read blocks nobody; what it reads later is whole lines, in order."""
    reading, path = pipe
    log = AccessLog(path, "json", clock)
    for number in range(100):
        log.write(record(number))
    log.flush()
    text = read_all(reading)
    assert numbers(text) == list(range(len(text.splitlines())))
    assert 0 < len(text) <= 4096
    while more := (log.flush(), read_all(reading))[1]:
        text += more
    assert numbers(text) == list(range(100))
    assert (log.failures, log.dropped, reports) == (0, 0, [])
    log.close()


def test_pipe_that_is_never_read(pipe: tuple[int, str], clock: Clock, reports: list[LogEvent]) -> None:
    """Behind a reader that has stopped the oldest lines are lost, and that is told."""
    reading, path = pipe
    log = AccessLog(path, "json", clock, limit=BATCH)
    for number in range(1000):
        log.write(record(number))
    log.flush()
    assert log.dropped > 500
    assert (len(reports), reports[0]["trouble"]) == (1, "it is not read")
    text = read_all(reading)
    while more := (log.flush(), read_all(reading))[1]:
        text += more
    assert len(numbers(text)) == 1000 - log.dropped
    assert numbers(text)[-1] == 999
    log.close()


def test_lines_longer_than_a_pipe_takes_at_once(pipe: tuple[int, str], clock: Clock) -> None:
    """A line that does not fit into the pipe is continued."""
    reading, path = pipe
    log = AccessLog(path, "json", clock)
    for number in range(3):
        log.write(record(number, 9000))
    text = b""
    while more := (log.flush(), read_all(reading))[1]:
        text += more
    assert numbers(text) == [0, 1, 2]
    log.close()


def test_pipe_without_a_reader(clock: Clock, reports: list[LogEvent]) -> None:
    """A broken pipe raises nothing and is told."""
    reading, writing = os.pipe()
    log = AccessLog(f"/dev/fd/{writing}", "json", clock)
    os.close(reading)
    log.write(record(1))
    log.flush()
    log.close()
    os.close(writing)
    assert log.failures >= 1
    assert "Broken pipe" in reports[0]["trouble"]


def test_device_that_is_full(clock: Clock, reports: list[LogEvent]) -> None:
    """The real error of a full device raises nothing and is told."""
    log = AccessLog("/dev/full", "json", clock)
    log.write(record(1))
    log.close()
    assert "No space left" in reports[0]["trouble"]


def test_close_waits_for_a_slow_reader(pipe: tuple[int, str], clock: Clock) -> None:
    """What is left at the end is handed to a reader that is slower than the log."""
    reading, path = pipe
    os.set_blocking(reading, True)
    log = AccessLog(path, "json", clock)
    for number in range(100):
        log.write(record(number))
    log.flush()
    read: list[bytes] = []

    def read_slowly() -> None:
        while b"".join(read).count(b"\n") < 100:
            read.append(os.read(reading, 512))

    reader = threading.Thread(target=read_slowly)
    reader.start()
    log.close()
    reader.join(timeout=10)
    assert numbers(b"".join(read)) == list(range(100))


def test_record_after_close(path: Path, clock: Clock) -> None:
    """An exchange that ends after the log was closed does no harm."""
    log = AccessLog(str(path), "json", clock)
    log.close()
    log.write(record(1))
    log.flush()
    log.close()
    assert log.failures > 0
    assert path.read_bytes() == b""


STEPS: st.SearchStrategy[list[int | OSError]] = st.lists(st.integers(1, 3000) | st.just(FULL), max_size=60)


@given(STEPS, st.lists(st.integers(0, 3), max_size=60), st.integers(500, 20_000))
def test_any_trouble(plan: list[int | OSError], bursts: list[int], limit: int) -> None:
    """However writes fail or fall short, lines stay whole and in order, and each is written or counted as lost."""
    disk = Disk(iter(plan))
    log = AccessLog("/dev/null", "json", Clock(), limit=limit, write=disk.write)
    made = 0
    for burst in bursts:
        for _ in range(burst):
            log.write(record(made))
            made += 1
        log.flush()
    while len(numbers_of_whole(disk.taken)) + log.dropped < made:
        log.flush()
    written = numbers(disk.taken)
    assert written == sorted(set(written))
    assert len(written) + log.dropped == made


def numbers_of_whole(text: bytes) -> list[int]:
    """Read the numbers of the lines that are complete."""
    return numbers(text[: text.rfind(b"\n") + 1])
