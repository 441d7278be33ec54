"""Addresses as the access log writes them.

Rule: credentials in a URL, a fragment and the values of token-like names in a query are not written.
"""

from __future__ import annotations

import re

from txproxy.policy.token_query import hide

_AT, _QUESTION_MARK = b"@?"
_USERINFO = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*:)//[^/?#]*@")


def safe_url(url: bytes) -> bytes:
    """Give a target or URL without userinfo and with its tokens hashed."""
    # By number: with b"@" the interpreter makes and drops an exception before it searches.
    if _AT in url:
        url = _USERINFO.sub(rb"\1//", url)
    return hide(url) if _QUESTION_MARK in url else url


def safe_referer(url: bytes) -> bytes:
    """Give a Referer likewise, without its fragment."""
    # A fragment has no business in a request (RFC 9110, section 10.1.3), and may hold an access token.
    return safe_url(url.partition(b"#")[0])
