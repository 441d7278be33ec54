"""Https listeners of every kind: both families of addresses, all addresses of the machine, a unix socket, and several.

Rule: the client is curl, which checks the certificate against what stands in its URL.
"""

from __future__ import annotations

import ssl
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.tls import lasting, root
from tests.support.tls_clients import TlsClient, read_all

MAP = """
  - https://[::1]:{six}
  - https://0.0.0.0:{every}
  - https+unix:{folder}/{reactor}.sock
tls: {{certificates: [{{directory: {folder}/live}}]}}
hosts: {{"*": {{respond: {{status: 200, body: here}}}}}}
"""
CERTIFICATES = {"six": ("six.test", "::1"), "four": ("four.test", "127.0.0.1", "127.0.0.2"), "app": ("app.test",)}
NO_CERTIFICATE = 35  # curl: "A TLS/SSL connect error occurred"


class Front:
    """The product; `every` is its port on all addresses, `six` the one of IPv6."""

    def __init__(self, daemon: Daemon, folder: Path, every: int, six: int, reactor: str) -> None:
        self.daemon = daemon
        self.folder = folder
        self.ports = {"{every}": str(every), "{six}": str(six)}
        self.every = every
        self.socket = folder / f"{reactor}.sock"

    def curl(self, url: str, *options: str | Path) -> tuple[int, bytes]:
        """Give curl's exit status and what it got."""
        for word, port in self.ports.items():
            url = url.replace(word, port)
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--cacert", self.folder / "ca.pem", *options, url],
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout

    def client(self, port: int, version: ssl.TLSVersion) -> TlsClient:
        """Make a client for one of the ports."""
        return TlsClient((HOST, port), self.folder / "ca.pem", versions=(version, version))


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def front(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """The product on both reactors."""
    folder = tmp_path_factory.mktemp("listeners")
    (folder / "live").mkdir()
    write(folder / "ca.pem", pem(root().certificate))
    for name, names in CERTIFICATES.items():
        lasting(*names, by=root()).write(folder / "live" / f"{name}.pem")
    six, every = free_port(), free_port()
    routes = MAP.format(six=six, every=every, folder=folder, reactor=request.param).lstrip("\n")
    daemon = start_shared_daemon(routes, tls=True, argv=on_reactor(request.param))
    return Front(daemon, folder, every, six, request.param)


@pytest.mark.parametrize("url", ["https://[::1]:{six}/", "https://127.0.0.1:{every}/", "https://127.0.0.2:{every}/"])
def test_who_comes_by_address_gets_the_certificate_of_that_address(front: Front, url: str) -> None:
    """The one that the connection came to, where a port is on several; curl checks it against the URL."""
    assert front.curl(url) == (0, b"here")


def test_an_address_without_a_certificate(front: Front) -> None:
    """It is refused on a port on which another address has one."""
    assert front.curl("https://127.0.0.3:{every}/") == (NO_CERTIFICATE, b"")


@pytest.mark.parametrize(
    ("url", "expected"), [("https://app.test/", (0, b"here")), ("https://127.0.0.1/", (NO_CERTIFICATE, b""))]
)
def test_over_a_unix_socket(front: Front, url: str, expected: tuple[int, bytes]) -> None:
    """Names count as elsewhere; there is no address that a certificate could be for."""
    assert front.curl(url, "--unix-socket", front.socket) == expected


@pytest.mark.parametrize(("url", "client"), [("https://app.test/by-unix", None), ("https://[::1]:{six}/by-six", "::1")])
def test_what_the_log_says_of_them(front: Front, url: str, client: str | None) -> None:
    """Each entry has who came, over which listener, and that it was by TLS."""
    over = ["--unix-socket", front.socket] if client is None else []
    assert front.curl(url, *over) == (0, b"here")
    (entry,) = front.daemon.logged(target="/" + url.rpartition("/")[2])
    listener = f"https+unix:{front.socket}" if client is None else f"https://[::1]:{front.ports['{six}']}"
    assert (entry["client"], entry["listener"], entry["scheme"]) == (client, listener, "https")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_one_listener_is_good_at_the_others(front: Front, version: ssl.TLSVersion) -> None:
    """Behind a balancer that spreads clients over ports, who comes back is not a stranger."""
    first = front.client(front.daemon.tls_port, version)
    with closing(first.connect("app.test")) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
        read_all(connection)
        session = connection.session
    first.address = (HOST, front.every)
    with closing(first.connect("app.test", session)) as connection:
        assert connection.session_reused
