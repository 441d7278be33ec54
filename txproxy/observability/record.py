"""What one exchange leaves behind for the access log.

Rule: the fields are exactly these. There is no place for Authorization, Cookie, Set-Cookie or any
other field of a message, so that nothing secret can get into the log by an oversight.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

#: how versions are written
VERSIONS = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0", 30: "HTTP/3.0"}


class Record(NamedTuple):
    """One exchange, as it ended.

    It is what formats are made of, but for `json_lines` on the hot path. Text that a client chose is bytes,
    as sent: the formats decode and escape it.
    """

    time: float
    """When the request's head had arrived: seconds since the epoch."""
    request_id: str
    client: str
    """The client's IP address, after X-Forwarded-For of trusted proxies; "" on a Unix socket."""
    client_port: int
    """0 where there is none."""
    listener: str
    """The listener's address as the route map writes it."""
    scheme: str
    method: bytes
    """``b""`` (as host and target) where no request could be read."""
    host: bytes
    """The authority as the client asked for it."""
    target: bytes
    """Path and query as sent; the formats hash the query's token-like values."""
    version: int
    """10, 11, 20 or 30; 0 where no request could be read."""
    status: int
    """As sent to the client; 499 where the client was gone, 0 where nothing was to be sent."""
    cause: str
    """The token of the `Cause` if the exchange failed, else ""."""
    route: str
    upstream: str
    backend: str
    """The URL of the backend that answered, or was tried last; "" where none was."""
    bytes_received: int
    """Octets of the request's body (of a tunnel: from the client), without framing."""
    bytes_sent: int
    """Octets of the response's body (of a tunnel: to the client), without framing."""
    duration: float
    """Seconds from the request's head to the end."""
    connect: float | None
    """Seconds until a connection to the backend was there; None where none was made or reused."""
    first_byte: float | None
    """Seconds from the request's head to the head of the backend's response; None without one."""
    attempts: int
    """Requests sent to backends: 0 for an answer made here, 2 after one repetition."""
    reused: bool
    """The backend's connection came out of the pool."""
    user_agent: bytes | None
    referer: bytes | None


#: makes a record of a tuple of all its values, in this order and unchecked: by C alone, in half the time
record_of: Callable[[tuple[Any, ...]], Record] = partial(tuple.__new__, Record)


def agent_and_referer(block: bytes) -> tuple[bytes | None, bytes | None]:
    """Give the first User-Agent and the first Referer of a block of fields, None where there is none."""
    # Two searches in small letters take less than one pattern; the CR ends the last value.
    small = block.lower() + b"\r"
    user_agent = referer = None
    if (at := small.find(b"\r\nuser-agent:")) >= 0:
        user_agent = block[at + 13 : small.find(b"\r", at + 13)].strip(b" \t")
    if (at := small.find(b"\r\nreferer:")) >= 0:
        referer = block[at + 10 : small.find(b"\r", at + 10)].strip(b" \t")
    return user_agent, referer
