"""The leaves that answer by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy
from txproxy.forwarding.leaves import Redirect, Respond
from txproxy.middleware.header_edits import BlockEdit, ResponseHeaders
from txproxy.middleware.pipeline import Pipeline
from txproxy.policy.rewrite import RedirectTemplate


def ask(leaf: Any, pattern: str = "/*", target: str = "/", host: str = "a.example", **keywords: Any) -> Answer:
    """Ask a leaf."""
    client = Proxy({pattern: leaf}, **keywords).connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return Answer().read(client.take())


@pytest.mark.parametrize(
    ("template", "pattern", "target", "host", "location"),
    [
        ("https://b{uri}", "/*", "/x?y=%2f", "a.example", b"https://b/x?y=%2f"),
        ("https://{host}{uri}", "/*", "/x", "A.example:8080", b"https://a.example/x"),
        ("{scheme}://b{path}", "/*", "/x?y", "a.example", b"http://b/x"),
        ("/new/{name}", "/old/{name}", "/old/caf%C3%A9", "a.example", b"/new/caf%C3%A9"),
        ("/new/{name}", "/old/{name}/*", "/x/../old/n/m", "a.example", b"/new/n"),
        ("https://{host}{uri}", "/*", "/", "[::1]:80", b"https://[::1]/"),
    ],
)
def test_where_a_redirect_leads(template: str, pattern: str, target: str, host: str, location: bytes) -> None:
    """Location is made of the template, the request and what the route's path captures."""
    captures = {"name"} if "{name}" in template else ()
    answer = ask(Redirect(RedirectTemplate(template, captures)), pattern, target, host)
    assert (answer.status, answer.field(b"location"), answer.field(b"content-length")) == (308, location, b"0")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_status_of_a_redirect(status: int) -> None:
    """A redirect has the status it was given, and its phrase."""
    assert ask(Redirect(RedirectTemplate("/x"), status)).status == status


@pytest.mark.parametrize(
    ("leaf", "status", "kind", "body"),
    [
        (Respond(), 200, None, b""),
        (Respond(200, "h\u00e4"), 200, b"text/plain; charset=utf-8", "h\u00e4".encode()),
        (Respond(503, "{}", {"content-type": "application/json"}), 503, b"application/json", b"{}"),
        (Respond(418, ""), 418, None, b""),
    ],
)
def test_fixed_answers(leaf: Respond, status: int, kind: bytes | None, body: bytes) -> None:
    """Respond sends its status, its fields and its text in UTF-8; a type is made up for text only."""
    answer = ask(leaf)
    assert (answer.status, answer.field(b"content-type"), answer.body_so_far) == (status, kind, body)
    assert answer.complete


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"X": "a\r\nb"}, {"": "x"}])
def test_fields_that_cannot_be_sent(headers: dict[str, str]) -> None:
    """A field that would break a message is refused when the leaf is made."""
    with pytest.raises(ValueError, match="not a valid field"):
        Respond(200, "x", headers)


def test_response_headers_apply() -> None:
    """The route's `response_headers` change what a leaf answers, as they change a backend's answer."""
    edit = ResponseHeaders(BlockEdit({"X-A": "1"}, {}, ["Content-Type"]))
    answer = ask(Respond(200, "x"), pipeline=Pipeline([edit]))
    assert (answer.field(b"x-a"), answer.field(b"content-type")) == (b"1", None)


def test_they_say_what_they_are() -> None:
    """Leaves show what they do."""
    assert repr(Respond(204)) == "<Respond 204>"
    assert repr(Redirect(RedirectTemplate("/x"), 301)) == "<Redirect 301 to /x>"
