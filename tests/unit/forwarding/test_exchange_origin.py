"""What backends and the log are told of a client, from one request of a connection to the next."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.support.wiring import Proxy, Reactor
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.model import fields
from txproxy.policy.forwarded import FORWARDED, X_FORWARDED, Forwarding
from txproxy.policy.trust import Trust

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def proxy(*trusted: str) -> Proxy:
    """Make a proxy that tells backends of /x in X-Forwarded-*, of /f in Forwarded; one address may say where from."""
    reactor = Reactor()
    trust = Trust(map(ip_network, trusted))
    leaves = {
        f"/{kind[0]}": ReverseProxyResource("192.0.2.9", 8000, reactor=reactor, forwarding=Forwarding((kind,), trust))
        for kind in (X_FORWARDED, FORWARDED)
    }
    return Proxy(leaves, reactor=reactor, trusted=map(ip_network, trusted))


def told(made: Proxy) -> bytes:
    """Give the head that a backend got last, and let it answer."""
    (wire, head), *others = ((wire, data) for wire in made.reactor.backends if (data := wire.take()))
    assert not others
    wire.send(OK)
    return head.partition(b"\r\n")[2]


@pytest.mark.parametrize("trusted", [(), ("192.0.2.1/32",)])
def test_each_request_of_a_connection_is_told_of_as_it_is(trusted: tuple[str, ...]) -> None:
    """A later request is not told of with an earlier one's host, its route's fields or what it said of itself."""
    made = proxy(*trusted)
    client = made.connect()
    asked = [
        (path, host, said)
        for path in (b"x", b"x", b"f", b"x")
        for host in (b"a.example", b"a.example", b"b.example")
        for said in (b"", b"X-Forwarded-For: 203.0.113.7\r\n", b"")
    ]
    for path, host, said in asked:
        client.send(b"GET /%b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host, said))
        head = b"\r\n" + told(made)
        kept = b"203.0.113.7, " if said and trusted else b""
        if path == b"x":
            assert fields.get_all(head, b"x-forwarded-for") == [kept + b"192.0.2.1"]
            assert fields.get_all(head, b"x-forwarded-host") == [host]
            assert fields.get_all(head, b"forwarded") == []
        else:
            assert fields.get_all(head, b"x-forwarded-host") == []
            assert fields.get(head, b"forwarded").endswith(b";host=" + host)  # type: ignore[union-attr]
        assert len(fields.get_all(head, b"x-request-id")) == len(fields.get_all(head, b"via")) == 1
        assert b"\r\n\r\nhi" in client.take()
    assert len({record.request_id for record in made.records}) == len(asked)


@pytest.mark.parametrize(
    ("lines", "user_agent", "referer"),
    [
        (b"", None, None),
        (b"User-Agent: curl/8 \r\nReferer: http://r/\r\n", b"curl/8", b"http://r/"),
        (b"REFERER:r\r\nX: y\r\nuser-AGENT:\ta\r\n", b"a", b"r"),
        (b"X-User-Agent: x\r\nX: \tuser-agent: y\r\n", None, None),
        (b"User-Agent: first\r\nUser-Agent: second\r\nReferer:\r\n", b"first", b""),
    ],
)
def test_what_the_log_is_told_of_a_request(lines: bytes, user_agent: bytes | None, referer: bytes | None) -> None:
    """User-Agent and Referer are found in any case and place, the first of several; nothing else is taken for them."""
    made = proxy()
    client = made.connect()
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines)
    told(made)
    (record,) = made.records
    assert (record.user_agent, record.referer) == (user_agent, referer)


def test_an_answer_in_one_piece_took_as_long_as_its_first_byte() -> None:
    """What comes whole ends with its first byte; what comes in pieces takes longer than to it."""
    made = proxy()
    client = made.connect()
    for last in (b"", b"hi"):
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        made.reactor.advance(1.5)
        backend = made.reactor.backends[0]
        backend.send(OK.removesuffix(last))
        made.reactor.advance(0.25)
        backend.send(last) if last else None
    assert [(record.first_byte, record.duration) for record in made.records] == [(1.5, 1.5), (1.5, 1.75)]
