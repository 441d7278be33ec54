"""Which plain requests are sent to https, and where.

Rule: path and query are kept as they were sent. What a certificate authority asks for to make a certificate
(RFC 8555, section 8.3) is answered where it is asked: a host may have none yet, or one that has expired.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# One segment, so that no path that leads elsewhere begins with it. A token has letters, digits, `-` and `_` (RFC 8555,
# section 8.1); those who try whether they can be reached ask for names with dots.
_CHALLENGE = re.compile(rb"/\.well-known/acme-challenge/[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:\?|\Z)")


class HttpsRedirect:
    """The redirects of one route map.

    :param port: of the https listener that clients are sent to.
    :param covers: whether there is a certificate for a host, by its name in normal form.
    """

    __slots__ = ("_covers", "_port")

    def __init__(self, port: int, covers: Callable[[str], bool]) -> None:
        self._port = port
        self._covers = covers

    def location(self, host: str, target: bytes) -> bytes | None:
        """Give where a request is sent, None: it is answered as it is.

        :param host: in normal form, "": none was asked for. :param target: as sent.
        """
        if not host or not target.startswith(b"/") or _CHALLENGE.match(target) or not self._covers(host):
            return None
        return https_url(host, self._port, target)


def https_url(host: str, port: int, target: bytes) -> bytes:
    """Make a URL of a host in normal form."""
    literal = f"[{host}]" if ":" in host else host
    at = "" if port in (0, 443) else f":{port}"
    return b"https://" + f"{literal}{at}".encode("ascii") + target
