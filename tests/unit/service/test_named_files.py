"""Files that a route map names and that are read whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from txproxy.service.named_files import contents
from txproxy.tls.certificate import CertificateError
from txproxy.tls.certificate_files import MAX_FILE


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (0, None),
        (MAX_FILE, None),
        (MAX_FILE + 1, "named.pem is larger than 1024 KiB"),
        (None, "named.pem cannot be read: no such file or directory"),
    ],
)
def test_reading(size: int | None, why: str | None, tmp_path: Path) -> None:
    """All of a file is given, or an error that names it: never a part."""
    path = tmp_path / "named.pem"
    if size is not None:
        path.write_bytes(b"x" * size)
    if why is None:
        assert contents(str(path)) == b"x" * (size or 0)
        return
    with pytest.raises(CertificateError, match=why):
        contents(str(path))


def test_what_never_ends(tmp_path: Path) -> None:
    """A pipe that nobody writes to, and a device, are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(CertificateError, match=f"{path} is not a file: name one in PEM form"):
            contents(path)
