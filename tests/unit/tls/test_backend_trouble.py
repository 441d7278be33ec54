"""Why a backend is not believed, also where its certificate cannot be read."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.support.certificates import odd
from tests.support.tls import root
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.backend_trouble import misnamed, untrusted

CA = root("backends")
SETTINGS = BackendSettings("https://10.0.0.7:8443", "app.internal")
_NO_ISSUER = 20  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY

SUBJECTS = [
    pytest.param(odd(CA, kind), id=name) for name, kind in (("T61", b"\x14"), ("IA5", b"\x16"), ("bits", b"\x03"))
]
NAMES = [
    pytest.param(odd(CA, more=b"\x30\x04\xa3\x02\x30\x00"), id="an X.400 address"),
    pytest.param(odd(CA, more=b"\x30\x05\x87\x03\x01\x02\x03"), id="an address of three octets"),
    pytest.param(odd(CA, more=b"\xff\xff"), id="no ASN.1"),
]


@pytest.mark.parametrize("certificate", [*SUBJECTS, *NAMES])
def test_who_is_not_believed_is_named_as_far_as_can_be(certificate: x509.Certificate) -> None:
    """A subject that cannot be read is nobody's; the reason and the issuer are told all the same."""
    detail = untrusted(SETTINGS, certificate, _NO_ISSUER, 0).detail
    assert "unable to get local issuer certificate (its certificate is for " in detail
    assert ", issued by CN=backends, valid until " in detail


@pytest.mark.parametrize("certificate", NAMES)
def test_names_that_cannot_be_read_are_none(certificate: x509.Certificate) -> None:
    """A certificate whose names cannot be read is for no host, and that is what is said."""
    error = misnamed(SETTINGS, certificate)
    assert error is not None
    assert "the certificate is for no host at all and not for app.internal" in error.detail
