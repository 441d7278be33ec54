"""An application that knows nothing of TLS, behind TLS, in a real browser.

Rule: the application is as its users run it, the browser trusts one CA and nothing is ignored; that the tests can
see a page which is not mended is a test of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.addresses import HOST, free_port
from tests.support.backend import Connection
from tests.support.browser import Browser, browsing
from tests.support.daemon import Daemon
from tests.support.servers import APPS
from tests.support.waiting import until

pytestmark = pytest.mark.scenario
SHOP = "shop.test"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """Make a CA for the module."""
    return trustme.CA()


@pytest.fixture(scope="module")
def browser(ca: trustme.CA, mark: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one browser for the module."""
    folder = tmp_path_factory.mktemp("browser")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    with browsing(folder, mark, folder / "ca.pem") as started:
        yield started


@pytest.fixture
def fresh(browser: Browser) -> Browser:
    """Give the browser without cookies, and without what it has said so far."""
    browser.open("about:blank")  # what the last page still had to say comes before it
    browser.forget()
    return browser


@pytest.fixture
def shop(start_child: Any) -> int:
    """Start the old application; give its port."""
    port = free_port()
    start_child([sys.executable, APPS / "legacy_app.py", str(port)], (HOST, port))
    return port


@pytest.fixture
def behind_tls(start_daemon: Any, shop: int, ca: trustme.CA, tmp_path: Path) -> Callable[..., Daemon]:
    """Give what starts the daemon in front of the shop, with a certificate for it."""
    certificate = tmp_path / "shop.pem"
    ca.issue_cert(SHOP).private_key_and_cert_chain_pem.write_to_path(str(certificate))

    def start(route: str, base: str = "") -> Daemon:
        return start_daemon(
            f"tls: {{certificates: [{{cert: {certificate}}}]}}\n"
            f"hosts:\n  {SHOP}:\n    - {{proxy: 'http://{HOST}:{shop}{base}', {route}}}\n",
            tls=True,
        )

    return start


def loaded(browser: Browser) -> None:
    """Wait until the home page's script has got its data: by then all of it is loaded or refused."""
    until(lambda: browser.title == "data and script", f"the shop's page at {browser.url}")


def assert_secure(browser: Browser, authority: str) -> None:
    """Fail if the browser has complained, or asked for anything insecurely, or of anybody else."""
    assert browser.console() == []
    sent = [event["params"]["request"] for event in browser.events() if event["method"] == "Network.requestWillBeSent"]
    asked = [request for request in sent if request["url"].startswith(("http:", "https:"))]
    assert asked, "nothing was asked for"
    assert [each["url"] for each in asked if not each["url"].startswith(f"https://{authority}/")] == []
    assert {each["mixedContentType"] for each in asked} == {"none"}


@pytest.mark.parametrize(
    ("place", "base", "route"),
    [
        ("", "", "legacy: true"),
        ("/own", "", "legacy: true"),
        ("/own", "", "legacy: true, host_header: backend"),
        ("", "/own", "legacy: true"),
        ("/old", "", "path: '/old/*', strip_prefix: /old, legacy: true"),
        ("/old", "/own", "path: '/old/*', strip_prefix: /old, legacy: true, host_header: old.internal"),
    ],
)
def test_an_old_shop_in_a_browser(behind_tls, fresh, place, base, route):
    """Pages, styles, scripts, pictures and a login of an application of http work without a single complaint."""
    daemon = behind_tls(route, base)
    authority = f"{SHOP}:{daemon.tls_port}"
    fresh.open(f"https://{authority}{place}/")
    loaded(fresh)
    assert fresh.run("return document.getElementById('logo').naturalWidth") == 1
    assert fresh.run("return getComputedStyle(document.getElementById('styled')).color") == "rgb(1, 2, 3)"
    assert fresh.run("return getComputedStyle(document.getElementById('styled')).textDecorationLine") == "underline"
    fresh.click("#go")
    until(lambda: fresh.title == "account", "the login leads to the account")
    assert fresh.url == f"https://{authority}{place}/account"
    assert fresh.text("#who") == "logged in as ada"
    cookie = fresh.cookies()["session"]
    assert (cookie["domain"], cookie["secure"], cookie["sameSite"]) == (SHOP, True, "Lax")
    assert cookie["path"] == ("/old" if "/old" in place else "/")
    fresh.click("#home")
    loaded(fresh)
    assert_secure(fresh, authority)


