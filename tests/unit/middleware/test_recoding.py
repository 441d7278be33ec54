"""Bodies that are decoded, rewritten and coded again."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.middleware.recoding import Recoded, Rewritten
from txproxy.model.errors import ProxyError
from txproxy.policy.legacy_links import Links
from txproxy.policy.legacy_places import Paths, Place

LINKS = Links(Place(b"https", b"example.com", (b"127.0.0.1:9000",), Paths()))
TEXT = b"<a href='http://example.com/'>one</a> http" * 50
REWRITTEN = LINKS.whole(TEXT)


def raw_deflate(data: bytes) -> bytes:
    """Compress without any header."""
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def any_inflate(data: bytes) -> bytes:
    """Decode what some call deflate."""
    return zlib.decompress(data, 15 if data[0] & 15 == 8 else -15)


CODERS: dict[str, tuple[bytes, Any, Any]] = {
    "gzip": (b"gzip", gzip.compress, gzip.decompress),
    "x-gzip": (b"x-gzip", gzip.compress, gzip.decompress),
    "zlib": (b"deflate", zlib.compress, zlib.decompress),
    "raw": (b"deflate", raw_deflate, lambda data: zlib.decompress(data, -15)),
}
codings = pytest.mark.parametrize("name", CODERS)


def through(made: Any, data: bytes, cuts: list[int]) -> bytes:
    """Send data through a filter, cut at these places."""
    places = [0, *sorted(cuts), len(data)]
    pieces = [made.on_response_body(None, data[a:b]) for a, b in pairwise(places) if a < b]
    return b"".join(pieces) + made.on_response_end(None)


@codings
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_coding_stays_what_it_was(name: str, size: int) -> None:
    """However it is cut, a coded body comes out in the same coding, with its text rewritten."""
    coding, code, decode = CODERS[name]
    data = code(TEXT)
    made = through(Recoded(LINKS.reading(), coding), data, list(range(size, len(data), size)))
    assert decode(made) == REWRITTEN


@given(
    st.lists(st.sampled_from([b"http://example.com", b"/", b"http", b"x" * 70_000, b" "]), max_size=8).map(b"".join),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from(sorted(CODERS)),
)
def test_any_cut_of_any_text(text: bytes, cuts: list[int], name: str) -> None:
    """Coded or not, however a body is cut, the text is the same as if it had been rewritten as a whole."""
    coding, code, decode = CODERS[name]
    data = code(text)
    assert decode(through(Recoded(LINKS.reading(), coding), data, [cut for cut in cuts if cut < len(data)])) == (
        LINKS.whole(text)
    )
    plain = through(Rewritten(LINKS.reading()), text, [cut for cut in cuts if cut < len(text)])
    assert plain == LINKS.whole(text)


@codings
def test_each_piece_gives_its_text_at_once(name: str) -> None:
    """A page that the backend flushes in parts is given in those parts: nothing waits for the next one."""
    coding = CODERS[name][0]
    wbits = {"zlib": 15, "raw": -15}.get(name, 31)
    source, sink = zlib.compressobj(wbits=wbits), zlib.decompressobj(wbits)
    made = Recoded(LINKS.reading(), coding)
    for part in (b"first http://example.com/ ", b"second "):
        data = source.compress(part) + source.flush(zlib.Z_SYNC_FLUSH)
        assert sink.decompress(made.on_response_body(None, data)) == LINKS.whole(part)


@codings
@pytest.mark.parametrize("whole", [b"", b"x" * 200_000])
def test_every_truncation_is_an_error(name: str, whole: bytes) -> None:
    """A coded body that breaks off anywhere never ends as if it were complete."""
    coding, code, _ = CODERS[name]
    data = code(whole)
    for length in range(1, len(data)):
        made = Recoded(LINKS.reading(), coding)
        with pytest.raises(ProxyError) as caught:
            through(made, data[:length], [])
        assert caught.value.cause.token == "http_response_incomplete"


def test_no_body_is_an_empty_one() -> None:
    """A backend that codes an empty body as nothing at all gets nothing out."""
    assert through(Recoded(LINKS.reading(), b"gzip"), b"", []) == b""
    assert through(Rewritten(LINKS.reading()), b"", []) == b""


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (b"gzip", b"<html>not coded at all</html>"),
        (b"gzip", zlib.compress(TEXT)),
        (b"gzip", gzip.compress(TEXT)[:20] + b"\0" * 60),
        (b"gzip", gzip.compress(TEXT)[:-8] + b"\1" * 8),
        (b"deflate", b"<html>not coded at all</html>"),
        (b"deflate", zlib.compress(TEXT)[:-4] + b"\1" * 4),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_garbage_is_an_error(coding: bytes, data: bytes, size: int) -> None:
    """What cannot be decoded, or has a wrong checksum, fails with the cause that RFC 9209 has for it."""
    with pytest.raises(ProxyError) as caught:
        through(Recoded(LINKS.reading(), coding), data, list(range(size, len(data), size)))
    assert (caught.value.cause.token, caught.value.status) == ("http_response_content_coding", 502)


@pytest.mark.parametrize("size", [1, 1000])
def test_several_members(size: int) -> None:
    """A gzip body of several members (RFC 1952, section 2.2) is one text; a link may go from one to the next."""
    data = gzip.compress(b"a http://exam") + gzip.compress(b"") + gzip.compress(b"ple.com/ b")
    made = through(Recoded(LINKS.reading(), b"gzip"), data, list(range(size, len(data), size)))
    assert gzip.decompress(made) == b"a https://example.com/ b"


@pytest.mark.parametrize("tail", [b"\n", b"\0" * 300, b"\x1f", b"<!-- -->", b"x" + gzip.compress(b"y")])
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_behind_the_end_is_left_out(tail: bytes, size: int) -> None:
    """What some applications send behind the end of a gzip body is not part of it."""
    data = gzip.compress(TEXT) + tail
    made = through(Recoded(LINKS.reading(), b"gzip"), data, list(range(size, len(data), size)))
    assert gzip.decompress(made) == REWRITTEN


def test_an_expanding_body_is_never_there_as_a_whole() -> None:
    """A small body that expands a thousand times takes no more memory than one piece of it."""
    data = gzip.compress(b" " * 40_000_000)
    made = Recoded(LINKS.reading(), b"gzip")
    tracemalloc.start()
    try:
        coded = through(made, data, [])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(gzip.decompress(coded)) == 40_000_000
    assert peak < 2_000_000
