"""An https listener over transports in memory: from the first byte to an answer, or to a refusal."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from tests.support.certificates import NOW, Issued
from tests.support.tls import NAME, Below, OpenSsl, Ours, certificate, client_context, root
from tests.support.wiring import Proxy, Reactor
from txproxy.config.model import Listen, ProxyProtocol
from txproxy.forwarding.leaves import Leaf
from txproxy.listeners.connections import Connections
from txproxy.listeners.https import HttpsFactory
from txproxy.model.errors import SHUTTING_DOWN, ProxyError
from txproxy.tls.certificate import make_certificate
from txproxy.tls.contexts import ServerContexts
from txproxy.tls.openssl import Scratch
from txproxy.tls.policies import HostPolicy
from txproxy.tls.store import CertificateStore

REQUEST = b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n"


class Showing(Leaf):
    """Answers with what an exchange knows of its client."""

    def handle(self, exchange: Any) -> None:
        """Show it."""
        facts = exchange.client.tls
        named = "-" if facts is None else f"{facts.version} {facts.server_name}"
        exchange.respond(200, b"OK", b"", f"{exchange.client_ip} {exchange.scheme} {named}".encode())


class Socket(Ours):
    """A transport whose first protocol binds no receiver: it is looked up for each read until one is bound."""

    def _receive(self, data: bytes) -> None:
        (self._bound or self.protocol.dataReceived)(data)


class Listener:
    """The factory under test, and what it stands on."""

    def __init__(self, issued: Issued | None = None, *, limit: int = 10, **listen: Any) -> None:
        self.proxy = Proxy({"/*": Showing()}, reactor=Reactor())
        self.clock: Clock = self.proxy.reactor
        issued = issued or certificate()
        store = CertificateStore()
        made = make_certificate(list(issued.chain), issued.key, cert_file="c", key_file="k", now=NOW)
        store.swap([made], NOW + timedelta(0))
        self.connections = Connections(limit)
        address = Listen(address="https://192.0.2.80", kind="tcp", host="192.0.2.80", port=443, tls=True, **listen)
        self.factory = HttpsFactory(
            self.proxy.frontend,
            self.proxy.settings,
            self.connections,
            address,
            lambda ip: False,
            scratch=Scratch(self.clock),
            contexts=ServerContexts(store, lambda name: HostPolicy(), (b"http/1.1",), self.clock.seconds),
            handshake_timeout=10.0,
            redirects_plain=address.redirect_plain_http,
        )
        self.factory.local_port = 443

    def connect(self) -> Below | None:
        """Let a client connect; None: it is not let in."""
        protocol = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000))
        if protocol is None:
            return None
        below = Socket(self.clock)
        below.protocol = protocol
        protocol.makeConnection(below)
        return below

    def turn(self, seconds: float = 0) -> None:
        """End a turn of the reactor."""
        self.clock.advance(seconds)

    def talk(self, below: Below, client: OpenSsl) -> None:
        """Carry bytes both ways until nobody says anything more."""
        client.go_on()
        for _ in range(6):
            sent = client.take()
            if sent:
                below.arrive(sent)
            self.turn()
            client.feed(below.take())


def opened(listener: Listener, name: str | None = NAME) -> tuple[Below, OpenSsl]:
    """Connect, and shake hands."""
    below = listener.connect()
    assert below is not None
    client = OpenSsl(client_context(), server=False, name=name)
    listener.talk(below, client)
    return below, client


def test_a_request_by_tls_is_answered_by_tls() -> None:
    """The leaf learns scheme, version and the name that the client asked for; nothing is counted twice."""
    listener = Listener()
    below, client = opened(listener)
    assert client.shaken
    client.send(REQUEST)
    listener.talk(below, client)
    assert client.got.endswith(b"192.0.2.1 https TLSv1.3 app.example")
    assert (listener.proxy.counters.requests, len(listener.connections.open)) == (1, 1)
    below.lose()
    assert not listener.connections.open


def test_a_request_in_the_last_flight() -> None:
    """What a client sends with its last flight is not lost on the way from one protocol to the next."""
    listener = Listener()
    below = listener.connect()
    assert below is not None
    client = OpenSsl(client_context(), server=False, name=NAME)
    client.go_on()
    below.arrive(client.take())
    client.feed(below.take())
    client.send(REQUEST)
    below.arrive(client.take())
    listener.turn()
    client.feed(below.take())
    assert client.got.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("name", "alert"), [("other.example", "unrecognized name"), (None, "unrecognized name")])
def test_a_name_without_a_certificate(name: str | None, alert: str) -> None:
    """It is refused by its alert, and the connection ends and is forgotten."""
    listener = Listener()
    below, client = opened(listener, name)
    assert client.alert is not None
    assert alert in client.alert
    assert below.ends == ["closed"]
    below.lose()
    assert not listener.connections.open
    assert listener.proxy.counters.failed_handshakes == 1


@pytest.mark.parametrize(("redirects", "status"), [(True, b"308"), (False, b"400")])
def test_plain_http(redirects: bool, status: bytes) -> None:
    """It is redirected, or told what to write, and the connection ends behind that."""
    listener = Listener(redirect_plain_http=redirects)
    below = listener.connect()
    assert below is not None
    below.arrive(REQUEST)
    listener.turn()
    answer = below.take()
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close\r\n" in answer
    assert (b"Location: https://app.example/\r\n" in answer) is redirects
    assert below.ends == ["closed"]
    below.lose()
    assert not listener.connections.open


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01", None])
def test_a_handshake_that_stalls(said: bytes | None) -> None:
    """It is cut at its deadline: nothing said, half a ClientHello, or no last flight."""
    listener = Listener()
    listener.proxy.deadlines.start()
    below = listener.connect()
    assert below is not None
    if said is None:
        client = OpenSsl(client_context(), server=False, name=NAME)
        client.go_on()
        below.arrive(client.take())
    elif said:
        below.arrive(said)
    for _ in range(36):
        listener.turn(0.25)
    assert not below.ends
    for _ in range(8):
        listener.turn(0.25)
    assert below.ends == ["aborted"]
    below.lose()
    assert not listener.connections.open


def test_the_limit_counts_from_the_first_byte() -> None:
    """A connection that only shakes hands takes one of `limits.connections`, and gives it back."""
    listener = Listener(limit=1)
    below = listener.connect()
    assert below is not None
    assert listener.connect() is None
    below.lose()
    assert listener.connect() is not None


@pytest.mark.parametrize("how", ["drain", "cut", "abort"])
def test_the_end_of_the_daemon_finds_handshakes(how: str) -> None:
    """A connection in its handshake is ended by whatever ends connections."""
    listener = Listener()
    below = listener.connect()
    assert below is not None
    emptied: list[bool] = []
    if how == "drain":
        listener.connections.drain(lambda: emptied.append(True))
    elif how == "cut":
        listener.connections.cut(ProxyError(SHUTTING_DOWN))
    else:
        listener.connections.abort()
    assert below.ends == ["aborted"]
    below.lose()
    assert emptied == ([True] if how == "drain" else [])


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_a_proxy_header_before_tls(cut: int) -> None:
    """The client is the one that the header names, however the header is cut, and TLS begins behind it."""
    listener = Listener(proxy_protocol=ProxyProtocol(sources=(ip_network("192.0.2.0/24"),)))
    below = listener.connect()
    assert below is not None
    header = b"PROXY TCP4 203.0.113.7 192.0.2.80 4711 443\r\n"
    for piece in (header[:cut], header[cut:]):
        if piece:
            below.arrive(piece)
    client = OpenSsl(client_context(), server=False, name=NAME)
    listener.talk(below, client)
    client.send(REQUEST)
    listener.talk(below, client)
    assert client.got.endswith(b"203.0.113.7 https TLSv1.3 app.example")
    below.lose()
    assert not listener.connections.open


def test_no_proxy_header_where_one_must_come() -> None:
    """Who is named to send a header and sends none is cut."""
    listener = Listener(proxy_protocol=ProxyProtocol(sources=(ip_network("192.0.2.0/24"),)))
    below = listener.connect()
    assert below is not None
    client = OpenSsl(client_context(), server=False, name=NAME)
    client.go_on()
    below.arrive(client.take())
    assert below.ends == ["aborted"]


def test_a_proxy_header_from_anybody_else() -> None:
    """Who is not named to send one is not believed: it is no TLS."""
    listener = Listener(proxy_protocol=ProxyProtocol(sources=(ip_network("198.51.100.0/24"),)))
    below = listener.connect()
    assert below is not None
    below.arrive(b"PROXY TCP4 203.0.113.7 192.0.2.80 4711 443\r\n")
    listener.turn()
    assert below.take().startswith(b"HTTP/1.1 400 ")


def test_the_root_signs_what_is_shown() -> None:
    """The client gets the whole chain of its name's certificate."""
    _, client = opened(Listener())
    shown = client.tls.get_peer_certificate(as_cryptography=True)
    assert shown is not None
    shown.verify_directly_issued_by(root().certificate)
    assert client.tls.get_protocol_version() == SSL.TLS1_3_VERSION
