"""The frontend below a stock Site that speaks TLS itself."""

from __future__ import annotations

from twisted.internet.interfaces import ISSLTransport
from zope.interface import directlyProvides

from tests.support.wiring import Answer, Proxy, Wire
from txproxy.forwarding.frontend import Generation
from txproxy.forwarding.leaves import Respond
from txproxy.tls.policies import HostPolicies, HostPolicy

HINT = b"Use https:// and show a client certificate."


def ask(wire: Wire) -> Answer:
    """Ask for a page of a host that requires client certificates."""
    wire.send(b"GET / HTTP/1.1\r\nHost: staff.example\r\n\r\n")
    return Answer().read(wire.take())


def test_who_came_by_tls_is_not_told_to() -> None:
    """No certificate is looked at there, so the host gives nothing; https is advice only for those without."""
    made = Proxy({"/*": Respond(200, "here", {})}, "rendered")
    table, origin = made.frontend.generation.table, made.frontend.generation.origin
    policies = HostPolicies(HostPolicy(client_auth="require"), {}, lambda host: "*")
    made.frontend.generation = Generation(None, table, origin, policies=policies)
    wire = made.connect()
    assert HINT in ask(wire).body_so_far
    directlyProvides(wire, ISSLTransport)
    answer = ask(wire)
    assert answer.status == 421
    assert HINT not in answer.body_so_far
