"""What a backend's bytes mean, in every split."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.http1.decoding import Event, agreed, cut_at, read_responses
from txproxy.protocols.http1.codec_response import MAX_RESPONSE_HEAD

OK = b"HTTP/1.1 200 OK\r\n"
BAD = ("malformed", "http_protocol_error", 502)
TOO_LARGE = ("malformed", "http_response_header_section_size", 502)
CUT = ("malformed", "http_response_incomplete", 502)
NOTHING = ("malformed", "connection_terminated", 502)
END = ("end", b"")


def head(block: bytes = b"", length: int | None = 0, keep: bool = True, **said: object) -> Event:
    """Make the event of a head of which only this is special."""
    facts = {"status": 200, "reason": b"OK", "upgrade": None} | said
    return ("head", facts["status"], facts["reason"], block, length, facts["upgrade"], keep)


LENGTH = b"\r\nContent-Length: 2"
GOOD: dict[str, tuple[bytes, list[Event]]] = {
    "length": (OK + b"Content-Length: 2\r\n\r\nok", [head(LENGTH, 2), ("body", b"ok"), END]),
    "length zero": (OK + b"Content-Length: 0\r\n\r\n", [head(b"\r\nContent-Length: 0"), END]),
    "the same length twice": (
        OK + b"Content-Length: 2\r\nA: b\r\ncontent-length: 2\r\n\r\nok",
        [head(b"\r\nA: b\r\nContent-Length: 2", 2), ("body", b"ok"), END],
    ),
    "the same length in a list": (
        OK + b"Content-Length: 2 , 2\r\n\r\nok",
        [head(b"\r\nContent-Length: 2", 2), ("body", b"ok"), END],
    ),
    "no reason": (
        b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n",
        [head(b"\r\nContent-Length: 0", status=299, reason=b""), END],
    ),
    "empty reason": (
        b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n",
        [head(b"\r\nContent-Length: 0", status=299, reason=b""), END],
    ),
    "any reason": (
        b"HTTP/1.1 404  n\xe9ant:\tno \r\nContent-Length: 0\r\n\r\n",
        [head(b"\r\nContent-Length: 0", status=404, reason=b" n\xe9ant:\tno "), END],
    ),
    "fields keep order, case, white space and number": (
        OK + b"set-Cookie: a\r\nContent-Length:2\r\nSet-cookie:b \r\nX:\r\n\r\nok",
        [head(b"\r\nset-Cookie: a\r\nContent-Length:2\r\nSet-cookie:b \r\nX:", 2), ("body", b"ok"), END],
    ),
    "hop by hop": (
        OK + b"Content-Length: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n"
        b"Proxy-Authenticate: x\r\nTE: y\r\nEnd: 1\r\n\r\nok",
        [head(LENGTH + b"\r\nEnd: 1", 2), ("body", b"ok"), END],
    ),
    "names with an underscore are the backend's": (
        OK + b"X_Y: z\r\nContent-Length: 0\r\n\r\n",
        [head(b"\r\nX_Y: z\r\nContent-Length: 0"), END],
    ),
    "close": (
        OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\nok",
        [head(LENGTH, 2, False), ("body", b"ok"), END],
    ),
    "chunked": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n1;x\r\n!\r\n0\r\nSum: 1\r\n\r\n",
        [head(b"", None), ("body", b"ok!"), ("end", b"\r\nSum: 1")],
    ),
    "identity is no coding": (
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        [head(LENGTH, 2), ("body", b"ok"), END],
    ),
    "1.0 stays open on demand": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
        [head(LENGTH, 2), ("body", b"ok"), END],
    ),
    "1.0 closes": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        [head(LENGTH, 2, False), ("body", b"ok"), END],
    ),
    "204": (b"HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", [head(status=204, reason=b"No"), END]),
    "304": (
        b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n",
        [head(b"\r\nContent-Length: 9", status=304, reason=b"No"), END],
    ),
    "interim responses first": (
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: x\r\nContent-Length: 3\r\n\r\n"
        + OK
        + LENGTH[2:] + b"\r\n\r\nok",
        [
            head(status=100, reason=b"Go"),
            head(b"\r\nLink: x", status=103, reason=b"Hint"),
            head(LENGTH, 2),
            ("body", b"ok"),
            END,
        ],
    ),
    "folded lines are joined": (
        OK + b"A: b\r\n c\r\nContent-Length: 0\r\nD: e \t\r\n\t \tf\r\n g\r\n\r\n",
        [head(b"\r\nA: b c\r\nContent-Length: 0\r\nD: e f g"), END],
    ),
    "space before a colon is removed": (
        OK + b"A : b\r\nContent-Length \t: 0\r\nC: d : e\r\n\r\n",
        [head(b"\r\nA: b\r\nContent-Length: 0\r\nC: d : e"), END],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), GOOD.values(), ids=GOOD)
def test_an_answer_means_the_same_however_it_is_split(data: bytes, events: list[Event]) -> None:
    """A good answer gives these events, and what lies behind it is stray."""
    assert agreed(read_responses, data) == events
    assert agreed(read_responses, data + b"H") == [*events, ("stray",)]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (OK + b"Content-Length: 99\r\n\r\n", [head(b"\r\nContent-Length: 99"), END]),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", [head(), END]),
        (OK + b"\r\n", [head(), END]),
        (b"HTTP/1.0 200 OK\r\n\r\n", [head(keep=False), END]),
    ],
)
def test_the_answer_to_head_has_no_body(data: bytes, events: list[Event]) -> None:
    """HEAD is answered by a head, whatever it says of a body."""
    assert agreed(partial(read_responses, default=(True, False)), data) == events


SWITCH = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x/2\r\nSec: 1\r\n\r\n"


def test_switching() -> None:
    """A 101 for a request that asked is told of, and what lies behind it waits."""
    event = head(b"\r\nSec: 1", keep=False, status=101, reason=b"Go", upgrade=b"x/2")
    assert agreed(partial(read_responses, default=(False, True)), SWITCH) == [event]
    assert agreed(partial(read_responses, default=(False, True)), SWITCH + b"\0raw") == [event]


BAD_HEADS: dict[str, bytes] = {
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "TLS": b"\x15\x03\x01\x00\x02",
    "0.9": b"<html>hello",
    "lower case": b"http/1.1 200 OK\r\n\r\n",
    "2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "ICY": b"ICY 200 OK\r\n\r\n",
    "space in front": b" HTTP/1.1 200 OK\r\n\r\n",
    "empty line in front": b"\r\n" + OK + b"\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\n\r\n",
    "status 20": b"HTTP/1.1 20 OK\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status +200": b"HTTP/1.1 +200 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "tab": b"HTTP/1.1\t200 OK\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF, later": OK + b"A: b\nContent-Length: 0\r\n\r\n",
    "bare CR": OK + b"A: b\rContent-Length: 0\r\n\r\n",
    "NUL": OK + b"A: \0\r\n\r\n",
    "no colon": OK + b"A\r\n\r\n",
    "empty name": OK + b": a\r\n\r\n",
    "bad name": OK + b"A(: a\r\n\r\n",
    "first line folded": OK + b" Content-Length: 0\r\n\r\n",
    "first line folded, more": OK + b"\tA: b\r\nContent-Length: 0\r\n\r\n",
    "length and coding": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "gzip coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: xchunked\r\n\r\n",
    "empty coding": OK + b"Transfer-Encoding:\r\n\r\n",
    "coding with a vertical tab": OK + b"Transfer-Encoding: chunked\x0b\r\n\r\n",
    "101 unasked": SWITCH,
}
for _value in (b"", b"+2", b"-2", b"0x2", b"2 2", b"2,3", b"2,", b"2.0", b"1_0", b"9" * 19, b"two", b"2;3"):
    BAD_HEADS[f"length {_value!r}"] = OK + b"Content-Length: " + _value + b"\r\n\r\nok"
BAD_HEADS["unequal lengths"] = OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"


@pytest.mark.parametrize("data", BAD_HEADS.values(), ids=BAD_HEADS)
def test_a_bad_head_is_refused(data: bytes) -> None:
    """An answer that is not clear is an error, in any split, and nothing comes behind it."""
    assert agreed(read_responses, data) == [BAD]
    assert agreed(read_responses, data + OK + b"Content-Length: 0\r\n\r\n") == [BAD]


@pytest.mark.parametrize(
    "data", [b"2\r\nokx", b"-1\r\n", b"2 \r\nok\r\n", b"zz\r\n", b"2\nok\n", b"2;\0\r\n", b"0\r\nx\r\n\r\n"]
)
def test_a_bad_chunk_is_refused(data: bytes) -> None:
    """A chunked answer that is not clear is an error, never an end."""
    events = agreed(read_responses, OK + b"Transfer-Encoding: chunked\r\n\r\n" + data)
    assert events[-1] == BAD
    assert END not in events


def test_a_101_without_a_protocol_is_refused() -> None:
    """A 101 has to say what to, by Upgrade and Connection."""
    for line in (b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b""):
        data = b"HTTP/1.1 101 Go\r\n" + line + b"\r\n"
        assert agreed(partial(read_responses, default=(False, True)), data) == [BAD]


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b"", NOTHING),
        (b"HTTP/1.1 200 OK\r\nA", CUT),
        (OK + b"Content-Length: 2\r\n\r\n", CUT),
        (OK + b"Content-Length: 2\r\n\r\no", CUT),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", CUT),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", CUT),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", CUT),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n", CUT),
        (b"HTTP/1.1 103 Go\r\n\r\n", NOTHING),
        (OK + b"\r\n", END),
        (OK + b"\r\nall", END),
        (OK + b"Content-Length: 2\r\n\r\nok", END),
    ],
)
def test_an_end_is_what_the_framing_says(data: bytes, event: Event) -> None:
    """Only an answer without a length is complete when the connection ends."""
    assert agreed(partial(read_responses, eof=True), data)[-1:] == [event] if data else True
    assert read_responses([data] if data else [], eof=True)[-1] == event


@pytest.mark.parametrize(("more", "event"), [(0, END), (1, TOO_LARGE)])
def test_the_limit_of_the_head_is_exact(more: int, event: Event) -> None:
    """A head of as many bytes as the limit is read, one byte more is refused, also if it had to be mended."""
    for start in (OK + b"Content-Length: 0\r\nX: ", OK + b"Content-Length : 0\r\nX: "):
        data = start.ljust(MAX_RESPONSE_HEAD - 4 + more, b"y") + b"\r\n\r\n"
        for pieces in ([data], [data[:-1], data[-1:]], [data[:-3], data[-3:]]):
            assert read_responses(pieces)[-1] == event


@given(
    st.sampled_from(sorted(data for data, _ in GOOD.values())),
    st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3), st.integers(0, 3)), max_size=4),
    st.lists(st.integers(0, 300), max_size=8),
    st.booleans(),
)
def test_a_mutated_answer_gives_events_or_the_error(
    data: bytes, mutations: list[tuple[int, bytes, int]], places: list[int], eof: bool
) -> None:
    """A good answer with some bytes replaced gives events or the documented error, the same ones in any split."""
    for place, inserted, removed in mutations:
        at = place % (len(data) + 1)
        data = data[:at] + inserted + data[at + removed :]
    whole = read_responses([data], eof=eof)
    assert read_responses(cut_at(data, places), eof=eof) == whole
    assert all(event[0] not in ("malformed", "stray") for event in whole[:-1])
