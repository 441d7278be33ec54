"""What OpenSSL says of a failure, as words for a log.

Rule: nothing is decided by these words; whoever decides looks at types and numbers.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.error import ConnectError, ConnectionLost


def in_chain(depth: int) -> str:
    """Name a certificate by its place in the chain of whoever has shown it; 0: it is their own."""
    return "its certificate" if depth == 0 else f"certificate {depth + 1} of its chain"


def reasons(error: BaseException | None) -> list[str]:
    """Give what the library's queue holds in an `SSL.Error`: first what happened, then who was told of it."""
    return [entry[2] for entry in _queue(error) or () if len(entry) == 3 and entry[2]]


def in_words(error: BaseException) -> str:
    """Give the reason of a failure of TLS, such as "peer did not return a certificate"."""
    if _queue(error) is not None:
        return next(iter(reasons(error)), "the connection was closed without close_notify")
    if isinstance(error, ConnectError | ConnectionLost) and error.args:
        return str(error.args[0])  # as text it begins with a sentence that says less
    return str(error) or type(error).__name__


def _queue(error: BaseException | None) -> list[tuple[str, ...]] | None:
    """Give the library's queue as pyOpenSSL keeps it, (library, function, reason) each; None: this has none."""
    queue = error.args[0] if isinstance(error, SSL.Error) and error.args else None
    return queue if isinstance(queue, list) else None
