"""`request_headers` and `response_headers`: set, add, remove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.middleware.header_edits import BlockEdit, RequestHeaders, ResponseHeaders
from txproxy.model import fields
from txproxy.model.head import RequestHead, ResponseHead

BLOCK = b"\r\nHost: a\r\nX-A: 1\r\nx-b: 2\r\nX-A: 3\r\nX-AB: 4"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (BlockEdit({}, {}, []), BLOCK),
        (BlockEdit({}, {}, ["X-A"]), b"\r\nHost: a\r\nx-b: 2\r\nX-AB: 4"),
        (BlockEdit({}, {}, ["x-a", "X-B", "none"]), b"\r\nHost: a\r\nX-AB: 4"),
        (BlockEdit({"X-A": "9"}, {}, []), b"\r\nHost: a\r\nx-b: 2\r\nX-AB: 4\r\nX-A: 9"),
        (BlockEdit({"X-New": "9"}, {}, []), BLOCK + b"\r\nX-New: 9"),
        (BlockEdit({}, {"X-A": "9"}, []), BLOCK + b"\r\nX-A: 9"),
        (BlockEdit({"X-A": "8"}, {"X-A": "9"}, []), b"\r\nHost: a\r\nx-b: 2\r\nX-AB: 4\r\nX-A: 8\r\nX-A: 9"),
        (BlockEdit({}, {"X-A": "9"}, ["X-A"]), b"\r\nHost: a\r\nx-b: 2\r\nX-AB: 4\r\nX-A: 9"),
        (BlockEdit({"X-U": "\u00e4"}, {}, []), BLOCK + b"\r\nX-U: \xc3\xa4"),
    ],
)
def test_edits(edit: BlockEdit, expected: bytes) -> None:
    """Named fields are removed, replaced or added in any case; the others keep place, case and number."""
    assert edit(BLOCK) == expected


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "\0"), ("", "x")])
@pytest.mark.parametrize("how", ["set", "add"])
def test_fields_that_cannot_be_sent(how: str, name: str, value: str) -> None:
    """A name or value that would break a message is refused when the edit is made."""
    with pytest.raises(ValueError, match="not a valid field"):
        BlockEdit({name: value} if how == "set" else {}, {name: value} if how == "add" else {}, [])


def test_an_edit_knows_whether_it_does_anything() -> None:
    """An edit without content is false, so that no pipeline carries it."""
    assert not BlockEdit({}, {}, [])
    assert BlockEdit({}, {}, ["X"])
    assert BlockEdit({}, {"X": "y"}, [])


NAMES = st.sampled_from(["Host", "X-A", "x-a", "X-B", "X-C", "Set-Cookie"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


@given(PAIRS, st.dictionaries(NAMES, VALUES, max_size=3), st.dictionaries(NAMES, VALUES, max_size=3), st.sets(NAMES))
def test_an_edit_does_what_the_three_words_say(
    pairs: list[tuple[str, str]], set_: dict[str, str], add: dict[str, str], remove: set[str]
) -> None:
    """Any edit of any block equals removing field by field and appending what is set and added."""
    block = fields.from_items((name.encode(), value.encode()) for name, value in pairs)
    gone = {name.lower() for name in (*set_, *remove)}
    expected = [(name, value) for name, value in pairs if name.lower() not in gone]
    expected += [*set_.items(), *add.items()]
    found = fields.items(BlockEdit(set_, add, remove)(block))
    assert found == [(name.encode(), value.encode()) for name, value in expected]


def test_the_middleware() -> None:
    """The edits are applied to the heads of requests and responses."""
    edit = BlockEdit({"X-A": "9"}, {}, ["x-b"])
    request = RequestHead(b"GET", b"/", b"a", BLOCK)
    response = ResponseHead(200, b"OK", BLOCK)
    RequestHeaders(edit).on_request(None, request)
    ResponseHeaders(edit).on_response(None, response)
    assert request.block == response.block == b"\r\nHost: a\r\nX-AB: 4\r\nX-A: 9"


def test_trailers_lose_what_is_set_or_removed() -> None:
    """A client says nothing behind its body that it may not say in the head; what is added stays in the head."""
    edit = BlockEdit({"X-A": "9"}, {"X-AB": "7"}, ["X-B"])
    assert RequestHeaders(edit).on_request_trailers(None, BLOCK) == b"\r\nHost: a\r\nX-AB: 4"
    assert RequestHeaders(BlockEdit({}, {"X-A": "9"}, [])).on_request_trailers(None, BLOCK) == BLOCK
