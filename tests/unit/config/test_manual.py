"""The reference manual that is made from the models."""

from __future__ import annotations

import re

import pytest
import yaml

from txproxy.config import load_value, reference
from txproxy.config.manual import SECTIONS
from txproxy.config.reading import Written
from txproxy.config.routes import HostRoute
from txproxy.config.schema import mappings

PAGE = reference()


def test_every_kind_of_mapping_has_a_section() -> None:
    """No mapping of the language is left out; a host's only route stands under routes."""
    assert {written for written, _ in SECTIONS} == set(mappings()) - {HostRoute}


@pytest.mark.parametrize("written", list(mappings()), ids=lambda written: written.__name__)
def test_every_key_has_a_meaning(written: type[Written]) -> None:
    """Each key is described by a sentence, and stands in the manual."""
    for key, field in written.by_key.items():
        assert (field.description or "").endswith(".")
        assert f"`{key}`" in PAGE
    assert (written.__doc__ or "").rstrip().endswith(".")


def test_defaults_are_shown_with_units() -> None:
    """A reader sees defaults as they would write them."""
    for row in ("| `header` | a duration such as 5s | `60s` |", "| `body` | a size such as 1MiB | `1MiB` |"):
        assert row in PAGE
    assert "| `hosts` | a mapping of hosts" in PAGE
    assert "| required |" in PAGE


def test_links_lead_somewhere() -> None:
    """Each link is to a heading of the page."""
    headings = {line.removeprefix("## ").lower().replace(" ", "-") for line in PAGE.split("\n") if line[:3] == "## "}
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    assert links
    assert links <= headings


def test_examples_load() -> None:
    """What a reader copies out of the manual has no problem."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert examples
    for example in examples:
        assert load_value(yaml.safe_load(example), "/srv", {}).problems == ()
