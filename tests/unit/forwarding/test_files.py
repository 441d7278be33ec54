"""Files of a directory: which are served, how, and which never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.web.http import datetimeToString
from twisted.web.server import Site

from tests.support.wiring import Answer, Proxy, Wire
from txproxy.forwarding.files import MAX_RANGES, Files

both_ways = pytest.mark.parametrize("way", ["native", "rendered"])
MODIFIED = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory with something of everything."""
    root = tmp_path / "www"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / ".git").mkdir()
    (root / ".well-known").mkdir()
    for name, text in {
        "a.txt": "0123456789",
        "index.html": "<p>root",
        "sub/index.htm": "<p>sub",
        "sub/deep/b.css": "b{}",
        ".env": "secret",
        ".git/config": "secret",
        ".well-known/security.txt": "ok",
        "a b%2f.txt": "named",
        "data": "typeless",
        "x.rpy": "raise SystemExit",
        "nothing.txt": "",
        "../secret.txt": "secret",
        "x.tar.gz": "packed",
    }.items():
        (root / name).write_text(text)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (root / "inside.txt").symlink_to("a.txt")
    (root / "outside.txt").symlink_to("../secret.txt")
    (root / "up").symlink_to("..")
    (root / "broken").symlink_to("gone")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    return root


def ask(made: Proxy, target: str, *lines: str, method: str = "GET") -> tuple[Answer, Wire]:
    """Ask for a file."""
    client = made.connect()
    client.send("\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.example", *lines, "", ""]).encode())
    made.reactor.advance(0)
    return Answer(method.encode()).read(client.take()), client


@both_ways
@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/f/a.txt", 200, b"0123456789"),
        ("/f/a.txt?x=1", 200, b"0123456789"),
        ("/f/", 200, b"<p>root"),
        ("/f/sub/", 200, b"<p>sub"),
        ("/f/sub/deep/b.css", 200, b"b{}"),
        ("/f/x/../a.txt", 200, b"0123456789"),
        ("/f/a%20b%252f.txt", 200, b"named"),
        ("/f/inside.txt", 200, b"0123456789"),
        ("/f/nothing.txt", 200, b""),
        ("/f/.well-known/security.txt", 200, b"ok"),
        ("/f/x.rpy", 200, b"raise SystemExit"),
        ("/f/sub", 301, b""),
        ("/f", 301, b""),
        ("/f/empty/", 404, None),
        ("/f/gone.txt", 404, None),
        ("/f/a.txt/", 404, None),
        ("/f/a.txt/b", 404, None),
        ("/f/.env", 404, None),
        ("/f/%2eenv", 404, None),
        ("/f/.git/config", 404, None),
        ("/f/sub/../.git/config", 404, None),
        ("/f/..%2fsecret.txt", 400, None),
        ("/f/%2e%2e/%2e%2e/secret.txt", 400, None),
        ("/f/sub/..%5c..%5c..%5csecret.txt", 400, None),
        ("/f/a%00.txt", 400, None),
        ("/f/outside.txt", 404, None),
        ("/f/up/secret.txt", 404, None),
        ("/f/up/", 404, None),
        ("/f/up/www/a.txt", 200, b"0123456789"),
        ("/f/broken", 404, None),
        ("/f/loop", 404, None),
        ("/f/pipe", 404, None),
        ("/f/%ff", 404, None),
        ("/f/" + "x" * 300, 404, None),
    ],
)
def test_what_is_served(root: Path, way: str, target: str, status: int, body: bytes | None) -> None:
    """Files, indexes and links within the directory are served; what is hidden, outside or no file is not there."""
    made = Proxy({"/f/*": Files(str(root))}, way)
    answer, client = ask(made, target)
    assert (answer.status, answer.complete) == (status, True)
    assert body is None or answer.body_so_far == body
    assert b"secret" not in answer.body_so_far
    assert client.state == "open"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", b"text/plain"),
        ("index.html", b"text/html"),
        ("sub/deep/b.css", b"text/css"),
        ("data", b"application/octet-stream"),
    ],
)
def test_types(root: Path, name: str, kind: bytes) -> None:
    """The type is that of the name's extension; without one it is nothing that a browser would run."""
    assert ask(Proxy({"/*": Files(str(root))}), f"/{name}")[0].field(b"content-type") == kind


