"""Requests played through the code that serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.config import Config, load_text
from txproxy.service.asking import asked
from txproxy.service.rehearsal import Played, Rehearsal

Reader = Callable[[str], Config]
MAP = """\
upstreams:
  app: {backends: [http://10.0.0.5:8000, http://app.internal:8000, "http+unix:/run/app.sock"]}
hosts:
  app.example.com: app
  one.example.com:
    - {path: /w/*, wsgi: "nosuch.module:nothing", headers: {X-A: b}, request_headers: {remove: [X-A]}}
    - {path: /f/*, files: /nonexistent/surely}
    - {path: /small, proxy: app, max_body: 10}
    - {path: /away, redirect: "https://b.example.com{uri}"}
    - {path: /fine, respond: {status: 200, body: fine, headers: {X-A: b}}}
"""


def play(config: Config, method: str, url: str, **headers: str) -> Played:
    """Play one request on a stage of its own."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Rehearsal(config).play(asked(config, method, url, pairs))


def test_a_backend_gets_the_head_byte_for_byte(config: Reader) -> None:
    """What is written to the backend is kept, from its first byte to the empty line."""
    played = play(config(MAP), "GET", "http://app.example.com/a%2Fb?c=d", Accept="*/*", Connection="close")
    assert (played.upstream, played.backend, played.answer, played.error) == ("app", "http://10.0.0.5:8000", b"", None)
    assert played.sent == (
        b"GET /a%2Fb?c=d HTTP/1.1\r\nHost: app.example.com\r\nAccept: */*\r\nX-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: app.example.com\r\nX-Forwarded-Port: 8080\r\n"
        b"X-Request-Id: 00000000000000000000000000000000\r\nVia: 1.1 txproxy\r\n\r\n"
    )


def test_backends_with_tls_get_the_same(config: Reader) -> None:
    """What goes to a backend through TLS is kept as it is before it is encrypted; no file for it is read."""
    text = (
        "upstreams: {app: {backends: [https://10.0.0.5, https+unix:/run/app.sock], tls: {ca: none.pem}}}\n"
        "hosts: {app.example.com: {proxy: app, host_header: backend}}\n"
    )
    map_ = config(text)
    rehearsal = Rehearsal(map_)
    first, second = (rehearsal.play(asked(map_, "GET", "http://app.example.com/a")) for _ in range(2))
    assert (first.backend, second.backend) == ("https://10.0.0.5", "https+unix:/run/app.sock")
    assert first.sent.startswith(b"GET /a HTTP/1.1\r\nHost: 10.0.0.5\r\n")
    assert second.sent.startswith(b"GET /a HTTP/1.1\r\nHost: localhost\r\n")


def test_backends_of_every_kind_are_reached_in_turn(config: Reader) -> None:
    """An address, a name (which is not looked up) and a unix socket all get the request, one after the other."""
    map_ = config(MAP)
    rehearsal = Rehearsal(map_)
    played = [rehearsal.play(asked(map_, "GET", "http://app.example.com/")) for _ in range(4)]
    assert [one.backend.rpartition("/")[2] for one in played] == [
        "10.0.0.5:8000",
        "app.internal:8000",
        "app.sock",
        "10.0.0.5:8000",
    ]
    assert all(one.sent.startswith(b"GET / HTTP/1.1\r\n") for one in played)


def test_an_announced_body_is_not_waited_for(config: Reader) -> None:
    """A head with Content-Length, Transfer-Encoding or an expectation shows as sent, though no body comes."""
    for name, value in (("Content-Length", "10"), ("Transfer-Encoding", "chunked")):
        sent = play(config(MAP), "POST", "http://one.example.com/small", **{name: value}).sent
        assert f"\r\n{name}: {value}\r\n".encode() in sent
    assert play(config(MAP), "PUT", "http://app.example.com/", Content_Length="5", Expect="100-continue").sent


def test_applications_are_not_touched(config: Reader) -> None:
    """A route to files or to code that cannot be had is found all the same: nothing is opened or imported."""
    for path in ("/w/x", "/f/x"):
        route = play(config(MAP), "GET", f"http://one.example.com{path}", X_A="b").route
        assert route is not None
        assert route.name == f"one.example.com{path[:2]}/*"


def test_an_application_is_given_what_the_bridge_makes(config: Reader) -> None:
    """The request that the application would get is noted, edited and with what it is told of the client."""
    played = play(config(MAP), "GET", "http://one.example.com/w/x?y", X_A="b", X_B="c")
    assert played.given[:2] == ("GET /w/x?y HTTP/1.1", "Host: one.example.com")
    assert "X-B: c" in played.given
    assert "X-A: b" not in played.given
    assert "X-Forwarded-For: 127.0.0.1" in played.given
    waiting = play(config(MAP), "POST", "http://one.example.com/w/x", X_A="b", Content_Length="1")
    assert (waiting.given, waiting.answer) == ((), b"")


@pytest.mark.parametrize(
    ("method", "url", "headers", "status", "cause", "traced"),
    [
        ("GET", "http://one.example.com/none", {}, 404, "destination_not_found", True),
        ("GET", "http://none.example.com/", {}, 404, "destination_not_found", True),
        ("POST", "http://one.example.com/small", {"Content_Length": "11"}, 413, "request_body_too_large", True),
        ("POST", "http://one.example.com/f/x", {"Content_Length": "1048577"}, 413, "request_body_too_large", True),
        ("GET", "http://one.example.com/%00", {}, 400, "http_request_error", False),
        ("GET", "http://one.example.com/../..", {}, 400, "http_request_error", False),
        ("TRACE", "http://one.example.com/", {}, 405, "http_request_error", False),
        ("G@T", "http://one.example.com/", {}, 400, "http_request_error", False),
        ("GET", "http://one.example.com/", {"X": "y" * 20000}, 431, "request_header_too_large", False),
        ("GET", "http://one.example.com/", {"Expect": "more"}, 417, "http_request_error", False),
    ],
)
def test_failures_are_the_daemons_own(
    config: Reader, method: str, url: str, headers: dict[str, str], status: int, cause: str, traced: bool
) -> None:
    """A request that is refused gets the answer that the daemon gives, with its cause."""
    played = play(config(MAP), method, url, **headers)
    assert played.error is not None
    assert (played.error.cause.token, played.error.status) == (cause, status)
    assert played.answer.startswith(b"HTTP/1.1 %d " % status)
    assert (played.trace is not None, played.sent) == (traced, b"")


def test_answers_of_leaves(config: Reader) -> None:
    """A redirect and a fixed answer are as a client would get them."""
    redirect = play(config(MAP), "GET", "http://one.example.com/away?x=1").answer
    assert redirect.startswith(b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://b.example.com/away?x=1\r\n")
    fixed = play(config(MAP), "GET", "http://one.example.com/fine").answer
    assert fixed.startswith(b"HTTP/1.1 200 OK\r\nX-A: b\r\n")
    assert fixed.endswith(b"\r\n\r\nfine")


STAGE = load_text(MAP, "routes.yaml", "/", {}).config


@given(
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "X"]),
    st.sampled_from(["app.example.com", "one.example.com", "b.example.com", "[::1]", "a..b"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.dictionaries(st.text("ABab-_:; ", max_size=4), st.text(" !~\u00e9", max_size=4), max_size=3),
)
def test_every_request_ends_in_one_way(method: str, host: str, path: str, headers: dict[str, str]) -> None:
    """Whatever is asked, there is an answer or a request to a backend, and never both."""
    assert STAGE is not None
    played = Rehearsal(STAGE).play(asked(STAGE, method, f"http://{host}/{path}", headers.items()))
    assert bool(played.sent) != bool(played.answer)
    assert bool(played.sent) == bool(played.backend)
