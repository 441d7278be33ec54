"""Addresses of listeners and backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.config.addresses import Address, backend_address, listen_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://0.0.0.0:80", Address("tcp", "0.0.0.0", 80, authority="0.0.0.0")),
        ("http://[::]:8080", Address("tcp", "::", 8080, authority="[::]:8080")),
        ("http://127.0.0.1:0", Address("tcp", "127.0.0.1", 0, authority="127.0.0.1:0")),
        ("HTTP://localhost:81/", Address("tcp", "127.0.0.1", 81, authority="127.0.0.1:81")),
        ("https://0.0.0.0:443", Address("tcp", "0.0.0.0", 443, authority="0.0.0.0", tls=True)),
        ("https://[::]", Address("tcp", "::", 443, authority="[::]", tls=True)),
        ("https://0.0.0.0:80", Address("tcp", "0.0.0.0", 80, authority="0.0.0.0:80", tls=True)),
        ("http://0.0.0.0:443", Address("tcp", "0.0.0.0", 443, authority="0.0.0.0:443")),
        ("https+unix:/run/a.sock", Address("unix", path="/run/a.sock", authority="localhost", tls=True)),
        ("http+unix:/run/a.sock", Address("unix", path="/run/a.sock", authority="localhost")),
        ("http+unix:///run/a.sock", Address("unix", path="/run/a.sock", authority="localhost")),
        ("http+unix:run/../a.sock", Address("unix", path="/srv/a.sock", authority="localhost")),
    ],
)
def test_where_to_listen(text: str, expected: Address) -> None:
    """A listener is an IP address with a port, or a socket's path from the file's directory."""
    assert listen_address(text, "/srv") == expected


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "path"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "127.0.0.1:8000", ""),
        ("http://App.Internal", "app.internal", 80, "app.internal", ""),
        ("http://app.internal:80/", "app.internal", 80, "app.internal", ""),
        ("http://my_service:3000/base/", "my_service", 3000, "my_service:3000", "/base"),
        ("http://[0::1]:8000/a%20b/c", "::1", 8000, "[::1]:8000", "/a%20b/c"),
        ("https://App.Internal/x", "app.internal", 443, "app.internal", "/x"),
        ("https://app.internal:443", "app.internal", 443, "app.internal", ""),
        ("https://app.internal:80", "app.internal", 80, "app.internal:80", ""),
        ("https://[::1]:8443", "::1", 8443, "[::1]:8443", ""),
        ("http://bücher.example/x", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/x"),
    ],
)
def test_backends(text: str, host: str, port: int, authority: str, path: str) -> None:
    """A backend's URL gives host, port, what Host would say, and a path without a slash at its end."""
    tls = text.startswith("https:")
    assert backend_address(text, "/") == (Address("tcp", host, port, "", authority, tls), path)


def test_a_backend_behind_a_socket_may_speak_tls() -> None:
    """The path of a Unix socket is the same whether TLS is spoken through it or not."""
    expected = Address("unix", path="/srv/run/a.sock", authority="localhost", tls=True)
    assert backend_address("https+unix:run/a.sock", "/srv") == (expected, "")


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (listen_address, "http+systemd:web", "http+systemd: not supported yet"),
        (listen_address, "https+systemd:web", "https+systemd: not supported yet"),
        (listen_address, ":80", "has no scheme; write it like http://0.0.0.0:80"),
        (listen_address, "0.0.0.0:80", "write http://0.0.0.0:80"),
        (listen_address, "http://app.example.com:80", "not an IP address"),
        (listen_address, "http+unix:/" + "a" * 200, "octets that a socket's path can have"),
        (listen_address, "http+unix:/run/", "not the path of a socket"),
        (backend_address, "h2c://a", "h2c: not supported yet"),
        (backend_address, "https:a", "lacks the '//' after 'https:'; write https://a"),
        (backend_address, "https+unix://run/a.sock", "write https+unix:/run/a.sock"),
        (backend_address, "a.example.com/x", "write http://a.example.com/x"),
        (backend_address, "/run/a.sock", "write http+unix:/run/a.sock"),
        (backend_address, "//a", "write http://a"),
        (backend_address, "http:a", "write http://a"),
        (backend_address, "http://", "names no host"),
        (backend_address, "http://a:b@c", "user name or password"),
        (backend_address, "http://a:", "'' is not a port"),
        (backend_address, "http://a:٣", "is not a port"),
        (backend_address, "http://a?x", "has a query"),
        (backend_address, "http://a/#x", "has a fragment"),
        (backend_address, "http://a/b c", "holds a space"),
        (backend_address, "http://a\\b", "which no URL can"),
        (backend_address, "http://a/%zz", "must be percent-encoded"),
        (backend_address, "http://a/%2e%2E/b", "'.' or '..' segments"),
        (backend_address, "http://::1", "write an IPv6 address in brackets: [::1]"),
        (backend_address, "http://[::1]x", "is not a host and port"),
        (backend_address, "http://a..b", "empty label"),
        (backend_address, "htttp://a", "did you mean 'http'?"),
    ],
)
def test_wrong_addresses_say_what_to_write(parse: Callable[[str, str], Any], text: str, message: str) -> None:
    """A wrong address is answered by one sentence that helps."""
    with pytest.raises(ValueError) as caught:
        parse(text, "/")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["http://user:secret@a", "//user:secret@a", "htp://user:secret@a b", "http://u:secret@"]
)
def test_a_password_is_not_repeated(text: str) -> None:
    """A URL with a password is refused without the password in the message, whatever else is wrong with it."""
    with pytest.raises(ValueError) as caught:
        backend_address(text, "/")
    assert "secret" not in str(caught.value)


@given(
    st.sampled_from([listen_address, backend_address]),
    st.text(max_size=20)
    | st.lists(st.sampled_from(["http", "://", ":", "/", "@", "[", "]", "a", "1", "?", "%", "+unix:"])).map("".join),
)
def test_any_text_is_read_or_refused(parse: Callable[[str, str], Any], text: str) -> None:
    """An address parser raises ValueError and nothing else."""
    try:
        parse(text, "/")
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is right
