"""What holds when a route map says nothing: the limits that are on by default."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from txproxy.config import AccessLog, Limits, Timeouts, UpstreamTimeouts, load_text

SMALLEST = "hosts: {a.example.com: http://127.0.0.1:8000}"


def test_limits_on_by_default() -> None:
    """The design's limits hold for the smallest route map."""
    config = load_text(SMALLEST, "f", "/", {}).config
    assert config is not None
    timeouts, limits = config.timeouts, config.limits
    assert (timeouts.header, timeouts.handshake, timeouts.keepalive) == (60.0, 10.0, 75.0)
    assert (timeouts.body, timeouts.write, timeouts.tunnel, timeouts.drain) == (60.0, 60.0, 3600.0, 30.0)
    assert (limits.connections, limits.requests_per_connection) == (10_000, 10_000)
    assert (limits.header_bytes, limits.header_fields, limits.body) == (16 * 1024, 100, 1024 * 1024)
    (upstream,) = config.upstreams.values()
    assert (upstream.timeouts.connect, upstream.timeouts.response, upstream.timeouts.idle) == (3.0, 60.0, 60.0)
    assert (upstream.keepalive.max_idle, upstream.keepalive.idle_timeout) == (64, 90.0)
    ((route,),) = [host.routes for host in config.hosts.values()]
    assert (route.max_body, route.host_header, route.forwarded) == (None, "preserve", {"x-forwarded"})
    assert route.timeouts == UpstreamTimeouts()
    assert config.trusted_proxies == ()
    assert config.log.access == AccessLog(path="-", format="json")
    assert config.log.level == "info"


def test_settings_are_made_in_python_too() -> None:
    """Programs that embed txproxy make settings of plain numbers, and equal ones are equal."""
    assert Timeouts(header=0.5).header == 0.5
    read = load_text(f"{SMALLEST}\nlimits: {{body: 2KiB}}\n", "f", "/", {}).config
    assert read is not None
    assert read.limits == Limits(body=2048)
    assert hash(read.limits) == hash(Limits(body=2048))
    assert read.limits != Limits()


def test_settings_cannot_change() -> None:
    """A config is one value: nothing in it can be assigned."""
    with pytest.raises(ValidationError):
        Limits().body = 5  # type: ignore[misc]
