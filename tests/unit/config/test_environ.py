"""Variables of the environment in a route map's text."""

from __future__ import annotations

import pytest

from txproxy.config.environ import expanded

ENVIRON = {"A": "1", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $ {A}", "plain $ {A}"),
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${NONE:-d}", "d"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("${NONE:-a:-b}", "a:-b"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("${NESTED}", "${A}"),
    ],
)
def test_what_a_reference_stands_for(text: str, expected: str) -> None:
    """A reference stands for its variable or its default, once."""
    assert expanded(text, ENVIRON) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "NONE is not set; set it, or write ${NONE:-default}"),
        ("${EMPTYY}", "EMPTYY is not set; did you mean ${EMPTY}?"),
        ("${A", "'${A' is not a reference"),
        ("x ${} y", "'${} y' is not a reference"),
        ("${1A}", "is not a reference"),
        ("${A:+x}", "is not a reference"),
        ("${A:-${B}}", "'${A:-${B}}' is not a reference"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    """An unset variable or a malformed reference says what to write."""
    with pytest.raises(ValueError) as caught:
        expanded(text, ENVIRON)
    assert message in str(caught.value)
