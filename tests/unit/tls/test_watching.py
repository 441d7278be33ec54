"""Certificates that are renewed, broken, added and removed while the daemon runs."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from tests.support.certificates import DAY, NOW, Issued, authority, issue, key_pem, new_key, pem, write
from txproxy.config.model import CertificateDirectory, CertificateFiles, Tls
from txproxy.tls import certificate_files, watched, watching
from txproxy.tls.certificate import CertificateError
from txproxy.tls.certificate_files import load
from txproxy.tls.watching import PERIOD, Watcher, open_certificates

# What the daemon promises: a renewed certificate serves within two seconds.
PROMISE = 2.0


class Daemon:
    """What a daemon has: the certificates of a map, under a clock."""

    def __init__(self, folder: Path, told: list[tuple[LogLevel, str]]) -> None:
        self.folder = folder
        self.clock = Clock()
        self.swaps = 0
        self._told = told

    def now(self) -> datetime:
        """Give the time by the clock."""
        return NOW + timedelta(seconds=self.clock.seconds())

    def files(self, name: str) -> CertificateFiles:
        """Name NAME.pem with NAME.key."""
        return CertificateFiles(cert=str(self.folder / f"{name}.pem"), key=str(self.folder / f"{name}.key"))

    def load(self, *entries: CertificateFiles | CertificateDirectory, **more: Any) -> None:
        """Load for the first time; without entries, the directory."""
        named = entries or (CertificateDirectory(directory=str(self.folder)),)
        tls = Tls(certificates=named, **more)
        self.watcher = open_certificates(
            tls, str(self.folder / "state"), self.clock, self.now, {}, on_swap=self._swapped
        )

    def run(self, *entries: CertificateFiles | CertificateDirectory, **more: Any) -> None:
        """Load, begin to watch, and forget what was told of that."""
        self.load(*entries, **more)
        self.watcher.start()
        self._told.clear()

    def _swapped(self) -> None:
        self.swaps += 1

    def put(self, name: str, issued: Issued) -> None:
        """Write NAME.pem and NAME.key."""
        issued.write(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def serves(self, host: str) -> list[Any]:
        """Give the leaves that serve a host."""
        return [each.chain[0] for each in self.watcher.store.find(host, "")]

    def wait(self, seconds: float = PROMISE) -> None:
        """Let time pass, look by look."""
        for _ in range(int(seconds / PERIOD)):
            self.clock.advance(PERIOD)

    def told(self, level: LogLevel | None = None) -> list[str]:
        """Take what was told since the last time, with FOLDER for the directory."""
        lines = [text.replace(str(self.folder), "FOLDER") for each, text in self._told if level in (None, each)]
        self._told.clear()
        return lines


@pytest.fixture
def told() -> Iterator[list[tuple[LogLevel, str]]]:
    """Collect what is told to the log."""
    lines: list[tuple[LogLevel, str]] = []

    def observe(event: dict[str, Any]) -> None:
        lines.append((event["log_level"], formatEvent(event)))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def daemon(tmp_path: Path, told: list[tuple[LogLevel, str]]) -> Daemon:
    """Make a daemon whose certificates are in an empty directory."""
    folder = tmp_path / "certs"
    folder.mkdir(mode=0o700)
    return Daemon(folder, told)


OLD, NEW = issue("a.test"), issue("a.test", end=NOW + 180 * DAY)
OTHER = issue("b.test")


# At start.


def test_what_is_told_at_start(daemon: Daemon) -> None:
    """Each certificate is one line with names, files and days; few days and open keys are warnings."""
    daemon.put("a", OLD)
    daemon.put("b", issue("b.test", "10.0.0.1", kind="rsa", end=NOW + 13 * DAY))
    (daemon.folder / "b.key").chmod(0o644)
    daemon.load()
    daemon.watcher.start()
    assert daemon.told(LogLevel.warn) == [
        "FOLDER/b.key holds a key and may be read by others (mode 0644): chmod 600 FOLDER/b.key",
        "in force for b.test, 10.0.0.1: rsa certificate from FOLDER/b.pem with FOLDER/b.key, 13 days left",
    ]
    daemon.load()
    daemon.watcher.start()
    assert daemon.told(LogLevel.info) == [
        "in force for a.test: ecdsa certificate from FOLDER/a.pem with FOLDER/a.key, 90 days left"
    ]
    assert daemon.watcher.store.generation == 1
    assert daemon.swaps == 0


def test_everything_that_is_wrong_at_start(daemon: Daemon, tmp_path: Path) -> None:
    """Whatever cannot be loaded at start is told at once, a sentence each, and nothing is in force."""
    daemon.put("a", OLD)
    write(daemon.folder / "b.pem", b"")
    nowhere = CertificateDirectory(directory=str(tmp_path / "nowhere"))
    with pytest.raises(CertificateError) as caught:
        daemon.load(daemon.files("c"), nowhere, CertificateDirectory(directory=str(daemon.folder)))
    assert [line.split(str(tmp_path))[1] for line in str(caught.value).splitlines()] == [
        "/nowhere does not exist: correct the path, or make the directory",
        "/certs/c.pem does not exist: correct the path, or put the file there",
        "/certs/b.pem is empty: write the certificate or key that belongs there",
    ]


def test_a_default_without_certificate(daemon: Daemon) -> None:
    """A default that no certificate is for is an error at start; one that is served is not."""
    daemon.put("a", OLD)
    with pytest.raises(
        CertificateError, match=r"^tls\.default is b\.test, and no certificate is for it: name one that"
    ):
        daemon.load(default="b.test")
    daemon.load(default="a.test")
    assert [each.chain[0] for each in daemon.watcher.store.default()] == [OLD.certificate]


def test_what_a_directory_may_hold_besides(daemon: Daemon) -> None:
    """Keys alone and certificates of CAs are passed over with a line each; named by the map, they are faults."""
    daemon.put("a", OLD)
    write(daemon.folder / "ca.pem", authority().pem)
    write(daemon.folder / "key.pem", key_pem(new_key()))
    daemon.load()
    daemon.watcher.start()
    assert len(daemon.watcher.store.certificates) == 1
    assert [line for line in daemon.told(LogLevel.info) if line.startswith("passed over")] == [
        "passed over: FOLDER/ca.pem holds certificates of CAs and no key: name a server's certificate, and its key",
        "passed over: FOLDER/key.pem holds a key and no certificate: put the certificate in front, or name its file",
    ]
    daemon.wait()
    assert daemon.told() == []
    with pytest.raises(CertificateError, match="holds certificates of CAs and no key"):
        daemon.load(CertificateFiles(cert=str(daemon.folder / "ca.pem")))


def test_an_empty_directory(daemon: Daemon) -> None:
    """A directory may be empty at first; what comes later serves."""
    daemon.run()
    daemon.put("a", OLD)
    daemon.wait()
    assert daemon.serves("a.test") == [OLD.certificate]


def test_a_pair_that_is_named_twice(daemon: Daemon) -> None:
    """A file that the map names, in a directory that it names too, is one certificate."""
    OLD.write(daemon.folder / "a.pem", daemon.folder / "other.name")
    named = CertificateFiles(cert=str(daemon.folder / "a.pem"), key=str(daemon.folder / "other.name"))
    daemon.run(CertificateDirectory(directory=str(daemon.folder)), named)
    assert len(daemon.watcher.store.certificates) == 1


# Renewals.


def in_place(daemon: Daemon, order: tuple[str, str]) -> Iterator[None]:
    """Write both files in place, one after the other."""
    for part in order:
        write(daemon.folder / f"a.{part}", NEW.key_pem if part == "key" else NEW.chain_pem)
        yield


def renamed(daemon: Daemon, order: tuple[str, str]) -> Iterator[None]:
    """Write both files elsewhere, and rename each to its place."""
    for part in order:
        write(daemon.folder / f"new.{part}.tmp", NEW.key_pem if part == "key" else NEW.chain_pem)
        (daemon.folder / f"new.{part}.tmp").replace(daemon.folder / f"a.{part}")
        yield


def removed_first(daemon: Daemon, order: tuple[str, str]) -> Iterator[None]:
    """Remove both, and write them anew."""
    for part in order:
        (daemon.folder / f"a.{part}").unlink()
    yield
    yield from in_place(daemon, order)


@pytest.mark.parametrize("by_directory", [False, True])
@pytest.mark.parametrize("order", [("pem", "key"), ("key", "pem")])
@pytest.mark.parametrize("renew", [in_place, renamed, removed_first])
@pytest.mark.parametrize("pause", [0.0, PERIOD])
def test_a_renewal_in_two_steps(
    renew: Callable[[Daemon, tuple[str, str]], Iterator[None]],
    order: tuple[str, str],
    by_directory: bool,
    pause: float,
    daemon: Daemon,
) -> None:
    """However a pair is renewed, the old one serves until the new one does, in two seconds, and no fault is told."""
    daemon.put("a", OLD)
    daemon.run(*(() if by_directory else (daemon.files("a"),)))
    for _ in renew(daemon, order):
        assert daemon.serves("a.test") == [OLD.certificate]
        daemon.wait(pause)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    assert daemon.told(LogLevel.error) == []
    assert (daemon.swaps, daemon.watcher.store.generation) == (1, 2)


def test_what_is_told_of_a_renewal(daemon: Daemon) -> None:
    """A renewal is one line, and nothing more is told, loaded or swapped afterwards."""
    daemon.put("a", OLD)
    daemon.run()
    daemon.put("a", NEW)
    daemon.wait(60)
    assert daemon.told() == [
        "in force for a.test: ecdsa certificate from FOLDER/a.pem with FOLDER/a.key, 179 days left"
    ]
    assert daemon.swaps == 1


def test_one_file(daemon: Daemon) -> None:
    """A chain with its key in one file is renewed alike."""
    OLD.write(daemon.folder / "a.pem")
    daemon.run(CertificateFiles(cert=str(daemon.folder / "a.pem")))
    NEW.write(daemon.folder / "a.pem")
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]


def test_links_as_certbot_turns_them(daemon: Daemon, tmp_path: Path) -> None:
    """In certbot's layout, links in live/ that are turned to new files in archive/ are a renewal."""
    archive = tmp_path / "archive"
    archive.mkdir()

    def turn(number: int, issued: Issued) -> None:
        for name, data in (
            ("cert", issued.pem),
            ("chain", pem(*issued.issuers)),
            ("fullchain", issued.chain_pem),
            ("privkey", issued.key_pem),
        ):
            write(archive / f"{name}{number}.pem", data)
            (daemon.folder / "link").symlink_to(archive / f"{name}{number}.pem")
            (daemon.folder / "link").rename(daemon.folder / f"{name}.pem")

    turn(1, OLD)
    daemon.run()
    assert [each.source for each in daemon.watcher.store.certificates] == [
        f"{daemon.folder}/fullchain.pem with {daemon.folder}/privkey.pem"
    ]
    turn(2, NEW)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    assert daemon.told(LogLevel.error) == []


