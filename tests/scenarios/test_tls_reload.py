"""Certificates that are renewed while they are served, and what happens to those that are no good.

Rule: load comes from clients of their own threads, that verify what they are shown; a request that fails is a failure
of the test, whenever it was sent.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.addresses import HOST
from tests.support.certificates import Issued, key_pem, pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.tls import PAST, lasting, root
from tests.support.tls_clients import TlsClient, alert_of, read_all
from tests.support.waiting import until

# What is asked for is two seconds; more is left for a machine that does other things as well.
SECONDS = 3.0


def name_of(number: int) -> str:
    """Give the host of a pair."""
    return f"h{number}.test"


def renewed(number: int) -> Issued:
    """Issue the next certificate of a host."""
    return lasting(name_of(number), by=root())


def replace(file: Path, data: bytes) -> None:
    """Put a file in place of another, in one step."""
    write(file.with_suffix(".new"), data).rename(file)


def key_first(folder: Path, made: Issued, number: int) -> None:
    """Replace the key, then the chain."""
    replace(folder / f"{number}.key", made.key_pem)
    replace(folder / f"{number}.pem", made.chain_pem)


def chain_first(folder: Path, made: Issued, number: int) -> None:
    """Replace the chain, then the key."""
    replace(folder / f"{number}.pem", made.chain_pem)
    replace(folder / f"{number}.key", made.key_pem)


def in_place(folder: Path, made: Issued, number: int) -> None:
    """Write over both, in pieces."""
    for file, data in ((folder / f"{number}.pem", made.chain_pem), (folder / f"{number}.key", made.key_pem)):
        real = Path(os.path.realpath(file))
        with real.open("wb") as opened:
            opened.write(data[:100])
            opened.flush()
            opened.write(data[100:])


def by_links(folder: Path, made: Issued, number: int) -> None:
    """Turn links to files of another name, as certbot does."""
    version = f"{number}-{made.certificate.serial_number:x}"
    for suffix, data in ((".key", made.key_pem), (".pem", made.chain_pem)):
        target = write(folder / "archive" / f"{version}{suffix}", data)
        link = folder / f"{number}{suffix}.link"
        link.symlink_to(target)
        link.rename(folder / f"{number}{suffix}")


WAYS: tuple[Callable[[Path, Issued, int], None], ...] = (key_first, chain_first, in_place, by_links)


class Load:
    """Clients that never stop: some with new connections, one with a connection that stays.

    :ivar asked: requests that were answered. :ivar failed: why others were not.
    """

    def __init__(self, client: TlsClient, hosts: int) -> None:
        self._client = client
        self._hosts = hosts
        self._over = threading.Event()
        self.asked = 0
        self.failed: list[str] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,)) for work in (self._new, self._new, self._kept)
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join(30)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is about
            self.failed.append(repr(error))

    def _new(self) -> None:
        number = 0
        while not self._over.is_set():
            number = (number + 1) % self._hosts
            assert self._client.ask(name_of(number)).endswith(b"here")
            self.asked += 1

    def _kept(self) -> None:
        with closing(self._client.connect(name_of(0))) as connection:
            while not self._over.is_set():
                connection.sendall(b"GET / HTTP/1.1\r\nHost: h0.test\r\n\r\n")
                received = b""
                while not received.endswith(b"here"):
                    piece = connection.recv(4096)
                    assert piece, "the connection was closed"
                    received += piece
                self.asked += 1
                self._over.wait(0.002)


def serial(client: TlsClient, name: str) -> int:
    """Give the serial number of the certificate that is shown for a name."""
    with closing(client.connect(name)) as connection:
        der = connection.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number


def set_up(folder: Path, pairs: int, start_daemon: Callable[..., Daemon], reactor: str) -> tuple[Daemon, TlsClient]:
    """Start the product with so many pairs, all of one directory but the first."""
    (folder / "live" / "archive").mkdir(parents=True)
    live = folder / "live"
    write(folder / "ca.pem", pem(root().certificate))
    for number in range(pairs):
        key_first(live, renewed(number), number)
    daemon = start_daemon(
        f"tls: {{certificates: [{{cert: {live}/0.pem, key: {live}/0.key}}, {{directory: {live}}}]}}\n"
        'hosts: {"*": {respond: {status: 200, body: here}}}\n'
        "limits: {requests_per_connection: 1000000}\nlog: {access: off}\n",
        tls=True,
        argv=on_reactor(reactor),
    )
    return daemon, TlsClient((HOST, daemon.tls_port), folder / "ca.pem")


def swap(folder: Path, client: TlsClient, pairs: int, rounds: int) -> int:
    """Renew all pairs so often; each must be served in time. Give the number of renewals."""
    for number in range(rounds):
        made = {host: renewed(host) for host in range(pairs)}
        for host, issued in made.items():
            WAYS[(number + host) % len(WAYS)](folder / "live", issued, host)
        begun = time.monotonic()
        for host, issued in made.items():
            wanted = issued.certificate.serial_number
            until(lambda host=host, wanted=wanted: serial(client, name_of(host)) == wanted, f"renewal of {host}")
        assert time.monotonic() - begun < SECONDS
    return pairs * rounds


@pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
def test_renewals_under_load(start_daemon, tmp_path: Path, reactor: str) -> None:
    """However a pair is written, the new one is served in time; no request fails, and no connection ends."""
    daemon, client = set_up(tmp_path, 4, start_daemon, reactor)
    with Load(client, 4) as load:
        assert swap(tmp_path, client, 4, 2) == 8
    assert load.failed == []
    assert load.asked > 20
    assert "the one before stays" not in daemon.log()  # nobody is told of what is about to be whole


def test_pairs_come_and_go(start_daemon, tmp_path: Path) -> None:
    """A pair that is put into a directory is served, one that is taken out of it is not, and nobody else notices."""
    _, client = set_up(tmp_path, 2, start_daemon, "uvloop")
    live = tmp_path / "live"
    with Load(client, 2) as load:
        assert "UNRECOGNIZED_NAME" in alert_of(client, name_of(7))
        key_first(live, renewed(7), 7)
        until(lambda: alert_of(client, name_of(7)) == "", "the new one is served")
        with closing(client.connect(name_of(7))) as opened:
            (live / "7.pem").unlink()
            (live / "7.key").unlink()
            until(lambda: "UNRECOGNIZED_NAME" in alert_of(client, name_of(7)), "it is served no longer")
            opened.sendall(b"GET / HTTP/1.1\r\nHost: h7.test\r\nConnection: close\r\n\r\n")
            assert read_all(opened).endswith(b"here")
    assert load.failed == []


def test_a_link_to_a_whole_directory_is_turned(start_daemon, tmp_path: Path) -> None:
    """Kubernetes writes a directory for each renewal, and turns one link far above the files."""
    write(tmp_path / "ca.pem", pem(root().certificate))
    (tmp_path / "mounted").mkdir()

    def turn(made: Issued) -> int:
        version = tmp_path / "mounted" / f"{made.certificate.serial_number:x}"
        version.mkdir()
        write(version / "tls.crt", made.chain_pem)
        write(version / "tls.key", made.key_pem)
        link = tmp_path / "mounted" / "..data.new"
        link.symlink_to(version.name)
        link.rename(tmp_path / "mounted" / "..data")
        return made.certificate.serial_number

    turn(renewed(0))
    for name in ("tls.crt", "tls.key"):
        (tmp_path / "mounted" / name).symlink_to(f"..data/{name}")
    files = f"cert: {tmp_path}/mounted/tls.crt, key: {tmp_path}/mounted/tls.key"
    daemon = start_daemon(f"tls: {{certificates: [{{{files}}}]}}\nhosts: {{h0.test: {{respond: {{}}}}}}\n", tls=True)
    client = TlsClient((HOST, daemon.tls_port), tmp_path / "ca.pem")
    for _ in range(2):
        wanted = turn(renewed(0))
        until(lambda wanted=wanted: serial(client, "h0.test") == wanted, "the renewal is served")
    assert "the one before stays" not in daemon.log()


@pytest.mark.soak
def test_two_hundred_renewals_under_load(start_daemon, tmp_path: Path) -> None:
    """The same, two hundred times."""
    daemon, client = set_up(tmp_path, 20, start_daemon, "uvloop")
    with Load(client, 20) as load:
        assert swap(tmp_path, client, 20, 10) == 200
    assert load.failed == []
    assert load.asked > 200
    assert "the one before stays" not in daemon.log()


def mismatched(folder: Path, host: int) -> None:
    """Put another key beside the certificate."""
    replace(folder / f"{host}.key", renewed(host).key_pem)


def expired(folder: Path, host: int) -> None:
    """Put a certificate in place that has ended."""
    key_first(folder, lasting(name_of(host), by=root(), end=PAST), host)


def half_written(folder: Path, host: int) -> None:
    """Put the beginning of a certificate in place."""
    made = renewed(host)
    replace(folder / f"{host}.key", made.key_pem)
    replace(folder / f"{host}.pem", made.chain_pem[:300])


def encrypted(folder: Path, host: int) -> None:
    """Put a key in place that nobody has a passphrase for."""
    made = renewed(host)
    replace(folder / f"{host}.key", key_pem(made.key, b"secret"))
    replace(folder / f"{host}.pem", made.chain_pem)


def binary(folder: Path, host: int) -> None:
    """Put a certificate in DER in place."""
    made = renewed(host)
    replace(folder / f"{host}.key", made.key_pem)
    replace(folder / f"{host}.pem", ssl.PEM_cert_to_DER_cert(made.pem.decode()))


def empty(folder: Path, host: int) -> None:
    """Put nothing in place."""
    replace(folder / f"{host}.pem", b"")


def of_another_order(folder: Path, host: int) -> None:
    """Put the certificate behind its issuer's."""
    made = renewed(host)
    replace(folder / f"{host}.key", made.key_pem)
    replace(folder / f"{host}.pem", pem(root().certificate) + made.pem)


