"""How long the upstream half of HTTP/1 waits, and for what.

Rule: one deadline at a time: for the first byte of an answer, between two of its pieces, or for an idle
connection. What moves sets it anew; while it is we who do not read, nothing is held against the backend.
"""

from __future__ import annotations

from txproxy.model.errors import CONNECTION_TERMINATED, HTTP_RESPONSE_INCOMPLETE, HTTP_RESPONSE_TIMEOUT, ProxyError
from txproxy.reactor.deadlines import NEVER, Deadlines
from txproxy.reactor.transport import untaken_bytes

from .splicing import Splicing


class Waiting(Splicing):
    """The deadlines of a connection to a backend."""

    __slots__ = (
        "_deadlines",
        "_head_seen",
        "_request_sent",
        "_response_done",
        "_stalled_at",
        "_tunnel",
        "deadline",
        "deadline_slot",
        "idle_timeout",
        "response_timeout",
    )
    _deadlines: Deadlines
    _head_seen: bool
    _request_sent: bool
    _response_done: bool
    #: while writing is paused: what the backend had not taken when we last looked, else -1
    _stalled_at: int
    _tunnel: bool
    deadline: float
    deadline_slot: int
    #: seconds to the first byte of a response, and between two pieces of one; None: for ever
    response_timeout: float | None
    idle_timeout: float | None

    @property
    def idle(self) -> bool:
        """Whether it carries no request at the moment."""
        return self._request_sent and self._response_done

    def discard(self) -> None:
        """End the connection without further words: it is not to be used again."""
        raise NotImplementedError

    def _cut(self, error: ProxyError | None) -> None:
        raise NotImplementedError

    def _touch(self) -> None:
        """Something moved: the time begins anew."""
        if self.lost or self._tunnel or self._response_done:
            return
        limit = self.idle_timeout if self._head_seen else self.response_timeout
        if limit is None:
            self.deadline = NEVER
        else:
            self._deadlines.arm(self, limit)

    def deadline_passed(self) -> None:
        """The backend was silent for too long, or the connection idle for long enough."""
        if self.lost:
            self.transport.abortConnection()  # it was to end, and what was written does not leave
        elif self.idle:
            self.discard()
        elif self._holds or self._is_busy_with_the_request():
            self._touch()
        elif self._head_seen:
            self._cut(ProxyError(HTTP_RESPONSE_TIMEOUT, "the backend sent nothing more for timeouts.idle"))
        else:
            self._cut(ProxyError(HTTP_RESPONSE_TIMEOUT, "the backend sent no answer within timeouts.response"))

    def _is_busy_with_the_request(self) -> bool:
        """Whether the backend takes the request, however slowly, or waits for the client's rest of it."""
        if self._stalled_at < 0:
            return not (self._request_sent or self._head_seen)
        stalled_at, self._stalled_at = self._stalled_at, untaken_bytes(self.transport)
        return self._stalled_at < stalled_at

    def _loss(self, reason: str) -> ProxyError:
        if self._head_seen:
            return ProxyError(HTTP_RESPONSE_INCOMPLETE, f"the connection to the backend broke: {reason}")
        return ProxyError(CONNECTION_TERMINATED, f"the connection to the backend broke: {reason}")
