"""Which pairs of files there are, by the names in a directory alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.certificates import write
from txproxy.config.model import CertificateDirectory, CertificateFiles
from txproxy.tls import sources
from txproxy.tls.certificate import CertificateError
from txproxy.tls.sources import Pair, pair_names, pair_of, pairs_in, state_of


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        ([], []),
        (["b.pem", "a.pem"], [("a.pem", None), ("b.pem", None)]),
        (["a.pem", "a.key"], [("a.pem", "a.key")]),
        (["a.pem", "a-key.pem"], [("a.pem", "a-key.pem")]),
        (["a.pem", "a.key", "a-key.pem"], [("a.pem", "a.key")]),
        (["a-key.pem"], [("a-key.pem", None)]),
        (["a.key", "a.crt", "a.pem.bak", "pem", ".a.pem", "notes.txt", ".pem"], []),
        (["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "README"], [("fullchain.pem", "privkey.pem")]),
        (["fullchain.pem", "fullchain.key", "privkey.pem"], [("fullchain.pem", "fullchain.key")]),
        (["cert.pem", "fullchain.pem"], [("cert.pem", None), ("fullchain.pem", None)]),
        (["cert.pem", "privkey.pem"], [("cert.pem", None), ("privkey.pem", None)]),
        (["fullchain.pem", "privkey.pem", "b.pem", "b.key"], [("b.pem", "b.key"), ("fullchain.pem", "privkey.pem")]),
    ],
)
def test_pairs_by_names(names: list[str], pairs: list[tuple[str, str | None]]) -> None:
    """Each *.pem is a certificate; its key is beside it, as .key or -key.pem, or certbot's, or inside."""
    assert pair_names(names) == pairs


def test_a_directory(tmp_path: Path) -> None:
    """Pairs of a directory are whole paths, sorted, and known as found."""
    for name in ("b.pem", "a.pem", "a.key", "sub.pem.d"):
        write(tmp_path / name, b"")
    assert pairs_in(CertificateDirectory(directory=str(tmp_path))) == [
        Pair(str(tmp_path / "a.pem"), str(tmp_path / "a.key"), found=True),
        Pair(str(tmp_path / "b.pem"), None, found=True),
    ]
    assert pair_of(CertificateFiles(cert="/a.pem", key="/a.key")) == Pair("/a.pem", "/a.key", found=False)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "does not exist: correct the path, or make the directory"),
        (lambda path: path.write_text(""), "is no directory: name it as `cert`, or name its directory"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links: let user "),
    ],
)
def test_a_directory_that_cannot_be_read(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    """Whatever is wrong with a directory is one sentence that names it."""
    path = tmp_path / "certs"
    make(path)
    with pytest.raises(CertificateError) as caught:
        pairs_in(CertificateDirectory(directory=str(path)))
    assert str(caught.value).startswith(f"{path} {said}")


def test_states(tmp_path: Path) -> None:
    """What is written, replaced, turned elsewhere, given rights or removed has another state; what is read has not."""
    cert, key, other = (write(tmp_path / name, b"1") for name in ("a.pem", "a.key", "b.pem"))
    link = tmp_path / "link.pem"
    link.symlink_to(cert)
    pair = Pair(str(link), str(key))
    states = [state_of(pair)]

    def differs() -> bool:
        states.append(state_of(pair))
        return states[-1] not in states[:-1]

    link.read_bytes()
    assert state_of(pair) == states[0]
    write(key, b"22")
    assert differs()
    os.utime(cert, ns=(1, 1))
    assert differs()
    os.replace(other, cert)
    assert differs()
    link.unlink()
    link.symlink_to(key)
    assert differs()
    link.unlink()
    assert differs()
    pair = Pair(str(key), None)
    assert differs()
    assert state_of(Pair(str(tmp_path / "none"), None)) == (None, None, None)


@pytest.mark.parametrize("field", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_each_part_of_a_state(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of device, inode, size and both times tells a change alone; who has read the file does not."""
    facts = dict.fromkeys(["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_atime_ns"], 1)
    monkeypatch.setattr(sources.os, "stat", lambda _: SimpleNamespace(**facts))
    before = state_of(Pair("a.pem", None))
    facts["st_atime_ns"] = 2
    assert state_of(Pair("a.pem", None)) == before
    facts[field] = 2
    assert state_of(Pair("a.pem", None)) != before
