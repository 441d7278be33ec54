"""The two sites of `txproxy demo`: one shows what arrives, one takes what is sent.

Rule: they are ordinary applications, which know nothing of txproxy; whatever they show of a client is escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ max-width: 46em; margin: 8vh auto; padding: 0 1em; font: 1rem/1.5 system-ui, sans-serif }}
h1 {{ margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin-top: 2em }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .2em .8em .2em 0; border-bottom: 1px solid #8884 }}
td, code, output {{ font-family: ui-monospace, monospace; font-size: .9rem; overflow-wrap: anywhere }}
textarea, input {{ width: 100%; box-sizing: border-box; font: inherit }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

_MIRROR = """<h1>a.localhost</h1>
<p>A <code>twisted.web</code> resource, and what it got of your request.</p>
<h2>Request</h2>
<p><code>{line}</code></p>
<h2>What your client sent</h2>
<table>{own}</table>
<h2>What txproxy says of the client</h2>
<table>{added}</table>
<h2>WebSocket</h2>
<p><input id="say" placeholder="type, and press Enter: it comes back" autocomplete="off"></p>
<p><output id="heard"></output></p>
<p>Next: <a href="http://{other}/">{other}</a>, and <a href="http://{other}/a/">this page through it</a>.</p>
<script>
const socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[^/]*$/, "echo"));
const say = document.getElementById("say"), heard = document.getElementById("heard");
socket.onmessage = event => {{ heard.textContent = "came back: " + event.data }};
socket.onclose = () => {{ heard.textContent = "the WebSocket is closed" }};
say.onchange = () => {{ socket.send(say.value); say.value = "" }};
</script>"""

_LETTERBOX = """<h1>b.localhost</h1>
<p>A WSGI application inside of txproxy, run in its thread pool.</p>
{got}
<h2>Send something</h2>
<form method="post" action="/">
<p><textarea name="text" rows="5"></textarea></p>
<p><button>Send</button></p>
</form>
<h2>Other routes of this host</h2>
<ul>
<li><a href="/a/hello?x=1">/a/hello?x=1</a>: a proxy route to a.localhost</li>
<li><a href="/old/tea">/old/tea</a>: a redirect</li>
<li><a href="/teapot">/teapot</a>: a fixed answer</li>
</ul>"""

_ADDED = ("x-forwarded-", "forwarded", "x-request-id", "x-demo", "via")


class Mirror(Resource):
    """Shows each request as it arrives: a page for browsers, plain text for others."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Answer any method."""
        line = f"{_text(request.method)} {_text(request.uri)} {_text(request.clientproto)}"
        fields = [
            (_text(name), _text(value))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        if b"text/html" not in (request.getHeader(b"accept") or b""):
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return "".join([f"{line}\n", *(f"{name}: {value}\n" for name, value in fields)]).encode()
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        own: list[tuple[str, str]] = []
        added: list[tuple[str, str]] = []
        for name, value in fields:
            (added if name.lower().startswith(_ADDED) else own).append((name, value))
        asked = _text(request.getHeader(b"x-forwarded-host") or request.getHeader(b"host") or b"")
        _, colon, port = asked.partition(":")
        body = _MIRROR.format(
            line=escape(line), own=_rows(own), added=_rows(added), other=escape(f"b.localhost{colon}{port}")
        )
        return _PAGE.format(title="a.localhost", body=body).encode()


def letterbox(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Tell how long a body is and what it hashes to; keep nothing of it (PEP 3333)."""
    digest, length = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(64 * 1024):
        digest.update(data)
        length += len(data)
    facts = [
        ("asked", f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"),
        ("client", environ.get("HTTP_X_FORWARDED_FOR", environ.get("REMOTE_ADDR", ""))),
        ("body", f"{length} bytes"),
        ("SHA-256", digest.hexdigest()),
    ]
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        kind, page = (
            "text/html",
            _PAGE.format(title="b.localhost", body=_LETTERBOX.format(got=f"<table>{_rows(facts)}</table>")),
        )
    else:
        kind, page = "text/plain", "".join(f"{name}: {value}\n" for name, value in facts)
    answer = page.encode("utf-8", "replace")
    start_response("200 OK", [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(answer)))])
    return [answer]


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs)
    return rows or "<tr><td>nothing</td></tr>"