def exchanged(folder: Path, host: int) -> None:
    """Put each into the place of the other."""
    made = renewed(host)
    replace(folder / f"{host}.key", made.chain_pem)
    replace(folder / f"{host}.pem", made.key_pem)


def a_binary_key(folder: Path, host: int) -> None:
    """Put a key in DER in place."""
    made = renewed(host)
    key = made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    replace(folder / f"{host}.key", key)
    replace(folder / f"{host}.pem", made.chain_pem)


def another_thing(folder: Path, host: int) -> None:
    """Put what is neither in place."""
    replace(folder / f"{host}.pem", b"<html>404</html>\n")


def gone(folder: Path, host: int) -> None:
    """Take the key away."""
    (folder / f"{host}.key").unlink()


BROKEN = (
    (mismatched, "does not belong to"),
    (expired, "expired"),
    (half_written, "half written"),
    (encrypted, "encrypted"),
    (binary, "openssl x509"),
    (empty, "empty"),
    (of_another_order, "in the wrong order"),
    (exchanged, "exchange `cert` and `key`"),
    (a_binary_key, "openssl pkey -inform der"),
    (another_thing, "is no PEM"),
    (gone, "holds no private key|does not exist"),
)


def test_pairs_that_are_no_good_change_nothing(start_daemon, tmp_path: Path) -> None:
    """One line says what is wrong with each, the old ones are served, and good ones are taken as soon as they come."""
    hosts = range(len(BROKEN))
    daemon, client = set_up(tmp_path, len(BROKEN), start_daemon, "uvloop")
    live = tmp_path / "live"
    before = [serial(client, name_of(host)) for host in hosts]
    for host, (spoil, _) in enumerate(BROKEN):
        spoil(live, host)

    def lines(host: int) -> list[str]:
        names = (f"/{host}.pem", f"/{host}.key")
        told = [line for line in daemon.log().splitlines() if "Watcher" in line and "in force" not in line]
        return [line for line in told if any(name in line for name in names)]

    for host, (_, said) in enumerate(BROKEN):
        until(lambda host=host: bool(lines(host)), f"a line with {said!r}")
        assert re.search(said, lines(host)[0])
    assert [serial(client, name_of(host)) for host in hosts] == before
    mended = [renewed(host) for host in hosts]
    for host in hosts:
        key_first(live, mended[host], host)
    for host in hosts:
        wanted = mended[host].certificate.serial_number
        until(lambda host=host, wanted=wanted: serial(client, name_of(host)) == wanted, "the good one is served")
    assert [len(lines(host)) for host in hosts] == [1] * len(BROKEN), daemon.log()


def test_nothing_starts_with_pairs_that_are_no_good(start_daemon, tmp_path: Path) -> None:
    """The daemon ends at once, and says of each file what is wrong with it, and where the map names it."""
    live = tmp_path / "live"
    live.mkdir()
    for host, (spoil, _) in enumerate(BROKEN):
        key_first(live, renewed(host), host)
        spoil(live, host)
    pairs = "".join(f"  - {{cert: {live}/{host}.pem, key: {live}/{host}.key}}\n" for host in range(len(BROKEN)))
    with pytest.raises(AssertionError) as caught:
        start_daemon(f"hosts: {{h0.test: {{respond: {{status: 200}}}}}}\ntls:\n  certificates:\n{pairs}", tls=True)
    told = str(caught.value)
    lines = [line for line in told.splitlines() if str(live) in line]
    for host, ((_, said), line) in enumerate(zip(BROKEN, lines, strict=True)):
        assert f"routes.yaml:{7 + host}: " in line  # behind three lines of `listen`, and those above the pairs
        assert f"{live}/{host}." in line
        assert re.search(said, line)
    assert "Traceback" not in told
