"""A listener's door in memory: clients of OpenSSL's come to a `TlsServer`, who asks who is let in, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from OpenSSL import SSL
from twisted.internet.task import Clock

from tests.support.certificates import NOW, Issued
from tests.support.tls import OpenSsl, Talk, certificate, client_context, lasting, root
from tests.unit.reactor.uv.scene import Recorder
from txproxy.reactor.deadlines import Deadlines
from txproxy.tls.certificate import Certificate, make_certificate
from txproxy.tls.contexts import ServerContexts
from txproxy.tls.facts import TlsFacts
from txproxy.tls.hello import ClientHello
from txproxy.tls.openssl import Scratch
from txproxy.tls.policies import HostPolicy
from txproxy.tls.server import TlsServer
from txproxy.tls.store import CertificateStore

OPEN = HostPolicy()
TIMEOUT = 10.0


def served(issued: Issued) -> Certificate:
    """Give what a store holds."""
    return make_certificate(issued.chain, issued.key, cert_file="a.pem", key_file="a.key", now=NOW)


class Door:
    """A listener, as far as a `TlsServer` asks it.

    :param issued: what there are certificates of. :param default: the name of `tls.default`.
    :param policies: by host name; all others are open.
    :ivar made: the protocols of clients that were let in. :ivar turned: why others were not.
    """

    def __init__(
        self,
        *issued: Issued,
        policies: Mapping[str, HostPolicy] | None = None,
        default: str | None = None,
        protocols: Sequence[bytes] = (b"http/1.1",),
    ) -> None:
        self.clock = Clock()
        self.time = Clock()
        self.scratch = Scratch(self.clock)
        self.deadlines = Deadlines(self.time, on_demand=True)
        self.store = CertificateStore(default)
        self.put(*(issued or (certificate(),)))
        by_name = dict(policies or {})
        self.contexts = ServerContexts(
            self.store, lambda name: by_name.get(name or "", OPEN), protocols, self.time.seconds
        )
        self.act: dict[str, Callable[..., object]] = {}
        self.made: list[Recorder] = []
        self.facts: list[TlsFacts] = []
        self.turned: list[str] = []
        self.plain_data: list[bytes] = []
        self.takes_plain = True
        self.fault: Exception | None = None
        self._policy = OPEN

    def put(self, *issued: Issued) -> None:
        """Put certificates in force."""
        self.store.swap([served(each) for each in issued], NOW)

    # What a `TlsServer` asks.

    def admit(self, hello: ClientHello, server: TlsServer) -> SSL.Connection:
        """Choose by what the client says."""
        connection, self._policy = self.contexts.connection(hello, "192.0.2.80")
        return connection

    def plain(self, server: TlsServer, data: bytes) -> bool:
        """Keep it."""
        self.plain_data.append(data)
        return self.takes_plain

    def secured(self, server: TlsServer) -> Recorder:
        """Make a protocol."""
        if self.fault is not None:
            raise self.fault
        name = None if server.hello is None else server.hello.server_name
        self.facts.append(TlsFacts(server.tls, self._policy, name))
        self.made.append(Recorder(**self.act))
        return self.made[-1]

    def turned_away(self, server: TlsServer, reason: str) -> None:
        """Keep it."""
        self.turned.append(reason)

    # What a test does.

    def server(self) -> TlsServer:
        """Make what runs a connection."""
        return TlsServer(self.scratch, self, self.deadlines, TIMEOUT, "whoever")

    def come(
        self,
        context: SSL.Context | None = None,
        name: str | None = "app.example",
        *,
        session: SSL.Session | None = None,
        kind: str = "ours",
    ) -> Talk:
        """Let a client come, and say nothing yet."""
        client = OpenSsl(context or client_context(), server=False, name=name)
        if session is not None:
            client.tls.set_session(session)
        return Talk(self.server(), client, self.clock, kind)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for deadlines and ticket keys."""
        for _ in range(int(seconds / 0.25)):
            self.time.advance(0.25)


def plain_alert(talking: Talk) -> int | None:
    """Give the number of the alert that was sent in clear last, None: there is none."""
    sent = b"".join(talking.below.pieces)
    found = None
    while sent:
        size = int.from_bytes(sent[3:5], "big")
        if sent[0] == 21 and size == 2:
            assert sent[5] == 2  # fatal
            found = sent[6]
        sent = sent[5 + size :]
    return found


__all__ = ["OPEN", "TIMEOUT", "Door", "certificate", "lasting", "plain_alert", "root", "served"]
