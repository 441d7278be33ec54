"""Free ports on loopback.

Rule: no test has a fixed port, and none takes a port out of the range from which the system gives
ports to clients: between our look and the child's bind one of those may be gone.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports() -> Iterator[int]:
    """Give one free port after another, in no order, below the system's range for clients."""
    below = random.Random()
    while True:
        port = below.randrange(12000, 32000)
        if _is_free(port):
            yield port


def free_port() -> int:
    """Give one free port. Another process may still take it: be ready to try again."""
    return next(free_ports())
