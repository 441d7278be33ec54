"""Upgrades: a 101 turns two connections into one tunnel of bytes.

Rule: whatever the protocol, nothing is changed, added or lost, and each end sees how the other went.
"""

from __future__ import annotations

from tests.support.backend import Connection, ok

HOST = b"Host: app.test\r\n"


def test_an_upgrade_becomes_a_tunnel(proxied):
    """After 101 bytes pass both ways as they are: also those that came with the heads, and after a half-close."""

    def script(connection: Connection) -> None:
        head = connection.head()
        assert head.value("upgrade") == "odd/1"
        assert "upgrade" in (head.value("connection") or "").lower()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\nhello\0")
        assert connection.buffer.exactly(5) == b"early"
        assert connection.rest() == b"\x80later"
        connection.send(b"after the half-close")

    _, daemon = proxied(script)
    with daemon.connect() as client:
        client.send(b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: odd/1\r\n\r\nearly")
        head = client.response()
        assert (head.status, head.value("upgrade")) == (101, "odd/1")
        assert "transfer-encoding" not in head.names()
        assert client.buffer.exactly(6) == b"hello\0"
        client.send(b"\x80later")
        client.half_close()
        assert client.buffer.rest() == b"after the half-close"
    [entry] = daemon.logged()
    assert (entry["status"], entry["cause"]) == (101, None)


def test_a_refused_upgrade_is_a_response_like_any_other(start_daemon, serve):
    """A backend that does not switch answers normally, and the connection goes on."""
    backend = serve(lambda request: ok(b"no"))
    daemon = start_daemon(f'hosts: {{"*": {backend.url}}}')
    with daemon.connect() as client:
        for _ in range(2):
            response = client.ask(b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
            assert (response.status, response.body) == (200, b"no")


def test_a_tunnel_whose_backend_resets_is_reset(proxied):
    """The end of one half as a failure is a failure of the other half."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
        connection.buffer.exactly(2)
        connection.reset()

    _, daemon = proxied(script)
    with daemon.connect() as client:
        client.ask(b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: odd/1\r\n\r\n")
        client.send(b"hi")
        assert client.end() == "reset"
