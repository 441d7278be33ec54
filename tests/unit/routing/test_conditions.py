"""What a route asks of a request beyond its host."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from txproxy.model import fields
from txproxy.routing.conditions import (
    ClientCondition,
    Condition,
    HeaderCondition,
    MethodCondition,
    PathCondition,
    QueryCondition,
    Request,
)
from txproxy.routing.pattern import PathSet


def request(
    method: bytes = b"GET",
    path: str = "/",
    target: bytes = b"/",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    client: str = "",
) -> Request:
    """Make a request with just what a condition asks for."""
    return Request(method, path, target, fields.from_items(headers), client)


@pytest.mark.parametrize(
    ("condition", "asked", "why_not"),
    [
        (PathCondition(PathSet(["/a", "/b/*"]), 1), request(path="/b/c"), None),
        (PathCondition(PathSet(["/a", "/b/*"]), 1), request(path="/c\n\udce9"), r"/c\n\udce9 is not /a or /b/*"),
        (MethodCondition(["GET", "POST"], 1), request(b"POST"), None),
        (MethodCondition(["GET", "POST"], 1), request(b"HEAD"), "HEAD is not GET or POST"),
        (MethodCondition(["GET"], 1), request(b"get"), "get is not GET"),
        (HeaderCondition("X-V", "2", 1), request(headers=((b"x-v", b"2"),)), None),
        (HeaderCondition("X-V", "2", 1), request(headers=((b"X-V", b"1"), (b"X-v", b"2 "))), None),
        (HeaderCondition("X-V", "2", 1), request(headers=((b"X-V", b"22"),)), "X-V is 22, not 2"),
        (HeaderCondition("X-V", "2", 1), request(headers=((b"X-V2", b"2"),)), "there is no X-V"),
        (HeaderCondition("X-V", "~^[23]$", 1), request(headers=((b"X-V", b"3"),)), None),
        (
            HeaderCondition("X-V", "~^[23]$", 1),
            request(headers=((b"X-V", b"4"), (b"X-V", b""))),
            "X-V is 4 or , not ~^[23]$",
        ),
        (HeaderCondition("X-V", "~", 1), request(headers=((b"X-V", b"anything"),)), None),
        (HeaderCondition("X-V", "é", 1), request(headers=((b"X-V", "é".encode()),)), None),
        (HeaderCondition("X-V", "é", 1), request(headers=((b"X-V", b"\xe9"),)), r"X-V is \udce9, not é"),
        (QueryCondition("a", "1", 1), request(target=b"/?b=2&a=1"), None),
        (QueryCondition("a", "1", 1), request(target=b"/?a=2&a=1"), None),
        (QueryCondition("a", "x y", 1), request(target=b"/?%61=x+%79"), None),
        (QueryCondition("a", "", 1), request(target=b"/?a"), None),
        (QueryCondition("a", "", 1), request(target=b"/?a="), None),
        (QueryCondition("a", "~^[0-9]+$", 1), request(target=b"/?a=12"), None),
        (QueryCondition("a", "1", 1), request(target=b"/a=1"), "there is no a in the query"),
        (QueryCondition("a", "1", 1), request(target=b"/?A=1"), "there is no a in the query"),
        (QueryCondition("a", "1", 1), request(target=b"/?a=%ff&a=2"), r"a is \udcff or 2, not 1"),
        (QueryCondition("a", "%zz", 1), request(target=b"/?a=%zz"), None),
        (ClientCondition([ip_network("10.0.0.0/8")], 1), request(client="10.1.2.3"), None),
        (ClientCondition([ip_network("10.0.0.0/8")], 1), request(client="::ffff:10.1.2.3"), None),
        (ClientCondition([ip_network("10.0.0.0/8")], 1), request(client="11.0.0.1"), "11.0.0.1 is not in 10.0.0.0/8"),
        (ClientCondition([ip_network("::/0")], 1), request(client=""), "a client without an address is not in ::/0"),
    ],
)
def test_conditions(condition: Condition, asked: Request, why_not: str | None) -> None:
    """A condition holds or says in a few words what was asked and what came; it knows where it stands."""
    assert condition.where == 1
    assert condition.holds(asked) is (why_not is None)
    if why_not is not None:
        assert condition.why_not(asked) == why_not


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\r\nb"])
def test_bad_header_names(name: str) -> None:
    """What is no field name is refused."""
    with pytest.raises(ValueError):
        HeaderCondition(name, "x", None)


@pytest.mark.parametrize("make", [HeaderCondition, QueryCondition])
def test_bad_expressions(make: type) -> None:
    """A value that starts with ~ and is no regular expression is refused."""
    with pytest.raises(ValueError, match="no regular expression"):
        make("a", "~(", None)


def test_the_query_is_read_once() -> None:
    """Several conditions on the query share one reading of it."""
    asked = request(target=b"/?a=1")
    assert asked.query is asked.query
