"""Records of TLS 1.3 made by hand, for what pyOpenSSL cannot be asked to send: KeyUpdate.

Rule: RFC 8446, sections 4.6.3, 5.2, 5.3 and 7.2, for the two suites that OpenSSL agrees on first.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from OpenSSL import SSL

from tests.support.tls import OpenSsl
from tests.unit.tls.hellos import vector

_SUITES: dict[str, tuple[hashes.HashAlgorithm, int]] = {
    "TLS_AES_256_GCM_SHA384": (hashes.SHA384(), 32),
    "TLS_AES_128_GCM_SHA256": (hashes.SHA256(), 16),
}
APPLICATION_DATA, HANDSHAKE = 23, 22


class Logged:
    """What a context was told of its connections' secrets."""

    def __init__(self, context: SSL.Context) -> None:
        self.lines: list[bytes] = []
        context.set_keylog_callback(lambda _, line: self.lines.append(line))

    def secret(self, label: bytes) -> bytes:
        """Give the last secret of this label."""
        (*_, found) = (line.split() for line in self.lines if line.startswith(label + b" "))
        return bytes.fromhex(found[-1].decode())


class ByHand:
    """Sends for an end that is OpenSSL's, and that sends nothing itself any more.

    :param secret: `client_traffic_secret_0`, or the server's.
    """

    def __init__(self, end: OpenSsl, secret: bytes) -> None:
        self._hash, self._key_size = _SUITES[end.tls.get_cipher_name() or ""]
        self._secret = secret
        self._sequence = 0

    def _expand(self, label: bytes, size: int) -> bytes:
        info = size.to_bytes(2, "big") + vector(1, b"tls13 " + label) + vector(1, b"")
        return HKDFExpand(self._hash, size, info).derive(self._secret)

    def record(self, data: bytes, kind: int = APPLICATION_DATA) -> bytes:
        """Encrypt one record."""
        iv = int.from_bytes(self._expand(b"iv", 12), "big")
        nonce = (iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        header = b"\x17\x03\x03" + (len(data) + 17).to_bytes(2, "big")
        return header + AESGCM(self._expand(b"key", self._key_size)).encrypt(nonce, data + bytes([kind]), header)

    def key_update(self, *, requested: bool) -> bytes:
        """Give a KeyUpdate; what comes next is encrypted by the next key."""
        made = self.record(b"\x18\x00\x00\x01" + bytes([requested]), HANDSHAKE)
        self._secret = self._expand(b"traffic upd", self._hash.digest_size)
        self._sequence = 0
        return made
