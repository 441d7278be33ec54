"""A client's connection that ends before its answer does."""

from __future__ import annotations

import pytest

from tests.unit.protocols.http1.test_server import echo, get
from tests.unit.protocols.http1.transports import Served, ok
from txproxy.model.errors import HTTP_RESPONSE_INCOMPLETE, ProxyError


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
