"""How TLS is spoken with the backends of an upstream.

Rule: files are read here, before anything serves; what they hold is good for every backend of the upstream.
"""

from __future__ import annotations

from datetime import datetime

from twisted.logger import Logger

from txproxy.config.model import BackendConfig, UpstreamConfig, UpstreamTls
from txproxy.tls.backend_files import expiry_finding, read_client_certificate, read_roots
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.certificate import CertificateError

from .compose_error import ComposeError

_log = Logger()
# Whose certificate a backend on a Unix socket has, unless the route map says it.
_ON_THIS_MACHINE = "localhost"


def backend_settings(config: UpstreamConfig, now: datetime) -> dict[BackendConfig, BackendSettings]:
    """Give how TLS is spoken with those backends of an upstream that speak it.

    :param now: aware of its zone.
    :raises ComposeError: a file that the route map names cannot be used.
    """
    backends = [backend for backend in config.backends if backend.tls]
    if not backends:
        return {}
    tls = config.tls or UpstreamTls()
    if not tls.verify:
        _log.warn(
            "upstream {upstream}: certificates are not verified (verify: false), so anybody on the way can read and"
            " change what is sent",
            upstream=config.name,
        )
    try:
        roots = None if tls.ca is None or not tls.verify else read_roots(tls.ca, now)
        client = None if tls.client_certificate is None else read_client_certificate(tls.client_certificate, now)
    except CertificateError as error:
        raise ComposeError(tls.where, f"upstream {config.name}: {error}") from error
    finding = None if client is None else expiry_finding(client, now)
    if finding is not None:
        _log.warn("upstream {upstream}: {finding}", upstream=config.name, finding=finding)
    return {
        backend: BackendSettings(
            backend.url, tls.server_name or backend.host or _ON_THIS_MACHINE, roots, client, tls.verify
        )
        for backend in backends
    }