def test_a_link_to_a_whole_directory(daemon: Daemon, tmp_path: Path) -> None:
    """A directory's link that is turned elsewhere, as Kubernetes does with secrets, is a renewal."""
    for name, issued in (("1", OLD), ("2", NEW)):
        (tmp_path / name).mkdir()
        issued.write(tmp_path / name / "a.pem", tmp_path / name / "a.key")
    data = daemon.folder / "data"
    data.symlink_to(tmp_path / "1")
    daemon.run(CertificateFiles(cert=str(data / "a.pem"), key=str(data / "a.key")))
    (daemon.folder / "new").symlink_to(tmp_path / "2")
    (daemon.folder / "new").rename(data)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]


def test_a_copy_that_keeps_its_times(daemon: Daemon) -> None:
    """A file that is overwritten by another of the same size and times is seen."""
    daemon.put("a", OLD)
    times = (daemon.folder / "a.pem").stat()
    daemon.run()
    same = next(each for each in iter(lambda: issue("a.test"), None) if len(each.chain_pem) == len(OLD.chain_pem))
    daemon.put("a", same)
    os.utime(daemon.folder / "a.pem", ns=(times.st_atime_ns, times.st_mtime_ns))
    daemon.wait()
    assert daemon.serves("a.test") == [same.certificate]


