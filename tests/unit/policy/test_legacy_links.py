"""Links in pages and style sheets."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.policy.legacy_links import Links, coding_of, for_changed_body, known_codings, weakened
from txproxy.policy.legacy_places import Paths, Place

BACKEND = b"127.0.0.1:9000"


def links(
    scheme: bytes = b"https", authority: bytes = b"example.com", prefix: str | None = None, base: str = ""
) -> Links:
    """Make the links to a place whose backend is BACKEND."""
    return Links(Place(scheme, authority, (BACKEND,), Paths(prefix, base)))


PLAIN_TEXT = b"http://a/ https://a/"
TLS = links()
ODD = links(authority=b"Example.com:8443")
BOTH = links(prefix="/app", base="/base")


@pytest.mark.parametrize(
    ("where", "text", "expected"),
    [
        (TLS, b'<a href="http://example.com/x">', b'<a href="https://example.com/x">'),
        (TLS, b"<a href=http://example.com>", b"<a href=https://example.com>"),
        (TLS, b"<a href='HTTP://EXAMPLE.com'>", b"<a href='https://example.com'>"),
        (TLS, b"<img srcset='http://example.com/1 1x,http://example.com/2 2x'>",
         b"<img srcset='https://example.com/1 1x,https://example.com/2 2x'>"),
        (TLS, b"url(http://example.com)", b"url(https://example.com)"),
        (TLS, b'<meta http-equiv=refresh content="0;url=http://example.com:80/">',
         b'<meta http-equiv=refresh content="0;url=https://example.com/">'),
        (TLS, b'{"u":"http:\\/\\/example.com\\/x"}', b'{"u":"https:\\/\\/example.com\\/x"}'),
        (TLS, b"http://example.com?x http://example.com#y http://example.com",
         b"https://example.com?x https://example.com#y https://example.com"),
        (TLS, b"&quot;http://example.com&quot;", b"&quot;https://example.com&quot;"),
        (TLS, b"http://127.0.0.1:9000/x https://127.0.0.1:9000/x", b"https://example.com/x https://example.com/x"),
        (TLS, b"http://example.com:9000/", b"https://example.com/"),
        (TLS, b"http://example.com.evil/", None),
        (TLS, b"http://example.com-evil/", None),
        (TLS, b"http://example.com@evil/", None),
        (TLS, b"http://example.com:pass@evil/", None),
        (TLS, b"http://example.com:8080/", None),
        (TLS, b"http://example.com%2eevil/", None),
        (TLS, b"http://example.com\xc3\xa4/", None),
        (TLS, b"http://127.0.0.1:90000/", None),
        (TLS, b"http://x.example.com/ http://xexample.com/", None),
        (TLS, b"https://example.com/ //example.com/ http:/example.com/", None),
        (TLS, b"http:\\/\\/example.com.evil", None),
        (TLS, "http://example.com/".encode("utf-16"), None),
        (ODD, b"http://example.com:8443/ http://example.com/", b"https://Example.com:8443/ https://Example.com:8443/"),
        (links(b"http"), b"http://127.0.0.1:9000/ https://127.0.0.1:9000/", b"http://example.com/ http://example.com/"),
        (links(b"http"), b"http://example.com/ https://example.com/", None),
        (BOTH, b"http://127.0.0.1:9000/base/x", b"https://example.com/app/x"),
        (BOTH, b"http://127.0.0.1:9000/base", b"https://example.com/app"),
        (BOTH, b"'http://127.0.0.1:9000/base'", b"'https://example.com/app'"),
        (BOTH, b"http://example.com/based", b"https://example.com/based"),
        (BOTH, b"http://example.com/other http://example.com", b"https://example.com/other https://example.com"),
        (BOTH, b"http:\\/\\/127.0.0.1:9000\\/base\\/x", b"https:\\/\\/example.com\\/app\\/x"),
        (links(prefix="/app"), b"http://example.com/x 'http://example.com'",
         b"https://example.com/app/x 'https://example.com/app'"),
        (links(authority=b""), b"http://127.0.0.1:9000/", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_rewriting(where: Links, text: bytes, expected: bytes | None, size: int) -> None:
    """A link to the application becomes the public one, whatever stands around it; everything else stays."""
    reading = where.reading() if where.any else None
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    made = text if reading is None else b"".join(map(reading.piece, pieces)) + reading.end()
    assert made == (text if expected is None else expected)
    assert where.whole(text) == made


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (b"no link at all", b"no link at all"),
        (b"<p>hello h", b"<p>hello "),
        (b"see http", b"see "),
        (b"see http://example.co", b"see "),
        (b"see http://example.com", b"see "),
        (b"see http://example.com/", b"see https://example.com/"),
        (b"see http://other.exam", b"see http://other.exam"),
        (b"h http://example.com:", b"h "),
    ],
)
def test_no_more_is_kept_back_than_could_be_a_link(text: bytes, given: bytes) -> None:
    """What cannot become a link is given at once, so that a page that comes slowly is seen as it comes."""
    assert TLS.reading().piece(text) == given


def test_what_is_kept_back_is_bounded() -> None:
    """Whatever comes, no more is kept than the longest link that is looked for."""
    longest = len(b"https:\\/\\/" + BACKEND) + len(b"\\/base")
    reading, given = BOTH.reading(), 0
    text = b"http:" * 300 + b"http://example.com" * 300
    for place in range(len(text)):
        given += len(reading.piece(text[place : place + 1]))
        assert place + 1 - given <= longest


def test_a_link_within_what_is_none_is_found() -> None:
    """Another host's name may go on with ours in front of the slashes; the search goes on behind its own."""
    assert TLS.whole(b"http://a-http://example.com/") == b"http://a-https://example.com/"
    assert TLS.whole(b"http://http://example.com/") == b"http://https://example.com/"