def test_packed_files_are_files(root: Path) -> None:
    """A compressed file is sent as what it is, not as an encoding that browsers undo."""
    assert ask(Proxy({"/*": Files(str(root))}), "/x.tar.gz")[0].field(b"content-encoding") is None


@both_ways
@pytest.mark.parametrize(
    ("target", "location"),
    [("/f/sub", b"./sub/"), ("/f/sub?x=1", b"./sub/?x=1"), ("/f/x/../sub", b"./sub/"), ("//f/sub", b"./sub/")],
)
def test_directories_get_their_slash(root: Path, way: str, target: str, location: bytes) -> None:
    """A directory without its slash is redirected relative to itself, so that no other site can come of it."""
    answer, _ = ask(Proxy({"/f/*": Files(str(root))}, way), target)
    assert (answer.status, answer.field(b"location")) == (301, location)


def test_an_exact_path_is_a_file_of_the_directory(root: Path) -> None:
    """At `path: /a.txt` the directory's a.txt is served; at the root its index."""
    made = Proxy({"/a.txt": Files(str(root)), "/": Files(str(root)), "/x/a.txt": Files(str(root))})
    assert ask(made, "/a.txt")[0].body_so_far == b"0123456789"
    assert ask(made, "/x/a.txt")[0].body_so_far == b"0123456789"
    assert ask(made, "/")[0].body_so_far == b"<p>root"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("PUT", 501), ("DELETE", 501)])
def test_files_are_read_only(root: Path, method: str, status: int) -> None:
    """HEAD is GET without a body; nothing else is known."""
    answer, _ = ask(Proxy({"/*": Files(str(root))}), "/a.txt", method=method)
    assert answer.status == status
    if method == "HEAD":
        assert (answer.field(b"content-length"), answer.body_so_far) == (b"10", b"")


