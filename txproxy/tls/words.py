"""What OpenSSL says of a failure, as words for a log.

Rule: nothing is decided by these words; whoever decides looks at types and numbers.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.error import ConnectError, ConnectionLost


def in_words(error: BaseException) -> str:
    """Give the reason of a failure of TLS, such as "peer did not return a certificate"."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        # The library's queue: the first is what happened, the others are who was told of it.
        reasons = [entry[2] for entry in error.args[0] if len(entry) == 3 and entry[2]]
        return reasons[0] if reasons else "the connection was closed without close_notify"
    if isinstance(error, ConnectError | ConnectionLost) and error.args:
        return str(error.args[0])  # as text it begins with a sentence that says less
    return str(error) or type(error).__name__