def test_nothing_is_compiled_for_what_clients_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks with one port after another, or one name after another, makes nobody compile patterns."""
    links(authority=b"example.com", prefix="/app", base="/base")
    monkeypatch.setattr(re, "compile", lambda *_: pytest.fail("a pattern is compiled"))
    for number in range(5):
        made = links(authority=b"a%d.example.com:%d" % (number, number), prefix="/app", base="/base")
        assert made.whole(b"http://a%d.example.com/base/x" % number).startswith(b"https://a%d." % number)


PIECES = st.sampled_from([
    b"h", b"ht", b"http", b"HTTP", b"https", b":", b"//", b"\\/", b"/", b"\\", b"example.com", b"127.0.0.1", b":9000",
    b":80", b":8443", b"/base", b"\\/base", b"@", b".", b"-", b'"', b" ", b"<", b"x", b"\xff", b"\0",
    b"http://example.com", b"http:\\/\\/127.0.0.1:9000", b"http://127.0.0.1:9000/base",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map(b"".join)


@given(TEXTS, st.lists(st.integers(0, 60), max_size=6), st.sampled_from([TLS, ODD, BOTH, links(prefix="/app")]))
def test_any_cut_gives_the_same(text: bytes, cuts: list[int], where: Links) -> None:
    """However a body is cut into pieces, what comes out is the same."""
    reading = where.reading()
    places = [0, *sorted(cuts), len(text)]
    made = b"".join(reading.piece(text[a:b]) for a, b in pairwise(places))
    assert made + reading.end() == where.whole(text)


@given(TEXTS)
def test_the_same_as_said_in_one_pattern(text: bytes) -> None:
    """The rule, said once more: http, an authority of the application, and an end of it."""
    public = rb"example\.com(?::(?:80|443|9000))?"
    own = rb"127\.0\.0\.1:9000"
    end = rb"(?![\w.\-~:@%\x80-\xff])"
    pattern = rb"(?i)(?:http:(//|\\/\\/)(?:%b|%b)|https:(//|\\/\\/)%b)%b" % (public, own, own, end)
    said = re.sub(pattern, lambda found: b"https:" + (found[1] or found[2]) + b"example.com", text)
    assert TLS.whole(text) == said


def test_links_in_fields() -> None:
    """What a Link field names is loaded by browsers, so it is mended too; other fields are not."""
    block = b"\r\nLink: <http://example.com/a.css>; rel=preload, <http://o/>\r\nX-Link: <http://example.com/>"
    assert TLS.in_fields(block) == block.replace(b"Link: <http:", b"Link: <https:", 1)
    assert links(authority=b"").in_fields(block) == block


@pytest.mark.parametrize(
    ("block", "coding"),
    [
        (b"\r\nContent-Type: text/html", b""),
        (b"\r\ncontent-type: Text/HTML ; charset=utf-8", b""),
        (b"\r\nContent-Type: application/xhtml+xml", b""),
        (b'\r\nContent-Type: text/css; charset="iso-8859-1"', b""),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: GZIP", b"gzip"),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: x-gzip", b"x-gzip"),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: deflate", b"deflate"),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: identity", b""),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: br", None),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: gzip, gzip", None),
        (b"\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Encoding: br", None),
        (b"\r\nContent-Type: text/html; charset=utf-16", None),
        (b'\r\nContent-Type: text/html; charset="UTF-16LE"', None),
        (b"\r\nContent-Type: text/html; charset=utf-32be", None),
        (b"\r\nContent-Type: text/html; charset=iso-10646-ucs-2", None),
        (b"\r\nContent-Type: text/html; x=charset; charset=utf16", None),
        (b"\r\nContent-Type: text/plain", None),
        (b"\r\nContent-Type: application/json", None),
        (b"\r\nContent-Type: text/htmlx", None),
        (b"\r\nContent-Type: image/png", None),
        (b"", None),
    ],
)  # fmt: skip
def test_which_bodies(block: bytes, coding: bytes | None) -> None:
    """HTML and CSS in charsets that hold ASCII, and in codings that can be undone, are rewritten; nothing else is."""
    assert coding_of(block) == coding


@pytest.mark.parametrize(
    ("accepted", "known"),
    [
        (b"gzip, deflate, br, zstd", b"gzip, deflate"),
        (b"br;q=1.0, GZIP;q=0.8, *;q=0.1", b"GZIP;q=0.8"),
        (b"br", b"identity"),
        (b"*", b"identity"),
        (b"", b"identity"),
        (b"identity;q=0, x-gzip", b"identity;q=0, x-gzip"),
        (b",gzip ;q=0,", b"gzip ;q=0"),
    ],
)
def test_codings_to_ask_for(accepted: bytes, known: bytes) -> None:
    """Of what the client accepts the backend is told what can be undone, and never that everything is welcome."""
    assert known_codings(accepted) == known


def test_fields_of_a_changed_body() -> None:
    """What is true of the backend's octets only is left out, and the ETag no longer promises the same octets."""
    block = (
        b'\r\nETag: "a"\r\nContent-MD5: x\r\nDigest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nAccept-Ranges: bytes'
        b"\r\nContent-Length: 5\r\nX: y"
    )
    assert for_changed_body(block) == b'\r\nETag: W/"a"\r\nX: y'
    assert weakened(b'\r\netag:W/"a"\r\nX-ETag: "a"') == b'\r\netag:W/"a"\r\nX-ETag: "a"'


def test_repr() -> None:
    """Links show how much is looked for."""
    assert repr(TLS).startswith("<Links ")


@pytest.mark.parametrize(("scheme", "expected"), [(b"http", PLAIN_TEXT), (b"https", b"https://a/ https://a/")])
def test_an_application_without_a_name_of_its_own(scheme: bytes, expected: bytes) -> None:
    """On a unix socket the application is only known by the public host: by http nothing is left to look for."""
    made = Links(Place(scheme, b"a", (), Paths()))
    assert made.any == (scheme == b"https")
    assert made.whole(PLAIN_TEXT) == expected
