"""One spelling for each host name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.model.hostname import MAX_NAME, normalize_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("App.Example.COM.", "app.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("école。example", "xn--cole-9oa.example"),
        ("xn--ls8h.la", "xn--ls8h.la"),
        ("my_service", "my_service"),
        ("[::1]", "::1"),
        ("0:0:0::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_spellings(text: str, expected: str) -> None:
    """Case, trailing dot, U-labels and forms of IPv6 all come to one spelling."""
    assert normalize_name(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be empty"),
        (".", "empty label"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a.b..", "empty label"),
        ("-a", "hyphen"),
        ("a-.b", "hyphen"),
        ("a b", "holds ' '"),
        ("a:80", "holds ':'"),
        ("*", "holds '*'"),
        ("a/b", "holds '/'"),
        ("a\x00", "holds '\\x00'"),
        ("a\n", "holds '\\n'"),
        ("a\uff0fb", "holds '/'"),
        ("x" * 64, "label of 64 characters"),
        (".".join(["a" * 60] * 5), f"at most {MAX_NAME} characters"),
        ("010.0.0.1", "not a valid IPv4 address"),
        ("10.0.0.256", "not a valid IPv4 address"),
        ("[::g]", "not a valid IPv6 address"),
        ("[::1", "not a valid IPv6 address"),
        ("[fe80::1%eth0]", "not a valid IPv6 address"),
        ("\U0001f4a9.la", "not a valid internationalised name"),
    ],
)
def test_what_is_no_name(text: str, message: str) -> None:
    """What is no host name is refused with one sentence."""
    with pytest.raises(ValueError) as caught:
        normalize_name(text)
    assert message in str(caught.value)


@given(st.text(max_size=30) | st.text("aZ.-_[]:1%ßü。\uff0e\u2177\u212a", max_size=12))
def test_a_spelling_is_final(text: str) -> None:
    """Whatever is accepted becomes plain ASCII that normalises to itself; all else is ValueError."""
    try:
        name = normalize_name(text)
    except ValueError:
        return
    assert name.isascii()
    assert name == name.lower()
    assert normalize_name(name) == name
