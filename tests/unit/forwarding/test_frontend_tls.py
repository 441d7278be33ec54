"""The frontend and TLS: whose policy a request is held to, and what becomes of plain ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy, Wire
from txproxy.forwarding.exchange import Client
from txproxy.forwarding.frontend import Generation
from txproxy.forwarding.leaves import Respond
from txproxy.middleware.pipeline import Pipeline
from txproxy.middleware.strict_transport import StrictTransport
from txproxy.policy.https_redirect import HttpsRedirect
from txproxy.protocols.http1.server import ServerConnection
from txproxy.tls.policies import TLS13, HostPolicies, HostPolicy

DEFAULT = HostPolicy()
STAFF = HostPolicy(TLS13, "require", b"a CA", "staff.example")
SAME_AS_STAFF = HostPolicy(TLS13, "require", b"a CA", "other.example")
POLICIES = {"staff.example": STAFF, "other.example": SAME_AS_STAFF}


def proxy(way: str = "native", **more: Any) -> Proxy:
    """Make a proxy that answers everything, with these policies."""
    made = Proxy({"/*": Respond(200, "here", {})}, way)
    table, origin = made.frontend.generation.table, made.frontend.generation.origin
    policies = HostPolicies(DEFAULT, POLICIES, lambda host: host if host in POLICIES else "*")
    made.frontend.generation = Generation(None, table, origin, policies=policies, **more)
    return made


def connect(made: Proxy, policy: HostPolicy | None, received: Any = None) -> Wire:
    """Connect as a client that came by TLS and was held to this policy; None: without TLS."""
    wire = Wire()
    client = Client("192.0.2.1", 50000, 443, "https" if policy else "http", "test", False)
    client.tls = None if policy is None else SimpleNamespace(policy=policy, server_name="named.example", served=None)
    frontend = made.frontend
    wire.protocol = ServerConnection(
        made.settings, received or frontend.request_received, frontend.malformed, lambda connection: None, client
    )
    wire.protocol.makeConnection(wire)
    return wire


def ask(wire: Wire, host: str, target: str = "/", version: str = "1.1") -> Answer:
    """Send a request for this host."""
    wire.send(f"GET {target} HTTP/{version}\r\n{f'Host: {host}' if host else 'X: y'}\r\n\r\n".encode())
    return Answer().read(wire.take())


@pytest.mark.parametrize(
    ("policy", "host", "status"),
    [
        (DEFAULT, "app.example", 200),
        (DEFAULT, "staff.example", 421),
        (DEFAULT, "STAFF.example.:443", 421),
        (STAFF, "staff.example", 200),
        (STAFF, "other.example", 200),
        (STAFF, "app.example", 421),
        (None, "staff.example", 421),
        (None, "app.example", 200),
    ],
)
def test_a_request_is_held_to_the_policy_of_its_own_host(policy: HostPolicy | None, host: str, status: int) -> None:
    """A connection let in by another policy than the host of the request has, or without TLS, is not for it (421)."""
    assert ask(connect(proxy(), policy), host).status == status


def test_each_request_of_a_connection_is_looked_at() -> None:
    """A good request first does not let the next one through, nor does a refused one shut the others out."""
    wire = connect(proxy(), DEFAULT)
    asked = ["app.example", "app.example", "staff.example", "app.example", "staff.example"]
    assert [ask(wire, host).status for host in asked] == [200, 200, 421, 200, 421]


def test_a_new_map_is_asked_anew() -> None:
    """What was found for a host under the last map says nothing under the next."""
    made = proxy()
    wire = connect(made, DEFAULT)
    assert ask(wire, "app.example").status == 200
    old = made.frontend.generation
    strict = HostPolicies(DEFAULT, {"app.example": STAFF}, lambda host: host)
    made.frontend.generation = Generation(None, old.table, old.origin, policies=strict)
    assert ask(wire, "app.example").status == 421


def test_a_request_without_a_host_has_the_policy_of_none() -> None:
    """HTTP/1.0 without Host is answered on a connection of the default policy, and on no other."""
    assert ask(connect(proxy(), DEFAULT), "", version="1.0").status == 200
    assert ask(connect(proxy(), STAFF), "", version="1.0").status == 421


@pytest.mark.parametrize(
    ("policy", "host", "location"),
    [
        (None, "app.example:80", b"https://app.example:8443/a?b=%2f"),
        (None, "x.example", None),
        (DEFAULT, "app.example", None),
    ],
)
def test_plain_requests_go_to_https(policy: HostPolicy | None, host: str, location: bytes | None) -> None:
    """With `http_redirect`, a plain request for a host with a certificate gets 308, with all of its target."""
    made = proxy(https_redirect=HttpsRedirect(8443, lambda name: name == "app.example"))
    answer = ask(connect(made, policy), host, "/a?b=%2f")
    assert answer.status == (200 if location is None else 308)
    assert answer.field(b"location") == location


@pytest.mark.parametrize(
    ("redirects", "host", "status", "location"),
    [
        (True, "app.example:443", 308, b"https://app.example/x"),
        (True, "a b", 400, None),
        (False, "app.example", 400, None),
    ],
)
def test_plain_http_on_a_tls_port(redirects: bool, host: str, status: int, location: bytes | None) -> None:
    """It is redirected if the listener says so; else the answer tells what to write instead."""
    made = proxy()
    wire = connect(
        made, None, lambda stream, head, end: made.frontend.plain_received(stream, head, redirects=redirects)
    )
    answer = ask(wire, host, "/x")
    assert (answer.status, answer.field(b"location")) == (status, location)
    assert redirects or b"https://" in answer.body_so_far
    assert made.counters.active_exchanges == 0


def test_hsts_is_on_answers_without_a_route_too() -> None:
    """What is done to all answers is done to error pages and refusals of a request that found no route."""
    made = proxy(pipeline=Pipeline([StrictTransport(60, include_subdomains=False)]))
    wire = connect(made, DEFAULT)
    assert ask(wire, "staff.example").field(b"strict-transport-security") == b"max-age=60"


def test_hsts_is_on_the_answer_to_what_is_no_request() -> None:
    """Also where nobody knows what was asked for."""
    made = proxy(pipeline=Pipeline([StrictTransport(60, include_subdomains=False)]))
    for policy, value in ((DEFAULT, b"max-age=60"), (None, None)):
        wire = connect(made, policy)
        wire.send(b"GET\r\n\r\n")
        answer = Answer().read(wire.take())
        assert (answer.status, answer.field(b"strict-transport-security")) == (400, value)


@pytest.mark.parametrize(("host", "status"), [("staff.example", 421), ("app.example", 200)])
def test_below_a_stock_site_nobody_has_checked_a_certificate(host: str, status: int) -> None:
    """A host that requires one is not served there, by whatever the Site is reached."""
    assert ask(proxy("rendered").connect(), host).status == status
