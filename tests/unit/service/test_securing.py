"""The certificates of a daemon that starts, or does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.support.certificates import key_pem, write
from tests.support.tls import lasting
from txproxy.config import Config
from txproxy.service.compose_error import ComposeError
from txproxy.service.securing import Securing
from txproxy.tls.openssl import Scratch

Reader = Callable[[str], Config]


def why_not(config: Config) -> list[str]:
    """Give what is said, line by line, when such a map is to be served."""
    clock = Clock()
    with pytest.raises(ComposeError) as caught:
        Securing(config, clock, Scratch(clock))
    return str(caught.value).splitlines()


def test_everything_that_is_wrong_is_told_where_it_is_named(config: Reader, tmp_path: Path) -> None:
    """Each sentence has its line of the map, and good pairs are not mentioned."""
    for name in ("good.pem", "secret.pem", "live/other.pem"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lasting(f"{Path(name).stem}.test").write(tmp_path / name, (tmp_path / name).with_suffix(".key"))
    write(tmp_path / "secret.key", key_pem(lasting("x").key, b"secret"))
    write(tmp_path / "live/empty.pem", b"")
    lines = why_not(
        config(
            "listen: https://127.0.0.1\n"
            "tls:\n"
            "  certificates:\n"
            "    - {cert: good.pem, key: good.key}\n"
            "    - {cert: secret.pem, key: secret.key}\n"
            "    - {cert: missing.pem}\n"
            "    - directory: live\n"
            "hosts: {good.test: {respond: {status: 200}}}\n"
        )
    )
    expected = [
        (5, "secret.key: the key is encrypted"),
        (6, "missing.pem does not exist"),
        (7, "live/empty.pem is empty"),
    ]
    assert len(lines) == len(expected), lines
    for line, (number, said) in zip(lines, expected, strict=True):
        assert line.startswith(f"routes.yaml:{number}: certificates: ")
        assert said in line


def test_what_is_wrong_with_no_file_is_told_of_tls(config: Reader, tmp_path: Path) -> None:
    """A default without a certificate is one sentence, at the place of `tls`."""
    lasting("good.test").write(tmp_path / "good.pem")
    text = "listen: https://127.0.0.1\n{0}hosts: {{good.test: {{respond: {{status: 200}}}}}}\n"
    (line,) = why_not(config(text.format("tls: {certificates: {cert: good.pem}, default: other.test}\n")))
    assert line.startswith("routes.yaml:2: tls.default is other.test, and no certificate is for it")
