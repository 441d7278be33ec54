"""The cases: what is asked of every proxy.

Rule: a case is data. Who makes the load, which backend answers and how the proxy is probed follow
from its fields, so that a new case is a new line in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# What Firefox sends when a person follows a link: thirteen fields, Host among them.
BROWSER_HEADERS = (
    ("Host", "app.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Connection", "keep-alive"),
    ("Cookie", "session=3f1c0d9a7be24c52a1d0e5b8f9a6c713; theme=dark; consent=1"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-User", "?1"),
    ("Priority", "u=0, i"),
)

SMALL_BODY = b"Hello from the backend, small one\n"


def blob(size: int) -> bytes:
    """Give `size` bytes that are the same in every run and on every machine."""
    line = bytes(range(33, 127)) + b"\n"
    return (line * (size // len(line) + 1))[:size]


class Backend(Enum):
    """What stands behind the proxies."""

    FILES = "files"  # nginx, with a short answer and static files
    UPLOADS = "uploads"  # reads a body to its end and says how long it was
    ECHO = "echo"  # a WebSocket that sends back what it gets


@dataclass(frozen=True)
class Case:
    """One kind of load.

    :ivar connections: how many are kept busy at the same time, one request in flight on each.
    :ivar upload: octets of the request body, 0 for a GET.
    :ivar answer: the body that must come back.
    :ivar closing: the client asks for the connection to be closed after each answer.
    :ivar unit: what is counted.
    """

    name: str
    title: str
    backend: Backend
    path: str = "/"
    connections: int = 64
    upload: int = 0
    answer: bytes = SMALL_BODY
    closing: bool = False
    unit: str = "request"

    def headers(self) -> list[tuple[str, str]]:
        """Give the request's fields, Host first."""
        if not self.closing:
            return list(BROWSER_HEADERS)
        return [(name, "close" if name == "Connection" else value) for name, value in BROWSER_HEADERS]


MESSAGE_SIZE = 64

CASES = (
    Case("small", "keep-alive, 13 request headers, 34-byte answer, 64 connections", Backend.FILES),
    Case(
        "10k",
        "keep-alive, 13 request headers, 10 KiB answer, 64 connections",
        Backend.FILES,
        path="/10k",
        answer=blob(10 * 1024),
    ),
    Case(
        "1m",
        "keep-alive, 13 request headers, 1 MiB answer, 16 connections",
        Backend.FILES,
        path="/1m",
        answer=blob(1024 * 1024),
        connections=16,
    ),
    Case(
        "new",
        "a new connection for each request, 13 request headers, 34-byte answer, 64 at a time",
        Backend.FILES,
        closing=True,
    ),
    Case(
        "upload",
        "keep-alive, POST of 1 MiB with known length, short answer, 16 connections",
        Backend.UPLOADS,
        path="/upload",
        upload=1024 * 1024,
        answer=b"1048576\n",
        connections=16,
    ),
    Case(
        "websocket",
        f"WebSocket echo of {MESSAGE_SIZE}-byte messages, 64 connections, one message in flight on each",
        Backend.ECHO,
        path="/echo",
        unit="echo",
    ),
)
