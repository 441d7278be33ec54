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

# A name behind ?, & or ; -- also in an address that is itself a value.
_NAME = re.compile(rb"[?&;]([^&=;#?]++)=(?=[^&#])")
# A value ends at & or at a ; that starts another pair, so that a secret with a semicolon is not half shown.
_VALUE = re.compile(rb"(?:[^&;#]|;(?=[^&;#=]*+(?:[&;#]|\Z)))++")
_HIDDEN = re.compile(rb"sha256:[0-9a-f]{8}")


def hide(address: bytes) -> bytes:
    """Give an address (a target, or a whole URL as in Referer) with token-like values hashed.

    A value becomes ``sha256:`` and the first 8 hexadecimal digits of the SHA-256 of its octets as sent.
    Names are compared in any case and percent-decoded. What has been hidden before stays.
    """
    start = address.find(b"?")
    if start < 0:
        return address
    pieces = []
    done = 0
    for found in _NAME.finditer(address, start):
        if found.start() < done or not _is_secret(found[1]):
            continue
        value = _VALUE.match(address, found.end())
        if value is not None and not _HIDDEN.fullmatch(value[0]):
            pieces += [address[done : value.start()], b"sha256:", sha256(value[0]).hexdigest()[:8].encode("ascii")]
            done = value.end()
    return b"".join([*pieces, address[done:]]) if pieces else address


def _is_secret(name: bytes) -> bool:
    plain = name if name.isalnum() else unquote_to_bytes(name.replace(b"+", b" ")).strip(b" ")
    plain = plain.lower().removesuffix(b"[]").removesuffix(b"]")
    return plain in NAMES or plain.endswith(_ENDINGS)
