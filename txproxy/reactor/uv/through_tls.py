"""The methods that a transport has once TLS was started on it (`ITLSTransport.startTLS`).

Rule: whoever writes to it, or ends it, goes through TLS; TLS itself uses the class's own methods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def through_tls(transport: Any) -> dict[str, Any]:
    """Give the methods of a transport that TLS was started on: they go to TLS, which is its protocol now."""
    tls = transport.protocol

    def write(data: bytes) -> None:
        if transport.connected:
            tls.write(data)

    def write_sequence(iovec: Iterable[bytes]) -> None:
        if transport.connected:
            tls.writeSequence(iovec)

    def lose_connection() -> None:
        if transport.connected and not transport.disconnecting:
            tls.loseConnection()

    return {
        "write": write,
        "writeSequence": write_sequence,
        "loseConnection": lose_connection,
        "registerProducer": tls.registerProducer,
        "unregisterProducer": tls.unregisterProducer,
    }
