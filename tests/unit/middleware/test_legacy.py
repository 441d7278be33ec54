"""`legacy` over wires: what an application that knows nothing of TLS is told, and what becomes of its answers."""

from __future__ import annotations

import gzip
from ipaddress import ip_network
from typing import Any

import pytest

from tests.support.wiring import Answer, Proxy, Reactor, Wire
from txproxy.forwarding.leaves import Redirect
from txproxy.forwarding.proxy import ReverseProxyResource
from txproxy.middleware.legacy import LegacyCookies, LegacyLinks, LegacyRedirects, LegacyRequests, Places
from txproxy.middleware.pipeline import Pipeline
from txproxy.policy.legacy_places import Paths
from txproxy.policy.rewrite import RedirectTemplate

BACKEND = b"192.0.2.9:9000"
GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n%b\r\n"


class Site:
    """One proxied application; its clients come by https."""

    def __init__(
        self,
        places: Places | None = None,
        *,
        scheme: str = "https",
        trusted: tuple[Any, ...] = (),
        leaf: Any = None,
    ) -> None:
        places = places or Places(Paths())
        self.reactor = Reactor()
        leaf = leaf or ReverseProxyResource("192.0.2.9", 9000, reactor=self.reactor)
        behind = [LegacyRedirects(places), LegacyCookies(places), LegacyLinks(places)]
        self.proxy = Proxy(
            {"/*": leaf}, reactor=self.reactor, pipeline=Pipeline([LegacyRequests(), *behind]), trusted=trusted
        )
        self.client = self.proxy.connect()
        self.client.protocol.client.scheme = scheme

    @property
    def backend(self) -> Wire:
        """The backend's end of the last connection."""
        return self.reactor.backends[-1]

    def ask(self, *lines: bytes, method: bytes = b"GET") -> bytes:
        """Ask for something; give what the backend gets."""
        self.client.send(GET.replace(b"GET", method) % b"".join(line + b"\r\n" for line in lines))
        return self.backend.take()

    def answer(self, head: bytes, body: bytes = b"", *, length: bool = True, method: bytes = b"GET") -> Answer:
        """Let the backend answer; give what the client gets."""
        head += b"\r\nContent-Length: %d" % len(body) if length else b""
        self.backend.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
        return Answer(method).read(self.client.take())


def test_what_the_application_is_told() -> None:
    """An https request says so in the old words too, and a client's own are not believed."""
    got = Site().ask(b"X-Forwarded-SSL: off", b"Front-End-Https: off", b"front-end-https: no")
    assert got.count(b"X-Forwarded-Ssl: on\r\n") == got.count(b"Front-End-Https: on\r\n") == 1
    assert got.lower().count(b"front-end-https") == got.lower().count(b"x-forwarded-ssl") == 1
    assert b"X-Forwarded-Proto: https" in got
    got = Site(scheme="http").ask(b"X-Forwarded-SSL: on", b"Front-End-Https: on")
    assert b"ssl" not in got.lower()
    assert b"front-end" not in got.lower()


def test_a_trusted_proxy_does_not_say_it_twice() -> None:
    """A trusted proxy's word for it is replaced by what follows from its X-Forwarded-Proto."""
    site = Site(scheme="http", trusted=(ip_network("192.0.2.1/32"),))
    got = site.ask(b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off")
    assert (got.lower().count(b"x-forwarded-ssl"), b"X-Forwarded-Ssl: on\r\n" in got) == (1, True)
    got = site.answer(b"Location: http://192.0.2.9:9000/x")
    assert got.field(b"location") == b"https://example.com/x"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"X-Forwarded-Host: www.example.org"], b"https://www.example.org/x"),
        ([b"X-Forwarded-Host: evil.example, www.example.org"], b"https://www.example.org/x"),
        ([b"X-Forwarded-Host: www.example.org", b"X-Forwarded-Port: 8443"], b"https://www.example.org:8443/x"),
        ([b"X-Forwarded-Port: 443"], b"https://example.com/x"),
        ([b"X-Forwarded-For: 198.51.100.7", b'Forwarded: for=198.51.100.7;host="f.example:8443"'],
         b"https://f.example:8443/x"),
        ([b'X-Forwarded-Host: a"b'], b"http://192.0.2.9:9000/x"),
    ],
)  # fmt: skip
def test_the_host_that_a_trusted_proxy_was_asked_for(lines: list[bytes], expected: bytes) -> None:
    """Behind another proxy the public host is the one that its client asked for, if it can be one."""
    site = Site(trusted=(ip_network("192.0.2.1/32"),))
    site.ask(*lines)
    assert site.answer(b"Location: http://192.0.2.9:9000/x").field(b"location") == expected
    other = Site()
    other.ask(*lines)
    assert other.answer(b"Location: http://192.0.2.9:9000/x").field(b"location") == b"https://example.com/x"


