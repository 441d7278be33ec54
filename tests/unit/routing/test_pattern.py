"""Path patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.routing.pattern import PathPattern, PathSet, compile_regex


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/a", ["/a"], ["/", "/a/", "/a/b", "/ab", "/A", "a", "*"]),
        ("/a/", ["/a/"], ["/a", "/a/b", "/"]),
        ("/", ["/"], ["/a", "*", ""]),
        ("/a/*", ["/a", "/a/", "/a/b", "/a/b/c", "/a/\n"], ["/", "/ab", "/b/a", "/ab/c", "*"]),
        ("/*", ["/", "/a", "/a/b/", "*"], []),
        ("/a/b/*", ["/a/b", "/a/b/c"], ["/a", "/a/", "/a/bc"]),
        ("/{id}", ["/a", "/a b", "/\n", "/{id}"], ["/", "/a/", "/a/b", "*"]),
        ("/u/{id}/p", ["/u/1/p"], ["/u//p", "/u/1/2/p", "/u/1/p/", "/u/1/px", "x/u/1/p"]),
        ("/u/{id}/*", ["/u/1", "/u/1/", "/u/1/a/b", "/u/1/\n/x"], ["/u", "/u/", "/v/1"]),
        ("/{a}/", ["/x/"], ["/x", "/"]),
        ("/a%20b", ["/a b"], ["/a%20b"]),
        ("/caf%C3%A9", ["/café"], ["/cafe"]),
        ("/caf%E9", ["/caf\udce9"], ["/café"]),
        ("/a.c+(d)", ["/a.c+(d)"], ["/abc+(d)"]),
        ("/a.c/{x}", ["/a.c/1"], ["/abc/1"]),
        (r"~^/re$", ["/re"], ["/re/", "/red", "/a/re"]),
        (r"~re", ["/re", "/xrey"], ["/r"]),
        (r"~^/a/.*z$", ["/a/z", "/a/\nz"], ["/a/zy"]),
        (r"~\.php$", ["/x.php"], ["/x.phpx"]),
        (r"~(?i)^/admin", ["/ADMIN/x"], ["/x"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    """A pattern matches what the language says and nothing else, alone and in a set."""
    one, together = PathPattern(pattern), PathSet(["/nothing/at/all", pattern])
    for path in matching:
        assert (one.matches(path), together.matches(path)) == (True, True), path
    for path in others:
        assert (one.matches(path), together.matches(path)) == (False, False), path


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "*", "//", "/a//b", "//a", "/a//*", "//*", "/.", "/..", "/a/./b", "/a/%2e%2E/b", "/a*", "/*/a",
        "/a/*/b", "/a/**", "/{", "/{}", "/{a", "/a}", "/x{a}", "/{a}x", "/{a-b}", "/{1}", "/{a}/{a}", "/a?b", "/a#b",
        "/a\\b", "/a%5Cb", "/a%2Fb", "/a;b", "/a%00", "/100%", "/%zz", "~(", "~[", "~(?P<a>x)(?P<a>y)",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    """A pattern that cannot be read, or that no path in normal form matches, is refused."""
    with pytest.raises(ValueError):
        PathPattern(text)


@pytest.mark.parametrize(
    ("patterns", "path", "captures"),
    [
        (["/u/{id}"], "/u/7", {"id": "7"}),
        (["/u/{id}/*"], "/u/7/x/y", {"id": "7"}),
        (["/{a}/{b}"], "/x y/ä", {"a": "x y", "b": "ä"}),
        (["/a", "/{x}"], "/a", {}),
        (["/{x}", "/a"], "/a", {"x": "a"}),
        ([r"~^/v(?P<major>\d+)(?:\.(?P<minor>\d+))?"], "/v2/x", {"major": "2", "minor": ""}),
        (["/u/{id}"], "/v/7", {}),
        ([], "/x", {}),
        (["/*"], "/x", {}),
    ],
)
def test_captures(patterns: list[str], path: str, captures: dict[str, str]) -> None:
    """The first pattern that matches gives what it captured; a group that took no part is empty."""
    assert PathSet(patterns).captures(path) == captures


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], set()),
        (["/a"], set()),
        (["/{a}/{b}"], {"a", "b"}),
        (["/{a}/{b}", "/x/{b}"], {"b"}),
        (["/{a}", "/x"], set()),
        (["/{a}", "~/(?P<a>x)(y)"], {"a"}),
    ],
)
def test_names(texts: list[str], names: set[str]) -> None:
    """A set names what all of its patterns capture."""
    assert PathSet(texts).names == names


@pytest.mark.parametrize(
    ("texts", "firsts"),
    [
        (["/a", "/b/*", "/c/{x}", "/%64/"], {"a", "b", "c", "d"}),
        (["/"], {""}),
        (["/a", "/{x}"], None),
        (["/a", "~^/b"], None),
        (["/a", "/*"], None),
        ([], None),
    ],
)
def test_first_segments(texts: list[str], firsts: set[str] | None) -> None:
    """A set says which first segments its paths can have, if it can say."""
    assert PathSet(texts).first_segments == firsts


def test_everything() -> None:
    """No pattern, or one that is /*, stands for every path."""
    assert [PathSet(texts).is_everything for texts in ([], ["/*"], ["/a", "/*"], ["/a"], ["~"])] == [
        True,
        True,
        True,
        False,
        False,
    ]


SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
TEXTS = st.tuples(st.lists(SEGMENTS, max_size=3, unique=True), st.sampled_from(["", "/", "/*"])).map(
    lambda parts: "/" + "/".join(parts[0]) + (parts[1] if parts[0] else parts[1].strip("/"))
)
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).flatmap(
    lambda names: st.sampled_from(["/" + "/".join(names), "/" + "/".join([*names, ""])])
)


def naive(pattern: str, path: str) -> bool:
    """Walk both, segment by segment."""
    wanted, found = pattern.split("/")[1:], path.split("/")[1:]
    if wanted[-1] == "*":
        wanted, found = wanted[:-1], found[: len(wanted) - 1] if found[: len(wanted) - 1] != [""] else []
        if wanted and len(found) < len(wanted):
            return False
    if len(wanted) != len(found):
        return False
    return all(want == have or (want.startswith("{") and bool(have)) for want, have in zip(wanted, found, strict=True))


@given(st.lists(TEXTS, min_size=1, max_size=4), PATHS)
def test_against_a_naive_model(texts: list[str], path: str) -> None:
    """One pattern and a set of them agree with a comparison segment by segment."""
    path = path.replace("//", "/")
    expected = [naive(text, path) for text in texts]
    assert [PathPattern(text).matches(path) for text in texts] == expected
    assert PathSet(texts).matches(path) is any(expected)


@pytest.mark.parametrize(
    ("regex", "text", "matches"),
    [
        ("~^/re/[0-9]+$", "/re/12", True),
        ("~^/re/[0-9]+$", "/re/12\n", False),
        ("~^(/a$|/b$)", "/b", True),
        ("~^(/a$|/b$)", "/b\n", False),
        (r"~^/\$$", "/$", True),
        (r"~^/\$$", "/$\n", False),
        ("~^/[$]$", "/$", True),
        ("~^/[]$]$", "/$", True),
        (r"~^/[^\]$]$", "/$", False),
        ("~(?m)^/a$", "/a\n", True),
    ],
)
def test_a_dollar_is_the_end(regex: str, text: str, matches: bool) -> None:
    """In a regular expression $ is the very end: a line end behind it does not slip through."""
    assert (compile_regex(regex).search(text) is not None) is matches
