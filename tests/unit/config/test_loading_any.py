"""Whatever stands in a route map, loading it gives a Loaded and never an exception."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from txproxy.config import Loaded, load_text, load_value
from txproxy.config.schema import mappings

CASES = Path(__file__).parent / "cases"
TEXTS = [path.read_text() for path in sorted(CASES.glob("*.yaml"))]
KEYS = sorted({key for written in mappings() for key in written.model_fields})
WORDS = [
    *("app", "http://127.0.0.1:8000", "https://[::1]"),
    *("http+unix:/a", "*.example.com", "*", "${A}", "${", "~(", "/a/*"),
    *("5s", "1MiB", "GET", "204", "true", "off", "", "10.0.0.0/8", "{uri}", "a\nb", "\0", "é", "none", "preserve"),
]
scalars = st.sampled_from([*KEYS, *WORDS]) | st.text(max_size=8) | st.none() | st.integers() | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEYS, *WORDS]), inner, max_size=5),
    max_leaves=25,
)
SIGNS = (": ", "\n", "- ", "|", "  ", "    ", "{", "}", "[", "]", ",", "'", '"', "#", "&a", "*a", "<<", "!include")
MORE_SIGNS = ("!x", "? ", "\t", "%", "@", "---", "...", "\ufeff", "\u2028")
PIECES = [*KEYS, *WORDS, *SIGNS, *MORE_SIGNS]


def check(result: Loaded) -> None:
    """Hold what is true of every Loaded."""
    errors = [problem for problem in result.problems if problem.severity == "error"]
    assert (result.config is None) == bool(errors)
    for problem in result.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message.isprintable()
        assert problem.render().startswith(f"{problem.file}:{problem.line}:{problem.column}: ")


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is loaded or explained."""
    check(load_text(text, "routes.yaml", "/", {}))


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_heap_of_yaml(text: str) -> None:
    """Pieces of YAML and of the language in any order are loaded or explained."""
    check(load_text(text, "routes.yaml", "/", {"A": "b"}))


@given(values)
def test_any_value_of_the_language(value: Any) -> None:
    """Keys of the language with any values, at any depth, are loaded or explained."""
    check(load_value({"hosts": value, "upstreams": value}, "/", {"A": "b"}))
    if isinstance(value, dict):
        check(load_value(value, "/", {"A": "b"}))


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
@hypothesis.settings(max_examples=300)
def test_any_slip_of_the_pen(text: str, chance: random.Random) -> None:
    """Route maps with some characters or lines lost, doubled or swapped are loaded or explained."""
    for _ in range(chance.randint(1, 4)):
        place, length = chance.randrange(len(text) + 1), chance.randint(0, 12)
        put = chance.choice(["", text[place : place + length] * 2, chance.choice(PIECES)])
        text = text[:place] + put + text[place + length :]
    check(load_text(text, "routes.yaml", str(CASES), {"PORT": "80"}))
