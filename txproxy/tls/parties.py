"""Whose a certificate is: its names as text that is safe to log and to send.

Rule: certificates of others are read here, and nothing is raised. OpenSSL believes more than can be read: names in
strings of a kind that does not fit what is in them, alternative names of kinds that nobody has seen.
"""

from __future__ import annotations

from typing import Literal

from cryptography import x509


def alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Give its subjectAltName, in order; none where that cannot be read."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return []


def party(certificate: x509.Certificate, which: Literal["subject", "issuer"]) -> str:
    """Give one of the two names as RFC 4514 writes it; "" also where it cannot be read.

    OpenSSL compares such names octet by octet, and old CAs put Latin-1 into T61Strings.
    """
    try:
        name = certificate.subject if which == "subject" else certificate.issuer
    except (ValueError, TypeError):
        return ""
    return printable(name.rfc4514_string())


def parties_of(certificate: x509.Certificate) -> str:
    """Say in printable ASCII whose a certificate is, and who has issued it."""
    return f"{party(certificate, 'subject') or 'without a subject'}, issued by {party(certificate, 'issuer')}"


def printable(text: str) -> str:
    """Write everything that is not printable ASCII as RFC 4514, section 2.4, allows: a backslash and hex digits."""
    return "".join(
        char if " " <= char <= "~" else "".join(f"\\{octet:02X}" for octet in char.encode("utf-8", "replace"))
        for char in text
    )
