"""What is known of a client's TLS connection, for those who decide about its requests.

Rule: nothing is asked of OpenSSL before somebody wants to know it: most requests want none of it.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from .openssl import was_resumed
from .policies import HostPolicy


class TlsFacts:
    """One connection's.

    :ivar policy: what it was held to. :ivar server_name: the host that the client named, or None.
    :ivar served: the authority, and for whom, that was last found to be served by this policy (see `Frontend`).
    """

    __slots__ = ("_connection", "_fields", "policy", "served", "server_name")

    def __init__(self, connection: SSL.Connection, policy: HostPolicy, server_name: str | None) -> None:
        self._connection = connection
        self._fields: dict[str, str] | None = None
        self.policy = policy
        self.server_name = server_name
        self.served: Any = None

    @property
    def version(self) -> str:
        """The version, such as "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """The cipher suite's name."""
        return self._connection.get_cipher_name() or ""

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was taken up."""
        return was_resumed(self._connection)

    def client_certificate(self) -> dict[str, str]:
        """Give the fields of the certificate that the client has shown and that was verified; empty: it has none.

        Keys are those of `config.model.CLIENT_CERT_FIELDS`; every value is printable ASCII.
        """
        if self._fields is None:
            try:
                shown = self._connection.get_peer_certificate(as_cryptography=True)
            except (ValueError, x509.InvalidVersion):
                shown = None  # OpenSSL believes what is no X.509 by the letter; of that nothing can be told
            self._fields = {} if shown is None else certificate_fields(shown)
        return self._fields


def certificate_fields(certificate: x509.Certificate) -> dict[str, str]:
    """Give what a backend may be told of a client's certificate.

    `subject`, `issuer`: as RFC 4514 writes them; `serial`, `fingerprint` (SHA-256): hexadecimal digits; `san`:
    "DNS:a.example, email:b@example"; `pem`: percent-encoded, as it holds line ends. What cannot be read is "".
    """
    return {
        "subject": _party(certificate, "subject"),
        "issuer": _party(certificate, "issuer"),
        "serial": f"{certificate.serial_number:x}",
        "san": _printable(", ".join(_alternative_names(certificate))),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "pem": quote(certificate.public_bytes(Encoding.PEM), safe=""),
    }


def parties_of(certificate: x509.Certificate) -> str:
    """Say in printable ASCII whose a certificate is, and who has issued it."""
    subject, issuer = _party(certificate, "subject"), _party(certificate, "issuer")
    return f"{subject or 'without a subject'}, issued by {issuer}"


def _party(certificate: x509.Certificate, which: Literal["subject", "issuer"]) -> str:
    """Give one of the two names; "" also where it is in a string of a kind that does not fit what is in it.

    OpenSSL compares such names octet by octet, and old CAs put Latin-1 into T61Strings.
    """
    try:
        name = certificate.subject if which == "subject" else certificate.issuer
    except (ValueError, TypeError):
        return ""
    return _printable(name.rfc4514_string())


_ESCAPED = {ord("\\"): "\\5C", ord(","): "\\2C"}
_KINDS: tuple[tuple[type[x509.GeneralName], str], ...] = (
    (x509.DNSName, "DNS"),
    (x509.RFC822Name, "email"),
    (x509.UniformResourceIdentifier, "URI"),
    (x509.IPAddress, "IP"),
)


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []  # OpenSSL does not look at names of clients, so what cannot be read is no fault
    # A name that holds a comma must not look like two: it is written as RFC 4514 writes such a character, and so is
    # the backslash that this is written with.
    return [
        f"{word}:{str(name.value).translate(_ESCAPED)}" for name in names for kind, word in _KINDS if type(name) is kind
    ]


def _printable(text: str) -> str:
    """Write everything that is not printable ASCII as RFC 4514, section 2.4, allows: a backslash and hex digits."""
    return "".join(
        char if " " <= char <= "~" else "".join(f"\\{octet:02X}" for octet in char.encode("utf-8", "replace"))
        for char in text
    )
