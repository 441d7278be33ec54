"""Our TLS transport is held to Twisted's own tests of reactors with TLS, over every kind of transport that we use."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.test import test_tls as twisted_tls
from twisted.trial.unittest import SynchronousTestCase

from tests.support.twisted_tls import instead_of_twisteds
from tests.unit.reactor.batching import BatchingReactor

# Twisted's test of a broken TLS context warns of the context it breaks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not explicitly provide any OpenSSL"),
    # Some of Twisted's tests leave sockets of their own to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed .socket.socket:ResourceWarning"),
]

BUILDERS = (
    twisted_tls.SSLClientTestsMixin,
    twisted_tls.StartTLSClientTestsMixin,
    twisted_tls.TLSPortTestsBuilder,
    twisted_tls.AbortSSLConnectionTests,
)


def uvloop_reactor(case: Any) -> Any:
    """Make a reactor, whose loop is closed behind the test."""
    pytest.importorskip("uvloop")
    from txproxy.reactor.uv.reactor import UvloopReactor

    reactor = UvloopReactor()
    case.addCleanup(reactor.loop.close)
    return reactor


# What their transports are: Twisted's, ours on epoll, uvloop's.
REACTORS: dict[str, Any] = {"epoll": EPollReactor, "batching": BatchingReactor, "uvloop": uvloop_reactor}


# What is left out, and why: lines of Twisted's old log begin with the name of the protocol that is being called. Our
# TLS lets uvloop call it straight, with nobody in between who could know that name.
LEFT_OUT = {
    ("uvloop", "SSLClientTestsMixin"): ("test_logPrefix",),
    ("uvloop", "StartTLSClientTestsMixin"): ("test_logPrefix",),
}


class _Ours:
    """While such a case runs, TLS is ours."""

    def setUp(self) -> None:
        """Put it in the place of Twisted's."""
        ours = instead_of_twisteds()
        ours.__enter__()
        self.addCleanup(ours.__exit__, None, None, None)  # type: ignore[attr-defined]
        super().setUp()  # type: ignore[misc]


def _cases() -> dict[str, type]:
    return {
        f"Twisted_{name}_{builder.__name__}": type(
            f"Twisted_{name}_{builder.__name__}",
            (_Ours, builder, SynchronousTestCase),
            {"reactorFactory": factory, "__module__": __name__, "getTimeout": lambda self: 20.0}
            | dict.fromkeys(LEFT_OUT.get((name, builder.__name__), ())),
        )
        for name, factory in REACTORS.items()
        for builder in BUILDERS
    }


globals().update(_cases())
