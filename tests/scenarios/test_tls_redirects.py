"""From http to https: which requests are sent there, what of them is kept, and what answers say to browsers about it.

Rule: what a client gets in its Location is compared byte for byte; a connection that was sent elsewhere is used again.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.addresses import HOST, free_port
from tests.support.backend import answering, ok
from tests.support.certificates import pem, write
from tests.support.daemon import Daemon, on_reactor
from tests.support.messages import Request, Response
from tests.support.raw_client import RawClient
from tests.support.tls import lasting, root
from tests.support.tls_clients import SecuredClient, TlsClient

STRANGER = "127.0.0.9"
HSTS = "max-age=31536000; includeSubDomains"
MAP = """
  - address: https://{host}:{strict}
    redirect_plain_http: true
tls:
  certificates: [{{cert: {folder}/app.pem}}]
  http_redirect: true
  hsts: {{max_age: 365d, include_subdomains: true}}
trusted_proxies: [127.0.0.1/32]
timeouts: {{header: 1s}}
limits: {{body: 1KiB, header_bytes: 8KiB}}
hosts:
  app.test:
    - {{path: /empty, respond: {{status: 204}}}}
    - {{path: /files/*, files: {folder}}}
    - {{path: /*, proxy: "{url}"}}
  127.0.0.1: {{proxy: "{url}"}}
  strict.test: {{tls: {{client_auth: request, client_ca: {folder}/ca.pem}}, respond: {{status: 200}}}}
  "*": {{respond: {{status: 200, body: plain}}}}
"""


class Front:
    """The product; `strict` is a TLS port of its own that redirects plain HTTP."""

    def __init__(self, daemon: Daemon, folder: Path, strict: int) -> None:
        self.daemon = daemon
        self.strict = strict
        self._tls = TlsClient((HOST, daemon.tls_port), folder / "ca.pem")

    def secured(self) -> SecuredClient:
        """Connect by TLS."""
        return SecuredClient(self._tls, "app.test")

    @property
    def at(self) -> str:
        """The port that clients are sent to, as in a URL."""
        return f":{self.daemon.tls_port}"


def answer(request: Request) -> bytes:
    """Tell twice what this application thinks of HSTS, or nothing in an answer without length."""
    if request.target == "/chunks":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    both = ("strict-transport-security: max-age=1", "STRICT-TRANSPORT-SECURITY: max-age=0")
    return ok(b"" if request.method == "HEAD" else b"ok", *both)


@pytest.fixture(scope="module", params=["uvloop", "epoll"])
def front(request, start_shared_daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The product on both reactors."""
    folder = tmp_path_factory.mktemp("redirects")
    write(folder / "ca.pem", pem(root().certificate))
    write(folder / "page.txt", b"a page", 0o644)
    lasting("app.test", "*.wild.test", "strict.test", HOST, by=root()).write(folder / "app.pem")
    strict = free_port()
    with answering(answer) as backend:
        routes = MAP.format(host=HOST, strict=strict, folder=folder, url=backend.url)
        daemon = start_shared_daemon(routes.lstrip("\n"), tls=True, argv=on_reactor(request.param))
        yield Front(daemon, folder, strict)


# What is kept.


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/?",
        b"/a?b?c=/d&&e=%26",
        b"//evil.test/x",
        b"/\\evil.test",
        b"/%0d%0aSet-Cookie:%20a=b",
        b"/a/../b/./c",
        b"/%2e%2e/%2F;p=1",
        b"/%",
        b"/" + b"long/" * 400,
    ],
)
def test_a_target_is_kept_byte_for_byte(front: Front, target: bytes) -> None:
    """Nothing of it is decoded, joined or cut off, whatever it may mean to somebody."""
    with RawClient(front.daemon.address) as client:
        response = client.ask(b"GET %b HTTP/1.1\r\nHost: app.test\r\n\r\n" % target)
    assert response.status == 308
    assert response.value("location") == f"https://app.test{front.at}{target.decode()}"


@pytest.mark.parametrize(
    ("host", "to"),
    [
        ("app.test", "app.test"),
        ("APP.Test.", "app.test"),
        ("app.test:80", "app.test"),
        (HOST, HOST),
        ("one.wild.test", "one.wild.test"),
        ("strict.test", "strict.test"),
        ("two.one.wild.test", ""),
        ("wild.test", ""),
        ("app.test.evil.test", ""),
        ("127.0.0.2", ""),
        ("[::1]", ""),
    ],
)
def test_a_host_is_sent_to_https_where_it_has_a_certificate(front: Front, host: str, to: str) -> None:
    """As certificates count names: a wildcard is for one label; all others are served as they were."""
    with RawClient(front.daemon.address) as client:
        response = client.ask(f"GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    if to:
        assert (response.status, response.value("location")) == (308, f"https://{to}{front.at}/x")
    else:
        assert (response.status, response.body, response.value("location")) == (200, b"plain", None)


@pytest.mark.parametrize(
    ("method", "more", "body"),
    [
        ("HEAD", "", b""),
        ("DELETE", "", b""),
        ("POST", "Content-Length: 4\r\n", b"a=b&"),
        ("PUT", "Content-Length: 50000\r\n", b"GET /xx HTTP/1.1\r\n\r\n" * 2500),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", b""),
    ],
)
def test_every_method_is_sent_there_with_its_body_unread(front: Front, method: str, more: str, body: bytes) -> None:
    """308 keeps method and body, so the client sends both again; the connection is good for what comes next."""
    with RawClient(front.daemon.address) as client:
        head = f"{method} /form HTTP/1.1\r\nHost: app.test\r\n{more}\r\n"
        for _ in range(2):
            response = client.ask(head.encode() + body, method)
            assert (response.status, response.value("location")) == (308, f"https://app.test{front.at}/form")


@pytest.mark.parametrize(
    ("more", "sent"),
    [("Content-Length: 100000000", b"a=b&" * 500), ("Transfer-Encoding: chunked", b"4\r\na=b&\r\n0\r\n\r\n")],
)
def test_a_body_whose_end_is_not_near_is_not_waited_for(front: Front, more: str, sent: bytes) -> None:
    """The redirect comes at once, is not lost in a reset, and says that the connection ends."""
    with RawClient(front.daemon.address) as client:
        client.send(f"POST /form HTTP/1.1\r\nHost: app.test\r\n{more}\r\n\r\n".encode() + sent)
        response = client.response()
        assert (response.status, response.value("location")) == (308, f"https://app.test{front.at}/form")
        assert response.value("connection") == "close"
        assert client.end() == "closed"


def test_a_body_that_waits_to_be_asked_for_is_not_asked_for(front: Front) -> None:
    """The redirect comes instead of 100 (Continue)."""
    with RawClient(front.daemon.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 308


def test_pipelined_requests_go_each_where_they_belong(front: Front) -> None:
    """One answer behind the other, some from here and some redirects."""
    hosts = [b"app.test", b"other.test", b"one.wild.test", b"other.test"]
    with RawClient(front.daemon.address) as client:
        client.send(b"".join(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host for host in hosts))
        assert [client.response().status for _ in hosts] == [308, 200, 308, 200]


@pytest.mark.parametrize(
    ("line", "location"),
    [
        (b"GET http://app.test/a?b HTTP/1.1\r\nHost: app.test", "/a?b"),
        (b"GET /a HTTP/1.0\r\nHost: app.test", "/a"),
        (b"GET /a HTTP/1.0", None),
        (b"OPTIONS * HTTP/1.1\r\nHost: app.test", None),
    ],
)
def test_every_form_of_request(front: Front, line: bytes, location: str | None) -> None:
    """A URL is redirected like a path; where no host or no path is named there is nowhere to go."""
    with RawClient(front.daemon.address) as client:
        response = client.ask(line + b"\r\n\r\n")
    assert response.value("location") == (location and f"https://app.test{front.at}{location}")
    assert (response.status == 308) == (location is not None)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/.well-known/acme-challenge/a-token_1", 200),
        ("/.well-known/acme-challenge/a-token_1?x", 200),
        ("/.well-known/acme-challenge/../secret", 308),
        ("/.well-known/acme-challenge/a/b", 308),
        ("/.well-known/acme-challengeX", 308),
        ("/x/.well-known/acme-challenge/a", 308),
    ],
)
def test_challenges_are_answered_where_they_are_asked(front: Front, target: str, status: int) -> None:
    """And nothing else gets by on their path."""
    with RawClient(front.daemon.address) as client:
        assert client.ask(f"GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n".encode()).status == status


@pytest.mark.parametrize(("source", "status"), [(HOST, 200), (STRANGER, 308)])
def test_https_that_ends_before_us_is_not_sent_round_in_circles(front: Front, source: str, status: int) -> None:
    """A trusted proxy's word that the client came by https is taken, and nobody else's."""
    with RawClient(front.daemon.address, source=source) as client:
        request = b"GET / HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        assert client.ask(request).status == status


# HSTS.


def told(response: Response) -> list[str]:
    """Give what an answer says of HSTS."""
    return response.values("strict-transport-security")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1", 200),
        ("HEAD / HTTP/1.1", 200),
        ("GET /chunks HTTP/1.1", 200),
        ("GET /chunks HTTP/1.0", 200),
        ("GET /empty HTTP/1.1", 204),
        ("GET /files/page.txt HTTP/1.1", 200),
        ("GET /files/none HTTP/1.1", 404),
        ("GET /files/page.txt HTTP/1.1\r\nRange: bytes=900-", 416),
        ("TRACE / HTTP/1.1", 405),
        ("POST / HTTP/1.1\r\nContent-Length: 9999999", 413),
        ("GET / HTTP/1.1\r\nX: " + "x" * 9000, 431),
        ("GET / HTTP/1.1\r\nBroken", 400),
        ("GET /\x01 HTTP/1.1", 400),
    ],
)
def test_every_answer_over_https_says_it_once(front: Front, request_: str, status: int) -> None:
    """Whoever has made the answer, and whatever a backend has said of it."""
    line, *more = request_.split("\r\n")
    head = "\r\n".join([line, "Host: app.test", *more]) + "\r\n\r\n"
    with front.secured() as client:
        response = client.ask(head.encode(), "HEAD" if line.startswith("HEAD") else "GET")
    assert (response.status, told(response)) == (status, [HSTS])


def test_a_misdirected_request_says_it_too(front: Front) -> None:
    """421 is an answer like all others."""
    with front.secured() as client:
        response = client.ask(b"GET / HTTP/1.1\r\nHost: strict.test\r\n\r\n")
    assert (response.status, told(response)) == (421, [HSTS])


def test_no_answer_over_http_says_it(front: Front) -> None:
    """RFC 6797, section 7.2: neither what is served as it was, nor a redirect, nor an error, nor help on a TLS port."""
    asked = (
        (front.daemon.port, b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", 308),
        (front.daemon.port, b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", 200),
        (front.daemon.port, b"GET /\x01 HTTP/1.1\r\nHost: app.test\r\n\r\n", 400),
        (front.daemon.tls_port, b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", 400),
        (front.strict, b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", 308),
    )
    for port, request, status in asked:
        with RawClient((HOST, port)) as client:
            response = client.ask(request)
        assert (response.status, told(response)) == (status, [])


# Plain HTTP on a TLS port.


@pytest.mark.parametrize(
    ("request_", "method", "status"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: app.test\r\n\r\n", "GET", 308),
        (b"HEAD /a?b HTTP/1.1\r\nHost: app.test\r\n\r\n", "HEAD", 308),
        (b"POST /a?b HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc", "POST", 308),
        (b"GET /a?b HTTP/1.0\r\nHost: app.test\r\n\r\n", "GET", 308),
        (b"GET /a?b HTTP/1.0\r\n\r\n", "GET", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n", "OPTIONS", 400),
        (b"GET /a?b HTTP/1.1\r\nHost: a b\r\n\r\n", "GET", 400),
        (b"GET /a?b HTTP/1.1\r\n\r\n", "GET", 400),
    ],
)
@pytest.mark.parametrize("cut", [0, 1])
def test_plain_http_on_a_tls_port_gets_one_answer(
    front: Front, request_: bytes, method: str, status: int, cut: int
) -> None:
    """A redirect where there is somewhere to go, else what is wrong; then the connection ends, however it was cut."""
    with RawClient((HOST, front.strict)) as client:
        for at in range(0, len(request_), cut or len(request_)):
            client.send(request_[at : at + (cut or len(request_))])
        response = client.response(method)
        assert response.status == status
        assert response.value("location") == (f"https://app.test:{front.strict}/a?b" if status == 308 else None)
        assert response.value("connection") == "close"
        assert client.end() in {"closed", "reset"}


def test_only_the_first_of_a_plain_pipeline_is_answered(front: Front) -> None:
    """Nothing behind it is taken for a request."""
    with RawClient((HOST, front.strict)) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n" * 3)
        assert client.response().status == 308
        assert client.end() in {"closed", "reset"}


def test_half_a_plain_request_has_its_time(front: Front) -> None:
    """Who begins to speak HTTP on a TLS port and does not go on is told so after `timeouts.header`."""
    with RawClient((HOST, front.strict)) as client:
        client.send(b"GET / HTTP/1.1\r\nHo")
        assert client.response().status == 408
        assert client.end() in {"closed", "reset"}


def test_help_for_who_speaks_http_to_a_tls_port_names_the_way(front: Front) -> None:
    """Without `redirect_plain_http` the answer says what to write, and the access log why it was given."""
    with RawClient((HOST, front.daemon.tls_port)) as client:
        response = client.ask(b"GET /who-spoke-http HTTP/1.1\r\nHost: app.test\r\n\r\n")
    assert response.status == 400
    assert b"https://" in response.body
    entry = front.daemon.logged(target="/who-spoke-http")[-1]
    assert (entry["status"], entry["cause"]) == (400, "http_request_error")


# Without any of it.


def test_who_asks_for_nothing_gets_nothing(start_daemon, serve, tmp_path: Path) -> None:
    """Without `http_redirect` and `hsts` plain requests are served, and what a backend says of HSTS is passed on."""
    write(tmp_path / "ca.pem", pem(root().certificate))
    lasting("app.test", by=root()).write(tmp_path / "app.pem")
    backend = serve(lambda request: ok(b"ok", "Strict-Transport-Security: max-age=7"))
    routes = f"tls: {{certificates: [{{cert: {tmp_path}/app.pem}}]}}\nhosts: {{app.test: {backend.url}}}\n"
    daemon = start_daemon(routes, tls=True)
    with RawClient(daemon.address) as client:
        assert client.ask(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").status == 200
    of = TlsClient((HOST, daemon.tls_port), tmp_path / "ca.pem", versions=(ssl.TLSVersion.TLSv1_3,) * 2)
    with SecuredClient(of, "app.test") as client:
        assert told(client.ask(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")) == ["max-age=7"]
