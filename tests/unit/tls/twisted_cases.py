"""Twisted's own test cases of TLS, for our transport; run by Twisted's runner (see test_transport_twisted.py).

Rule: a case is left out by its name and for a reason, and only if it looks at what Twisted's class keeps for
itself, or asks for what is deliberately otherwise here.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import _newtls, posixbase
from twisted.internet.testing import StringTransport
from twisted.test import test_ssl
from twisted.trial.unittest import SynchronousTestCase

from tests.support.twisted_tls import AsTwisteds, Factory, copy_of

_PRIVATE = "it replaces or counts a private method of Twisted's class"
_NO_WAIT = "it wants the end to wait for the other end's close_notify; ours does not (TlsTransport's rule)"
_BELOW = "it looks for a producer at the transport below before the handshake; there it is registered behind it"

LEFT_OUT: dict[str, dict[str, str]] = {
    "TLSMemoryBIOFactoryTests": {},
    "DeterministicTLSMemoryBIOTests": {},
    "TLSMemoryBIOTests": {
        "test_connectionLostOnlyAfterUnderlyingCloses": _PRIVATE + " (_tlsShutdownFinished)",
        "test_loseConnectionTwice": _PRIVATE + " (_shutdownTLS)",
        "test_loseConnectionAfterConnectionLost": _PRIVATE + " (_shutdownTLS)",
        "test_errorWriting": _PRIVATE + " (_tlsConnection.send)",
        "test_wrappedProtocolInterfaces": "it wants the interfaces of whatever is below; ours provides what it has",
        "test_noCircularReferences": "it counts in the turn of the end, which holds us until it is over",
    },
    "TLSProducerTests": {
        "test_streamingProducerPausedInWriteBlockedOnReadMode": "it wants a pause for 5 bytes; ours takes 64 KiB",
        "test_streamingProducerBothTransportsDecideToPause": _PRIVATE + " (a connection that is no OpenSSL)",
        "test_streamingProducerLoseConnectionWithProducer": _NO_WAIT,
        "test_streamingProducerLoseConnectionWithProducerWBOR": _NO_WAIT,
        "test_nonStreamingProducer": _BELOW,
    },
}
LEFT_OUT_OF_SSL: dict[str, dict[str, str]] = {
    "StolenTCPTests": {},
    "TLSTests": {},
    "SpammyTLSTests": {},
    "BufferingTests": {},
    "ConnectionLostTests": {},
}

THEIRS = copy_of("twisted.protocols.test.test_tls", TLSMemoryBIOFactory=Factory, TLSMemoryBIOProtocol=AsTwisteds)


class _History(StringTransport):
    """A producer that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.producerHistory: list[str] = []

    @property
    def _producerPaused(self) -> bool:
        """Twisted asks this of what stands in front of a producer; here it is the producer itself."""
        return bool(self.producerState == "paused")

    def pauseProducing(self) -> None:
        """Write it down."""
        self.producerHistory.append("pause")
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Write it down."""
        self.producerHistory.append("resume")
        super().resumeProducing()

    def stopProducing(self) -> None:
        """Write it down."""
        self.producerHistory.append("stop")
        super().stopProducing()


def _producers() -> type:
    """Shake hands before a producer is registered, unless it is the handshake that the case is about."""

    class TLSProducerTests(THEIRS.TLSProducerTests):  # type: ignore[misc,name-defined]
        def setupStreamingProducer(self, **details: Any) -> tuple[Any, Any, _History]:
            """Do as Twisted's."""
            protocol, ours = THEIRS.buildTLSProtocol(**details)
            if "WriteBlockedOnRead" not in self._testMethodName:
                self.flushTwoTLSProtocols(ours, THEIRS.buildTLSProtocol(server=True)[1])
                assert not ours.shaking
            producer = _History()
            protocol.transport.registerProducer(producer, True)
            return protocol, ours, producer

    return TLSProducerTests


def _cases() -> dict[str, type]:
    made: dict[str, type] = {}
    for theirs, all_left_out in ((THEIRS, LEFT_OUT), (test_ssl, LEFT_OUT_OF_SSL)):
        for name, left_out in all_left_out.items():
            base: Any = _producers() if name == "TLSProducerTests" else getattr(theirs, name)
            assert all(hasattr(base, each) for each in left_out)
            skipped = {each: _skipped(reason) for each, reason in left_out.items()}
            made[name] = type(name, (base,), skipped | {"__module__": __name__, "timeout": 20})
    return made


def _skipped(reason: str) -> Any:
    def skipped(self: Any) -> None:
        """Left out."""

    skipped.skip = reason  # type: ignore[attr-defined]  # trial looks at it
    return skipped


class OursTests(SynchronousTestCase):
    """The cases below are about our transport."""

    def test_it_is_ours(self) -> None:
        """Whoever makes TLS, for a port, a connector or `startTLS`, makes ours."""
        for where in (posixbase.tls, _newtls, THEIRS):
            assert where.TLSMemoryBIOFactory is Factory


globals().update(_cases())
