"""An exchange becomes the line that its record would become, whatever was remembered of others before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observability.test_formats import USUAL, records
from txproxy.model import fields
from txproxy.observability import json_lines as subject
from txproxy.observability.json_lines import JsonLines
from txproxy.observability.record import Record, agent_and_referer


def ended(record: Record, block: bytes) -> Any:
    """Make what the log is told of an exchange: the record's values, and the request's fields."""
    route = None if record.route == "" else SimpleNamespace(name=record.route)
    head = SimpleNamespace(
        method=record.method,
        authority=record.host,
        target=record.target,
        version=record.version,
        block=block,
    )
    return SimpleNamespace(
        head=head,
        client=SimpleNamespace(listener=record.listener, port=record.client_port),
        client_ip=record.client,
        route=route,
        connect_time=record.connect,
        first_byte_time=record.first_byte,
        **{
            name: getattr(record, name)
            for name in ("request_id", "scheme", "status", "cause", "upstream", "backend", "attempts", "reused")
        },
    )


def of(lines: JsonLines, record: Record, block: bytes) -> str:
    """Write an exchange."""
    gist = lines.of_exchange(
        ended(record, block), record.time, record.duration, record.bytes_received, record.bytes_sent
    )
    return lines.lines([gist])[0]


_value = st.binary(max_size=12).filter(lambda value: not set(value) & {*range(32), 127})
_blocks = st.lists(
    st.tuples(st.sampled_from((b"User-Agent", b"user-agent", b"Referer", b"REFERER", b"Cookie")), _value), max_size=4
).map(fields.from_items)


@given(st.lists(st.tuples(records, _blocks), min_size=1, max_size=6))
def test_an_exchange_is_written_as_its_record(each: list[tuple[Record, bytes]]) -> None:
    """In whatever order exchanges with equal and other fields end, each line is that of its record alone."""
    lines = JsonLines()
    for record, block in each + each:
        record = record._replace(request_id=USUAL.request_id)
        user_agent, referer = agent_and_referer(block)
        # Without a request there is neither method nor version.
        version = record.version if record.method else 0
        whole = record._replace(user_agent=user_agent, referer=referer, version=version)
        assert of(lines, record, block) == JsonLines()(whole)


def test_what_is_remembered_is_bounded() -> None:
    """However many fields clients think of, a bounded number is remembered, and long ones are not."""
    lines = JsonLines()
    for number in range(3000):
        block = b"\r\nUser-Agent: %d" % number
        assert f'"user_agent":"{number}"' in of(lines, USUAL, block)
        assert f'"user_agent":"{number}"' in of(lines, USUAL, block)
        assert len(lines._shapes) <= subject._MOST_SHAPES
    known = len(lines._shapes)
    of(lines, USUAL, b"\r\nUser-Agent: " + b"x" * 5000)
    of(lines, USUAL._replace(host=b"h" * 5000), b"\r\nUser-Agent: y")
    of(lines, USUAL._replace(method=b"M" * 5000), b"\r\nUser-Agent: z")
    assert len(lines._shapes) == known