@pytest.mark.parametrize("page", ["refresh", "meta"])
def test_pages_that_move_the_browser_on(behind_tls, fresh, page):
    """Refresh, in the head and in a page, leads on by https."""
    daemon = behind_tls("legacy: true")
    authority = f"{SHOP}:{daemon.tls_port}"
    fresh.open(f"https://{authority}/{page}")
    until(lambda: fresh.title == "account", f"{page} leads to the account")
    assert fresh.url == f"https://{authority}/account"
    assert_secure(fresh, authority)


def test_without_links_the_browser_complains(behind_tls, fresh):
    """The same shop without `links` is full of mixed content: these tests would see it."""
    daemon = behind_tls("legacy: {redirects: true, cookies: true}")
    fresh.open(f"https://{SHOP}:{daemon.tls_port}/")
    until(lambda: any("Mixed Content" in line for line in fresh.console()), "the browser complains of mixed content")
    assert fresh.title == "waiting"


def test_without_cookies_they_are_not_secure(behind_tls, fresh):
    """The same shop without `cookies` sets one that is sent by http too."""
    daemon = behind_tls("legacy: [redirects, links]")
    fresh.open(f"https://{SHOP}:{daemon.tls_port}/")
    loaded(fresh)
    fresh.click("#go")
    until(lambda: fresh.title == "account", "the login leads to the account")
    assert fresh.cookies()["session"]["secure"] is False


# HTTP/1.0.

GET = b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"


@pytest.mark.parametrize("legacy", ["", "legacy: true"])
def test_answers_that_end_with_their_connection(play, start_daemon, legacy):
    """A backend of HTTP/1.0 has neither length nor chunks; the client gets all of each answer, on one connection."""
    page = b"<p>" + b"http://app.test/ " * 20_000

    def script(connection: Connection) -> None:
        assert connection.request().start == b"GET / HTTP/1.1"
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + page)

    backend = play(script)
    daemon = start_daemon(f'hosts: {{"*": [{{proxy: "{backend.url}", {legacy}}}]}}')
    with daemon.connect() as client:
        for _ in range(3):
            response = client.ask(GET)
            assert (response.status, response.body) == (200, page)
            assert response.values("transfer-encoding") == ["chunked"]
    assert len(backend.connections) == 3


def test_an_answer_of_http_1_0_that_breaks_off(play, start_daemon):
    """Where only the end of the connection ends an answer, a reset is not taken for one."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>half")
        until(lambda: seen, "the client has got the first half")
        connection.reset()

    seen: list[bool] = []
    backend = play(script)
    daemon = start_daemon(f'hosts: {{"*": [{{proxy: "{backend.url}", legacy: true}}]}}')
    with daemon.connect() as client:
        client.send(GET)
        client.buffer.up_to(b"<p>half\r\n")
        seen.append(True)
        assert client.end() == "reset"
    (entry,) = daemon.logged(1)
    assert entry["cause"] == "http_response_incomplete"


def test_a_backend_of_http_1_0_that_keeps_its_connection(play, start_daemon):
    """With Keep-Alive and a length a backend of HTTP/1.0 gets its next request on the same connection."""

    def script(connection: Connection) -> None:
        while True:
            request = connection.request()
            head = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: %d\r\n\r\n" % len(request.body)
            connection.send(head + request.body)

    backend = play(script)
    daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
    with daemon.connect() as client:
        for body in (b"one", b"three"):
            sent = b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % len(body)
            assert client.ask(sent + body).body == body
    assert len(backend.connections) == 1
