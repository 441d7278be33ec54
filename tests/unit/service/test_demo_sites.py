"""The two sites of the demo, as applications."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.web.test.requesthelper import DummyRequest

from txproxy.service.demo_sites import Mirror, letterbox

EVIL = "<script>alert(1)</script>"


def mirrored(accept: str, **fields: str) -> tuple[str, str]:
    """Give the type and text of what the mirror shows."""
    request = DummyRequest([b"x"])
    request.uri, request.clientproto = b"/x?y=<b>", b"HTTP/1.1"
    request.requestHeaders.setRawHeaders("Accept", [accept])
    for name, value in fields.items():
        request.requestHeaders.setRawHeaders(name.replace("_", "-"), [value])
    body = Mirror().render(request).decode()
    (kind,) = request.responseHeaders.getRawHeaders("Content-Type")
    return kind, body


def test_the_mirror_shows_the_request_as_text() -> None:
    """Programs get the request as it came, line by line."""
    kind, text = mirrored("*/*", Host="a.localhost", X_Forwarded_For="127.0.0.1")
    assert kind == "text/plain; charset=utf-8"
    assert text == "GET /x?y=<b> HTTP/1.1\nAccept: */*\nHost: a.localhost\nX-Forwarded-For: 127.0.0.1\n"


def test_the_mirror_shows_browsers_a_page() -> None:
    """Browsers get a page: what they sent apart from what txproxy says; all of it is escaped."""
    kind, page = mirrored("text/html", Host="a.localhost:99", X_Forwarded_For="127.0.0.1", Evil=EVIL)
    assert kind == "text/html; charset=utf-8"
    own, added = page.split("What txproxy says of the client")
    assert "<td>a.localhost:99</td>" in own
    assert "<td>127.0.0.1</td>" in added
    assert 'href="http://b.localhost:99/"' in added
    assert EVIL not in page
    assert "/x?y=&lt;b&gt;" in page


def test_the_mirror_puts_no_foreign_text_into_links() -> None:
    """What stands behind the host's colon ends no attribute."""
    assert '"><b>' not in mirrored("text/html", Host='a:"><b>')[1]


def told(**environ: Any) -> tuple[str, list[tuple[str, str]], str]:
    """Give status, fields and text of what the letterbox answers."""
    started: list[Any] = []
    body = b"".join(letterbox(environ, lambda *arguments: started.extend(arguments)))
    return started[0], started[1], body.decode()


def test_the_letterbox_counts_what_it_gets() -> None:
    """Length and SHA-256 of the body come back, and the client's address."""
    status, fields, text = told(
        REQUEST_METHOD="POST", PATH_INFO="/p", HTTP_X_FORWARDED_FOR="10.0.0.1", **{"wsgi.input": BytesIO(b"abc")}
    )
    assert status == "200 OK"
    assert dict(fields)["Content-Length"] == str(len(text))
    assert text.splitlines() == [
        "asked: POST /p",
        "client: 10.0.0.1",
        "body: 3 bytes",
        "SHA-256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ]


def test_the_letterbox_shows_browsers_a_form() -> None:
    """Browsers get a form, with what they sent escaped."""
    _, fields, page = told(REQUEST_METHOD="GET", PATH_INFO=EVIL, HTTP_ACCEPT="text/html", **{"wsgi.input": BytesIO()})
    assert dict(fields)["Content-Type"] == "text/html; charset=utf-8"
    assert '<form method="post"' in page
    assert EVIL not in page