def test_redirects_and_cookies() -> None:
    """The answer's addresses and cookies are mended; its other fields, length and body are as they were."""
    site = Site()
    site.ask()
    got = site.answer(
        b"Location: http://example.com/in\r\nX-A: http://example.com/\r\nSet-Cookie: a=b; Domain=192.0.2.9; Path=/"
        b"\r\nRefresh: 1; url=http://192.0.2.9:9000/",
        b"http://example.com/",
    )
    assert got.field(b"location") == b"https://example.com/in"
    assert got.field(b"set-cookie") == b"a=b; Path=/; Secure; SameSite=Lax"
    assert got.field(b"refresh") == b"1; url=https://example.com/"
    assert got.field(b"x-a") == b"http://example.com/"
    assert (got.body_so_far, got.field(b"content-length")) == (b"http://example.com/", b"19")


def test_the_host_that_the_backend_was_told() -> None:
    """A Host that the route sets is a name of the application, and on a unix socket `localhost` is, if it is told."""
    for places, name in [
        (Places(Paths(), (b"app.internal",)), b"app.internal"),
        (Places(Paths(), backend_host=True), b"192.0.2.9:9000"),
    ]:
        site = Site(places)
        site.ask()
        assert site.answer(b"Location: http://" + name + b"/").field(b"location") == b"https://example.com/"
    for told in (True, False):
        made = Places(Paths(), backend_host=told)._make("https", b"a", "http+unix:/run/app.sock")
        assert made.names(b"http", b"localhost") is told


def test_what_txproxy_says_itself_is_not_touched() -> None:
    """A redirect of the route map, and an error page, are nobody's old application's."""
    site = Site(leaf=Redirect(RedirectTemplate("http://example.com/x", ()), 308))
    site.client.send(GET % b"")
    assert Answer().read(site.client.take()).field(b"location") == b"http://example.com/x"
    site = Site()
    site.ask()
    site.backend.send(b"nonsense\r\n\r\n")
    got = Answer().read(site.client.take())
    assert (got.status, got.complete) == (502, True)
    assert got.field(b"content-length") is not None


# Links.

HTML = b"Content-Type: text/html"
PAGE = b"<a href='http://example.com/'>"
MENDED = b"<a href='https://example.com/'>"


def test_a_page() -> None:
    """A page's links are mended, its length is right, and it does not promise the backend's octets."""
    site = Site()
    site.ask()
    got = site.answer(HTML + b'\r\nETag: "x"\r\nAccept-Ranges: bytes\r\nContent-MD5: y', PAGE)
    assert (got.body_so_far, got.complete, got.error) == (MENDED, True, None)
    assert (got.field(b"etag"), got.field(b"accept-ranges"), got.field(b"content-md5")) == (b'W/"x"', None, None)
    assert got.field(b"content-length") == b"%d" % len(MENDED)


