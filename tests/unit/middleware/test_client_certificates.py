"""What a client's certificate says, in fields for the backend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from txproxy.middleware.client_certificates import CertificateHeaders, ForgedFields, names_certificate
from txproxy.model.head import RequestHead

SHOWN = {"subject": "CN=ann,O=x", "san": "DNS:a, email:b", "serial": "1f"}
VALUES = [("X-Subject", "{client_cert.subject}"), ("X-All", "<{client_cert.serial}|{client_cert.san}> {other}")]
FORGED = b"\r\nHost: a\r\nx-subject: CN=root\r\nX-ALL: y\r\nX-Subject: z\r\nX-Subjects: kept"


def exchange_with(shown: dict[str, str] | None) -> Any:
    """Make an exchange whose client has shown this; None: it came without TLS."""
    facts = None if shown is None else SimpleNamespace(client_certificate=lambda: shown)
    return SimpleNamespace(client=SimpleNamespace(tls=facts))


@pytest.mark.parametrize(
    ("shown", "block"),
    [
        (
            SHOWN,
            b"\r\nHost: a\r\nX-Subjects: kept\r\nX-Subject: CN=ann,O=x\r\nX-All: <1f|DNS:a, email:b> {other}",
        ),
        ({}, b"\r\nHost: a\r\nX-Subjects: kept"),
        (None, b"\r\nHost: a\r\nX-Subjects: kept"),
    ],
)
def test_only_a_certificate_fills_the_fields(shown: dict[str, str] | None, block: bytes) -> None:
    """What a client sends under these names is dropped, and ours is there only if a certificate was verified."""
    head = RequestHead(b"GET", b"/", b"a", FORGED)
    CertificateHeaders(VALUES).on_request(exchange_with(shown), head)
    assert head.block == block


@pytest.mark.parametrize("shown", [SHOWN, {}])
def test_trailers_have_none_of_the_fields(shown: dict[str, str]) -> None:
    """Nobody forges a field behind the body: backends that take trailers for fields of the head would believe it."""
    trailers = CertificateHeaders(VALUES).on_request_trailers(exchange_with(shown), FORGED)
    assert trailers == b"\r\nHost: a\r\nX-Subjects: kept"


def test_what_is_forged_is_dropped_where_nothing_is_told() -> None:
    """In head and trailers, under any case, and nothing else."""
    head = RequestHead(b"GET", b"/", b"a", FORGED)
    dropped = ForgedFields(["X-Subject", "x-all"])
    dropped.on_request(exchange_with(SHOWN), head)
    assert head.block == b"\r\nHost: a\r\nX-Subjects: kept"
    assert dropped.on_request_trailers(exchange_with(SHOWN), FORGED) == head.block


@pytest.mark.parametrize(
    ("value", "named"),
    [("{client_cert.pem}", True), ("a{client_cert.san}b", True), ("{client_cert}", False), ("x", False)],
)
def test_what_is_made_of_a_certificate(value: str, named: bool) -> None:
    """A value with a placeholder is, anywhere in it."""
    assert names_certificate(value) is named
