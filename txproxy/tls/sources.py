"""Where certificates come from: the pairs of files that the map names, and those of its directories.

Rule: which pairs there are is told by names alone; files are only looked into when they are loaded.

In a directory each `X.pem` is a certificate. Its key is the first of these that there is: `X.key`, `X-key.pem`
(as mkcert writes it), in `X.pem` itself. Where there are `fullchain.pem` and `privkey.pem`, as in certbot's
`live/NAME/`, they are a pair, and `cert.pem` and `chain.pem` beside them, which say the same again, are not
looked at. Directories below are not looked into, nor are names that begin with a dot.

What turns out to be something else (a key alone, certificates of CAs without a key, a client's certificate, parameters,
a request) is passed over in a directory, and a fault where the map names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from txproxy.config.model import CertificateDirectory, CertificateFiles
from txproxy.config.problem import NOWHERE, Where

from .certificate import CertificateError

_FULLCHAIN, _PRIVKEY = "fullchain.pem", "privkey.pem"
_CERTBOT_REPEATS = frozenset({"cert.pem", "chain.pem", _PRIVKEY})

# What tells that a file is not what it was. The time of the last change of the inode is of it because who may
# read a file changes nothing else, and because `cp -p` keeps the time of the last write.
FileState = tuple[int, int, int, int, int] | None
PairState = tuple[str | None, FileState, FileState]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate's file and its key's.

    :ivar key: None: it is in the same file.
    :ivar found: in a directory, not named by the map.
    :ivar where: where the map names it, or its directory.
    """

    cert: str
    key: str | None
    found: bool = False
    where: Where = field(default=NOWHERE, compare=False)


def pair_of(named: CertificateFiles) -> Pair:
    """Give the pair that the map names."""
    return Pair(named.cert, named.key, where=named.where)


def pairs_in(named: CertificateDirectory) -> list[Pair]:
    """Give the pairs of a directory, sorted by name.

    :raises CertificateError: it cannot be read.
    """
    try:
        names = os.listdir(named.directory)
    except FileNotFoundError as error:
        raise CertificateError(f"{named.directory} does not exist: correct the path, or make the directory") from error
    except NotADirectoryError as error:
        raise CertificateError(
            f"{named.directory} is no directory: name it as `cert`, or name its directory"
        ) from error
    except OSError as error:
        raise CertificateError(
            f"{named.directory} cannot be read: {error.strerror}: let user {os.geteuid()} read it"
        ) from error
    return [
        Pair(
            os.path.join(named.directory, cert),
            None if key is None else os.path.join(named.directory, key),
            found=True,
            where=named.where,
        )
        for cert, key in pair_names(names)
    ]


def pair_names(names: Iterable[str]) -> list[tuple[str, str | None]]:
    """Give the certificates among the names in a directory, each with its key's name; None: in the same file."""
    there = frozenset(names)
    certbot = _FULLCHAIN in there and _PRIVKEY in there
    pairs: list[tuple[str, str | None]] = []
    for name in sorted(there):
        stem, dot, _ = name.rpartition(".pem")
        if not dot or not name.endswith(".pem") or name.startswith("."):
            continue
        if certbot and name in _CERTBOT_REPEATS:
            continue
        if stem.endswith("-key") and f"{stem.removesuffix('-key')}.pem" in there:
            continue
        beside = [f"{stem}.key", f"{stem}-key.pem"]
        if certbot and name == _FULLCHAIN:
            beside.append(_PRIVKEY)
        pairs.append((name, next((key for key in beside if key in there), None)))
    return pairs


def state_of(pair: Pair) -> PairState:
    """Tell the state of a pair's files; links are followed, so one that is turned elsewhere is a change."""
    return pair.key, _state_of(pair.cert), None if pair.key is None else _state_of(pair.key)


def _state_of(path: str) -> FileState:
    try:
        status = os.stat(path)
    except OSError:
        return None  # not there, or not to be seen: `load` says which
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
