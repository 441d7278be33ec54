"""Requests as they are described on a command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from txproxy.config import Config
from txproxy.service.asking import NotAsked, asked

Reader = Callable[[str], Config]
MAP = """\
listen:
  - http://127.0.0.1:8080
  - http://[::1]:8081
  - http+unix:/run/x.sock
hosts: {app.example.com: "http://127.0.0.1:8000"}
"""


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://app.example.com/a?b=c", b"GET /a?b=c HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("app.example.com/a", b"GET /a HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://app.example.com", b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://app.example.com?x", b"GET /?x HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://app.example.com/a#part", b"GET /a HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://app.example.com:80/", b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://app.example.com:8081/", b"GET / HTTP/1.1\r\nHost: app.example.com:8081\r\n\r\n"),
        ("https://app.example.com:443/", b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("http://[::1]:8081/", b"GET / HTTP/1.1\r\nHost: [::1]:8081\r\n\r\n"),
        ("http://b\u00fccher.example/\u00fc", b"GET /%C3%BC HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n"),
        ("http://a/%2e%2E//x y", b"GET /%2e%2E//x%20y HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("HTTP://A.example/", b"GET / HTTP/1.1\r\nHost: A.example\r\n\r\n"),
        ("http://a:b:c/", b"GET / HTTP/1.1\r\nHost: a:b:c\r\n\r\n"),
    ],
)
def test_a_url_becomes_what_a_client_sends(config: Reader, url: str, start: bytes) -> None:
    """What a URL can hold is sent as written; what it cannot is escaped, as browsers and curl do."""
    assert asked(config(MAP), "GET", url).wire == start


def test_headers_follow_the_host_in_their_order(config: Reader) -> None:
    """Fields are sent as given, repeated ones included."""
    request = asked(config(MAP), "POST", "a/", [("B", "1"), ("a", "2"), ("B", "3")])
    assert request.wire == b"POST / HTTP/1.1\r\nHost: a\r\nB: 1\r\na: 2\r\nB: 3\r\n\r\n"


def test_a_host_header_replaces_the_one_of_the_url(config: Reader) -> None:
    """As with curl, -H 'Host: x' is the only Host."""
    assert asked(config(MAP), "GET", "a/", [("host", "b")]).wire == b"GET / HTTP/1.1\r\nhost: b\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "listener", "expected"),
    [
        ("http://a/", None, ("127.0.0.1", 8080, "http://127.0.0.1:8080")),
        ("http://a:8081/", None, ("127.0.0.1", 8081, "http://[::1]:8081")),
        ("http://a:9/", None, ("127.0.0.1", 8080, "http://127.0.0.1:8080")),
        ("https://a/", None, ("127.0.0.1", 443, "")),
        ("https://a:8443/", None, ("127.0.0.1", 8443, "")),
        ("http://a/", "http://[::1]:8081", ("127.0.0.1", 8081, "http://[::1]:8081")),
        ("http://a/", "[::1]:8081", ("127.0.0.1", 8081, "http://[::1]:8081")),
        ("http://a/", "http+unix:/run/x.sock", ("", 0, "http+unix:/run/x.sock")),
    ],
)
def test_the_listener_that_fits(config: Reader, url: str, listener: str | None, expected: tuple[str, int, str]) -> None:
    """The request comes to the listener that is named, else to the one with the URL's port, else to the first."""
    request = asked(config(MAP), "GET", url, listener=listener)
    assert (request.client_ip, request.local_port, request.listener) == expected


SECURE = """\
listen:
  - http://127.0.0.1:8080
  - https://127.0.0.1:8443
  - https://[::1]
  - https+unix:/run/tls.sock
tls: {internal: app.example.com}
hosts: {app.example.com: "http://127.0.0.1:8000"}
"""


@pytest.mark.parametrize(
    ("url", "listener", "expected"),
    [
        ("https://a/", None, ("https", "127.0.0.1", 443, "https://[::1]")),
        ("https://a:8443/", None, ("https", "127.0.0.1", 8443, "https://127.0.0.1:8443")),
        ("https://a:9/", None, ("https", "127.0.0.1", 8443, "https://127.0.0.1:8443")),
        ("http://a:9/", None, ("http", "127.0.0.1", 8080, "http://127.0.0.1:8080")),
        ("a/", None, ("http", "127.0.0.1", 8080, "http://127.0.0.1:8080")),
        ("a/", "127.0.0.1:8443", ("https", "127.0.0.1", 8443, "https://127.0.0.1:8443")),
        ("a/", "https+unix:/run/tls.sock", ("https", "", 0, "https+unix:/run/tls.sock")),
    ],
)
def test_the_listener_speaks_the_scheme(
    config: Reader, url: str, listener: str | None, expected: tuple[str, str, int, str]
) -> None:
    """An https URL comes to an https listener, an http one to an http listener; without a scheme the listener says."""
    request = asked(config(SECURE), "GET", url, listener=listener)
    assert (request.scheme, request.client_ip, request.local_port, request.listener) == expected


def test_no_listener_speaks_plain_http(config: Reader) -> None:
    """Where every listener is https, an http URL comes to none of them."""
    request = asked(config("listen: https://127.0.0.1\ntls: {internal: a}\nhosts: {a: http://b}\n"), "GET", "http://a/")
    assert (request.local_port, request.listener) == (80, "")


def test_tls_needs_a_listener_that_speaks_it(config: Reader) -> None:
    """Nothing is told of a request over https that the named listener could not take."""
    with pytest.raises(NotAsked, match="does not speak TLS"):
        asked(config(SECURE), "GET", "https://a/", listener="http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("url", "listener", "redirected"),
    [
        ("http://a:8443/", None, False),
        ("http://a/", "https://127.0.0.1:8443", False),
        ("http://a:8444/", None, True),
    ],
)
def test_plain_http_on_a_port_for_tls(config: Reader, url: str, listener: str | None, redirected: bool) -> None:
    """A port or listener that is named is the one that is meant; TLS there makes the request a slip."""
    also = "  - {address: https://127.0.0.1:8444, redirect_plain_http: true}\n"
    request = asked(config(SECURE.replace("tls:", f"{also}tls:", 1)), "GET", url, listener=listener)
    assert (request.scheme, request.is_plain, request.is_redirected) == ("http", True, redirected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "ftp://a/"}, "not an http or https URL"),
        ({"url": "/path"}, "not an http or https URL"),
        ({"url": ""}, "not an http or https URL"),
        ({"method": ""}, "not a method"),
        ({"method": "GET /"}, "not a method"),
        ({"method": "G\u00cbT"}, "not a method"),
        ({"headers": [("A", "1\r\nB: 2")]}, "control character"),
        ({"headers": [("A\n", "1")]}, "control character"),
        ({"client_ip": "example.com"}, "not an IP address"),
        ({"listener": "http://127.0.0.1:1"}, "there is http://127.0.0.1:8080, http://[::1]:8081"),
        ({"listener": "http+unix:/run/x.sock", "client_ip": "10.0.0.1"}, "have no address"),
    ],
)
def test_what_cannot_be_sent_is_refused(config: Reader, arguments: dict[str, object], words: str) -> None:
    """Whatever would not be one request on the wire, or comes from nowhere, is refused with a reason."""
    with pytest.raises(NotAsked, match=words.replace("[", r"\[")):
        asked(config(MAP), **({"method": "GET", "url": "http://a/"} | arguments))  # type: ignore[arg-type]
