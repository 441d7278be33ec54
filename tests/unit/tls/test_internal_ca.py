"""The development CA: one root for each state directory, kept private, and leaves that clients take."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import verification

from tests.support.certificates import DAY, NOW, authority, issue, key_pem, new_key, pem, write
from txproxy.tls import internal_ca
from txproxy.tls.certificate import CertificateError
from txproxy.tls.internal_ca import InternalCa, open_internal_ca, state_directory

PATTERNS = ("localhost", "*.localhost", "*.dev.test", "a.test", "10.0.0.1", "2001:db8::1")


class Time:
    """A time that is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def opened(state: Path, now: Callable[[], datetime] = Time()) -> InternalCa:  # noqa: B008 - nobody sets this one
    """Open the CA of a state directory."""
    return open_internal_ca(str(state), PATTERNS, now)


def refused(state: Path, now: datetime = NOW) -> str:
    """Open a CA that cannot be used; give the sentence, with STATE for the directory."""
    with pytest.raises(CertificateError) as caught:
        opened(state, Time(now))
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(state), "STATE")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Name a state directory that does not exist."""
    return tmp_path / "deep" / "state"


# Where it is.


@pytest.mark.parametrize(
    ("named", "environ", "directory"),
    [
        ("/srv/state", {"STATE_DIRECTORY": "/a", "HOME": "/h"}, "/srv/state"),
        (None, {"STATE_DIRECTORY": "/a", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/a"),
        (None, {"STATE_DIRECTORY": "/a:/b"}, "/a"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/txproxy"),
        (None, {"XDG_STATE_HOME": "/x"}, "/x/txproxy"),
        (None, {"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/txproxy"),
        (None, {"STATE_DIRECTORY": "", "HOME": "/h"}, "/h/.local/state/txproxy"),
    ],
)
def test_the_state_directory(named: str | None, environ: dict[str, str], directory: str) -> None:
    """The map's comes first, then systemd's, then the user's."""
    assert state_directory(named, environ) == directory


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "h", "XDG_STATE_HOME": "x"}])
def test_no_state_directory(environ: dict[str, str]) -> None:
    """Without any, the key that names one is told."""
    with pytest.raises(
        CertificateError, match="neither STATE_DIRECTORY nor HOME is set: name one as `state` in the map"
    ):
        state_directory(None, environ)


# The root.


def test_the_root_is_made_once(state: Path) -> None:
    """The first use makes directory, root and key, for their owner alone; later ones find the same root."""
    ca = opened(state)
    folder = state / "internal-ca"
    assert sorted(each.name for each in state.iterdir()) == ["internal-ca"]
    assert sorted(each.name for each in folder.iterdir()) == ["root.key", "root.pem"]
    assert [each.stat().st_mode & 0o777 for each in (state, folder, folder / "root.key")] == [0o700, 0o700, 0o600]
    assert ca.path == str(folder / "root.pem")
    assert opened(state).root == ca.root == x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
    assert repr(ca) == f"<InternalCa {ca.path} until 2036-05-29>"
    assert ca.days_left(NOW) == 3650


def test_what_the_root_is(state: Path) -> None:
    """The root is an ECDSA CA for ten years, that can sign leaves only, and says nothing of the machine."""
    root = opened(state).root
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    assert root.not_valid_before_utc < NOW
    assert root.not_valid_after_utc == NOW + timedelta(days=3650)
    (name,) = root.subject
    words = str(name.value).rsplit(" ", 1)
    assert words[0] == "txproxy development CA"
    assert int(words[1], 16) >= 0


def test_two_state_directories_have_two_roots(tmp_path: Path) -> None:
    """Names and keys of roots differ, so that one can be told from the other where they are trusted."""
    first, second = opened(tmp_path / "1").root, opened(tmp_path / "2").root
    assert first.subject != second.subject
    assert first.public_key() != second.public_key()


def test_an_empty_directory_is_filled(state: Path) -> None:
    """A directory that somebody has made beforehand is taken."""
    (state / "internal-ca").mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    assert opened(state).root == opened(state).root


