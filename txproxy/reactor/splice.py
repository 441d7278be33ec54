"""Octets from one socket to another through a pipe, without passing through this process.

Rule: what is read into the pipe is written out of it before anything else happens to either end; a pipe is
left with octets in it only if the end that they were for is gone. Whatever the kernel says of an end but
"later" is found out, and told, by that end's own transport.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any, Protocol

from twisted.internet.interfaces import ISSLTransport

from .transport import send_now, unsent_bytes

# What a pipe is asked to hold: with less, more calls for the same octets; with more, pages that are cold.
PIPE_BYTES = 512 * 1024
# Without privileges all pipes of a user share a budget (/proc/sys/fs/pipe-user-pages-soft); behind it a pipe
# holds a page or two, and copying is cheaper.
LEAST_PIPE_BYTES = 64 * 1024
# After so many rounds others have their turn.
_ROUNDS = 4
# So long the transport of a sink that takes nothing any more may read what came from there, and find out.
LAST_READ_SECONDS = 1.0
_FLAGS = getattr(os, "SPLICE_F_NONBLOCK", 0) | getattr(os, "SPLICE_F_MOVE", 0)


class Source(Protocol):
    """Whose octets are moved."""

    def spliced_in(self, octets: int) -> None:
        """So many were read."""

    def splice_over(self, whole: bool) -> None:
        """The transport is to be read from again; `whole`: all that was to be moved has been."""


class Sink(Protocol):
    """Where they are moved to; paused and resumed as by its transport."""

    transport: Any

    def spliced_out(self, octets: int) -> None:
        """So many were written."""

    def splice_ended(self) -> None:
        """Nothing more comes this way."""

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def can_splice(transport: Any) -> bool:
    """Whether what is written to a transport is what its socket carries, and this system can splice it."""
    fileno = getattr(transport, "fileno", None)
    return fileno is not None and hasattr(os, "splice") and not ISSLTransport.providedBy(transport) and fileno() >= 0


def splice(source: Source, transport: Any, sink: Sink, octets: int) -> Splice | None:
    """Begin to move so many octets between transports that can, behind what the sink has to send.

    :param transport: the source's, which is not read from any more until `splice_over`.
    :returns: None: no descriptor is left, or no pipe of use.
    """
    try:
        return Splice(source, transport, sink, octets)
    except OSError:
        return None  # octets can still be copied


class _Watched:
    """A duplicate of an end's descriptor: the reactor watches it beside the transport's own."""

    def __init__(self, descriptor: int, ready: Any, gone: Any) -> None:
        self._descriptor = os.dup(descriptor)
        self.doRead = self.doWrite = ready
        self._gone = gone

    def fileno(self) -> int:
        """Give it; -1: closed."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name it."""
        return "splice"

    def connectionLost(self, reason: Any) -> None:
        """The reactor has heard the worst of it, or ends."""
        self._gone()

    def close(self) -> None:
        """Let go of it."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


class Splice:
    """Moves octets until all are moved, or one end is gone.

    :raises OSError: descriptors or pipes cannot be had.
    """

    def __init__(self, source: Source, transport: Any, sink: Sink, octets: int) -> None:
        self._reactor = transport.reactor
        self._source = source
        self._transport = transport
        self._sink = sink
        #: to be read yet, and read but not written yet
        self._left = octets
        self._inside = 0
        #: whether reading is wanted, whether the reactor watches for it, and for room at the sink
        self._reads = True
        self._watches = False
        self._waits = False
        self._over = False
        #: the sink takes nothing any more: its connection is ended by this, at the latest
        self._cutting: Any = None
        self._in, self._out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._room = _widened(self._out)
            self._from = _Watched(transport.fileno(), self._readable, self._source_gone)
            try:
                self._to = _Watched(sink.transport.fileno(), self._writable, self._sink_gone)
            except OSError:
                self._from.close()
                raise
        except OSError:
            self._close_pipe()
            raise
        send_now(sink.transport)
        transport.pauseProducing()
        if unsent_bytes(sink.transport):
            self._wait()
        self._watch()

    def __repr__(self) -> str:
        return f"<Splice {self._left} octets left, {self._inside} inside{' over' if self._over else ''}>"

    # In place of the source's transport.

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._reads = False
        self._watch()

    def resumeProducing(self) -> None:
        """Go on reading."""
        self._reads = True
        self._watch()

    def stop(self) -> None:
        """End: all is moved, or one of the ends is gone, and what is inside with it."""
        if self._over:
            return
        self._over = True
        if self._cutting is not None and self._cutting.active():
            self._cutting.cancel()
        self._watch()
        if self._waits:
            self._reactor.removeWriter(self._to)
        self._from.close()
        self._to.close()
        self._close_pipe()
        self._sink.splice_ended()
        self._source.splice_over(not self._left and not self._inside)

    def _watch(self) -> None:
        """Let the reactor tell when there is something to read, while it is wanted and the pipe is empty."""
        wanted = self._reads and not self._waits and not self._over and self._left > 0
        if wanted != self._watches:
            self._watches = wanted
            (self._reactor.addReader if wanted else self._reactor.removeReader)(self._from)

    # Called by the reactor.

    def _readable(self) -> None:
        for _ in range(_ROUNDS):
            try:
                moved = os.splice(self._from.fileno(), self._out, min(self._left, self._room), flags=_FLAGS)
            except BlockingIOError:
                return
            except OSError:
                moved = 0
            if not moved:
                self.stop()  # the transport will see it too, and knows what it means
                return
            self._left -= moved
            self._inside += moved
            self._source.spliced_in(moved)
            if self._over or not self._pushed():
                return
            if not self._left:
                self.stop()
                return
            if not self._watches:
                return
        # There may be more, and the end behind it. Of a connection in error libuv tells once and then looks no more.
        self._reactor.removeReader(self._from)
        self._reactor.addReader(self._from)

    def _pushed(self) -> bool:
        """Write what is inside; give whether that was all of it."""
        while self._inside:
            try:
                moved = os.splice(self._in, self._to.fileno(), self._inside, flags=_FLAGS)
            except BlockingIOError:
                self._wait()
                return False
            except OSError:
                self._sink_gone()
                return False
            self._inside -= moved
            self._sink.spliced_out(moved)
            if self._over:
                return False
        return True

    def _wait(self) -> None:
        if not self._waits:
            self._waits = True
            self._watch()
            self._reactor.addWriter(self._to)
            self._sink.pauseProducing()

    def _writable(self) -> None:
        # The sink's own transport hears of room as well, and what it has goes first.
        if unsent_bytes(self._sink.transport) or not self._pushed():
            return
        self._waits = False
        self._reactor.removeWriter(self._to)
        self._watch()
        self._sink.resumeProducing()
        if not self._left:
            self.stop()

    def _source_gone(self) -> None:
        self.stop()

    def _sink_gone(self) -> None:
        # What is inside is lost: nothing may be written behind it. But what was sent from there before, such as an
        # answer to half a request, is still to be read, and that may be due just now, or in the next turn.
        if not self._over and self._cutting is None:
            if self._waits:
                self._reactor.removeWriter(self._to)
            self._waits = True
            self._watch()
            self._cutting = self._reactor.callLater(LAST_READ_SECONDS, self._cut)

    def _cut(self) -> None:
        transport = self._sink.transport
        self.stop()
        transport.abortConnection()

    def _close_pipe(self) -> None:
        os.close(self._in)
        os.close(self._out)


def _widened(pipe: int) -> int:
    """Let a pipe hold as much as it may; give how much that is.

    :raises OSError: too little to be of use.
    """
    try:
        size = fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    if size < LEAST_PIPE_BYTES:
        raise OSError("a pipe of this size is of no use")
    return int(size)
