"""The path of a request as routes see it.

Rule: every path is matched in one form, decoded once and free of dot segments, empty segments and
parameters, so that ``/%61dmin``, ``//admin``, ``/x/../admin``, ``/./admin``, ``/admin%2fx`` and
``/admin;p/x`` all meet the route for ``/admin/*``. `policy.segments` holds the reading and the
reasons for each part of it; here is the short way for the paths that need none of it.
"""

from __future__ import annotations

import re

from txproxy.policy import segments

# A path whose form is already the one that is compared: segments of RFC 3986's pchar, none empty, none
# starting with a dot, no escape and no parameter; then perhaps a query. Possessive: one pass, no return.
PLAIN = re.compile(rb"(?=/)((?:/[A-Za-z0-9\-_~!$&'()*+,=:@][A-Za-z0-9.\-_~!$&'()*+,=:@]*+)*+/?+)(?:\?[^\r\n]*+)?+")


def normalize(target: bytes) -> str:
    """Give the text of a request's path that path patterns are compared with.

    :param target: origin-form (RFC 9112, section 3.2.1) as sent, with its query, or ``b"*"``.
    :returns: the decoded path without dot segments; octets that are not UTF-8 as lone surrogates.
    :raises ProxyError: http_request_error (400) for a path that leaves its root, holds an encoded NUL,
        or cannot be read in one way only (see `policy.segments`).
    """
    found = PLAIN.fullmatch(target)
    if found is not None:
        return found[1].decode("ascii")
    if target == b"*":
        return "*"
    return segments.join(segments.resolve(target.partition(b"?")[0]))
