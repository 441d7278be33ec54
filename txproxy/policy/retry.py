"""Whether a request that failed may be sent again.

Rule: nothing is sent twice that could take effect twice (RFC 9110, section 9.2.2), and nothing after the
client has been told anything.
"""

from __future__ import annotations

# RFC 9110, section 9.2.2. A method that is not known here is taken to have effects.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


def may_repeat(method: bytes, *, sent: bool = True, body_kept: bool = True, answered: bool = False) -> bool:
    """Tell whether a request may go to a backend once more.

    :param sent: some of it may have reached a backend; False when the connection never came to be.
    :param body_kept: its body is empty or still at hand from the first octet.
    :param answered: some of the answer has arrived (it may be on its way to the client).
    """
    if answered or not body_kept:
        return False
    return not sent or method in IDEMPOTENT
