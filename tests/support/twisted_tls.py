"""Our TLS transport in the shape of Twisted's, for Twisted's own tests of it.

Rule: nothing is added to what is tested but names: a factory that makes our transports where Twisted's would
make its own, and what Twisted's tests call things.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from twisted.internet import _newtls
from twisted.internet.interfaces import ILoggingContext
from twisted.protocols import tls
from twisted.python.failure import Failure
from zope.interface import implementer

from txproxy.tls.openssl import Scratch
from txproxy.tls.transport import TlsTransport


@implementer(ILoggingContext)
class AsTwisteds(TlsTransport):
    """Made as `TLSMemoryBIOProtocol` is.

    :param connects_inner: False: the protocol has a transport already, which TLS was started on.
    """

    def __init__(self, factory: Any, inner: Any, connects_inner: bool = True) -> None:
        super().__init__(Scratch(getattr(factory, "_clock", None)), None, inner)
        self.factory = factory
        self._connects_inner = connects_inner

    @property
    def wrappedProtocol(self) -> Any:
        """The protocol, None behind its end."""
        return self.inner

    def __getattr__(self, name: str) -> Any:
        """Give what only the transport below has, as Twisted's does."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.transport, name)

    def logPrefix(self) -> str:
        """Name the protocol, as lines of the old log begin."""
        inner = self.inner
        name = inner.logPrefix() if ILoggingContext.providedBy(inner) else type(inner).__name__
        return f"{name} (TLS)"

    def _begin(self) -> None:
        self._use(self.factory._creatorCallable(self))
        self.factory.registerProtocol(self)
        if self._connects_inner:
            super()._begin()
        else:
            self._shake()

    def _lost(self, inner: Any, reason: Failure) -> None:
        self.factory.unregisterProtocol(self)
        self.tls.set_app_data(None)  # it was us: a circle
        super()._lost(inner, reason)
        self.inner = None  # as with Twisted's, whose tests count what is left


class Factory(tls.TLSMemoryBIOFactory):
    """Makes them."""

    protocol: Any = AsTwisteds


@contextmanager
def instead_of_twisteds() -> Iterator[None]:
    """Let TLS of a reactor, and TLS that is started on a transport, be ours for a while."""
    with (
        mock.patch.object(tls, "TLSMemoryBIOFactory", Factory),
        mock.patch.object(_newtls, "TLSMemoryBIOFactory", Factory),
    ):
        yield


def copy_of(name: str, **names: Any) -> ModuleType:
    """Give a module of Twisted's anew, with some of its names standing for something else."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert all(hasattr(module, each) for each in names)
    vars(module).update(names)
    return module


def main() -> None:
    """Run Twisted's trial with our TLS, in a process of its own: `python -m tests.support.twisted_tls`."""
    from twisted.scripts import trial

    with instead_of_twisteds():
        trial.run()


if __name__ == "__main__":
    # Not this module's own `main`: the cases import the classes by the module's name.
    importlib.import_module("tests.support.twisted_tls").main()
