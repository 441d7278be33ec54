"""The cases: what is asked of every proxy.

Rule: a case is data. Who makes the load, which backend answers, how the proxy is probed and what its
table shows follow from its fields, so that a new case is a new line in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# The host that is asked for, in Host and in TLS's server name; the certificate is made for it.
HOST = "app.example.com"

# What Firefox sends when a person follows a link: thirteen fields, Host among them.
BROWSER_HEADERS = (
    ("Host", HOST),
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


class Kind(Enum):
    """What a case measures."""

    CPU = "cpu"  # CPU time per answer, with every connection always waiting for one
    MEMORY = "memory"  # memory per connection that is open and idle
    LATENCY = "latency"  # time added to an answer, when requests come at a fixed rate


@dataclass(frozen=True)
class Case:
    """One kind of load.

    :ivar connections: how many are open at the same time, at most one request in flight on each.
    :ivar rate: requests a second, for Kind.LATENCY; the others send when an answer has come.
    :ivar upload: octets of the request body, 0 for a GET.
    :ivar answer: the body that must come back.
    :ivar closing: the client asks for the connection to be closed after each answer.
    :ivar tls: the proxy is spoken to over TLS, the backend is not; closing as well, what is counted are handshakes.
    :ivar resumed: with TLS and closing, each handshake resumes the session of the one before.
    :ivar group: with TLS, the one group for the key exchange that the client offers.
    :ivar logged: an access log must have grown during a round.
    :ivar unit: what is counted.
    """

    name: str
    title: str
    backend: Backend
    kind: Kind = Kind.CPU
    path: str = "/"
    connections: int = 64
    rate: int = 0
    upload: int = 0
    answer: bytes = SMALL_BODY
    closing: bool = False
    tls: bool = False
    resumed: bool = False
    group: str = "X25519"
    logged: bool = True
    unit: str = "request"

    def headers(self) -> list[tuple[str, str]]:
        """Give the request's fields, Host first."""
        if not self.closing:
            return list(BROWSER_HEADERS)
        return [(name, "close" if name == "Connection" else value) for name, value in BROWSER_HEADERS]

    def request(self) -> bytes:
        """Give the head of a GET, which is all of it."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers())
        return f"GET {self.path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")


MESSAGE_SIZE = 64
_HANDSHAKES = "TLS 1.3 handshakes, ECDSA P-256, a connection and one request of *small* for each, 64 at a time"

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
        logged=False,  # the line is written when a connection ends, which all of them do after the round
        unit="echo",
    ),
    Case(
        "idle",
        "5 000 open keep-alive connections, each idle after one request with 13 request headers",
        Backend.FILES,
        kind=Kind.MEMORY,
        connections=5000,
    ),
    Case(
        "latency",
        "1 000 requests/s on schedule, keep-alive, 13 request headers, 34-byte answer, 64 connections",
        Backend.FILES,
        kind=Kind.LATENCY,
        rate=1000,
    ),
    Case(
        "tls-small",
        "TLS 1.3, keep-alive, 13 request headers, 34-byte answer, 64 connections",
        Backend.FILES,
        tls=True,
    ),
    Case(
        "tls-1m",
        "TLS 1.3, keep-alive, 13 request headers, 1 MiB answer, 16 connections",
        Backend.FILES,
        path="/1m",
        answer=blob(1024 * 1024),
        connections=16,
        tls=True,
    ),
    Case("tls-full", f"full {_HANDSHAKES}", Backend.FILES, closing=True, tls=True, unit="handshake"),
    Case(
        "tls-resumed",
        f"resumed {_HANDSHAKES}",
        Backend.FILES,
        closing=True,
        tls=True,
        resumed=True,
        unit="handshake",
    ),
    Case(
        "tls-hybrid",
        f"full {_HANDSHAKES}, X25519MLKEM768 instead of X25519",
        Backend.FILES,
        closing=True,
        tls=True,
        group="X25519MLKEM768",
        unit="handshake",
    ),
    Case(
        "tls-idle",
        "2 000 open TLS connections, each idle after one request with 13 request headers",
        Backend.FILES,
        kind=Kind.MEMORY,
        connections=2000,
        tls=True,
    ),
)
