"""The JSON Schema that editors use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from txproxy.config import json_schema, load
from txproxy.config.language import RouteMap
from txproxy.config.schema import DIALECT, NOT_YET, mappings

CASES = Path(__file__).parent / "cases"
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def complaints(value: Any) -> list[str]:
    """Validate a value as an editor does."""
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in VALIDATOR.iter_errors(value)]


def test_it_is_a_schema() -> None:
    """What is made is itself valid, and says which dialect it is."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DIALECT


@pytest.mark.parametrize("name", ["reference", "valid_full", "valid_short", "later", "tls_reference", "tls_short"])
def test_the_language_validates(name: str) -> None:
    """The whole language by example is valid, what is not supported yet included."""
    assert complaints(yaml.safe_load((CASES / f"{name}.yaml").read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        *("host: {}", "{}", "hosts: {a: http://b}\nworkers: none", "hosts: {a: 5}", "hosts: {a: {max_body: 1MB}}"),
        *("hosts: {a: {rotues: []}}", "hosts: {a: [{pth: /}]}", "hosts: {a: {redirect: {status: 302}}}"),
        *(
            "hosts: {a: b}\nupstreams: {b: {}}",
            "hosts: {a: b}\nlimits: {body: lots}",
            "hosts: {a: b}\ntimeouts: {body: 5}",
        ),
        *("hosts: {a: {respond: {status: 700}}}", "hosts: {a: b}\nlog: {level: loud}", "hosts: {a: b}\nlisten: 80"),
    ],
)
def test_slips_do_not_validate(text: str) -> None:
    """An editor sees unknown keys and wrong values that loading refuses, too."""
    assert complaints(yaml.safe_load(text))


def test_references_to_the_environment_validate() -> None:
    """`${NAME}` may stand where a value has a form of its own."""
    text = """
    listen: "${LISTEN}"
    hosts: {"${HOST}": "${URL}", b: {proxy: "${URL}", max_body: "${SIZE:-1MiB}", forwarded: "${F}"}}
    timeouts: {body: "${T}s"}
    limits: {connections: "${C}"}
    """
    assert complaints(yaml.safe_load(text)) == []


def test_later_keys_say_so() -> None:
    """A key that is refused for now is offered with that in front of its description."""
    for written in mappings():
        made = SCHEMA if written is RouteMap else SCHEMA["$defs"][written.__name__]
        for key in written.by_key:
            assert made["properties"][key]["description"].startswith(NOT_YET) == (key in written.later)


def test_defaults_are_written_as_the_language_has_them() -> None:
    """Defaults have units, and each is valid where it stands."""
    assert SCHEMA["$defs"]["Timeouts"]["properties"]["header"]["default"] == "60s"
    assert SCHEMA["$defs"]["Limits"]["properties"]["header_bytes"]["default"] == "16KiB"
    assert SCHEMA["$defs"]["Limits"]["properties"]["connections"]["default"] == 10_000
    for schema in nodes(SCHEMA):
        if "default" in schema:
            validator = Draft202012Validator({**SCHEMA, "required": [], "properties": {"x": schema}})
            assert list(validator.iter_errors({"x": schema["default"]})) == []


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Give every schema in a schema."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def test_it_is_not_laxer_than_the_loader_about_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What loads without an error validates: an editor never marks what works."""
    monkeypatch.chdir(CASES)
    for path in sorted(CASES.glob("*.yaml")):
        if load(path.name, {"PORT": "1"}).config is not None and "!include" not in path.read_text():
            assert complaints(yaml.safe_load(path.read_text())) == []
