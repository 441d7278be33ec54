"""What a browser asks for and what nginx answers, in the subjects that take whole messages.

Rule: they are those of the benchmark's case *small*.
"""

from __future__ import annotations

from bench.cases import BROWSER_HEADERS, SMALL_BODY

_BLOCK = "".join(f"{name}: {value}\r\n" for name, value in BROWSER_HEADERS)
REQUEST = f"GET / HTTP/1.1\r\n{_BLOCK}\r\n".encode("ascii")
LAST_REQUEST = REQUEST.replace(b"Connection: keep-alive", b"Connection: close")
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (len(SMALL_BODY), SMALL_BODY)
)
