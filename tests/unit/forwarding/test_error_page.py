"""The answers that the proxy makes itself when something fails."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.forwarding.error_page import RETRY_AFTER, error_page
from txproxy.forwarding.reasons import reason_phrase
from txproxy.model.errors import (
    CAUSES,
    CONNECTION_REFUSED,
    DESTINATION_UNAVAILABLE,
    HTTP_REQUEST_ERROR,
    REQUEST_BODY_TOO_LARGE,
    Cause,
    ProxyError,
)

HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
FAILURES = [cause for cause in CAUSES.values() if cause.status >= 400]
REFUSED = ProxyError(CONNECTION_REFUSED, "10.0.0.5:8000: errno 111")
TOO_LARGE = ProxyError(REQUEST_BODY_TOO_LARGE, hint="The limit is 1 MiB; the key to change is max_body.")


def content_type(accept: bytes | None) -> str:
    """Give the type that is chosen for this Accept."""
    head, _ = error_page(REFUSED, "id", accept)
    return (head.field(b"content-type") or b"").decode()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, HTML),
        (b"", HTML),
        (b"*/*", HTML),
        # Firefox, Chrome (page, image), axios, jQuery, curl -H.
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        (b"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", HTML),
        (b"application/json, text/plain, */*", JSON),
        (b"application/json, text/javascript, */*; q=0.01", JSON),
        (b"application/json", JSON),
        (b"application/problem+json", PROBLEM),
        (b"application/json, application/problem+json", JSON),
        (b"application/problem+json, application/json", PROBLEM),
        (b"application/*", PROBLEM),
        (b"text/*", HTML),
        (b"text/plain", TEXT),
        (b"APPLICATION/JSON", JSON),
        # Weights.
        (b"text/html;q=0.5, application/json;q=0.6", JSON),
        (b"text/html;q=0.123, application/json;q=0.122", HTML),
        (b"text/html ; Q=0.2 , text/plain ; q=0.3", TEXT),
        (b"*/*;q=0.9, text/plain;q=0.1", HTML),
        (b"text/html;q=0, */*", PROBLEM),
        (b"text/*;q=0, */*;q=0.1", PROBLEM),
        (b"text/html;q=0, application/*;q=0, */*", TEXT),
        (b"text/html;q=1.000, application/json;q=0.999", HTML),
        # Ranges with parameters, with quotation marks and commas in them.
        (b'application/json;odata="a,text/html";q=1, text/plain;q=0.9', JSON),
        (b"text/html;level=1;q=0.1, text/html;q=0.7, text/plain;q=0.5", HTML),
        (b"application/json;odata=verbose", JSON),
        # Nothing that we have: text, rather than a 406.
        (b"image/png", TEXT),
        (b"application/xml, image/*", TEXT),
        (b"*/*;q=0", TEXT),
        # What is not valid is not counted.
        (b"garbage", HTML),
        (b"text/plain;q=2, application/json;q=0.1", JSON),
        (b"text/plain;q=, application/json;q=0.1", JSON),
        (b"text/plain;q=0.1234, application/json;q=0.1", JSON),
        (b",, ,application/json,", JSON),
        (b"/, */, /*, application/json", JSON),
        (b'"', HTML),
        (b'application/json, "', JSON),
    ],
)
def test_accept(accept: bytes | None, expected: str) -> None:
    """The client's Accept decides between HTML, JSON and text."""
    assert content_type(accept) == expected


@given(st.binary() | st.text(alphabet='text/html*;,q=01."\\ ', max_size=200).map(str.encode))
def test_any_accept(accept: bytes) -> None:
    """Any Accept leads to one of the representations."""
    assert content_type(accept) in {HTML, PROBLEM, JSON, TEXT}


class Outline(HTMLParser):
    """Checks that elements nest, and keeps their names and the text."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element is the one that ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.text.append(data)


def outline(page: bytes) -> Outline:
    """Read a page."""
    read = Outline()
    read.feed(page.decode())
    read.close()
    assert read.open == []
    return read


def test_html() -> None:
    """A page is a whole document with language, title and one heading, follows dark mode, and loads nothing."""
    head, body = error_page(TOO_LARGE, "abc123")
    page = outline(body)
    assert body.startswith(b"<!doctype html>\n")
    assert ("lang", "en") in page.attributes
    assert ("content", "light dark") in page.attributes
    assert page.seen.count("h1") == page.seen.count("main") == page.seen.count("title") == 1
    assert not {name for name, _ in page.attributes} & {"src", "href", "action", "srcset"}
    assert b"url(" not in body
    assert b"@import" not in body
    text = "".join(page.text)
    for part in ("413 Content Too Large", TOO_LARGE.cause.sentence, TOO_LARGE.hint, "request_body_too_large", "abc123"):
        assert part in text
    assert head.status == 413


def test_json() -> None:
    """A problem has the members of RFC 9457, and the cause and the request's id as its own."""
    _, body = error_page(TOO_LARGE, "abc123", b"application/problem+json")
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Content Too Large",
        "status": 413,
        "detail": f"{TOO_LARGE.cause.sentence} {TOO_LARGE.hint}",
        "cause": "request_body_too_large",
        "request_id": "abc123",
    }


