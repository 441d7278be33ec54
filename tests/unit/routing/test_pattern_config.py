"""The grammars of the route map and of what is made of it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from txproxy.config import patterns
from txproxy.policy.rewrite import RedirectTemplate, Rewrite
from txproxy.routing.host import normalize_pattern
from txproxy.routing.pattern import PathPattern


def texts(*pieces: str) -> st.SearchStrategy[str]:
    """Give texts made of a few pieces."""
    return st.lists(st.sampled_from(pieces), max_size=6).map("".join)


def accepts(check: Callable[[str], object], text: str) -> bool:
    """Tell whether a check has nothing against a text."""
    try:
        check(text)
    except ValueError:
        return False
    return True


COMMON = ("/", "a", "%41", "%2f", "%zz", "%C3", ";", "\\", ".", "..", "ä", " ", "?", "#", "{", "*", "\0")


@given(texts(*COMMON, "{x}", "{y}", "}", "~", "^", "("))
def test_path_patterns(text: str) -> None:
    """A path pattern that the route map accepts compiles, and no other, except for an empty regular expression."""
    assert accepts(patterns.path_pattern, text) is (accepts(PathPattern, text) and text != "~")


@given(texts("*", "**", ".", "a", "B", "-", "_", "1", "[::1]", "::1", ":80", "ä", "/", "@", " ", "127.0.0.1"))
def test_host_patterns(text: str) -> None:
    """A host pattern that the route map accepts is in the form that routes compare."""
    if accepts(patterns.host_pattern, text):
        assert normalize_pattern(text) == normalize_pattern(patterns.host_pattern(text)) == patterns.host_pattern(text)


@given(texts(*COMMON))
def test_prefixes(text: str) -> None:
    """A prefix that the route map accepts can be taken off."""
    if accepts(patterns.strip_prefix, text):
        assert Rewrite(text).changes


@given(
    texts(
        "https://",
        "{scheme}://",
        "/",
        "{uri}",
        "{path}",
        "{query}",
        "{host}",
        "{x}",
        "a.b",
        ":80",
        "?",
        "#",
        ".",
        "\\",
        "@",
    )
)
def test_redirects(text: str) -> None:
    """A redirect that the route map accepts can be made."""
    if accepts(lambda given: patterns.redirect_template(given, frozenset({"x"})), text):
        assert RedirectTemplate(text, ["x"]).text == text
