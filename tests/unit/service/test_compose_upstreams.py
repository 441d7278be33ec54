"""How TLS is spoken with an upstream's backends, out of a route map and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import globalLogPublisher

from tests.support.certificates import DAY, NOW, authority, issue, pem, write
from txproxy.config.model import Config
from txproxy.service.compose_error import ComposeError
from txproxy.service.compose_upstreams import backend_settings

Reader = Callable[[str], Config]
ROOT = authority()
HOSTS = "hosts: {app.example.com: app}\n"


def settings(map_: Config) -> list[tuple[str, str, bool]]:
    """Give URL, server name and `verify` of each backend that speaks TLS."""
    found = backend_settings(map_.upstreams["app"], NOW)
    return [(each.where, each.server_name, each.verify) for each in found.values()]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged while the test runs."""
    told: list[str] = []

    def observe(event: dict[str, object]) -> None:
        if event.get("log_namespace") == "txproxy.service.compose_upstreams":
            told.append(str(event["log_format"]).format(**event))

    globalLogPublisher.addObserver(observe)
    try:
        yield told
    finally:
        globalLogPublisher.removeObserver(observe)


def test_plain_backends_need_nothing(config: Reader) -> None:
    """No file is read, nothing is made."""
    assert settings(config("upstreams: {app: {backends: [http://10.0.0.7]}}\n" + HOSTS)) == []


def test_each_backend_has_its_own_name(config: Reader) -> None:
    """Host, address, and localhost for a Unix socket; plain ones beside them stay plain."""
    backends = "[https://a.test, 'https://[2001:db8::7]:8443', https+unix:/run/app.sock, http://10.0.0.7]"
    assert settings(config(f"upstreams: {{app: {{backends: {backends}}}}}\n{HOSTS}")) == [
        ("https://a.test", "a.test", True),
        ("https://[2001:db8::7]:8443", "2001:db8::7", True),
        ("https+unix:/run/app.sock", "localhost", True),
    ]


def test_a_name_that_is_given_is_for_all(config: Reader) -> None:
    """`server_name` replaces each backend's own."""
    text = "upstreams: {app: {backends: [https://10.0.0.7, https://10.0.0.8], tls: {server_name: App.internal}}}\n"
    assert {name for _, name, _ in settings(config(text + HOSTS))} == {"app.internal"}


def test_files_are_read(config: Reader, tmp_path: Path) -> None:
    """The CAs of `ca`, and our certificate with its key."""
    write(tmp_path / "ca.pem", pem(ROOT.certificate))
    issue("me", by=ROOT).write(tmp_path / "me.pem")
    tls = f"{{ca: {tmp_path}/ca.pem, client_certificate: {tmp_path}/me.pem}}"
    (found,) = backend_settings(
        config(f"upstreams: {{app: {{backends: [https://a.test], tls: {tls}}}}}\n{HOSTS}").upstreams["app"], NOW
    ).values()
    assert found.roots is not None
    assert found.roots.certificates == (ROOT.certificate,)
    assert found.client is not None
    assert found.client.source == f"{tmp_path}/me.pem"


@pytest.mark.parametrize("key", ["ca", "client_certificate"])
def test_a_file_that_cannot_be_used_is_an_error_with_its_place(config: Reader, tmp_path: Path, key: str) -> None:
    """The map's line, the upstream and the file."""
    text = f"upstreams: {{app: {{backends: [https://a.test], tls: {{{key}: {tmp_path}/none.pem}}}}}}\n{HOSTS}"
    with pytest.raises(ComposeError, match=f"upstream app: {tmp_path}/none.pem does not exist") as raised:
        settings(config(text))
    assert ":1:" in str(raised.value)


def test_unverified_backends_are_told_once(config: Reader, lines: list[str]) -> None:
    """One warning for the upstream, and `ca` is not read, because it would not be used."""
    text = "upstreams: {app: {backends: [https://a.test, https://b.test], tls: {verify: false, ca: none.pem}}}\n"
    assert {verify for _, _, verify in settings(config(text + HOSTS))} == {False}
    assert [line.partition(":")[0] for line in lines] == ["upstream app"]
    assert "verify: false" in lines[0]


def test_an_expired_certificate_of_ours_is_told(config: Reader, tmp_path: Path, lines: list[str]) -> None:
    """It is used all the same: the backend decides."""
    issue("me", by=ROOT, end=NOW - DAY / 2).write(tmp_path / "me.pem")
    tls = f"{{client_certificate: {tmp_path}/me.pem}}"
    assert settings(config(f"upstreams: {{app: {{backends: [https://a.test], tls: {tls}}}}}\n{HOSTS}"))
    assert len(lines) == 1
    assert "has expired" in lines[0]
