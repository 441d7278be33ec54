"""Files that a route map names and that are read whole.

Rule: whatever is named, reading ends: nothing is waited for, and no more is taken than such a file can hold.
"""

from __future__ import annotations

import os

from txproxy.tls.certificate import CertificateError
from txproxy.tls.certificate_files import whole


def contents(path: str) -> bytes:
    """Give what is in a file.

    :raises CertificateError: it cannot be read, is no file, or is too large.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise CertificateError(f"{path} is not a file: name one in PEM form")
    try:
        with open(path, "rb") as file:
            return whole(file, path)
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
