"""Why TLS with a backend did not come to be, as a `ProxyError` that says what to change.

Rule: what has happened is told by numbers and by types (the alert that came, the number that OpenSSL gave to
a certificate, what the first bytes were); the library's words are quoted, never read.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import (
    DNS_ID,
    CertificatePattern,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
    verify_service_identity,
)
from twisted.python.failure import Failure

from txproxy.model.errors import (
    CONNECTION_TERMINATED,
    TLS_ALERT_RECEIVED,
    TLS_CERTIFICATE_ERROR,
    TLS_PROTOCOL_ERROR,
    ProxyError,
)

from .alerts import alert_advice, alert_words
from .backend_settings import BackendSettings
from .openssl import verify_words
from .parties import alternative_names, party
from .words import in_chain, reasons

# The types of records that a TLS server may begin with (RFC 8446, section 5.1): an alert, or a handshake.
_TLS = (0x15, 0x16)
# OpenSSL's numbers (X509_V_ERR_...): the chain does not end in a certificate that is believed.
_NOT_YET_VALID, _HAS_EXPIRED = 9, 10
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19
_NO_ROOT = frozenset((2, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, 20, 21, 27))
# What is listed of a certificate's names.
_SHOWN_NAMES = 10


def untrusted(settings: BackendSettings, certificate: x509.Certificate, number: int, depth: int) -> ProxyError:
    """Say why OpenSSL does not believe a chain.

    :param certificate: of the chain, where the fault was found. :param number: X509_V_ERR_...
    :param depth: its place, 0: it is the backend's own.
    """
    subject, issuer = (party(certificate, which) or "nobody" for which in ("subject", "issuer"))
    return _certificate_error(
        settings,
        f"{verify_words(number)} ({in_chain(depth)} is for {subject}, issued by {issuer},"
        f" valid until {certificate.not_valid_after_utc:%Y-%m-%d}){_cure(settings, number)}",
    )


def _cure(settings: BackendSettings, number: int) -> str:
    if number == _HAS_EXPIRED:
        return ": renew it at the backend"
    if number == _NOT_YET_VALID:
        return ": look at the clocks of both machines"
    if number not in _NO_ROOT:
        return ""
    if settings.roots is not None:
        return f": the CA that it comes from is not in ca ({settings.roots.source}), or the backend sends no full chain"
    return ": if the backend is to be believed, name the file of its CA as ca in the upstream's tls"


def misnamed(settings: BackendSettings, certificate: x509.Certificate) -> ProxyError | None:
    """Hold a certificate to the name that was asked for (RFC 9525), by service-identity; None: it is for it.

    The common name is none (RFC 9525, section 2).

    Not by what Twisted's `optionsForClientTLS` makes (ADR 17): that lets through a certificate without any name
    (service-identity raises `CertificateError` for it, which is logged there, and the handshake goes on).
    """
    wanted = IPAddress_ID(settings.server_name) if settings.is_address else DNS_ID(settings.server_name)
    names = alternative_names(certificate)
    patterns = [pattern for each in names if (pattern := _pattern(each)) is not None]
    try:
        verify_service_identity(patterns, [wanted], [])
    except (VerificationError, CertificateError):  # the second: there is no pattern at all
        return _certificate_error(
            settings,
            f"the certificate is for {_listed(names)} and not for {settings.server_name}: "
            + (
                "set server_name in the upstream's tls to the name that the backend has"
                if patterns
                else "have one issued with the backend's names as subjectAltName"
            ),
        )
    return None


def _certificate_error(settings: BackendSettings, what: str) -> ProxyError:
    return ProxyError(TLS_CERTIFICATE_ERROR, f"{settings.where} is not believed: {what}")


def _pattern(name: x509.GeneralName) -> CertificatePattern | None:
    """Give a name as service-identity compares it; None: it covers nothing.

    Taken one by one: many certificates made by hand have an address among their DNS names as well, for which
    service-identity would refuse all of them.
    """
    if isinstance(name, x509.IPAddress) and isinstance(name.value, IPv4Address | IPv6Address):
        return IPAddressPattern(name.value)
    if isinstance(name, x509.DNSName):
        try:
            return DNSPattern.from_bytes(name.value.encode("ascii"))
        except (CertificateError, UnicodeEncodeError):
            return None
    return None


def _listed(names: list[x509.GeneralName]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(str(each.value) for each in names[:_SHOWN_NAMES]) + more if names else "no host at all"


def alert_received(settings: BackendSettings, number: int) -> ProxyError:
    """Say that the backend has ended the connection by an alert."""
    advice = alert_advice(number, shows_certificate=settings.client is not None, server_name=settings.server_name)
    detail = f"{settings.where} refused TLS with the alert {alert_words(number)!r}"
    return ProxyError(TLS_ALERT_RECEIVED, f"{detail}: {advice}" if advice else detail)


def handshake_failed(settings: BackendSettings, failure: Failure, heard: bytes) -> ProxyError:
    """Say why a handshake has failed that neither our verdict nor an alert has ended.

    :param heard: the first bytes that came.
    """
    if heard[:5] == b"HTTP/":
        what = "it answered in plain HTTP: write http:// instead of https:// for it, or its port for TLS"
    elif heard and heard[0] not in _TLS:
        what = f"what it sent is no TLS ({heard!r}...): if it speaks plain HTTP, write http:// instead of https://"
    elif failure.check(SSL.Error):
        what = "; ".join(reasons(failure.value)) or "it ended the connection"
    else:
        return ProxyError(
            CONNECTION_TERMINATED,
            f"no TLS with {settings.where}: the connection ended {failure.getErrorMessage()}; if it speaks plain HTTP,"
            " write http:// instead of https://",
        )
    return ProxyError(TLS_PROTOCOL_ERROR, f"no TLS with {settings.where}: {what}")
