"""The lines of the access log."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.observability.formats import FORMATS, combined_format
from txproxy.observability.json_lines import JsonLines
from txproxy.observability.record import Record

USUAL = Record(
    time=1763826840.123456,
    request_id="0123456789abcdef0123456789abcdef",
    client="203.0.113.7",
    client_port=51234,
    listener="http://0.0.0.0:80",
    scheme="http",
    method=b"GET",
    host=b"app.example.com",
    target=b"/a/b?c=d",
    version=11,
    status=200,
    cause="",
    route="app.example.com/*",
    upstream="app",
    backend="http://10.0.0.5:8000",
    bytes_received=0,
    bytes_sent=34,
    duration=0.0023456,
    connect=None,
    first_byte=0.0021,
    attempts=1,
    reused=True,
    user_agent=b"curl/8",
    referer=None,
)
UNREADABLE = USUAL._replace(
    method=b"", host=b"", target=b"", version=0, status=400, cause="http_request_error", route="", upstream="",
    backend="", first_byte=None, attempts=0, reused=False, user_agent=None,
)  # fmt: skip

# As log readers have it: no quotation mark is expected inside of a quoted field, escaped or not.
COMBINED = re.compile(
    r'(?P<client>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d{1,3}) (?P<size>\d+|-)'
    r' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"(?P<rest>.*)\n'
)
REST = re.compile(r' (\w+)=(?:"([^"]*)"|([\d.]+|-))')

anything = st.binary(max_size=60) | st.sampled_from(
    [
        b'" 200 1 "',
        b"\\",
        b'\\"',
        b"\r\n",
        "\u2028\u00e9\U0001f600".encode(),
        b'?token=\xff\n"',
        b"//a:b@c/",
        b"\x7f\x00",
    ]
)
word = st.text(max_size=30)
seconds = st.floats(min_value=0, max_value=1e6)
records = st.builds(
    Record,
    time=st.floats(min_value=0, max_value=4e9),
    request_id=word,
    client=word,
    client_port=st.integers(0, 65535),
    listener=word,
    scheme=word,
    method=anything,
    host=anything,
    target=anything,
    version=st.sampled_from([0, 10, 11, 20, 30]),
    status=st.integers(0, 599),
    cause=word,
    route=word,
    upstream=word,
    backend=word,
    bytes_received=st.integers(0, 2**40),
    bytes_sent=st.integers(0, 2**40),
    duration=seconds,
    connect=st.none() | seconds,
    first_byte=st.none() | seconds,
    attempts=st.integers(0, 9),
    reused=st.booleans(),
    user_agent=st.none() | anything,
    referer=st.none() | anything,
)


def as_json(record: Record) -> dict[str, Any]:
    """Write a record as JSON, and read it."""
    read: dict[str, Any] = json.loads(JsonLines()(record))
    return read


def as_combined(record: Record) -> dict[str, str]:
    """Write a record in the combined format, and read it."""
    found = COMBINED.fullmatch(combined_format()(record))
    assert found is not None
    rest = found["rest"]
    assert REST.sub("", rest) == ""
    return found.groupdict() | {name: text or number for name, text, number in REST.findall(rest)}


def test_json() -> None:
    """A JSON line has every field of the record by its name, with null for what does not apply."""
    assert as_json(USUAL) == {
        "time": "2025-11-22T15:54:00.123Z",
        "request_id": "0123456789abcdef0123456789abcdef",
        "client": "203.0.113.7",
        "client_port": 51234,
        "method": "GET",
        "host": "app.example.com",
        "target": "/a/b?c=d",
        "version": "HTTP/1.1",
        "listener": "http://0.0.0.0:80",
        "scheme": "http",
        "route": "app.example.com/*",
        "upstream": "app",
        "backend": "http://10.0.0.5:8000",
        "cause": None,
        "status": 200,
        "bytes_received": 0,
        "bytes_sent": 34,
        "duration": 0.002346,
        "connect": None,
        "first_byte": 0.0021,
        "attempts": 1,
        "reused": True,
        "user_agent": "curl/8",
        "referer": None,
    }
    assert set(as_json(USUAL)) == set(Record._fields)


def test_combined() -> None:
    """A combined line has the usual fields first, and the proxy's own behind them."""
    assert combined_format()(USUAL._replace(referer=b"http://a/")) == (
        '203.0.113.7 - - [22/Nov/2025:15:54:00 +0000] "GET /a/b?c=d HTTP/1.1" 200 34 "http://a/" "curl/8"'
        ' id="0123456789abcdef0123456789abcdef" host="app.example.com" listener="http://0.0.0.0:80" scheme="http"'
        ' route="app.example.com/*" upstream="app" backend="http://10.0.0.5:8000" cause="-"'
        " received=0 duration=0.002346 connect=- first_byte=0.002100 attempts=1 reused=1\n"
    )


