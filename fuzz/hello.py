"""A TLS client's first bytes: ``python -m fuzz hello``.

Rule: the documented outcomes are a `ClientHello`, a wish for more, and `HelloError`. More bytes change neither
of the first and the last, and no part of what is a hello is one.
"""

from __future__ import annotations

from txproxy.tls.hello import TLS_1_2, TLS_1_3, ClientHello, HelloError, client_hello


def outcome(data: bytes) -> ClientHello | HelloError | None:
    """Read it."""
    try:
        return client_hello(data)
    except HelloError as error:
        return error


def one_input(data: bytes) -> None:
    """Read the input as it is, and as a message in one record and in several; the first byte says where it is cut."""
    _judge(data)
    step, message = (data[0] + 1, data[1:]) if data else (1, b"")
    message = b"\1" + len(message).to_bytes(3, "big") + message
    pieces = [message[at : at + step] for at in range(0, len(message), step)]
    whole, split = _judge(_record(message)), _judge(b"".join(map(_record, pieces)))
    if len(pieces) <= 64 and len(message) <= 1 << 14:
        assert _told(whole) == _told(split)


def _record(data: bytes) -> bytes:
    return b"\x16\3\1" + (len(data) & 0xFFFF).to_bytes(2, "big") + data


def _judge(data: bytes) -> ClientHello | HelloError | None:
    found = outcome(data)
    if isinstance(found, HelloError):
        assert 0 <= found.alert <= 255
        assert found.detail
    if isinstance(found, ClientHello):
        assert set(found.versions) <= {TLS_1_2, TLS_1_3}
        assert found.versions
        assert found.server_name != ""
    if found is not None:
        assert _told(outcome(data + b"\xff" * 40)) == _told(found)
    if isinstance(found, ClientHello):
        assert outcome(data[:20]) is None
    return found


def _told(found: ClientHello | HelloError | None) -> object:
    return found.alert if isinstance(found, HelloError) else found
