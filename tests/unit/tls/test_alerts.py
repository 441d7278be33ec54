"""What alerts are called, and what they mean when a backend sends one."""

from __future__ import annotations

import pytest

from txproxy.tls.alerts import alert_advice, alert_words, is_fatal


def test_every_alert_has_words() -> None:
    """Known ones are called as the RFCs call them, others by their number."""
    assert [alert_words(number) for number in (0, 40, 112, 116, 255)] == [
        "close notify",
        "handshake failure",
        "unrecognized name",
        "certificate required",
        "alert 255",
    ]


def test_two_alerts_are_no_failure() -> None:
    """The ends that are orderly: all else ends a connection as a failure, unknown ones too."""
    assert [number for number in range(256) if not is_fatal(number)] == [0, 90]


@pytest.mark.parametrize(
    ("number", "shows", "part"),
    [
        (116, False, "set client_certificate"),
        (48, True, "does not take our client certificate"),
        (40, False, "may want a client certificate"),
        (40, True, "no version or cipher"),
        (71, False, "no version or cipher"),
        (112, False, "no site app.internal: set server_name"),
        (70, False, "no TLS 1.2 or newer"),
        (120, False, "does not speak HTTP/1.1"),
        (80, False, ""),
    ],
)
def test_advice(number: int, shows: bool, part: str) -> None:
    """The key to change is named where there is one."""
    advice = alert_advice(number, shows_certificate=shows, server_name="app.internal")
    assert part in advice
    assert bool(part) == bool(advice)