def test_text() -> None:
    """Text says the same, a line for each."""
    assert error_page(REFUSED, "abc123", b"text/plain")[1].decode() == (
        "502 Bad Gateway\nThe server behind this proxy refused the connection.\n"
        "Cause: connection_refused\nRequest: abc123\n"
    )


@pytest.mark.parametrize("accept", [b"text/html", b"application/problem+json", b"text/plain"])
@pytest.mark.parametrize("cause", FAILURES, ids=lambda cause: cause.token)
def test_every_cause(cause: Cause, accept: bytes) -> None:
    """Each failure has a small page with status, phrase, cause and id, and a head that fits it."""
    head, body = error_page(ProxyError(cause), "abc123", accept)
    assert (head.status, head.reason) == (cause.status, reason_phrase(cause.status))
    assert head.content_length == len(body) < 2048
    assert head.field(b"content-length") == str(len(body)).encode()
    assert head.field(b"cache-control") == b"no-store"
    assert head.field(b"proxy-status") == b"txproxy; error=" + cause.token.encode()
    for part in (str(cause.status).encode(), head.reason, cause.token.encode(), b"abc123"):
        assert part in body


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.token)
def test_tokens_are_structured_field_tokens(cause: Cause) -> None:
    """The token of every cause can stand in Proxy-Status as it is (RFC 8941, section 3.3.4)."""
    assert re.fullmatch(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*", cause.token)


@pytest.mark.parametrize("accept", [b"text/html", b"application/json", b"text/plain"])
def test_head_request(accept: bytes) -> None:
    """HEAD gets the head that GET would get, and no body."""
    of_get, body = error_page(TOO_LARGE, "id", accept, b"GET")
    of_head, nothing = error_page(TOO_LARGE, "id", accept, b"HEAD")
    assert (of_head.status, of_head.reason, of_head.block) == (of_get.status, of_get.reason, of_get.block)
    assert (nothing, of_head.content_length, of_get.content_length) == (b"", 0, len(body))


def test_retry_after() -> None:
    """A 503 says when to try again, and nothing else does."""
    assert error_page(ProxyError(DESTINATION_UNAVAILABLE), "id")[0].field(b"retry-after") == str(RETRY_AFTER).encode()
    assert error_page(REFUSED, "id")[0].field(b"retry-after") is None


def test_status_of_the_error() -> None:
    """An error's own status goes before its cause's."""
    head, body = error_page(ProxyError(HTTP_REQUEST_ERROR, status=501), "id", b"application/json")
    assert (head.status, head.reason) == (501, b"Not Implemented")
    assert json.loads(body)["status"] == 501


@pytest.mark.parametrize("accept", [b"text/html", b"application/json", b"text/plain"])
def test_nothing_internal(accept: bytes) -> None:
    """The detail for the log, with addresses in it, and versions reach no client."""
    head, body = error_page(REFUSED, "id", accept)
    answer = head.block + body
    assert b"10.0.0.5" not in answer
    assert b"errno" not in answer
    assert head.field(b"server") is None
    assert not re.search(rb"\d+\.\d+\.\d+", answer)


@given(
    st.text(max_size=400) | st.text(alphabet="<>&\"'\n\x00\U0001f600", max_size=400),
    st.text(alphabet=st.characters(codec="ascii"), max_size=40),
    st.sampled_from([b"text/html", b"application/json", b"text/plain"]),
)
def test_anything_is_escaped(hint: str, request_id: str, accept: bytes) -> None:
    """No hint and no id adds an element, a member, a line or a field, and the page stays small."""
    head, body = error_page(ProxyError(REQUEST_BODY_TOO_LARGE, hint=hint), request_id, accept)
    _, plain = error_page(ProxyError(REQUEST_BODY_TOO_LARGE, hint="x"), "y", accept)
    assert len(body) < 2048
    assert head.content_length == len(body)
    if accept == b"text/html":
        seen = outline(body).seen
        assert seen == outline(plain).seen or not hint
    elif accept == b"application/json":
        assert set(json.loads(body)) == set(json.loads(plain))
    else:
        assert len(body.decode().splitlines()) == (5 if hint else 4)


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (100, b"Continue"),
        (103, b"Early Hints"),
        (200, b"OK"),
        (308, b"Permanent Redirect"),
        (408, b"Request Timeout"),
        (413, b"Content Too Large"),
        (414, b"URI Too Long"),
        (416, b"Range Not Satisfiable"),
        (422, b"Unprocessable Content"),
        (431, b"Request Header Fields Too Large"),
        (504, b"Gateway Timeout"),
        (299, b"Success"),
        (599, b"Server Error"),
    ],
)
def test_reason_phrases(status: int, phrase: bytes) -> None:
    """Phrases are those of the registry; an unregistered status is called by its class."""
    assert reason_phrase(status) == phrase


def test_every_status_has_a_phrase() -> None:
    """No status is without a phrase, and each phrase is printable ASCII."""
    for status in range(100, 600):
        assert reason_phrase(status).decode("ascii").isprintable()
        assert reason_phrase(status)


def test_a_method_that_is_refused_is_told_the_others() -> None:
    """A 405 carries Allow (RFC 9110, section 15.5.6)."""
    head, _ = error_page(ProxyError(HTTP_REQUEST_ERROR, "no", status=405), "id")
    assert b"TRACE" not in (head.field(b"allow") or b"TRACE")