@both_ways
@pytest.mark.parametrize(
    ("asked", "status", "body", "range_"),
    [
        ("bytes=0-0", 206, b"0", b"bytes 0-0/10"),
        ("bytes=2-4", 206, b"234", b"bytes 2-4/10"),
        ("bytes=7-", 206, b"789", b"bytes 7-9/10"),
        ("bytes=-3", 206, b"789", b"bytes 7-9/10"),
        ("bytes=-300", 206, b"0123456789", b"bytes 0-9/10"),
        ("bytes=0-10", 206, b"0123456789", b"bytes 0-9/10"),
        ("bytes=0-999999", 206, b"0123456789", b"bytes 0-9/10"),
        ("bytes=10-", 416, b"", b"bytes */10"),
        ("bytes=-0", 416, b"", b"bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=x", 200, b"0123456789", None),
        ("bytes=--5", 200, b"0123456789", None),
        ("bytes=\xe4-1", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=0-,0-", 200, b"0123456789", None),
        ("bytes=" + ",".join(["1-1"] * (MAX_RANGES + 1)), 200, b"0123456789", None),
    ],
)
def test_ranges(root: Path, way: str, asked: str, status: int, body: bytes, range_: bytes | None) -> None:
    """One range gives that part; what is malformed, or more than the whole, gives the whole."""
    answer, _ = ask(Proxy({"/*": Files(str(root))}, way), "/a.txt", f"Range: {asked}")
    assert (answer.status, answer.body_so_far, answer.complete) == (status, body, True)
    assert answer.field(b"content-range") == range_
    assert answer.field(b"accept-ranges") == b"bytes"


def test_several_ranges(root: Path) -> None:
    """Several ranges come as parts of one message."""
    answer, _ = ask(Proxy({"/*": Files(str(root))}), "/a.txt", "Range: bytes=1-2, 8-")
    assert (answer.status, answer.complete) == (206, True)
    assert (answer.field(b"content-type") or b"").startswith(b"multipart/byteranges; boundary=")
    assert b"\r\n\r\n12\r\n" in answer.body_so_far
    assert b"\r\n\r\n89\r\n" in answer.body_so_far


@both_ways
def test_conditions(root: Path, way: str) -> None:
    """A client that has the file gets 304, by tag before date; a part only of the file that it has begun."""
    made = Proxy({"/*": Files(str(root))}, way)
    first, _ = ask(made, "/a.txt")
    tag = (first.field(b"etag") or b"").decode()
    date = datetimeToString(MODIFIED).decode()
    assert first.field(b"last-modified") == date.encode()
    part = "Range: bytes=1-2"
    for lines, status in [
        ([f"If-None-Match: {tag}"], 304),
        ([f"If-None-Match: W/{tag}"], 304),
        ([f'If-None-Match: "x", {tag}'], 304),
        ([f'If-None-Match: "x",{tag}'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        ([f"If-Modified-Since: {date}"], 304),
        (["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 200),
        (["If-Modified-Since: nonsense"], 200),
        (['If-None-Match: "x"', f"If-Modified-Since: {date}"], 200),
        ([part, f"If-Range: {tag}"], 206),
        ([part, f"If-Range: {date}"], 206),
        ([part, 'If-Range: "x"'], 200),
        ([part, f"If-Range: W/{tag}"], 200),
        ([part, f"If-None-Match: {tag}"], 304),
    ]:
        answer, client = ask(made, "/a.txt", *lines)
        assert (lines, answer.status) == (lines, status)
        assert answer.field(b"etag") == tag.encode()
        if status == 304:
            assert (answer.body_so_far, answer.field(b"content-length")) == (b"", None)
        assert client.state == "open"


def test_a_changed_file_has_another_tag(root: Path) -> None:
    """A file of the same length that is written anew has another tag."""
    made = Proxy({"/*": Files(str(root))})
    before = ask(made, "/a.txt")[0].field(b"etag")
    os.utime(root / "a.txt", ns=(0, MODIFIED * 10**9 + 1))
    assert ask(made, "/a.txt")[0].field(b"etag") != before


def test_a_file_that_shrinks_is_cut(root: Path) -> None:
    """A file that gets shorter while it is sent ends with a cut connection, never as if it were whole."""
    (root / "big").write_bytes(b"x" * 1_000_000)
    made = Proxy({"/*": Files(str(root))})
    client = made.connect()
    client.capacity = 1
    client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
    os.truncate(root / "big", 100_000)
    client.capacity = None
    client.catch_up()
    made.reactor.pump([0] * 20)
    assert client.state == "aborted"
    assert [record.cause for record in made.records] == ["proxy_internal_error"]


def test_a_file_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to read it is a 403."""

    def refuse(self: Files) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Files, "openForReading", refuse)
    answer, _ = ask(Proxy({"/*": Files(str(root))}), "/a.txt")
    assert (answer.status, answer.complete) == (403, True)


def test_below_a_stock_site(root: Path) -> None:
    """Files is a resource like any other: it holds its rules in somebody else's tree."""
    made = Proxy({}, "rendered")
    made._site = Site(Files(str(root)), reactor=made.reactor)
    assert ask(made, "/a.txt", method="HEAD")[0].field(b"content-length") == b"10"
    assert ask(made, "/.env")[0].status == 404
    assert ask(made, "/..%2fsecret.txt")[0].status == 404
    assert ask(made, "/up/secret.txt")[0].status == 404
    assert ask(made, "/a%00")[0].status == 404
    assert ask(made, "/empty/")[0].status == 404


@both_ways
def test_what_is_not_there_is_said_as_everywhere(root: Path, way: str) -> None:
    """A missing file gets the house's error page: cause, request id, and JSON for those who want it."""
    made = Proxy({"/f/*": Files(str(root))}, way)
    answer, _ = ask(made, "/f/gone", "Accept: application/json")
    assert (answer.status, answer.field(b"content-type")) == (404, b"application/json")
    assert answer.field(b"proxy-status") == b"txproxy; error=destination_not_found"
    assert made.records[-1].request_id.encode() in answer.body_so_far
