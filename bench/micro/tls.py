"""A browser's request decrypted and an answer encrypted, in memory: our TLS transport, Twisted's, and the calls alone.

Rule: all three have a connection of the same context, whose handshake is over, and between them and the
measuring stands nothing but a transport that keeps the last piece. What a reactor would do at the end of a
turn is done at the end of each call.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from bench.identity import CIPHER_SUITE, make
from txproxy.tls.openssl import (
    RECORD_BYTES,
    SCRATCH_BYTES,
    Scratch,
    bio_read,
    bio_write,
    inside,
    octets_of,
    release_idle_buffers,
    ssl_read,
    ssl_write,
)
from txproxy.tls.transport import TlsTransport

from . import Supplied
from .messages import REQUEST, RESPONSE

_LONG = bytes(64 * 1024)


class _Turn:
    """What a reactor's transports are told to do at the end of a turn, and its clock."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []

    def add(self, writer: Any) -> None:
        self._waiting.append(writer.end_turn)

    def callLater(self, _seconds: float, function: Callable[..., object], *arguments: object) -> None:
        self._waiting.append(lambda: function(*arguments))

    def end(self) -> None:
        """Do it."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each()


class _Wire:
    """The transport below TLS: whom what arrives goes to, and what was sent, as long as somebody wants it.

    :param turn: as transports of txproxy's reactors have it; None: one of Twisted's.
    :ivar wanted: whether more than the last piece is kept.
    """

    disconnecting = False

    def __init__(self, turn: _Turn | None) -> None:
        if turn is not None:
            self.turn = turn
        self.sent: list[bytes] = []
        self.wanted = True

    def write(self, data: bytes) -> None:
        if not self.wanted:
            self.sent.clear()
        self.sent.append(data)

    def bindReceiver(self, receiver: Callable[[bytes], object]) -> None:
        self.receiver = receiver

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class _Inner:
    """The protocol above TLS: counts what arrives."""

    size = 0

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.size += len(data)

    def connectionLost(self, reason: object) -> None: ...


@implementer(IOpenSSLServerConnectionCreator)
class _Creator:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:
        return SSL.Connection(self._context, None)


class Server(Protocol):
    """A server's end in memory.

    :ivar wire: what it sends.
    """

    wire: _Wire

    def receive(self, data: bytes) -> object:
        """Take what arrives from the wire."""

    def write(self, data: bytes) -> object:
        """Write what the client shall get, and end the turn."""

    def received(self) -> int:
        """Tell how many octets have been delivered."""


class Ours:
    """`TlsTransport` on a transport that has turns."""

    def __init__(self, context: SSL.Context) -> None:
        self._turn = _Turn()
        self.wire = _Wire(self._turn)
        tls = SSL.Connection(context, None)
        tls.set_accept_state()
        self._inner = _Inner()
        self._transport: Any = TlsTransport(Scratch(self._turn), tls, self._inner)
        self._transport.makeConnection(self.wire)

    def receive(self, data: bytes) -> None:
        self.wire.receiver(data)

    def write(self, data: bytes) -> None:
        self._transport.write(data)
        self._turn.end()

    def received(self) -> int:
        return self._inner.size


class Twisteds:
    """`TLSMemoryBIOFactory`, as listeners of Twisted's have it: small writes are joined until the end of the turn."""

    def __init__(self, context: SSL.Context) -> None:
        self._turn = _Turn()
        self.wire = _Wire(None)
        self._inner = _Inner()
        clock: Any = self._turn
        address: Any = None
        made: Any = Factory()
        made.buildProtocol = lambda _: self._inner
        self._protocol: Any = TLSMemoryBIOFactory(_Creator(context), False, made, clock).buildProtocol(address)
        self._protocol.makeConnection(self.wire)

    def receive(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def write(self, data: bytes) -> None:
        self._protocol.write(data)
        self._turn.end()

    def received(self) -> int:
        return self._inner.size


class Calls:
    """OpenSSL's calls and nothing else: the least that there can be."""

    def __init__(self, context: SSL.Context) -> None:
        self.wire = _Wire(None)
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._ssl, self._into, self._from = inside(self._tls)
        self._scratch = Scratch(None)
        self._size = 0
        self.receive: Callable[[bytes], object] = self._shake_hands

    def _shake_hands(self, data: bytes) -> None:
        self._tls.bio_write(data)
        try:
            self._tls.do_handshake()
            self.receive = self._receive
        except SSL.WantReadError:
            pass
        self._send()

    def _receive(self, data: bytes) -> None:
        bio_write(self._into, data, len(data))
        size = ssl_read(self._ssl, self._scratch.buffer, SCRATCH_BYTES)
        self._size += len(self._scratch.view[:size])

    def write(self, data: bytes) -> None:
        start = octets_of(data)
        for at in range(0, len(data), RECORD_BYTES):  # pyOpenSSL's contexts take a record at a time
            ssl_write(self._ssl, start + at, min(RECORD_BYTES, len(data) - at))
            self._send()

    def _send(self) -> None:
        size = bio_read(self._from, self._scratch.buffer, SCRATCH_BYTES)
        if size > 0:
            self.wire.write(self._scratch.view[:size])

    def received(self) -> int:
        return self._size


KINDS: Mapping[str, type[Ours | Twisteds | Calls]] = {"txproxy": Ours, "Twisted": Twisteds, "the calls alone": Calls}


def context() -> SSL.Context:
    """Make a context as txproxy's are, with a certificate of its own."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    with tempfile.TemporaryDirectory() as directory:
        identity = make(Path(directory) / "identity")
        made.use_certificate_chain_file(str(identity.certificate))
        made.use_privatekey_file(str(identity.key))
    release_idle_buffers(made)
    return made


class Joined:
    """A server and a client in memory, whose handshake is over."""

    def __init__(self, server: Server) -> None:
        self.server = server
        offering = SSL.Context(SSL.TLS_CLIENT_METHOD)
        offering.set_tls13_ciphersuites(CIPHER_SUITE.encode("ascii"))
        self._client = SSL.Connection(offering, None)
        self._client.set_connect_state()
        while not self._shaken():
            server.receive(self._client.bio_read(65536))
            self._client.bio_write(b"".join(server.wire.sent))
            server.wire.sent.clear()
        server.receive(self._client.bio_read(65536))

    def _shaken(self) -> bool:
        try:
            self._client.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def encrypted(self, data: bytes) -> bytes:
        """Encrypt as the client, for the server to decrypt next."""
        self._client.sendall(data)
        return self._client.bio_read(SCRATCH_BYTES)

    def decrypted(self) -> bytes:
        """Decrypt as the client what the server has sent."""
        for piece in self.server.wire.sent:
            self._client.bio_write(piece)
        self.server.wire.sent.clear()
        came = b""
        while True:
            try:
                came += self._client.recv(65536)
            except SSL.WantReadError:
                return came


def _requests(server: Server, answer: bytes) -> Supplied:
    joined = Joined(server)

    def supply(count: int) -> Callable[[], object]:
        pieces = iter([joined.encrypted(REQUEST) for _ in range(count)])

        def one() -> None:
            server.receive(next(pieces))
            if answer:
                server.write(answer)

        return one

    before = server.received()
    supply(1)()
    assert (server.received() - before, joined.decrypted()) == (len(REQUEST), answer)
    server.wire.wanted = False
    return Supplied(supply)


def _answers(server: Server, answer: bytes) -> Supplied:
    joined = Joined(server)
    server.write(answer)
    assert joined.decrypted() == answer
    server.wire.wanted = False
    return Supplied(lambda _: lambda: server.write(answer))


def subjects() -> Mapping[str, Supplied]:
    """Time a request, an answer, both, and an answer of several records, in each way."""
    made = context()
    found = {}
    for name, kind in KINDS.items():
        found[f"TLS, a request in, {name}"] = _requests(kind(made), b"")
        found[f"TLS, an answer out, {name}"] = _answers(kind(made), RESPONSE)
        found[f"TLS, a request and its answer, {name}"] = _requests(kind(made), RESPONSE)
        found[f"TLS, 64 KiB out, {name}"] = _answers(kind(made), _LONG)
    return found
