"""Connections that begin with a PROXY header: it is read, and then the connection is another protocol's.

Rule: nobody hears of a connection's bytes before its header is complete and was accepted. Where it must come
and does not, or is not one, the connection is reset within the deadline, and one reason is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.model.errors import ProxyError
from txproxy.protocols.proxy_protocol.codec import HeaderReader, ProxyHeader, ProxyHeaderError
from txproxy.reactor.deadlines import NEVER, Deadlines


@implementer(IProtocol)
class ProxyHeaderReceiver:
    """Stands in front of a connection's protocol until the header has been read.

    :param deadlines: the wheel.
    :param timeout: seconds for the whole header, however it comes.
    :param accept: called once with the header and the transport; gives the protocol that the connection is for
        from then on, or None: it is reset, for a reason that whoever was asked knows.
    :param refused: called at most once, with why there is no header that could be accepted.
    :param ended: called once, when the connection is gone, unless a header was accepted.
    :ivar answering: no request is under way (what a listener's connections are asked).
    """

    __slots__ = (
        "_accept",
        "_deadlines",
        "_ended",
        "_over",
        "_reader",
        "_refused",
        "_spoken",
        "_timeout",
        "deadline",
        "deadline_slot",
        "transport",
    )
    answering = False

    def __init__(
        self,
        deadlines: Deadlines,
        timeout: float,
        accept: Callable[[ProxyHeader, Any], Any],
        refused: Callable[[str], None],
        ended: Callable[[ProxyHeaderReceiver], None],
    ) -> None:
        self._deadlines = deadlines
        self._timeout = timeout
        self._accept = accept
        self._refused = refused
        self._ended = ended
        self._reader = HeaderReader()
        self._spoken = False
        #: nothing that arrives is ours any more
        self._over = False
        self.transport: Any = None
        self.deadline = NEVER
        self.deadline_slot = 0

    def __repr__(self) -> str:
        state = "over" if self._over else "within a header" if self._spoken else "awaiting a header"
        return f"<ProxyHeaderReceiver {state}>"

    # Called by Twisted.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport; the deadline begins.

        No receiver is bound to it (`reactor.transport.receive_with`): so it looks up whose the data is for each
        read, until the next protocol binds its own.
        """
        self.transport = transport
        self._deadlines.arm(self, self._timeout)

    def connectionMade(self) -> None:
        """Part of IProtocol, for those who call it by themselves; `makeConnection` does all."""

    def dataReceived(self, data: bytes) -> None:
        """Look for the header."""
        if self._over:
            return
        self._spoken = True
        try:
            found = self._reader.feed(data)
        except ProxyHeaderError as error:
            self._refuse(error.detail)
            return
        if found is not None:
            self._over = True
            self._deadlines.forget(self)
            self._ask(*found)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone before there was a header."""
        self._deadlines.forget(self)
        over, self._over = self._over, True
        # Who connects and says nothing at all only wants to know whether somebody is here.
        if self._spoken and not over:
            self._refused("the connection ended within its PROXY header")
        self._ended(self)

    def deadline_passed(self) -> None:
        """It has taken too long."""
        begun = "the whole of its" if self._spoken else "a"
        self._refuse(f"{begun} PROXY header did not come within {self._timeout:g} s")

    # What a listener's connections are asked.

    def abort(self) -> None:
        """Reset it, now."""
        if not self._over:
            self._over = True
            self._deadlines.forget(self)
            self.transport.abortConnection()

    def cut(self, error: ProxyError) -> None:
        """Reset it: nobody waits for an answer yet."""
        self.abort()

    def close_when_idle(self) -> None:
        """Reset it: nothing has been asked yet."""
        self.abort()

    # Inside.

    def _refuse(self, reason: str) -> None:
        # Ended first: whatever is done with the reason, the connection is not kept.
        self.abort()
        self._refused(reason)

    def _ask(self, header: ProxyHeader, rest: bytes) -> None:
        """Let the transport have its next protocol, which is told of all that happens from here on."""
        transport = self.transport
        # What this raises ends the connection, which is ours as yet: `ended` is called then.
        protocol = self._accept(header, transport)
        if protocol is None:
            transport.abortConnection()
            return
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest and not transport.disconnecting:
            protocol.dataReceived(rest)