def test_a_page_in_pieces() -> None:
    """A page that comes in pieces is given as it comes, with its end."""
    site = Site()
    site.ask()
    site.backend.send(b"HTTP/1.1 200 OK\r\n" + HTML + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    got = Answer().read(site.client.take())
    for piece, so_far in [(b"<p>http://exam", b"<p>"), (b"ple.com/ h", b"<p>https://example.com/ ")]:
        site.backend.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert got.read(site.client.take()).body_so_far == so_far
    site.backend.send(b"0\r\n\r\n")
    got.read(site.client.take())
    assert (got.body_so_far, got.complete) == (b"<p>https://example.com/ h", True)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_page_that_ends_with_the_connection(version: bytes) -> None:
    """A page of an HTTP/1.0 backend, without length or chunks, is mended to its end."""
    site = Site()
    site.ask()
    site.backend.send(b"HTTP/" + version + b" 200 OK\r\n" + HTML + b"\r\nConnection: close\r\n\r\n" + PAGE + b" http")
    site.backend.half_close()
    got = Answer().read(site.client.take())
    assert (got.body_so_far, got.complete) == (MENDED + b" http", True)


def test_a_compressed_page() -> None:
    """A compressed page is decoded, mended and compressed again."""
    site = Site()
    assert b"\r\nAccept-Encoding: gzip\r\n" in site.ask(b"Accept-Encoding: br, gzip", b"accept-encoding: zstd")
    got = site.answer(HTML + b"\r\nContent-Encoding: gzip", gzip.compress(PAGE))
    assert (gzip.decompress(got.body_so_far), got.complete) == (MENDED, True)
    assert got.field(b"content-encoding") == b"gzip"


def test_a_request_that_accepts_nothing_in_particular() -> None:
    """No Accept-Encoding is made up."""
    assert b"ccept-" not in Site().ask()


@pytest.mark.parametrize("cut", [5, 25])
def test_a_compressed_page_that_breaks_off(cut: int) -> None:
    """Half a compressed page is an error, be it that its framing is in order."""
    site = Site()
    site.ask()
    got = site.answer(HTML + b"\r\nContent-Encoding: gzip", gzip.compress(PAGE)[:cut])
    assert (got.status, got.complete) == (502, True)
    assert [record.cause for record in site.proxy.records] == ["http_response_incomplete"]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: image/png",
        b"Content-Type: text/plain",
        HTML + b"\r\nContent-Encoding: br",
        HTML + b"; charset=utf-16",
        b"X: y",
    ],
)
def test_what_is_no_page_passes_as_it_is(head: bytes) -> None:
    """Other types, charsets and codings keep every octet, their length and their ETag."""
    site = Site()
    site.ask()
    got = site.answer(head + b'\r\nETag: "x"\r\nAccept-Ranges: bytes', PAGE)
    assert (got.body_so_far, got.field(b"etag"), got.field(b"accept-ranges")) == (PAGE, b'"x"', b"bytes")
    assert got.field(b"content-length") == b"%d" % len(PAGE)


def test_a_part_of_a_page_passes_as_it_is() -> None:
    """A 206 is counted in the backend's octets: it is not changed."""
    site = Site()
    site.ask(b"Range: bytes=0-4")
    head = HTML + b"\r\nContent-Range: bytes 0-29/30\r\nContent-Length: %d" % len(PAGE)
    site.backend.send(b"HTTP/1.1 206 Partial Content\r\n" + head + b"\r\n\r\n" + PAGE)
    assert Answer().read(site.client.take()).body_so_far == PAGE


def test_head_is_told_what_get_would_be() -> None:
    """The answer to HEAD does not promise the backend's length; for an image it does."""
    site = Site()
    site.ask(method=b"HEAD")
    site.backend.send(b"HTTP/1.1 200 OK\r\n" + HTML + b'\r\nETag: "x"\r\nContent-Length: 30\r\n\r\n')
    got = Answer(b"HEAD").read(site.client.take())
    assert (got.field(b"content-length"), got.field(b"etag"), got.complete) == (None, b'W/"x"', True)
    site.ask(method=b"HEAD")
    site.backend.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 30\r\n\r\n")
    assert Answer(b"HEAD").read(site.client.take()).field(b"content-length") == b"30"


def test_an_empty_page_ends_at_once() -> None:
    """A page of length 0 keeps it, so that the client does not wait for more."""
    site = Site()
    site.ask()
    got = site.answer(HTML)
    assert (got.field(b"content-length"), got.body_so_far, got.complete) == (b"0", b"", True)


def test_not_modified_has_the_etag_that_was_sent() -> None:
    """A 304 names the page by the weak ETag under which the client has it."""
    site = Site()
    site.ask(b'If-None-Match: W/"x"')
    site.backend.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
    got = Answer().read(site.client.take())
    assert (got.status, got.field(b"etag"), got.complete) == (304, b'W/"x"', True)


def test_nothing_to_look_for() -> None:
    """A client that came by http, to an application that is known by the public host only, gets the page untouched."""
    site = Site(scheme="http")
    site.ask()
    got = site.answer(HTML + b'\r\nETag: "x"', PAGE)
    assert got.body_so_far == PAGE
    assert Site(scheme="http").ask(b"Accept-Encoding: br").count(b"Accept-Encoding: identity") == 1


def test_a_place_is_made_once() -> None:
    """The same host, scheme and backend give the same place again, and however many hosts come, few are kept."""
    places = Places(Paths())
    site = Site(places)
    for host in (b"a", b"b", b"a"):
        site.client.send(b"GET / HTTP/1.1\r\nHost: %b.example\r\n\r\n" % host)
        site.answer(b"Location: http://192.0.2.9:9000/")
    info = places._made.cache_info()
    assert (info.misses, info.currsize) == (2, 2)
    assert info.maxsize is not None
