"""Bodies that go from one connection to another within the kernel.

Rule: it is the same exchange whether a body is copied or spliced: octets are counted, deadlines set and
holds kept by the same halves. Only a body of known length is spliced, that nobody looks at, between two
connections that carry it as it is; all of it or, where that cannot be, the rest is copied.
"""

from __future__ import annotations

from typing import Any

from txproxy.reactor.splice import Splice, can_splice, splice

from .holding import Holding

# For less, opening a pipe and watching two descriptors costs more than copying (measured).
LEAST_OCTETS = 256 * 1024


class Splicing(Holding):
    """What the two halves have in common as the ends of a splice."""

    __slots__ = ("_splice", "_splices_to")
    #: under way, whichever end of it this is
    _splice: Splice | None
    #: whose connection the rest of this body may be spliced to
    _splices_to: Any

    def release(self, reason: str) -> None:
        """Withdraw a reason to not read, and perhaps the one that stood in the way."""
        super().release(reason)
        if self._splices_to is not None and not self._holds:
            self._try_to_splice()

    def splice_to(self, sink: Any) -> None:
        """Let the rest of the body that is arriving go to that connection, as soon as that can be."""
        if (
            (self._decoder.body_remaining or 0) >= LEAST_OCTETS
            and isinstance(sink, Splicing)
            and not (self.lost or sink.lost)
            and can_splice(self.transport)
            and can_splice(sink.transport)
        ):
            self._splices_to = sink
            self._try_to_splice()

    def _try_to_splice(self) -> None:
        """Begin, if neither end has anything before it; called again with each piece that is copied."""
        sink, remaining = self._splices_to, self._decoder.body_remaining or 0
        if self.lost or sink.lost or remaining < LEAST_OCTETS or not sink.takes_splice(remaining):
            self._splices_to = None
        elif not (self._holds or self._decoder.held_back or self._splice or sink._splice):  # one at a time for each
            self._splices_to = None  # once: what follows may release and hold us
            self._splice = begun = splice(self, self.transport, sink, remaining)
            if begun is not None:
                sink._splice = begun
                self.reading = begun
                if self._holds:  # the sink has to send something first
                    begun.pauseProducing()

    def _stop_splicing(self) -> None:
        """End what is under way: this end is gone."""
        self._splices_to = None
        if self._splice is not None:
            self._splice.stop()

    def takes_splice(self, octets: int) -> bool:
        """Whether so many octets are what this connection is to send next, as they are."""
        raise NotImplementedError

    # As the source.

    def spliced_in(self, octets: int) -> None:
        """So much came."""
        raise NotImplementedError

    def splice_over(self, whole: bool) -> None:
        """Read as always; `whole`: the body has ended."""
        self._splice = None
        self.reading = self.transport
        if self.lost:
            return
        if not self._holds:
            self.transport.resumeProducing()
        if whole:
            self._decoder.skipped_all()

    # As the sink.

    def spliced_out(self, octets: int) -> None:
        """So much was taken."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """The other end reads slower than we write."""
        raise NotImplementedError

    def resumeProducing(self) -> None:
        """It has caught up."""
        raise NotImplementedError

    def splice_ended(self) -> None:
        """Nothing more comes that way."""
        self._splice = None
