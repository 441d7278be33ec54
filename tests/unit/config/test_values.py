"""The small values of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txproxy.config import values

PARSERS: list[Callable[[str], Any]] = [
    *(values.duration, values.positive_duration, values.size, values.number(0, 9), values.word(("a",), ("b",))),
    *(values.truth, values.network, values.field_name, values.field_value, values.settable_field_name),
    *(values.method, values.reference, values.upstream_name, values.route_name, values.regex, values.file_mode),
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("5s", 5.0), ("10m", 600.0), ("1h", 3600.0), ("7d", 604800.0), ("0.5s", 0.5), ("0s", 0.0)],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is one number with one unit."""
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "octets"), [("512", 512), ("16KiB", 16384), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("0", 0)]
)
def test_sizes(text: str, octets: int) -> None:
    """A size is a number, alone or with a unit of 1024s."""
    assert values.size(text) == octets


@given(st.integers(min_value=0, max_value=10**9))
def test_durations_are_shown_as_they_are_read(milliseconds: int) -> None:
    """What is shown for a duration reads back as the same."""
    seconds = milliseconds / 1000
    assert values.duration(values.show_duration(seconds)) == pytest.approx(seconds, abs=0.0005)


@given(st.integers(min_value=0, max_value=1 << 50))
def test_sizes_are_shown_as_they_are_read(octets: int) -> None:
    """What is shown for a size reads back as the same."""
    assert values.size(values.show_size(octets)) == octets


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (values.duration, "5", "write 5s for seconds"),
        (values.duration, "5 s", "write 5s"),
        (values.duration, "5min", "write 5m"),
        (values.duration, "5S", "write 5s"),
        (values.duration, "five", "not a duration such as"),
        (values.duration, "99999d", "longer than ten years"),
        (values.duration, "9" * 400 + "d", "longer than ten years"),
        (values.positive_duration, "0ms", "over at once"),
        (values.size, "10k", "write 10KiB"),
        (values.size, "10 mb", "write 10MiB"),
        (values.size, "9" * 30, "larger than anything"),
        (values.size, "-1", "not a size"),
        (values.number(1, 5), "6", "6 is not between 1 and 5"),
        (values.number(1, 5), "x", "not a whole number"),
        (values.word(("json", "combined")), "jsn", "did you mean 'json'?"),
        (values.word(("json", "combined")), "xml", "write json or combined"),
        (values.word(("a",), ("later",)), "later", "later: not supported yet"),
        (values.truth, "maybe", "neither true nor false"),
        (values.network, "10.0.0.0/40", "write /0 to /32"),
        (values.network, "::/129", "write /0 to /128"),
        (values.network, "fe80::1%eth0", "not an IP address"),
        (values.field_name, "X-A:", "holds ':'"),
        (values.field_name, "", "is empty"),
        (values.field_value, "a\nb", "a line break"),
        (values.field_value, "a\0b", "a NUL"),
        (values.field_value, "a\x7fb", "a control character"),
        (values.field_value, " a", "white space at an end"),
        (values.settable_field_name, "transfer-encoding", "txproxy writes it itself"),
        (values.method, "get", "write GET"),
        (values.method, "A B", "not a request method"),
        (values.reference, "a.b", "write a:b"),
        (values.reference, "ab", "not of the form module:attribute"),
        (values.upstream_name, "a b", "not a name for an upstream"),
        (values.route_name, "a\tb", "not a name for a route"),
        (values.regex, "(", "not a regular expression"),
        (values.file_mode, "660", 'write four octal digits such as "0660"'),
        (values.file_mode, "0999", "not a file mode"),
    ],
)
def test_wrong_values_say_what_to_write(parse: Callable[[str], Any], text: str, message: str) -> None:
    """A wrong value is answered by one sentence that helps."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)


@given(st.sampled_from(PARSERS), st.text(max_size=30))
def test_a_parser_raises_nothing_but_a_sentence(parse: Callable[[str], Any], text: str) -> None:
    """Any text is read, or refused by ValueError."""
    try:
        parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is right


@pytest.mark.parametrize("text", ["10.0.0.0/8", "127.0.0.1/8", "::1/128", "192.0.2.1", "::1"])
def test_networks(text: str) -> None:
    """A network is an address or CIDR; bits below the prefix do not matter."""
    assert values.network(text).prefixlen in {8, 32, 128}
