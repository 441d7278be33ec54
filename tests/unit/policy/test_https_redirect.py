"""From http to https: which requests, and where."""

from __future__ import annotations

import pytest

from txproxy.policy.https_redirect import HttpsRedirect, https_url

COVERED = {"app.example", "::1", "192.0.2.1"}


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("app.example", b"/", b"https://app.example/"),
        ("app.example", b"/a%2fb//c?x=1&y=%zz", b"https://app.example/a%2fb//c?x=1&y=%zz"),
        ("::1", b"/a", b"https://[::1]/a"),
        ("192.0.2.1", b"/a", b"https://192.0.2.1/a"),
        ("other.example", b"/", None),
        ("", b"/", None),
        ("app.example", b"*", None),
        ("app.example", b"/.well-known/acme-challenge/token", None),
        ("app.example", b"/.well-known/acme-challenge/a_B-9?x=/", None),
        ("app.example", b"/.well-known/acme-challenge/test.txt", None),
        ("app.example", b"/.well-known/acme-challenge/", b"https://app.example/.well-known/acme-challenge/"),
        ("app.example", b"/.well-known/acme-challenge/..", b"https://app.example/.well-known/acme-challenge/.."),
        (
            "app.example",
            b"/.well-known/acme-challenge/a/../b",
            b"https://app.example/.well-known/acme-challenge/a/../b",
        ),
        ("app.example", b"/.well-known/acme-challenge/a%2fb", b"https://app.example/.well-known/acme-challenge/a%2fb"),
        ("app.example", b"/.well-known/acme-challenge", b"https://app.example/.well-known/acme-challenge"),
        ("app.example", b"/.well-known/acme-challengex/", b"https://app.example/.well-known/acme-challengex/"),
    ],
)
def test_where_a_plain_request_is_sent(host: str, target: bytes, location: bytes | None) -> None:
    """Hosts with a certificate go to https with path and query as sent, but for challenges of a CA."""
    assert HttpsRedirect(443, COVERED.__contains__).location(host, target) == location


@pytest.mark.parametrize(("port", "url"), [(443, b"https://a/x"), (0, b"https://a/x"), (8443, b"https://a:8443/x")])
def test_the_port_is_told_where_it_is_not_the_usual_one(port: int, url: bytes) -> None:
    """443 needs no mention, nor does the port of a unix socket, which has none."""
    assert https_url("a", port, b"/x") == url
