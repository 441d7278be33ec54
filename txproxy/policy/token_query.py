"""Addresses for the log, without the secrets that are sent in queries.

Rule: the value of a name that looks like a token is replaced by the start of its hash, so that two lines
can still be told to be of one token; everything else stays byte for byte, and an address without a query
costs one search for ``?``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import unquote_to_bytes

NAMES = frozenset(
    b"access_key access_token accesskey accesstoken api_key api-key apikey assertion auth auth_token authorization "
    b"client_assertion client_secret code code_verifier credential credentials id_token jsessionid jwt key otp "
    b"pass passcode passphrase passwd password phpsessid pin private_token pwd refresh_token saml_response "
    b"samlresponse secret session session_id sessionid sid sig sign signature ticket token x-amz-credential "
    b"x-amz-security-token x-amz-signature x-goog-credential x-goog-signature".split()
)
# Names that end like this are tokens too: csrf_token, resetToken, X-Amz-Signature, user[password].
_ENDINGS = (b"token", b"secret", b"password", b"signature", b"api_key", b"apikey", b"sessionid", b"session_id")

# A pair behind ?, & or ; -- a value ends at & or at a ; that starts another pair, so that a secret with a
# semicolon in it is not half shown.
_PAIR = re.compile(rb"([?&;])([^=&;#?]++)=((?:[^&;#]|;(?=[^&;#=]*+(?:[&;#]|\Z)))++)")
MARK = b"sha256:"


def hide(address: bytes) -> bytes:
    """Give an address (a target, or a whole URL as in Referer) with token-like values hashed.

    A value becomes ``sha256:`` and the first 8 hexadecimal digits of the SHA-256 of its octets as sent.
    Names are compared in any case and percent-decoded. What has been hidden before stays.
    """
    start = address.find(b"?")
    if start < 0:
        return address
    return address[:start] + _PAIR.sub(_hidden, address[start:])


def _hidden(found: re.Match[bytes]) -> bytes:
    mark, name, value = found.groups()
    plain = name if name.isalnum() else unquote_to_bytes(name.replace(b"+", b" ")).strip(b" ")
    plain = plain.lower().removesuffix(b"[]").removesuffix(b"]")
    if plain in NAMES or plain.endswith(_ENDINGS):
        if value.startswith(MARK):
            return found[0]
        return b"%b%b=%b%b" % (mark, name, MARK, sha256(value).hexdigest()[:8].encode("ascii"))
    return found[0]
