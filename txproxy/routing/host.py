"""The host of a request as routes see it.

Rule: a Host value is either one host name or address with at most one port, in the one spelling that
the route map has as well (`model.hostname`), or the request is refused. Nothing is guessed: userinfo,
spaces, lists, percent-encoding, empty or second ports and zone identifiers are all 400, because
whoever stands before or behind might guess otherwise (RFC 9112, section 3.2; RFC 9110, section 7.2).
"""

from __future__ import annotations

import re

from txproxy.model.errors import HTTP_REQUEST_ERROR, ProxyError
from txproxy.model.hostname import MAX_NAME, normalize_name

# 1 to 65535 without a leading zero; the long alternatives first, as a possessive group does not go back.
_PORT = rb"(?::(?:[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]|[1-9][0-9]{0,3}))?+"
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# What clients send nearly always: lower case already, and no address (the last label starts with a letter).
_USUAL = re.compile(rb"((?:" + _LABEL + rb"\.)*[a-z](?:[a-z0-9_-]{0,61}[a-z0-9_])?)" + _PORT)
_IPV6 = re.compile(rb"\[([0-9A-Fa-f:.]++)\]" + _PORT)
_NAME = re.compile(rb"([^\x00-\x20\x7f:/?#\[\]@!$&'()*+,;=%\"<>\\^`{|}]++)" + _PORT)


def normalize(authority: bytes) -> str:
    """Give the host that route patterns are compared with.

    :param authority: the value of Host, or the authority of an absolute target: host, perhaps a port.
    :returns: lower case, no port, no trailing dot, A-labels, IPv6 without brackets in RFC 5952's form.
    :raises ProxyError: http_request_error (400) if it is empty or malformed.
    """
    found = _USUAL.fullmatch(authority)
    if found is not None and len(name := found[1]) <= MAX_NAME:
        return name.decode("ascii")
    try:
        if found := _IPV6.fullmatch(authority):
            return normalize_name(f"[{found[1].decode('ascii')}]")
        if found := _NAME.fullmatch(authority):
            return normalize_name(found[1].decode("utf-8"))
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise ProxyError(HTTP_REQUEST_ERROR, f"malformed host {authority[:300]!r}: {error}") from error
    raise ProxyError(HTTP_REQUEST_ERROR, f"malformed host {authority[:300]!r}")


def normalize_pattern(text: str) -> str:
    """Give a host pattern of the route map in the form that `RouteTable` compares.

    :param text: a name or address, ``*.name`` (one label), ``**.name`` (one label or more), or ``*``.
    :raises ValueError: it is none of these.
    """
    if text == "*":
        return text
    stars, dot, name = text.partition(".")
    if stars in {"*", "**"} and dot:
        name = normalize_name(name)
        if ":" in name or name.replace(".", "").isdigit():
            raise ValueError(f"{text!r}: an address has no labels for a wildcard to stand for")
        return f"{stars}.{name}"
    return normalize_name(text)
