"""What becomes of targets and redirects."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.errors import ProxyError
from txproxy.policy.rewrite import RedirectTemplate, Rewrite, base_path, strip_prefix
from txproxy.policy.segments import join, resolve


def normal(target: bytes) -> str:
    """Give the path that patterns are compared with."""
    return join(resolve(target.partition(b"?")[0]))


@pytest.mark.parametrize(
    ("target", "prefix", "expected"),
    [
        (b"/api/users?x=/api/1&y", "/api", b"/users?x=/api/1&y"),
        (b"/api", "/api", b"/"),
        (b"/api/", "/api", b"/"),
        (b"/api?x", "/api", b"/?x"),
        (b"/api/?", "/api", b"/?"),
        (b"/api/a%20b%2Fc", "/api", b"/a%20b%2Fc"),
        (b"/api/a//b/", "/api", b"/a//b/"),
        (b"/apix", "/api", b"/apix"),
        (b"/x/api", "/api", b"/x/api"),
        (b"/%61pi/users", "/api", b"/users"),
        (b"/%61%70%69", "/api", b"/"),
        (b"//api//users//x", "/api", b"/users//x"),
        (b"/api//evil.example/x", "/api", b"/evil.example/x"),
        (b"/api%2fusers", "/api", b"/users"),
        (b"/api\\users", "/api", b"/users"),
        (b"/api;v=1/users;w=2", "/api", b"/users;w=2"),
        (b"/x/../api/users", "/api", b"/users"),
        (b"/./api/./users/.", "/api", b"/users/"),
        (b"/api/x/../../api/y", "/api", b"/y"),
        (b"/api/.well-known/x", "/api", b"/.well-known/x"),
        (b"/a%20b/c%20d", "/a b", b"/c%20d"),
        (b"/a%20b/c", "/a%20b", b"/c"),
        (b"/caf%C3%A9/x", "/café", b"/x"),
        (b"/a/b/c", "/a/b", b"/c"),
        (b"/a/b/c", "/a/b/", b"/c"),
        (b"/a/c", "/a/b", b"/a/c"),
        (b"/api/users", "/", b"/api/users"),
        (b"*", "/api", b"*"),
    ],
)
def test_strip_prefix(target: bytes, prefix: str, expected: bytes) -> None:
    """The prefix goes, however the client spelled it; the rest and the query stay byte for byte."""
    assert strip_prefix(target, prefix) == expected


@pytest.mark.parametrize(
    ("target", "base", "expected"),
    [
        (b"/a?b", "/base", b"/base/a?b"),
        (b"/", "/base/", b"/base/"),
        (b"/a%2F%61//b/../c", "/base/x", None),
        (b"/%61//b", "/base/x", b"/base/x/%61//b"),
        (b"/a/../b", "/base", b"/base/a/../b"),
        (b"/a", "", b"/a"),
        (b"/a", "/", b"/a"),
        (b"/a", "/a b/ü%2F", b"/a%20b/%C3%BC%2F/a"),
        (b"*", "/base", b"*"),
    ],
)
def test_base_path(target: bytes, base: str, expected: bytes | None) -> None:
    """The base stands in front of the path as sent; None: the path is refused."""
    if expected is None:
        with pytest.raises(ProxyError):
            base_path(target, base)
    else:
        assert base_path(target, base) == expected


@pytest.mark.parametrize("path", ["/../x", "/a/%zz", "/a%00"])
def test_bad_configuration(path: str) -> None:
    """A prefix or base that is no path is refused when the route is made."""
    with pytest.raises(ValueError, match="part of a path"):
        Rewrite(path)
    with pytest.raises(ValueError, match="part of a path"):
        Rewrite(None, path)


def test_nothing_to_do() -> None:
    """A route that changes nothing says so, and hands back the same object."""
    target = b"/a%2f..//b"
    assert Rewrite().changes is False
    assert Rewrite()(target) is target
    assert Rewrite("/", "/").changes is False


PIECES = st.sampled_from(
    ["/", "//", "/./", "/../", "/%2e%2e/", "a", "b", "%61", "ä", "%2f", "\\", ";x", "/a/b", ".", "%20"]
)
PATHS = st.lists(PIECES, max_size=10).map(lambda pieces: ("/" + "".join(pieces)).encode("ascii", "ignore"))
QUERIES = st.sampled_from([b"", b"?", b"?a=/../b%2f", b"??x"])
PREFIXES = st.sampled_from(["/a", "/a/b", "/b", "/a/a"])


@given(PATHS, QUERIES, PREFIXES, st.sampled_from(["", "/base", "/x/y%20z"]))
def test_prefix_and_base(path: bytes, query: bytes, prefix: str, base: str) -> None:
    """What comes out names, below the base, what was named below the prefix; the query is the same."""
    try:
        before = normal(path)
    except ProxyError:
        with pytest.raises(ProxyError):
            Rewrite(prefix, base)(path + query)
        return
    out, mark, out_query = Rewrite(prefix, base)(path + query).partition(b"?")
    assert mark + out_query == query
    inner = before
    if before == prefix or before.startswith(prefix + "/"):
        inner = before[len(prefix) :] or "/"
    start = normal(base.encode()) if base else ""
    assert normal(out) == start + inner
    if base:
        assert out.startswith(base.encode() + b"/")
    if inner != before:
        assert not out.startswith(b"//")


RESTS = st.lists(st.sampled_from(["/", "//", "x", "%61", "%2f", "%2F", "\\", ";y", "%20", "%C3%A4", "~"]), max_size=10)


@given(RESTS, QUERIES, PREFIXES)
def test_the_rest_is_kept(pieces: list[str], query: bytes, prefix: str) -> None:
    """Behind a prefix sent plainly, a rest without dot segments is kept byte for byte."""
    rest = b"/first" + "".join(pieces).encode() + query
    assert strip_prefix(prefix.encode() + rest, prefix) == rest


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("https://app.example.com{uri}", "https://app.example.com/a%2Fb/?c=d&e"),
        ("https://{host}{uri}", "https://b.example.com/a%2Fb/?c=d&e"),
        ("{scheme}://www.{host}:8443{path}", "http://www.b.example.com:8443/a%2Fb/"),
        ("/new{path}?{query}&f=1", "/new/a%2Fb/?c=d&e&f=1"),
        ("{uri}", "/a%2Fb/?c=d&e"),
        ("https://{tenant}.example.com/{rest}", "https://x%2Fy.example.com/p/q"),
        ("/{rest}/", "/p/q/"),
        ("/naïve#x", "/na%C3%AFve#x"),
        ("//app.example.com/x", "//app.example.com/x"),
    ],
)
def test_redirects(template: str, expected: str) -> None:
    """Placeholders are filled with what was sent; captures are encoded anew."""
    made = RedirectTemplate(template, ["tenant", "rest"])
    captures = {"tenant": "x/y", "rest": "p/q"}
    address = made.expand(scheme="http", host="b.example.com", target=b"/a%2Fb/?c=d&e", captures=captures)
    assert address == expected.encode()


@pytest.mark.parametrize(
    ("host", "target", "expected"),
    [
        ("::1", b"/", b"https://[::1]/"),
        ("a", b"*", b"https://a/"),
        ("a", b'/"<>\\^`{|}\xe9 \r\nSet-Cookie:x', b"https://a/%22%3C%3E%5C%5E%60%7B%7C%7D%E9%20%0D%0ASet-Cookie:x"),
        ("a", b"//b.example", b"https://a//b.example"),
    ],
)
def test_redirects_of_odd_requests(host: str, target: bytes, expected: bytes) -> None:
    """The address stays one address on the named site, whatever was asked for."""
    assert RedirectTemplate("https://{host}{uri}").expand(scheme="http", host=host, target=target) == expected


@pytest.mark.parametrize(
    "template",
    [
        "",
        "app.example.com",
        "{rest}",
        "{query}",
        "{host}{uri}",
        "javascript:alert(1)",
        "https://{rest}",
        "https://{rest}/",
        "https://app.example.com{rest}",
        "https://{rest}:443/",
        "https://{rest}@app.example.com/",
        "https://{rest}.",
        "https://{query}.example.com/",
        "https://{scheme}/",
        "https:///x",
        "https://{uri}",
        "/{",
        "/}x{",
        "/{unknown}",
        "/{rest",
        "/a b",
        "/a\r\nb",
        "/a\\b",
    ],
)
def test_refused_templates(template: str) -> None:
    """A template that is no address, or in which a client could name the site, is refused when it is made."""
    with pytest.raises(ValueError):
        RedirectTemplate(template, ["rest"])


HOSTILE = st.text(st.sampled_from('/\\?#@:.%&=evilÄ\r\n\t \0<"[]{}'), max_size=12)


SITES = [
    ("https://app.example.com{uri}", "app.example.com"),
    ("https://app.example.com/{rest}", "app.example.com"),
    ("https://app.example.com?{query}", "app.example.com"),
    ("{uri}", "here.example"),
    ("{path}{rest}", "here.example"),
    ("/{rest}", "here.example"),
    ("/{rest}/{query}", "here.example"),
    ("/{query}", "here.example"),
    ("?{rest}", "here.example"),
]


# Not parametrised: pytest-twisted wraps a function of hypothesis anew for every set of parameters.
@given(st.sampled_from(SITES), HOSTILE, HOSTILE)
def test_no_client_names_the_site(case: tuple[str, str], target: str, capture: str) -> None:
    """The address leads to the site of the template and is visible ASCII, whatever the client sends."""
    template, site = case
    made = RedirectTemplate(template, ["rest"])
    sent = b"/" + target.encode("utf-8")
    address = made.expand(scheme="https", host="here.example", target=sent, captures={"rest": capture}).decode("ascii")
    assert re.fullmatch(r"[!-~]*", address)
    assert "\\" not in address
    assert urlsplit(urljoin("https://here.example/x", address)).netloc == site


@given(HOSTILE)
def test_captures_stay_labels(capture: str) -> None:
    """In the authority, what was captured cannot end the authority."""
    made = RedirectTemplate("https://{tenant}.example.com/x", ["tenant"])
    address = made.expand(scheme="https", host="h", target=b"/", captures={"tenant": capture}).decode("ascii")
    assert re.fullmatch(r"https://[A-Za-z0-9.%_~-]*\.example\.com/x", address)
