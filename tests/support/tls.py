"""TLS in memory: OpenSSL's own end of a connection, a transport that a test holds in its hands, and who carries.

Rule: nothing here waits or has a port. The other end is pyOpenSSL's, which knows nothing of what is tested;
a transport behaves as a reactor's does, and what is written by separate calls stays separate. Certificates are
good for a century, because OpenSSL looks at the real clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.support.certificates import Issued, issue
from txproxy.reactor.tcp import Turn

START, END = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
PAST = datetime(2002, 1, 1, tzinfo=UTC)
NAME = "app.example"
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


def lasting(*names: str, **more: Any) -> Issued:
    """Issue a certificate for a century."""
    return issue(*names, **({"start": START, "end": END} | more))


@cache
def root(common_name: str = "a root") -> Issued:
    """Give a CA, always the same for a name."""
    return lasting(common_name=common_name, is_ca=True)


@cache
def certificate(kind: str = "ecdsa") -> Issued:
    """Give the certificate of `NAME`, always the same for a kind of key."""
    return lasting(NAME, kind=kind, by=root())


def only(context: SSL.Context, version: str | None) -> SSL.Context:
    """Let a context speak one version, "1.2" or "1.3"; None: both."""
    if version is not None:
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
    return context


def server_context(version: str | None = None, issued: Issued | None = None) -> SSL.Context:
    """Make a server's context, as plain as can be."""
    issued = issued or certificate()
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    for each in issued.issuers:
        context.add_extra_chain_cert(each)
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.key)
    context.set_session_id(b"test")
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    return only(context, version)


def client_context(version: str | None = None, *, shows: Issued | None = None) -> SSL.Context:
    """Make a client's context, which believes everybody.

    :param shows: its own certificate.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if shows is not None:
        for each in shows.issuers:
            context.add_extra_chain_cert(each)
        context.use_certificate(shows.certificate)
        context.use_privatekey(shows.key)
    return only(context, version)


def believing(context: SSL.Context, *authorities: Issued) -> SSL.Context:
    """Let a context believe these authorities, and nobody else."""
    store = context.get_cert_store()
    assert store is not None
    for each in authorities:
        store.add_cert(crypto.X509.from_cryptography(each.certificate))
    context.set_verify(SSL.VERIFY_PEER)
    return context


class OpenSsl:
    """One end of a connection, by pyOpenSSL alone.

    :ivar got: what was decrypted. :ivar closed: a close_notify has come. :ivar error: what OpenSSL has said.
    """

    def __init__(self, context: SSL.Context, *, server: bool, name: str | None = None) -> None:
        self.tls = SSL.Connection(context, None)
        if server:
            self.tls.set_accept_state()
        else:
            self.tls.set_connect_state()
            if name is not None:
                self.tls.set_tlsext_host_name(name.encode())
        self.shaken = self.closed = False
        self.got = b""
        self.error: SSL.Error | None = None

    def feed(self, data: bytes) -> None:
        """Let bytes arrive."""
        if data:
            self.tls.bio_write(data)
        self.go_on()

    def go_on(self) -> None:
        """Do what can be done with what has arrived."""
        if self.error is not None or self.closed:
            return
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
            while True:
                self.got += self.tls.recv(65536)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            self.error = error.with_traceback(None)

    def take(self) -> bytes:
        """Give what it has to send."""
        taken = b""
        try:
            while True:
                taken += self.tls.bio_read(65536)
        except SSL.WantReadError:
            return taken

    def send(self, data: bytes) -> None:
        """Encrypt; it leaves with the next `take`."""
        view = memoryview(data)
        while view:
            view = view[self.tls.send(bytes(view[:16384])) :]

    def end(self) -> None:
        """Send a close_notify."""
        self.tls.shutdown()

    @property
    def alert(self) -> str | None:
        """The reason in OpenSSL's last error, such as "tlsv1 alert protocol version"."""
        if self.error is None or not self.error.args or not self.error.args[0]:
            return None
        return str(self.error.args[0][-1][2])


