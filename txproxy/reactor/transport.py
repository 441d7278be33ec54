"""What txproxy asks of a transport beyond Twisted's interfaces.

Rule: the one place that knows how a reactor's transport keeps what it has not sent yet.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any

# Pieces of more than this are not joined before they are sent: copying them costs more than a longer system call.
JOINED_BYTES = 16 * 1024


def receive_with(protocol: Any, receiver: Callable[[bytes], object]) -> None:
    """Let a protocol's transport give what it reads to this from now on.

    Transports look `dataReceived` up for each read; one that can bind it calls the receiver straight from C.
    """
    protocol.dataReceived = receiver
    bind = getattr(protocol.transport, "bindReceiver", None)
    if bind is not None:
        bind(receiver)


def send_now(transport: Any) -> None:
    """Hand to the kernel what was written in this turn, where the transport keeps it until the turn's end."""
    send = getattr(transport, "flush", None)
    if send is not None:
        send()


def sender_of(transport: Any) -> Callable[[bytes], object]:
    """Give what writes to a transport and sends it at once, for whoever alone writes to it.

    It is not to be called once the transport has told that it is lost.
    """
    sender: Any = getattr(transport, "sender", None)
    if sender is not None:
        return sender()  # type: ignore[no-any-return]
    write: Any = transport.write
    return write  # type: ignore[no-any-return]


def unsent_bytes(transport: Any) -> int:
    """Give how many bytes wait in the transport's own buffer (0 where it does not tell)."""
    size = getattr(transport, "unsent_bytes", None)
    if size is not None:
        return int(size())
    buffered = getattr(transport, "dataBuffer", None)  # twisted.internet.abstract.FileDescriptor
    if buffered is None:
        return 0
    return int(len(buffered) - transport.offset + transport._tempDataLen)


def untaken_bytes(transport: Any) -> int:
    """Give how many of the bytes that were written the other end has not taken.

    A deadline for writing looks at this twice: it passes only if nothing moved in between. What the kernel
    keeps counts as well: that is megabytes, and it asks for more only once a third of them is gone, so our
    own buffer alone stands still for minutes while a slow reader makes progress.
    """
    return unsent_bytes(transport) + _kept_by_the_kernel(transport)


def _kept_by_the_kernel(transport: Any) -> int:
    fileno = getattr(transport, "fileno", None)
    if fileno is None:
        return 0
    try:
        return int(struct.unpack("i", fcntl.ioctl(fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except (OSError, ValueError):
        return 0  # closed already, or not a socket of a kind that tells