def test_what_dies_halfway_is_no_root(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot write all of it leaves nothing behind, and the next one makes the root."""

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(internal_ca.os, "fsync", full)
        assert refused(state) == "the development CA cannot be kept in STATE: No space left on device: make room there"
    assert list(state.iterdir()) == []
    assert opened(state).root == opened(state).root


def test_another_process_is_faster(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds, when its own root is ready, that there is one, takes that and leaves none of its own."""
    rename, first = os.rename, []

    def late(being_made: str, directory: str) -> None:
        monkeypatch.setattr(internal_ca.os, "rename", rename)
        first.append(opened(state).root)
        rename(being_made, directory)

    monkeypatch.setattr(internal_ca.os, "rename", late)
    assert opened(state).root == first[0]
    assert [each.name for each in state.iterdir()] == ["internal-ca"]


def _serial_of(state: str, start: object, results: multiprocessing.Queue[int]) -> None:
    start.wait()  # type: ignore[attr-defined]
    results.put(open_internal_ca(state, (), Time()).root.serial_number)


def test_many_processes_begin_together(state: Path) -> None:
    """Processes that begin at the same time all have one root."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_serial_of, args=(str(state), start, results)) for _ in range(4)]
    for process in processes:
        process.start()
    serials = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert serials == {opened(state).root.serial_number}


# Directories and files that cannot be used.


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o702, 0o1777])
def test_a_state_directory_that_others_can_write_to(mode: int, state: Path) -> None:
    """Who could write there could exchange the root, so nothing is made."""
    state.mkdir(parents=True)
    state.chmod(mode)
    assert refused(state) == (
        f"STATE is open to others, who can write to it (mode {mode:04o}): chmod 700 STATE, if nobody has changed what"
        " is in it"
    )
    assert list(state.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        (
            "internal-ca",
            0o750,
            "STATE/internal-ca is open to others, who can read it or write to it (mode 0750): chmod",
        ),
        (
            "internal-ca/root.key",
            0o640,
            "STATE/internal-ca/root.key is open to others (mode 0640), who could have made",
        ),
    ],
)
def test_a_key_that_others_can_read(name: str, mode: int, said: str, state: Path) -> None:
    """A root whose key others could have read is not used, until somebody says that it may be."""
    before = opened(state).root
    (state / name).chmod(mode)
    assert refused(state).startswith(said)
    (state / name).chmod(mode & 0o700)
    assert opened(state).root == before


def test_a_directory_that_may_be_read_by_others(state: Path) -> None:
    """A state directory that others can read, but not write to, is good enough: what is private is below it."""
    state.mkdir(parents=True)
    state.chmod(0o755)
    assert opened(state).root == opened(state).root


def test_a_directory_of_somebody_else(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of another user is told with both users; root may use that of the daemon's user."""
    opened(state)
    monkeypatch.setattr(internal_ca.os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid() == 0:
        # Root's files cannot be exchanged by others, and belong to nobody else.
        assert opened(state).root is not None
        shutil.chown(state, 12345)
    assert refused(state).startswith("STATE belongs to user ")
    monkeypatch.setattr(internal_ca.os, "geteuid", lambda: 0)
    assert opened(state).root is not None


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/proc/self/uid_map").exists(), reason="only root gives files away")
def test_root_gives_to_the_owner(state: Path) -> None:
    """What root makes in the directory of the daemon's user belongs to that user."""
    state.mkdir(parents=True, mode=0o700)
    os.chown(state, 12345, 12346)
    opened(state)
    owners = {(each.stat().st_uid, each.stat().st_gid) for each in (state / "internal-ca", *state.glob("*/*"))}
    assert owners == {(12345, 12346)}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.EROFS, "Read-only file system: make that a directory that user "),
        (errno.EACCES, "Permission denied: make that a directory that user "),
        (errno.EDQUOT, "Disk quota exceeded: make room there"),
    ],
)
def test_a_directory_that_cannot_be_written(
    error: int, said: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why nothing can be written is told, and where something could be."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    state.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(internal_ca.tempfile, "mkdtemp", fail)
    assert refused(state).startswith(f"the development CA cannot be kept in STATE: {said}")


def test_a_file_in_place_of_the_directory(state: Path) -> None:
    """A file where the state directory should be is told as such."""
    state.parent.mkdir()
    state.write_text("")
    assert refused(state).startswith("the development CA cannot be kept in STATE: File exists: make that a directory")


CURE = "restore it, or remove STATE/internal-ca: a new CA is then made, which every client has to be told to trust"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "root.pem").unlink(), "STATE/internal-ca/root.pem does not exist: correct the path"),
        (lambda f: (f / "root.key").unlink(), "STATE/internal-ca/root.key does not exist: correct the path"),
        (lambda f: write(f / "root.pem", b""), "STATE/internal-ca/root.pem is empty"),
        (lambda f: write(f / "root.pem", b"x"), "STATE/internal-ca/root.pem is no PEM"),
        (lambda f: write(f / "root.pem", key_pem(new_key())), "no root, or no key, in STATE/internal-ca"),
        (lambda f: write(f / "root.key", pem(issue("a").certificate)), "no root, or no key, in STATE/internal-ca"),
        (lambda f: write(f / "root.key", key_pem(new_key(), b"x")), "STATE/internal-ca/root.key: the key is encrypted"),
        (lambda f: write(f / "root.key", key_pem(new_key())), "STATE/internal-ca/root.key does not belong to root.pem"),
        (lambda f: write(f / "root.key", key_pem(new_key("rsa"))), "STATE/internal-ca/root.key does not belong to"),
    ],
)
def test_a_damaged_root(damage: Callable[[Path], object], said: str, state: Path) -> None:
    """A root that is damaged is told with the cure, and never replaced."""
    opened(state)
    folder = state / "internal-ca"
    damage(folder)
    left = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert refused(state).startswith(f"the development CA is damaged ({said}")
    assert refused(state).endswith(CURE)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == left


