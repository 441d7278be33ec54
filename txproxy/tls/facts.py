"""What is known of a client's TLS connection, for those who decide about its requests.

Rule: nothing is asked of OpenSSL before somebody wants to know it: most requests want none of it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from .openssl import was_resumed
from .parties import alternative_names, party, printable
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
        "subject": party(certificate, "subject"),
        "issuer": party(certificate, "issuer"),
        "serial": f"{certificate.serial_number:x}",
        "san": printable(", ".join(_alternative_names(certificate))),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "pem": quote(certificate.public_bytes(Encoding.PEM), safe=""),
    }


_ESCAPED = {ord("\\"): "\\5C", ord(","): "\\2C"}
_KINDS: tuple[tuple[type[x509.GeneralName], str], ...] = (
    (x509.DNSName, "DNS"),
    (x509.RFC822Name, "email"),
    (x509.UniformResourceIdentifier, "URI"),
    (x509.IPAddress, "IP"),
)


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    # A name that holds a comma must not look like two: it is written as RFC 4514 writes such a character, and so is
    # the backslash that this is written with. OpenSSL does not look at names of clients, so none is no fault.
    return [
        f"{word}:{str(name.value).translate(_ESCAPED)}"
        for name in alternative_names(certificate)
        for kind, word in _KINDS
        if type(name) is kind
    ]
