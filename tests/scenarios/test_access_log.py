"""The access log: what it tells of each exchange, what it never tells, and how it is rotated.

Rule: one line for each exchange, written soon, whole, and into the file that has the name now.
"""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import ok
from tests.support.waiting import until

SECRETS = ["c00kie", "s3tcookie", "authori2ation", "t0ken", "pa55word", "pr0xy"]


def request(path: str, *lines: str, body: bytes = b"") -> bytes:
    """Make a request for app.test."""
    more = "".join(f"{line}\r\n" for line in lines)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"POST {path} HTTP/1.1\r\nHost: app.test\r\n{more}{length}\r\n".encode() + body


def test_an_entry_tells_who_asked_what_of_whom_and_how_it_went(start_daemon, serve):
    """Route, upstream, backend, octets both ways and times are there, and the id is the one that the backend saw."""
    backend = serve(lambda request: ok(b"answer"))
    daemon = start_daemon(
        f"upstreams: {{app: {{backends: [{backend.url}]}}}}\n"
        "hosts:\n  app.test:\n    - {name: the-route, path: /a/*, proxy: app}\n"
    )
    with daemon.connect() as client:
        client.ask(request("/a/b?c=d", "User-Agent: me/1", "Referer: http://x.test/?a=b", body=b"12345"))
        client.ask(request("/a/c"))
        port = client.socket.getsockname()[1]
    first, second = daemon.logged(2)
    assert {name: first[name] for name in ("method", "host", "target", "version", "status", "cause")} == {
        "method": "POST",
        "host": "app.test",
        "target": "/a/b?c=d",
        "version": "HTTP/1.1",
        "status": 200,
        "cause": None,
    }
    assert (first["route"], first["upstream"], first["backend"]) == ("the-route", "app", backend.url)
    assert (first["bytes_received"], first["bytes_sent"]) == (5, 6)
    assert (first["client"], first["client_port"], first["user_agent"]) == (HOST, port, "me/1")
    assert first["referer"] == "http://x.test/?a=b"
    assert 0 < first["connect"] <= first["first_byte"] <= first["duration"] < 10
    assert (first["reused"], second["reused"], second["connect"]) == (False, True, None)
    assert [each.value("x-request-id") for each in backend.requests] == [first["request_id"], second["request_id"]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])


def test_secrets_are_not_logged(start_daemon, serve):
    """No cookie, no credentials and no token of a query is in any log; equal tokens have equal hashes."""
    backend = serve(lambda request: ok(b"", "Set-Cookie: s=s3tcookie", "Location: /?token=t0ken"))
    daemon = start_daemon(f'log: {{level: debug}}\nhosts: {{"*": {backend.url}}}')
    lines = ["Cookie: c=c00kie", "Authorization: Basic authori2ation", "Proxy-Authorization: Basic pr0xy"]
    with daemon.connect() as client:
        for path in ("/?token=t0ken&page=2", "/x?password=pa55word&token=t0ken"):
            client.ask(request(path, *lines, "Referer: http://x.test/?access_token=t0ken"))
    first, second = daemon.logged(2)
    everything = daemon.log() + daemon.child.output.read_text()
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "page=2" in first["target"]
    hashes = [re.findall(r"(?<!\w)token=([^&]+)", entry["target"])[0] for entry in (first, second)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("sent", "status", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", 404, "destination_not_found"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "http_request_error"),
        (b"nonsense\r\n\r\n", 400, "http_request_error"),
        (b"GET / HTTP/1.1\r\nHost: down.test\r\n\r\n", 502, "connection_refused"),
        (b"GET / HTTP/1.1\r\nHost: app.test\r\nX: " + b"x" * 20000 + b"\r\n\r\n", 431, "request_header_too_large"),
        (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: app.test\r\n\r\n", 414, "request_target_too_long"),
        (b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 9999999\r\n\r\n", 413, "request_body_too_large"),
    ],
)
def test_a_failure_is_logged_with_its_cause(start_daemon, sent, status, cause):
    """Status, cause and request id are the same in the log, in Proxy-Status and on the error page."""
    down = f"http://{HOST}:{free_port()}"
    daemon = start_daemon(f"hosts: {{down.test: {down}, app.test: {down}}}")
    with daemon.connect() as client:
        response = client.ask(sent)
    [entry] = daemon.logged()
    assert (response.status, entry["status"], entry["cause"]) == (status, status, cause)
    assert f"error={cause}" in (response.value("proxy-status") or "").replace(" ", "")
    assert cause.encode() in response.body
    assert entry["request_id"].encode() in response.body


def test_an_error_page_is_what_the_client_accepts(start_daemon):
    """A client that asks for JSON gets JSON with the same facts, any other HTML."""
    daemon = start_daemon("hosts: {app.test: http://127.0.0.1:1}")
    with daemon.connect() as client:
        data = client.ask(b"GET / HTTP/1.1\r\nHost: nobody.test\r\nAccept: application/json\r\n\r\n")
        page = client.ask(b"GET / HTTP/1.1\r\nHost: nobody.test\r\nAccept: text/html,*/*\r\n\r\n")
    assert (data.value("content-type") or "").startswith("application/")
    assert "destination_not_found" in json.loads(data.body).values()
    assert (page.value("content-type") or "").startswith("text/html")


def test_the_combined_format_is_the_one_that_log_readers_know(start_daemon, serve, tmp_path):
    """The first nine fields are those of every web server."""
    path = tmp_path / "access.log"
    daemon = start_daemon(
        f'log: {{access: {{path: {path}, format: combined}}}}\nhosts: {{"*": {serve(lambda request: ok(b"four")).url}}}'
    )
    with daemon.connect() as client:
        client.ask(b'GET /a"b\\ HTTP/1.1\r\nHost: app.test\r\nUser-Agent: a "quoted" one\r\n\r\n')
        client.ask(b"GET /plain HTTP/1.1\r\nHost: app.test\r\nUser-Agent: me\r\n\r\n")
    until(lambda: path.exists() and "/plain" in path.read_text(), "the lines are written")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    shape = r'127\.0\.0\.1 - - \[[^\]]+ \+0000\] "GET /plain HTTP/1\.1" 200 4 "-" "me"( .*)?'
    assert re.fullmatch(shape, lines[1])


def test_it_is_reopened_on_sigusr1(start_daemon, serve, tmp_path):
    """After a rename and SIGUSR1 new lines go to a new file of the old name, and none is lost or written twice."""
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    daemon = start_daemon(f'log: {{access: {{path: {path}}}}}\nhosts: {{"*": {serve(lambda request: ok()).url}}}')
    with daemon.connect() as client:
        for number in range(50):
            client.ask(request(f"/before/{number}"))
        path.rename(old)
        daemon.signal(signal.SIGUSR1)
        until(path.exists, "the file is made anew")
        for number in range(50):
            client.ask(request(f"/after/{number}"))
    daemon.stop()
    entries = [json.loads(line) for file in (old, path) for line in file.read_text().splitlines()]
    assert sorted(entry["target"] for entry in entries) == sorted(
        [f"/before/{number}" for number in range(50)] + [f"/after/{number}" for number in range(50)]
    )
    assert {json.loads(line)["target"].split("/")[1] for line in path.read_text().splitlines()} == {"after"}


def test_no_access_log_where_none_is_wanted(start_daemon, serve):
    """`access: off` writes nothing."""
    daemon = start_daemon(f'log: {{access: off}}\nhosts: {{"*": {serve(lambda request: ok()).url}}}')
    with daemon.connect() as client:
        assert client.ask(request("/")).status == 200
    daemon.stop()
    assert daemon.access() == []