def test_unreadable_request() -> None:
    """Where no request could be read there is still a line, which says so."""
    line = as_json(UNREADABLE)
    assert [line[key] for key in ("method", "version", "route", "upstream", "backend", "first_byte")] == [None] * 6
    assert (line["status"], line["cause"]) == (400, "http_request_error")
    combined = as_combined(UNREADABLE)
    assert (combined["request"], combined["status"], combined["cause"]) == ("-", "400", "http_request_error")


@pytest.mark.parametrize("version", [(10, "HTTP/1.0"), (11, "HTTP/1.1"), (20, "HTTP/2.0"), (30, "HTTP/3.0")])
def test_versions(version: tuple[int, str]) -> None:
    """The version is written as in a request line, the same in both formats."""
    record = USUAL._replace(version=version[0])
    assert as_json(record)["version"] == version[1]
    assert as_combined(record)["request"].endswith(f" {version[1]}")


@given(records)
def test_any_record_is_one_valid_json_line(record: Record) -> None:
    """Whatever a client sends, a JSON line is ASCII, valid and one."""
    line = JsonLines()(record)
    assert line.isascii()
    assert (line.count("\n"), line[-1:]) == (1, "\n")
    assert line[:-1].isprintable()
    assert set(json.loads(line, parse_constant=pytest.fail)) == set(Record._fields)


@given(records)
def test_any_record_is_one_combined_line(record: Record) -> None:
    """Whatever a client sends, a combined line is ASCII, one, and read back with the right status and size."""
    line = combined_format()(record)
    assert line.isascii()
    assert line[:-1].isprintable()
    read = as_combined(record)
    assert (read["status"], read["size"]) == (str(record.status), str(record.bytes_sent))
    assert (read["received"], read["attempts"]) == (str(record.bytes_received), str(record.attempts))
    assert not record.method or len(read["request"].split(" ")) == 3


@given(st.lists(records, max_size=4), st.sampled_from(sorted(FORMATS)))
def test_a_line_does_not_depend_on_earlier_ones(records: list[Record], name: str) -> None:
    """What a format remembers, the second and the place, never shows in another record's line."""
    line = FORMATS[name]()
    assert [line(record) for record in records] == [FORMATS[name]()(record) for record in records]


@given(st.text(max_size=40))
def test_utf8_is_kept(text: str) -> None:
    """What a client sends as UTF-8 is read from JSON as it was."""
    assert as_json(USUAL._replace(user_agent=text.encode()))["user_agent"] == text


def test_other_bytes_are_escaped() -> None:
    """A byte that is not of UTF-8 is shown by its number; in the combined format every one beyond ASCII is."""
    record = USUAL._replace(user_agent=b'\xff"\\\n\xc3\xa9')
    assert as_json(record)["user_agent"] == '\\xff"\\\n\u00e9'
    assert as_combined(record)["agent"] == r"\xFF\x22\x5C\x0A\xC3\xA9"


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("target", b"/a?token=hush&b=1", "/a?token=sha256:"),
        ("target", b"http://u:hush@a.example.com/b?c", "http://a.example.com/b?c"),
        ("host", b"u:hush@app.example.com", "app.example.com"),
        ("referer", b"https://a.example.com/?password=hush", "https://a.example.com/?password=sha256:"),
        ("referer", b"https://u:hush@a.example.com/", "https://a.example.com/"),
        ("referer", b"https://a.example.com/#access_token=hush", "https://a.example.com/"),
        ("referer", b"https://a.example.com/@b", "https://a.example.com/@b"),
    ],
)
def test_secrets_in_addresses(field: str, value: bytes, shown: str) -> None:
    """Token-like values are hashed, credentials and fragments left out, wherever an address is written."""
    record = USUAL._replace(**{field: value})
    combined = as_combined(record)
    for text in (as_json(record)[field], combined["request"].split(" ")[1] if field == "target" else combined[field]):
        assert text.startswith(shown)
        assert "hush" not in text


def test_no_place_for_credentials() -> None:
    """No field of a record takes Authorization, Cookie or Set-Cookie."""
    assert not [name for name in Record._fields if re.search("cookie|auth|header", name)]


def test_what_is_remembered_is_bounded() -> None:
    """More places than are remembered are written as well as the first."""
    line = JsonLines()
    for number in range(5000):
        assert f'"route":"{number}"' in line(USUAL._replace(route=str(number)))


def test_months_are_english() -> None:
    """The month of a combined line is an English abbreviation, whatever the locale."""
    middles = [datetime(2025, month, 15, tzinfo=UTC).timestamp() for month in range(1, 13)]
    months = [as_combined(USUAL._replace(time=middle))["time"].split("/")[1] for middle in middles]
    assert months == ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