def test_a_renewal_that_leaves_no_trace(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is changed within one tick of the file system's clock, after it was loaded, is found all the same."""
    state = (1, 2, 3, int(NOW.timestamp() * 1e9), int(NOW.timestamp() * 1e9))
    monkeypatch.setattr(watching, "state_of", lambda pair: (pair.key, state, state))
    daemon.put("a", OLD)
    daemon.run()
    daemon.put("a", NEW)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]


def test_what_has_come_to_rest_is_not_loaded_again(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is loaded once at start, and once more if it was quite new then, however long it is watched."""
    loads = []
    monkeypatch.setattr(watched, "load", lambda *files: loads.append(files) or load(*files))
    daemon.put("a", OLD)
    daemon.run()
    daemon.wait(60)
    assert len(loads) == 2
    old = (1, 2, 3, 4, 5)
    monkeypatch.setattr(watching, "state_of", lambda pair: (pair.key, old, old))
    daemon.watcher.stop()
    daemon.run()
    daemon.wait(60)
    assert len(loads) == 3


def test_a_file_that_is_written_slowly(daemon: Daemon) -> None:
    """A file that changes from look to look is left alone until it has come to rest; only then it is judged."""
    daemon.put("a", OLD)
    daemon.run(daemon.files("a"))
    write(daemon.folder / "a.key", NEW.key_pem)
    for length in range(0, len(NEW.chain_pem), 100):
        write(daemon.folder / "a.pem", NEW.chain_pem[:length])
        daemon.wait(PERIOD)
    assert daemon.told() == []
    write(daemon.folder / "a.pem", NEW.chain_pem)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    assert daemon.told(LogLevel.error) == []


# What is refused.


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        (
            OTHER.chain_pem,
            OLD.key_pem,
            "FOLDER/a.pem: the key in FOLDER/a.key does not belong to its certificate (b.te",
        ),
        (OLD.chain_pem[:200], OLD.key_pem, "FOLDER/a.pem ends in the middle of a block, as if half written: write it"),
        (b"", OLD.key_pem, "FOLDER/a.pem is empty: write the certificate or key that belongs there"),
        (OLD.key_pem, OLD.key_pem, "FOLDER/a.pem holds a key and no certificate: put the certificate in front"),
        (issue("a.test", key=OLD.key, end=NOW).pem, OLD.key_pem, "FOLDER/a.pem (a.test) has expired on 2026-06-01"),
    ],
)
@pytest.mark.parametrize("by_directory", [False, True])
def test_a_bad_renewal(cert: bytes, key: bytes, said: str, by_directory: bool, daemon: Daemon) -> None:
    """What is broken, expired or does not fit is refused with one line, whatever time passes, and the old one stays."""
    daemon.put("a", OLD)
    daemon.run(*(() if by_directory else (daemon.files("a"),)))
    write(daemon.folder / "a.pem", cert)
    write(daemon.folder / "a.key", key)
    daemon.wait(600)
    (line,) = daemon.told()
    assert line.startswith(said)
    assert line.endswith("; the one before stays for a.test")
    assert daemon.serves("a.test") == [OLD.certificate]
    assert daemon.swaps == 0


def test_one_line_for_each_state(daemon: Daemon) -> None:
    """A second bad version is told as well, and what is good again serves."""
    daemon.put("a", OLD)
    daemon.run()
    for half in (100, 200):
        write(daemon.folder / "a.pem", NEW.chain_pem[:half])
        daemon.wait()
        assert len(daemon.told()) == 1
    daemon.put("a", NEW)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    write(daemon.folder / "a.pem", b"")
    daemon.wait()
    assert len(daemon.told(LogLevel.error)) == 1


def test_going_back(daemon: Daemon) -> None:
    """After a bad version, the old one put back is good, told of no more, and swaps nothing."""
    daemon.put("a", OLD)
    daemon.run()
    write(daemon.folder / "a.pem", b"")
    daemon.wait()
    daemon.put("a", OLD)
    daemon.wait()
    assert len(daemon.told()) == 1
    assert daemon.swaps == 0


def test_one_bad_pair_touches_no_other(daemon: Daemon) -> None:
    """While one pair is bad, another is renewed, and a third comes."""
    daemon.put("a", OLD)
    daemon.put("b", OTHER)
    daemon.run()
    write(daemon.folder / "b.pem", b"garbage")
    daemon.put("a", NEW)
    daemon.put("c", issue("c.test"))
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    assert daemon.serves("b.test") == [OTHER.certificate]
    assert len(daemon.serves("c.test")) == 1


def test_a_new_file_that_is_bad(daemon: Daemon) -> None:
    """A file that comes and is bad is told once and not in force; made good, it serves."""
    daemon.run()
    write(daemon.folder / "a.pem", OLD.chain_pem)
    daemon.wait(60)
    assert daemon.told() == [
        "FOLDER/a.pem holds no private key: name its file as `key`, or append it; it is not in force"
    ]
    write(daemon.folder / "a.key", OLD.key_pem)
    daemon.wait()
    assert daemon.serves("a.test") == [OLD.certificate]


def test_a_bad_file_that_goes_away(daemon: Daemon) -> None:
    """A file that was never in force goes without a word; when it comes back as bad, that is news."""
    daemon.run()
    for _ in range(2):
        write(daemon.folder / "a.pem", b"")
        daemon.wait()
        assert len(daemon.told(LogLevel.error)) == 1
        (daemon.folder / "a.pem").unlink()
        daemon.wait()
        assert daemon.told() == []
    assert daemon.swaps == 0


def test_a_certificate_of_the_future(daemon: Daemon) -> None:
    """A certificate of the future is told once, and serves from its beginning on, without a change of its files."""
    daemon.put("a", OLD)
    daemon.run()
    future = issue("a.test", start=NOW + timedelta(minutes=5))
    daemon.put("a", future)
    daemon.wait(290)
    (line,) = daemon.told()
    assert line.startswith(
        "FOLDER/a.pem (a.test) is not valid before 2026-06-01 12:05 UTC, and now it is 2026-06-01 12:"
    )
    assert daemon.serves("a.test") == [OLD.certificate]
    daemon.wait(10)
    assert daemon.serves("a.test") == [future.certificate]


def test_what_may_not_be_read_for_a_while(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is told once, and loaded as soon as it can be, without a change of it."""
    daemon.put("a", OLD)
    daemon.run()

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(certificate_files.os, "open", refuse)
        daemon.put("a", NEW)
        daemon.wait(60)
        assert daemon.told() == ["FOLDER/a.pem cannot be read: Input/output error; the one before stays for a.test"]
    daemon.wait(PERIOD)
    assert daemon.serves("a.test") == [NEW.certificate]


def test_a_named_file_that_is_removed(daemon: Daemon) -> None:
    """A file that the map names and that is gone is told once; its certificate stays."""
    daemon.put("a", OLD)
    daemon.run(daemon.files("a"))
    (daemon.folder / "a.pem").unlink()
    daemon.wait(60)
    assert daemon.told() == [
        "FOLDER/a.pem does not exist: correct the path, or put the file there; the one before stays for a.test"
    ]
    assert daemon.serves("a.test") == [OLD.certificate]


# Directories.


def test_added_and_removed(daemon: Daemon) -> None:
    """Files that come into a directory serve within two seconds, and those that go do so no longer."""
    daemon.put("a", OLD)
    daemon.run()
    daemon.put("b", OTHER)
    daemon.wait()
    assert daemon.serves("b.test") == [OTHER.certificate]
    (daemon.folder / "a.pem").unlink()
    daemon.wait()
    assert daemon.serves("a.test") == []
    assert daemon.told(LogLevel.info)[1:] == ["FOLDER/a.pem is gone: it is in force no longer for a.test"]
    assert daemon.swaps == 2


def test_a_file_that_gets_another_name(daemon: Daemon) -> None:
    """A pair that is renamed serves without a gap."""
    OLD.write(daemon.folder / "a.pem")
    daemon.run()
    (daemon.folder / "a.pem").rename(daemon.folder / "b.pem")
    for _ in range(8):
        daemon.wait(PERIOD)
        assert set(daemon.serves("a.test")) == {OLD.certificate}  # for a moment, under both names
    assert [each.source for each in daemon.watcher.store.certificates] == [str(daemon.folder / "b.pem")]


def test_a_directory_that_goes_away(daemon: Daemon) -> None:
    """A directory that cannot be read is told once, and what was in it stays; when it is back, it is read."""
    daemon.put("a", OLD)
    daemon.run()
    away = daemon.folder.with_name("away")
    for _ in range(2):
        daemon.folder.rename(away)
        daemon.wait(60)
        assert daemon.told(LogLevel.error) == [
            "FOLDER does not exist: correct the path, or make the directory; what was loaded from it stays in force"
        ]
        assert daemon.serves("a.test") == [OLD.certificate]
        away.rename(daemon.folder)
        daemon.wait()
    daemon.put("a", NEW)
    daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    shutil.rmtree(daemon.folder)


# Time.


def test_days_are_told_daily(daemon: Daemon) -> None:
    """Below 14 days there is a warning a day, at the end an error, and then what still serves comes before it."""
    daemon.put("a", issue("a.test", end=NOW + 16 * DAY))
    rsa = issue("a.test", kind="rsa")
    rsa.write(daemon.folder / "r.pem")
    daemon.run()
    days = []
    for _ in range(15):
        daemon.clock.advance(86400)
        days += [line.rsplit(", ", 1)[1] for line in daemon.told(LogLevel.warn)]
    assert days == [f"{count} days left" for count in range(13, 0, -1)]
    assert daemon.serves("a.test")[1] == rsa.certificate
    daemon.clock.advance(86400)
    (line,) = daemon.told(LogLevel.error)
    assert line.endswith(" until 2026-06-17> has expired, and clients refuse it: renew it")
    assert daemon.serves("a.test")[0] == rsa.certificate
    assert daemon.swaps == 1
    daemon.clock.advance(86400)
    assert daemon.told(LogLevel.error) == []


def test_stop(daemon: Daemon) -> None:
    """After `stop` nothing is looked at, and no timer is left."""
    daemon.put("a", OLD)
    daemon.run()
    daemon.watcher.stop()
    assert daemon.clock.getDelayedCalls() == []
    daemon.watcher.stop()


def test_a_failure_of_what_is_called(daemon: Daemon) -> None:
    """When what `on_swap` calls fails, that is the reactor's to tell, and watching goes on."""
    daemon.put("a", OLD)
    daemon.run()
    daemon.watcher._on_swap = lambda: 1 / 0
    daemon.put("a", NEW)
    with pytest.raises(ZeroDivisionError):
        daemon.wait()
    assert daemon.serves("a.test") == [NEW.certificate]
    daemon.watcher._on_swap = lambda: None
    daemon.put("b", OTHER)
    daemon.wait()
    assert daemon.serves("b.test") == [OTHER.certificate]


# The development CA.


def test_internal_names(daemon: Daemon) -> None:
    """Names of `internal` are served by the CA of the state directory, unless a certificate is for them."""
    daemon.put("a", issue("a.localhost"))
    (daemon.folder / "state").mkdir(mode=0o700)
    daemon.load(internal=("localhost", "*.localhost"), default="localhost")
    daemon.watcher.start()
    store = daemon.watcher.store
    path = "FOLDER/state/internal-ca/root.pem"
    assert f"development certificates are issued by {path}, 3650 days left" in daemon.told(LogLevel.info)
    assert [each.source for each in store.find("a.localhost", "")] == [
        f"{daemon.folder}/a.pem with {daemon.folder}/a.key"
    ]
    (found,) = store.find("b.localhost", "")
    assert found.source == f"the development CA {daemon.folder}/state/internal-ca/root.pem"
    assert found.names == {"b.localhost"}
    assert store.find(None, "127.0.0.1") == store.default() == store.find("localhost", "")


def test_internal_certificates_are_renewed(daemon: Daemon) -> None:
    """A running daemon serves a new leaf when a third of the life of the old one is left."""
    daemon.load(internal=("localhost",))
    daemon.watcher.start()
    (first,) = daemon.watcher.store.find("localhost", "")
    daemon.clock.advance(59 * 86400)
    assert daemon.watcher.store.find("localhost", "") == (first,)
    daemon.clock.advance(2 * 86400)
    (second,) = daemon.watcher.store.find("localhost", "")
    assert second.not_after > first.not_after
    assert daemon.watcher.store.generation == 2


def test_a_root_that_ends(daemon: Daemon) -> None:
    """The days of the root are warned of as those of all others."""
    daemon.load(internal=("localhost",))
    daemon.watcher.start()
    daemon.told()
    daemon.clock.advance(3630 * 86400)
    assert daemon.told() == []
    daemon.clock.advance(10 * 86400)
    assert daemon.told(LogLevel.warn) == [
        "development certificates are issued by FOLDER/state/internal-ca/root.pem, 10 days left"
    ]


def test_a_state_directory_that_cannot_be_used(daemon: Daemon) -> None:
    """A CA that cannot be had keeps the daemon from starting."""
    (daemon.folder / "state").mkdir()
    (daemon.folder / "state").chmod(0o777)
    with pytest.raises(CertificateError, match="is open to others, who can write to it"):
        daemon.load(internal=("localhost",))


def test_a_watcher_as_parts(daemon: Daemon) -> None:
    """`Watcher` can be made of parts, for those who have a store of their own."""
    daemon.put("a", OLD)
    daemon.load()
    tls = Tls(certificates=(daemon.files("a"),))
    watcher = Watcher(tls, daemon.watcher.store, daemon.clock, daemon.now)
    watcher.load()
    assert watcher.store is daemon.watcher.store
    assert daemon.watcher.store.generation == 2
