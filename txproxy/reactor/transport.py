"""What txproxy asks of a transport beyond Twisted's interfaces.

Rule: the one place that knows how a reactor's transport keeps what it has not sent yet.
"""

from __future__ import annotations

from typing import Any


def unsent_bytes(transport: Any) -> int:
    """Give how many bytes wait in the transport's own buffer (0 where it does not tell).

    A deadline for writing looks at this twice: it passes only if nothing moved in between.
    """
    size = getattr(transport, "unsent_bytes", None)
    if size is not None:
        return int(size())
    buffered = getattr(transport, "dataBuffer", None)  # twisted.internet.abstract.FileDescriptor
    if buffered is None:
        return 0
    return int(len(buffered) - transport.offset + transport._tempDataLen)


def is_reading(transport: Any) -> bool:
    """Whether the transport takes bytes from the socket at the moment."""
    return not getattr(transport, "paused", False)
