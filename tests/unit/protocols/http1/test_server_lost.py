"""A client's connection that ends before its answer does."""

from __future__ import annotations

import pytest

from tests.unit.protocols.http1.test_server import echo, get
from tests.unit.protocols.http1.transports import Recorder, Served, ok, wire_head
from txproxy.model.errors import HTTP_RESPONSE_INCOMPLETE, SHUTTING_DOWN, ProxyError


@pytest.mark.parametrize("how", ["readConnectionLost", "connectionLost"])
def test_a_client_that_goes_away_is_told_of_once(how: str) -> None:
    """The receiver of a request under way learns that nobody waits; half an answer is cut, not closed."""
    served = Served()
    served.feed(get())
    served.connection.send_head(ok(length=9), b"1234")
    if how == "readConnectionLost":
        served.connection.readConnectionLost()
        assert served.wire.ends == ["aborted"]
    served.drop()
    served.drop()
    assert served.events[1:] == [("lost", "client_disconnected", 499)]
    assert served.lost == 1
    served.connection.send_body(b"5678")
    served.connection.send_end()
    served.connection.release("x")


def test_an_idle_client_that_goes_away_is_no_event() -> None:
    """Between requests an end is an end."""
    served = Served(echo)
    served.feed(get())
    served.connection.readConnectionLost()
    assert (len(served.events), served.wire.ends, served.lost) == (1, ["closed"], 1)


def test_a_reset_is_a_reset() -> None:
    """An exchange that fails in the middle of an answer cuts the connection, without telling itself."""
    served = Served()
    served.feed(get())
    served.connection.send_head(ok(length=None), b"half")
    served.connection.reset(ProxyError(HTTP_RESPONSE_INCOMPLETE))
    assert (served.wire.ends, served.lost, len(served.events)) == (["aborted"], 1, 1)


class Failing(Recorder):
    """A Receiver that answers its loss, as an exchange whose answer has not begun does."""

    def __init__(self, served: Served) -> None:
        super().__init__(served.events)
        self._served = served

    def stream_lost(self, error: ProxyError) -> None:
        """Answer."""
        super().stream_lost(error)
        self._served.connection.send_head(ok(b"", status=error.status), b"", True)


@pytest.mark.parametrize("more", [b"", get(b"/2")])
def test_a_request_that_is_cut_while_it_waits_gets_an_answer(more: bytes) -> None:
    """The error is the answer, the last on the connection, whatever has arrived behind the request."""
    served = Served()
    served.feed(get(b"/1") + more)
    served.connection.receiver = Failing(served)
    served.connection.cut(ProxyError(SHUTTING_DOWN))
    assert served.events[1:] == [("lost", "shutting_down", 503)]
    assert served.wire.take() == wire_head(b"Content-Length: 0", b"Connection: close", status=503)
    assert served.wire.ends == ["half-closed" if more else "closed"]


def test_what_is_cut_otherwise_is_reset() -> None:
    """Half an answer, a tunnel, an idle client: each is reset, and told of once."""
    begun = Served()
    begun.feed(get())
    begun.connection.send_head(ok(length=9), b"1234")
    tunnel = Served()
    tunnel.feed(get())
    tunnel.connection.send_head(ok(status=101, length=None))
    tunnel.connection.detach()
    idle = Served(echo)
    idle.feed(get() + b"GET / HT")
    for served, told in ((begun, 1), (tunnel, 1), (idle, 0)):
        served.connection.cut(ProxyError(SHUTTING_DOWN))
        served.connection.cut(ProxyError(SHUTTING_DOWN))
        served.drop()
        assert served.events[1:] == [("lost", "shutting_down", 503)] * told
        assert (served.wire.ends, served.lost) == (["aborted"], 1)
