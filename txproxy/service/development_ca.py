"""`txproxy ca`: the root of the development CA, and how to trust it.

Rule: nothing is installed anywhere; whoever trusts the root does so by a command of their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from cryptography.hazmat.primitives.serialization import Encoding

from txproxy.tls.certificate import CertificateError
from txproxy.tls.internal_ca import open_internal_ca, state_directory

from .clock import utc_now

_GUIDE = """
To trust what this CA issues (its key lies beside it: whoever reads that can be any site for those who trust it):

Debian, Ubuntu    sudo cp {path} /usr/local/share/ca-certificates/txproxy-development.crt
                  sudo update-ca-certificates
Fedora, RHEL      sudo cp {path} /etc/pki/ca-trust/source/anchors/txproxy-development.pem
                  sudo update-ca-trust
macOS             sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {path}
Windows           certutil -user -addstore Root root.pem
Firefox           Settings, Privacy & Security, View Certificates, Authorities, Import; or, with its profile closed:
                  certutil -A -d sql:PROFILE -n "txproxy development CA" -t C,, -i {path}
Chromium (Linux)  certutil -A -d sql:$HOME/.pki/nssdb -n "txproxy development CA" -t C,, -i {path}
curl              curl --cacert {path} https://...
Python            SSL_CERT_FILE={path}; for requests, REQUESTS_CA_BUNDLE={path}
Node.js           NODE_EXTRA_CA_CERTS={path}
"""


class CaError(Exception):
    """Why there is no root to print, as text for a terminal."""


def root(state: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """Give the path of the root's file and its PEM; the CA is made if there is none.

    :param state: the map's `state`.
    :raises CaError: the CA cannot be had.
    """
    try:
        authority = open_internal_ca(state_directory(state, environ), (), utc_now)
    except CertificateError as error:
        raise CaError(str(error)) from error
    return authority.path, authority.root.public_bytes(Encoding.PEM).decode("ascii")


def how_to_trust(path: str) -> str:
    """Tell how programs are told to trust a root."""
    return _GUIDE.format(path=shlex.quote(path)).strip("\n")
