"""An application of another time: HTTP/1.0, absolute http:// addresses, plain cookies, no idea of TLS or of a proxy.

Rule: run as `python legacy_app.py PORT`; all that it knows of its place is the Host that it is told, or, on the
pages below /own/, the address that it listens at. Nothing in it is wrong for a site that is reached by http.
"""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections.abc import Callable
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

HOME = """<!DOCTYPE html>
<html><head><title>waiting</title>
<link rel="stylesheet" href="{me}/style.css">
<link rel="icon" href="{me}/logo.png">
<script src="{me}/app.js"></script>
</head><body style="background-image: url({me}/inline.png)">
<h1>An old shop</h1>
<img id="logo" src="{me}/logo.png" srcset="{me}/logo.png 1x, {me}/logo2.png 2x" alt="">
<iframe id="frame" src="{me}/frame"></iframe>
<p id="styled">styled</p>
<form id="login" method="post" action="{me}/login"><input name="name" value="ada"><button id="go">log in</button></form>
<script>
  var data = {{"url": "{escaped}\\/data.json"}};
  fetch(data.url).then(answer => answer.json()).then(got => {{ document.title = got.title + loaded; }});
</script>
</body></html>
"""
STYLE = """@import url(http://{host}/more.css);
@import "http://{host}/quoted.css";
#styled {{ background-image: url("http://{host}/bg.png"); color: rgb(1, 2, 3); }}
"""
ACCOUNT = """<!DOCTYPE html><html><head><title>account</title><link rel="icon" href="{me}/logo.png"></head>
<body><p id="who">{who}</p><a id="home" href="{me}/">home</a></body></html>"""
REFRESH = """<!DOCTYPE html><html><head><title>moved</title>
<meta http-equiv="refresh" content="0; url={me}/account"></head></html>"""


def picture() -> bytes:
    """Draw one grey pixel as a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")


class Shop(BaseHTTPRequestHandler):
    """Answers one request; http.server's default is HTTP/1.0, one request for a connection."""

    def do_GET(self) -> None:
        """Give a page."""
        path = self.path.partition("?")[0]
        own = path.startswith("/own")
        host = f"127.0.0.1:{self.server.server_port}" if own else self.headers["Host"]
        page = self.PAGES.get(path.removeprefix("/own") or "/")
        if page is None:
            self.send_error(404)
            return
        page(self, host)

    def do_POST(self) -> None:
        """Take the login form, and send the browser on."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        own = self.path.startswith("/own")
        host = f"127.0.0.1:{self.server.server_port}" if own else self.headers["Host"]
        self.send_response(302)
        self.send_header("Location", f"http://{host}{'/own' if own else ''}/account")
        domain = f"; Domain={host.partition(':')[0]}" if own else ""
        self.send_header("Set-Cookie", f"session={form['name'][0]}; Path=/{domain}")
        self.send_header("Set-Cookie", "seen=yes")
        self.end_headers()

    def _send(self, kind: str, body: bytes, *fields: tuple[str, str], length: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in fields:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _html(self, text: str, *fields: tuple[str, str]) -> None:
        self._send("text/html; charset=iso-8859-1", text.encode("latin-1"), *fields)

    def _me(self, host: str) -> str:
        return f"http://{host}{'/own' if self.path.startswith('/own') else ''}"

    def _home(self, host: str) -> None:
        me = self._me(host)
        page = HOME.format(me=me, escaped=me.replace("/", "\\/"))
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send("text/html", gzip.compress(page.encode()), ("Content-Encoding", "gzip"), length=True)
        else:
            self._html(page)

    def _account(self, host: str) -> None:
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        who = f"logged in as {cookie['session'].value}" if "session" in cookie else "nobody"
        self._html(ACCOUNT.format(me=self._me(host), who=who))

    def _style(self, host: str) -> None:
        self._send("text/css", STYLE.replace("http://{host}", self._me(host)).format().encode(), length=True)

    def _frame(self, host: str) -> None:
        self._html(f'<!DOCTYPE html><img src="{self._me(host)}/logo.png" alt="">')

    def _refresh(self, host: str) -> None:
        self._html("<!DOCTYPE html>moved", ("Refresh", f"0; url={self._me(host)}/account"))

    def _meta_refresh(self, host: str) -> None:
        self._html(REFRESH.format(me=self._me(host)))

    def _tls(self, host: str) -> None:
        """Show what is known of TLS."""
        names = ("X-Forwarded-Proto", "X-Forwarded-Ssl", "Front-End-Https")
        self._send("text/plain", "\n".join(f"{name}: {self.headers.get_all(name)}" for name in names).encode())

    def _script(self, host: str) -> None:
        self._send("text/javascript", b"var loaded = ' and script';", length=True)

    def _data(self, host: str) -> None:
        self._send("application/json", b'{"title": "data"}', length=True)

    def _image(self, host: str) -> None:
        self._send("image/png", picture(), length=True)

    def _more_style(self, host: str) -> None:
        self._send("text/css", b"#styled { text-decoration: underline; }", length=True)

    PAGES: dict[str, Callable[[Shop, str], None]] = {  # noqa: RUF012 - never changed
        "/": _home,
        "/account": _account,
        "/frame": _frame,
        "/refresh": _refresh,
        "/meta": _meta_refresh,
        "/tls": _tls,
        "/style.css": _style,
        "/more.css": _more_style,
        "/quoted.css": _more_style,
        "/app.js": _script,
        "/data.json": _data,
        "/favicon.ico": _image,  # of pages that name none
        "/logo.png": _image,
        "/logo2.png": _image,
        "/inline.png": _image,
        "/bg.png": _image,
    }


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
