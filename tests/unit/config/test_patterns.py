"""Host patterns, path patterns and redirect templates; the golden case files hold most of what is refused."""

from __future__ import annotations

import pytest

from txproxy.config import patterns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("App.Example.COM.", "app.example.com"),
        ("*.Example.com", "*.example.com"),
        ("**.bücher.example", "**.xn--bcher-kva.example"),
        ("*", "*"),
        ("[0:0::1]", "::1"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("my_service", "my_service"),
    ],
)
def test_host_patterns_have_one_spelling(text: str, expected: str) -> None:
    """A host pattern is given as it is compared, and giving it again changes nothing."""
    assert patterns.host_pattern(text) == expected
    assert patterns.host_pattern(expected) == expected


@pytest.mark.parametrize("text", ["/", "/a", "/a/", "/*", "/a/*", "/{id}", "/a/{id}/b/*", "~^/re$", "/a b", "/%61"])
def test_path_patterns(text: str) -> None:
    """Each form of path pattern is taken as it is written."""
    assert patterns.path_pattern(text) == text


@pytest.mark.parametrize(
    ("text", "names"),
    [("/a", set()), ("/{a}/x/{b}", {"a", "b"}), ("~^/(?P<y>[0-9]+)/(x)", {"y"}), ("~(", set())],
)
def test_what_patterns_capture(text: str, names: set[str]) -> None:
    """A pattern captures its {name}s, a regular expression its named groups."""
    assert patterns.captured(text) == names


@pytest.mark.parametrize(
    "text",
    [
        *("https://a.example{uri}", "{scheme}://{host}/x?{query}", "/x/{id}", "{uri}", "{path}?x", "/", "http://a:80"),
        *("https://{id}.a.example/", "https://a.example/{id}{path}#x"),
    ],
)
def test_redirect_templates(text: str) -> None:
    """A template is a URL or a path with placeholders."""
    assert patterns.redirect_template(text, frozenset({"id"})) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://{id}/", "which host {id} leads to"),
        ("https://a{id}:80", "which host {id} leads to"),
        ("https://{query}/", "{query} cannot be part of a host"),
        ("https://", "names no host"),
        ("//a.example", "write https://a.example"),
        ("a.example/x", "write https://a.example/x"),
        ("ftp://a", "is not a URL"),
        ("/{nam}", "did you mean {name}?"),
        ("/{}", "placeholder {} is not known"),
        ("/}{", "brace without its partner"),
        ("/a\\b", "which no URL can"),
    ],
)
def test_wrong_templates_say_what_to_write(text: str, message: str) -> None:
    """A template that cannot be filled, or leads where a client says, is refused."""
    with pytest.raises(ValueError) as caught:
        patterns.redirect_template(text, frozenset({"id", "name"}))
    assert message in str(caught.value)
