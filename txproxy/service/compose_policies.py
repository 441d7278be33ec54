"""What each host asks of TLS, out of what the route map says.

Rule: the files that it names are read here, once: what they say later is for the next map.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from txproxy.config.model import Config, HostTls, TlsVersion
from txproxy.tls.certificate import CertificateError
from txproxy.tls.policies import TLS12, TLS13, HostPolicies, HostPolicy

from .compose_error import ComposeError
from .named_files import contents

_VERSIONS: dict[TlsVersion, int] = {"1.2": TLS12, "1.3": TLS13}


def host_policies(config: Config, pattern_of: Callable[[str], str | None]) -> HostPolicies:
    """Make the policies of a route map.

    :param pattern_of: gives the host pattern of a host, by which its requests find their routes.
    :raises ComposeError: a `client_ca` cannot be used.
    """
    minimum = "1.2" if config.tls is None else config.tls.minimum
    own = {
        pattern: _policy(pattern, host.tls, minimum) for pattern, host in config.hosts.items() if host.tls is not None
    }
    return HostPolicies(HostPolicy(_VERSIONS[minimum]), own, pattern_of)


def _policy(pattern: str, tls: HostTls, minimum: TlsVersion) -> HostPolicy:
    authorities = b"" if tls.client_ca is None or tls.client_auth == "none" else _authorities(tls.client_ca, tls)
    return HostPolicy(_VERSIONS[tls.minimum or minimum], tls.client_auth, authorities, pattern)


def _authorities(path: str, tls: HostTls) -> bytes:
    try:
        text = contents(path)
    except CertificateError as error:
        raise ComposeError(tls.where, f"client_ca: {error}") from error
    try:
        x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise ComposeError(tls.where, f"client_ca: {path} holds no certificates in PEM: {error}") from error
    return text