class Below:
    """A transport: what was written call by call, and how it was ended.

    :ivar pieces: what was written, a piece for each call.
    :ivar ends: "half-closed", "closed", "aborted", as they came.
    """

    disconnecting = False
    turn: Turn | None = None

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.protocol: Any = None
        self.pieces: list[bytes] = []
        self.ends: list[str] = []
        self.reading = True
        self.producer: Any = None
        self.over = False
        self._waiting: list[bytes] = []
        self._eof = self._eof_told = False

    # What its protocol calls.

    def write(self, data: bytes) -> None:
        """Take bytes; what comes behind an end is lost."""
        assert isinstance(data, bytes), data
        assert data
        if not self.ends:
            self.pieces.append(data)

    def writeSequence(self, iovec: Sequence[bytes]) -> None:
        """Take several."""
        self.write(b"".join(iovec))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take the producer."""
        assert self.producer is None, "there is one"
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Stop reading."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Go on reading, in a later turn."""
        self.reading = True
        self.clock.callLater(0, self._go_on)

    def loseConnection(self) -> None:
        """End behind what was written."""
        self._end("closed")
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        """End our half; Twisted's transport on epoll is lost if it is told twice."""
        assert "half-closed" not in self.ends
        self._end("half-closed")

    def abortConnection(self) -> None:
        """Cut."""
        self._end("aborted")

    def _end(self, how: str) -> None:
        if how not in self.ends and "aborted" not in self.ends:
            self.ends.append(how)

    def getPeer(self) -> IPv4Address:
        """Tell who is at the other end."""
        return IPv4Address("TCP", "192.0.2.1", 50000)

    def getHost(self) -> IPv4Address:
        """Tell who is at this end."""
        return IPv4Address("TCP", "192.0.2.80", 443)

    def turn_failed(self, error: Exception) -> None:
        """End for an exception, as our transports do."""
        self.lose(error)

    # What the test does with it.

    def take(self) -> bytes:
        """Give what was written since last time."""
        taken = b"".join(self.pieces)
        self.pieces.clear()
        return taken

    def arrive(self, data: bytes) -> None:
        """Let bytes arrive; they wait while nobody reads. An exception ends the connection, as in every reactor."""
        self._waiting.append(data)
        self._go_on()

    def eof(self) -> None:
        """Let the other end's half be over."""
        self._eof = True
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._may_read():
            data = self._waiting.pop(0)
            try:
                self._receive(data)
            except Exception as error:  # noqa: BLE001
                self.lose(error)
        if self._eof and not self._eof_told and self._may_read():
            self._eof_told = True
            IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def _may_read(self) -> bool:
        return self.reading and not self.over and not self.disconnecting and "aborted" not in self.ends

    def _receive(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def lose(self, error: Exception | None = None) -> None:
        """Let it be over, and its protocol hear of it: cleanly unless it was cut, or for this reason."""
        if self.over:
            return
        self.over = True
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        clean = ConnectionAborted() if "aborted" in self.ends else ConnectionDone()
        self.protocol.connectionLost(Failure(error or clean))
        self._forget()

    def _forget(self) -> None:
        """Let go of the protocol, as reactors do."""
        self.protocol = None


class Ours(Below):
    """The same as txproxy's own transports have it: with a turn, a sender, and a receiver that is bound."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.turn = Turn(clock)
        self._bound: Any = None

    def sender(self) -> Callable[[bytes], None]:
        """Give what sends at once."""
        return self.write

    def bindReceiver(self, receiver: Any) -> None:
        """Call this from here on."""
        self._bound = receiver

    def _receive(self, data: bytes) -> None:
        self._bound(data)

    def _forget(self) -> None:
        super()._forget()
        self._bound = None


KINDS: dict[str, type[Below]] = {"ours": Ours, "plain": Below}


class Talk:
    """An end that is tested, over a transport, and OpenSSL's at the other end of the wire.

    :ivar clock: the reactor: a turn ends when it is advanced.
    """

    def __init__(self, ours: Any, other: OpenSsl, clock: Clock, kind: str = "ours") -> None:
        self.ours = ours
        self.other = other
        self.clock = clock
        self.below = KINDS[kind](clock)
        self.below.protocol = ours
        ours.makeConnection(self.below)
        other.go_on()

    def turn(self) -> Talk:
        """Let this turn end: what is asked for meanwhile comes in the next one, as with every reactor."""
        for call in self._due():
            if call.active():
                self.clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)
        return self

    def _due(self) -> list[Any]:
        return [call for call in self.clock.getDelayedCalls() if call.getTime() <= self.clock.seconds()]

    def deliver(self, cut: int = 0) -> bool:
        """Let what the other end has to send arrive, in pieces of so many bytes; False: there was nothing."""
        data = self.other.take()
        for at in range(0, len(data), cut or len(data) or 1):
            self.below.arrive(data[at : at + (cut or len(data))])
        return bool(data)

    def go(self, cut: int = 0) -> Talk:
        """Carry both ways until nobody has anything to say."""
        while True:
            self.turn()
            out = self.below.take()
            for at in range(0, len(out), cut or len(out) or 1):
                self.other.feed(out[at : at + (cut or len(out))])
            if not self.deliver(cut) and not out and not self._due():
                return self

    def close(self) -> Talk:
        """Let the transport below be over, once everything was carried."""
        self.go().below.lose()
        return self
