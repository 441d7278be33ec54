"""WSGI applications as leaves: in the reactor's thread pool, and no faster than their clients read.

Rule: `twisted.web.wsgi` runs the application; here is only what it lacks. It passes on what an application
writes without ever waiting, so an application that is faster than its client would fill the memory. Its
one way from the thread to the reactor is `callFromThread`, and that is where it is made to wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import IResource
from twisted.web.wsgi import WSGIResource
from zope.interface import implementer


@implementer(IResource)
class WsgiApplication:
    """A WSGI application (PEP 3333).

    :param reactor: Twisted's.
    :param threadpool: where the application is called.
    :param application: it.
    """

    isLeaf = True

    def __init__(self, reactor: Any, threadpool: Any, application: Callable[..., Any]) -> None:
        self._reactor = reactor
        self._threadpool = threadpool
        self._application = application

    def __repr__(self) -> str:
        return f"<WsgiApplication {self._application!r}>"

    def render(self, request: Any) -> int:
        """Call the application in a thread."""
        gate = _Gate(self._reactor)
        request.registerProducer(gate, True)
        request.notifyFinish().addBoth(gate.open_for_good)
        answer: int = WSGIResource(gate, self._threadpool, self._application).render(request)
        return answer

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """Everything below is the application's."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """Nothing can be put below it.

        :raises RuntimeError: always.
        """
        raise RuntimeError("a WSGI application has no children")


@implementer(IPushProducer)
class _Gate:
    """The reactor as one response's thread sees it: its calls wait while the client is behind.

    The thread waits for each of its calls, so at most one is kept here.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._shut = False
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = deque()

    def callFromThread(self, call: Callable[..., Any], *args: Any, **keywords: Any) -> None:
        """Call this in the reactor's thread, once the client has room."""
        self._reactor.callFromThread(self._pass, call, args, keywords)

    def _pass(self, call: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._waiting.append((call, args, keywords))
        self._drain()

    def _drain(self) -> None:
        while self._waiting and not self._shut:
            call, args, keywords = self._waiting.popleft()
            call(*args, **keywords)

    def pauseProducing(self) -> None:
        """The client does not keep up."""
        self._shut = True

    def resumeProducing(self) -> None:
        """It has caught up."""
        self._shut = False
        self._drain()

    def stopProducing(self) -> None:
        """It is gone: what the thread still writes is dropped, so that the thread comes to its end."""
        self.resumeProducing()

    def open_for_good(self, result: object) -> None:
        """The response is over, well or not."""
        self.resumeProducing()
