"""Chromium, driven over WebDriver (W3C) with nothing but http.client.

Rule: a browser has a profile, a home and a list of trusted CAs of its own, finds every host on loopback, and is
ended with its session; it talks to nobody else.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .addresses import HOST, free_port
from .children import Child, environment

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, section 12.1
_FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium does not sandbox for root
    "--disable-dev-shm-usage",  # containers have a small one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP * {HOST}",
)


class Browser:
    """One WebDriver session.

    :param port: of the running chromedriver.
    :param profile: an empty folder.
    """

    def __init__(self, port: int, profile: Path) -> None:
        self._port = port
        self._path = "/session"
        options = {"binary": "/usr/bin/chromium", "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._path += "/" + self._ask("POST", "", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
        try:
            connection.request(method, self._path + path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            connection.close()
        assert answer.status == 200, f"{method} {path}: {value}"
        return value

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._ask("GET", "/url"))

    @property
    def title(self) -> str:
        return str(self._ask("GET", "/title"))

    @property
    def source(self) -> str:
        """The page as it is now."""
        return str(self._ask("GET", "/source"))

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Give the cookies that this page would be sent, by name."""
        return {cookie["name"]: cookie for cookie in self._ask("GET", "/cookie")}

    def text(self, selector: str) -> str:
        """Give the text of an element."""
        return str(self._ask("GET", f"/element/{self._find(selector)}/text"))

    def click(self, selector: str) -> None:
        """Click, and wait for the page that this leads to."""
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def run(self, script: str) -> Any:
        """Run a script in the page and give what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def _find(self, selector: str) -> str:
        return str(self._ask("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT])

    def console(self) -> list[str]:
        """Give what the browser has complained of since the last time: warnings, errors, failed loads."""
        return [f"{entry['level']} {entry['message']}" for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def events(self) -> list[dict[str, Any]]:
        """Give the DevTools events of network and security since the last time, as `{method, params}`."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        return [json.loads(entry["message"])["message"] for entry in entries]

    def forget(self) -> None:
        """Drop all cookies, and what was written down so far."""
        self._ask("POST", "/goog/cdp/execute", {"cmd": "Network.clearBrowserCookies", "params": {}})
        self.console()
        self.events()

    def close(self) -> None:
        self._ask("DELETE", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def browsing(folder: Path, mark: str, ca: Path) -> Iterator[Browser]:
    """Start a browser that trusts this CA (a PEM file), in this folder."""
    home, profile = folder / "home", folder / "profile"
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    profile.mkdir()
    env = environment(mark, {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)})
    # Where Chromium on Linux looks for the CAs that its user has added.
    for arguments in (["-N", "--empty-password"], ["-A", "-n", "test", "-t", "C,,", "-i", str(ca)]):
        subprocess.run(["certutil", "-d", f"sql:{database}", *arguments], env=env, check=True, timeout=60)
    port = free_port()
    driver = Child(["chromedriver", f"--port={port}"], folder, env, "chromedriver")
    try:
        driver.ready_at((HOST, port))
        with Browser(port, profile) as browser:
            yield browser
    finally:
        driver.stop()
