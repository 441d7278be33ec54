"""A line of the access log, in each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cases import BROWSER_HEADERS
from txproxy.observability.formats import FORMATS
from txproxy.observability.record import Record


def subjects() -> Mapping[str, Callable[[], object]]:
    """Time the making of a record and of its line; writing is one call for some 150 lines."""
    agent = dict(BROWSER_HEADERS)["User-Agent"].encode("ascii")
    values = (
        *(1_800_000_000.123, "5f2c8a9e7d1b4c30", "127.0.0.1", 40000, "http://127.0.0.1:8080", "http"),
        *(b"GET", b"app.example.com", b"/some/page", 11, 200, "", "app.example.com/*", "app"),
        *("http://127.0.0.1:8000", 0, 34, 0.000321, None, 0.000301, 1, True, agent, None),
    )
    record = Record(*values)

    def line(name: str) -> Callable[[], object]:
        write = FORMATS[name]()
        return lambda: write(record)

    return {"make a record": lambda: Record(*values), **{f"log line, {name}": line(name) for name in FORMATS}}
