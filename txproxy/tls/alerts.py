"""What TLS alerts are called, and what it means for us to get one from a backend.

Rule: numbers decide, never the text of an error.
"""

from __future__ import annotations

# RFC 8446, section 6, with those of RFC 5246, section 7.2, that only TLS 1.2 has; of RFC 7301 (120).
_WORDS: dict[int, str] = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record mac",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown ca",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    100: "no renegotiation",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    113: "bad certificate status response",
    115: "unknown psk identity",
    116: "certificate required",
    120: "no application protocol",
}
#: sent at an orderly end, or with one that follows
_HARMLESS = frozenset((0, 90))
_ABOUT_OUR_CERTIFICATE = frozenset((42, 43, 44, 45, 46, 48, 49, 116))


def alert_words(number: int) -> str:
    """Give an alert's name as words."""
    return _WORDS.get(number, f"alert {number}")


def is_fatal(number: int) -> bool:
    """Tell whether an alert ends a connection as a failure: all but two do (RFC 8446, section 6)."""
    return number not in _HARMLESS


def alert_advice(number: int, *, shows_certificate: bool, server_name: str) -> str:
    """Say what to change in the route map, or at the backend, after this alert of a backend; "" if that is unknown.

    :param shows_certificate: we have a client certificate. :param server_name: the name that was asked for.
    """
    if number in _ABOUT_OUR_CERTIFICATE:
        if shows_certificate:
            return "it does not take our client certificate: see client_certificate of the upstream's tls"
        return "it may want a client certificate: set client_certificate in the upstream's tls"
    if number == 40 and not shows_certificate:
        return (
            "it may want a client certificate (client_certificate in the upstream's tls), or has no version or cipher"
            " in common with us"
        )
    if number == 112:
        return f"it has no site {server_name}: set server_name in the upstream's tls"
    if number == 70:
        return "it speaks no TLS 1.2 or newer: change that at the backend"
    if number in (40, 71):
        return "it has no version or cipher in common with us: change that at the backend"
    if number == 120:
        return "it does not speak HTTP/1.1 here"
    return ""