def test_an_expired_root(state: Path) -> None:
    """A root that has expired is told with the cure, and never replaced."""
    root = opened(state).root
    assert refused(state, NOW + 3650 * DAY) == (
        "the development CA STATE/internal-ca/root.pem has expired on 2036-05-29: remove STATE/internal-ca; a new CA is"
        " then made, which every client has to be told to trust"
    )
    assert opened(state).root == root


# Leaves.


@pytest.mark.parametrize(
    ("host", "subject"),
    [
        ("localhost", "localhost"),
        ("127.0.0.1", "localhost"),
        ("::1", "localhost"),
        ("a.localhost", "a.localhost"),
        ("a.b.localhost", None),
        ("a.dev.test", "*.dev.test"),
        ("dev.test", None),
        ("a.test", "a.test"),
        ("b.test", None),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.2", None),
    ],
)
def test_subjects(host: str, subject: str | None, state: Path) -> None:
    """What is issued is for the exact name, or a wildcard where clients take one: not right below a top level."""
    assert opened(state).subject(host) == subject


def test_loopback_by_itself(state: Path) -> None:
    """Without localhost among the names, its addresses are nobody's; named by themselves, they stand alone."""
    ca = open_internal_ca(str(state), ("*.localhost",), Time())
    assert (ca.subject("127.0.0.1"), ca.subject("localhost")) == (None, None)
    ca = open_internal_ca(str(state), ("localhost", "::1"), Time())
    assert (ca.subject("127.0.0.1"), ca.subject("::1")) == ("localhost", "::1")


@pytest.mark.parametrize(
    ("subject", "names", "addresses"),
    [
        ("localhost", {"localhost"}, {"127.0.0.1", "::1"}),
        ("a.localhost", {"a.localhost"}, set()),
        ("*.dev.test", {"*.dev.test"}, set()),
        ("10.0.0.1", set(), {"10.0.0.1"}),
        (f"{'a' * 60}.localhost", {f"{'a' * 60}.localhost"}, set()),
    ],
)
def test_leaves(subject: str, names: set[str], addresses: set[str], state: Path) -> None:
    """A leaf is what it says, and a strict client takes it for each of its names."""
    ca = opened(state)
    leaf = ca.issue(subject)
    assert (leaf.names, leaf.addresses, leaf.kind, leaf.chain[0].issuer) == (names, addresses, "ecdsa", ca.root.subject)
    assert leaf.key.public_key() == leaf.chain[0].public_key() != ca.root.public_key()
    assert leaf.not_before < NOW < leaf.not_after <= NOW + 90 * DAY
    assert leaf.source == f"the development CA {ca.path}"
    asked: list[x509.GeneralName] = [x509.DNSName(name.replace("*", "x")) for name in names]
    asked += [x509.IPAddress(internal_ca.ip_address(address)) for address in addresses]
    trusted = verification.Store([ca.root])
    for name in asked:
        verifier = verification.PolicyBuilder().store(trusted).time(NOW).build_server_verifier(name)
        assert verifier.verify(leaf.chain[0], []) == [leaf.chain[0], ca.root]


def test_each_leaf_has_a_key_of_its_own(state: Path) -> None:
    """Two leaves share neither key nor serial number."""
    ca = opened(state)
    first, second = ca.issue("localhost").chain[0], ca.issue("localhost").chain[0]
    assert first.serial_number != second.serial_number
    assert first.public_key() != second.public_key()


def test_when_a_leaf_is_due(state: Path) -> None:
    """The next leaf is due when a third of its life is left, or when the clock was set back before its beginning."""
    time = Time()
    ca = opened(state, time)
    leaf = ca.issue("localhost")
    due = {}
    for days in (-1, 0, 59, 61, 100):
        time.now = NOW + days * DAY
        due[days] = ca.is_due(leaf)
    assert due == {-1: True, 0: False, 59: False, 61: True, 100: True}


def test_leaves_at_the_end_of_the_root(state: Path) -> None:
    """No leaf outlives the root, and none is made again and again that cannot last longer."""
    time = Time()
    ca = opened(state, time)
    time.now = NOW + 3600 * DAY
    leaf = ca.issue("localhost")
    assert leaf.not_after == ca.root.not_valid_after_utc
    time.now = NOW + 3649 * DAY
    assert not ca.is_due(leaf)
    time.now = NOW + 3651 * DAY
    assert ca.issue("localhost").not_after < time.now
    assert ca.days_left(time.now) == -1


def test_the_key_on_disk_is_the_roots(state: Path) -> None:
    """What lies on the disk is the root's key, plain: a daemon has nobody to ask."""
    ca = opened(state)
    key = load_pem_private_key((state / "internal-ca" / "root.key").read_bytes(), None)
    assert key.public_key() == ca.root.public_key()


def test_a_root_by_somebody_else(state: Path) -> None:
    """A CA of one's own, put into the directory, is used: whose clients trust it already."""
    own = authority("our own")
    folder = state / "internal-ca"
    folder.mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    write(folder / "root.pem", own.pem)
    write(folder / "root.key", own.key_pem)
    assert opened(state).issue("localhost").chain[0].issuer == own.certificate.subject
