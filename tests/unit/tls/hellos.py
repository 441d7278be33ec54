"""ClientHellos made by hand and by two OpenSSLs (pyOpenSSL's and Python's), and what OpenSSL says to them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

import trustme
from OpenSSL import SSL

GREASE = 0x3A3A
SILENT = -1


def vector(size: int, data: bytes) -> bytes:
    """Put a length of so many bytes in front."""
    return len(data).to_bytes(size, "big") + data


def shorts(*numbers: int) -> bytes:
    """Give numbers of two bytes each."""
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def extension(kind: int, data: bytes) -> bytes:
    """Give one extension."""
    return shorts(kind) + vector(2, data)


def server_name(*names: bytes, kind: int = 0) -> bytes:
    """Give the extension server_name."""
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def alpn(*protocols: bytes) -> bytes:
    """Give the extension application_layer_protocol_negotiation."""
    return extension(16, vector(2, b"".join(vector(1, protocol) for protocol in protocols)))


def versions(*numbers: int) -> bytes:
    """Give the extension supported_versions."""
    return extension(43, vector(1, shorts(*numbers)))


def algorithms(*numbers: int) -> bytes:
    """Give the extension signature_algorithms."""
    return extension(13, vector(2, shorts(*numbers)))


def groups(*numbers: int) -> bytes:
    """Give the extension supported_groups."""
    return extension(10, vector(2, shorts(*numbers)))


# What OpenSSL needs to go on with a hello of TLS 1.2.
USUAL = algorithms(0x0403, 0x0804) + groups(0x001D, 0x0017)


def body(
    extensions: bytes | None = USUAL,
    version: int = 0x0303,
    session: bytes = b"",
    suites: bytes = shorts(0xC02B, 0xC02C),
    compression: bytes = b"\0",
) -> bytes:
    """Give the inside of a ClientHello; None: without even the length of extensions."""
    front = shorts(version) + bytes(range(32)) + vector(1, session) + vector(2, suites) + vector(1, compression)
    return front if extensions is None else front + vector(2, extensions)


def message(inside: bytes, kind: int = 1) -> bytes:
    """Give a handshake message."""
    return bytes([kind]) + vector(3, inside)


def records(data: bytes, *sizes: int, kind: int = 22, version: int = 0x0301) -> bytes:
    """Cut data into records of these sizes, and one that holds the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    pieces.append(data)
    return b"".join(bytes([kind]) + shorts(version) + vector(2, piece) for piece in pieces)


def hello(extensions: bytes | None = USUAL, **fields: bytes | int) -> bytes:
    """Give a ClientHello in one record."""
    return records(message(body(extensions, **fields)))  # type: ignore[arg-type]


def by_pyopenssl(configure: Callable[[SSL.Context], object] = lambda _: None, name: bytes = b"") -> bytes:
    """Let pyOpenSSL's OpenSSL make a hello."""
    context = SSL.Context(SSL.TLS_METHOD)
    configure(context)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    if name:
        connection.set_tlsext_host_name(name)
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        pass
    return connection.bio_read(65536)


def by_python(configure: Callable[[ssl.SSLContext], object] = lambda _: None, name: str | None = None) -> bytes:
    """Let Python's ssl make a hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    configure(context)
    to_server = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), to_server, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return to_server.read()


class Server:
    """What OpenSSL says to a hello."""

    def __init__(self) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("a.test").configure_cert(self._context)

    def alert(self, pieces: Iterable[bytes]) -> int | None:
        """Feed it; give the alert that it answers with, SILENT for none, None if it goes on or waits for more."""
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        for piece in pieces:
            connection.bio_write(piece)
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            return None
        except SSL.Error:
            try:
                sent = connection.bio_read(65536)
            except SSL.WantReadError:
                return SILENT
            assert sent[0] == 21
            return sent[6]
        raise AssertionError("a handshake cannot be complete by one message")
