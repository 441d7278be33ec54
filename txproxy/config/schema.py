"""The route map's language as a JSON Schema, for editors to complete and check it.

Rule: nothing is said about the language here. Everything comes from the models that read it; this
module only turns it into what editors understand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from .language import RouteMap
from .reading import JsonSchema, Scalar, Written

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOT_YET = "(not supported yet)"


def json_schema() -> JsonSchema:
    """Give the JSON Schema (2020-12) of the language as written, short forms included.

    Keys that are not supported yet are there and say so. Wherever a value has a form of its own, a
    text with `${NAME}` may stand in its place.
    """
    made: JsonSchema = RouteMap.model_json_schema(mode="validation")
    definitions = made.pop("$defs")
    for written in mappings():
        described = made if written is RouteMap else definitions[written.__name__]
        _describe(described, written)
    _tidy(definitions)
    _tidy(made)
    return {"$schema": DIALECT, "title": "txproxy route map", **made, "$defs": definitions}


def mappings(start: type[Written] = Written) -> Iterator[type[Written]]:
    """Give every kind of mapping of the language."""
    for written in start.__subclasses__():
        yield written
        yield from mappings(written)


def default_text(written: type[Written], key: str) -> str | list[str] | None:
    """Give a key's default as the language writes it; None if being left out is no value of its own."""
    field = written.by_key[key]
    default: Any = field.default
    if default is PydanticUndefined or default is None or key in written.required or isinstance(default, Written):
        return None
    if isinstance(default, tuple | dict):
        return [str(item) for item in default] if default else None
    scalar = next((each for each in field.metadata if isinstance(each, Scalar)), None)
    return str(default) if scalar is None else scalar.show(default)


def _describe(schema: JsonSchema, written: type[Written]) -> None:
    later = written.later
    for key, value in schema["properties"].items():
        value.pop("default", None)
        default = default_text(written, key)
        if isinstance(written.by_key[key].default, bool):
            value["default"] = written.by_key[key].default
        elif default is not None:
            is_number = isinstance(default, str) and default.isdigit() and key != "path"
            value["default"] = int(str(default)) if is_number else default
        meaning = written.by_key[key].description
        value["description"] = f"{NOT_YET} {meaning}" if key in later else meaning
    always = [key for key in written.required if key not in written.instead]
    if always:
        schema["required"] = always
    for key, other in written.instead.items():
        schema["anyOf"] = [{"required": [key]}, {"required": [other]}]


def _tidy(node: Any) -> None:
    """Take out what only says how Python has it: titles, and null for what is left out."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        if "anyOf" in node:
            node["anyOf"] = [each for each in node["anyOf"] if each != {"type": "null"}]
        if len(node.get("anyOf", "..")) == 1:
            node.update(node.pop("anyOf")[0])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _tidy(child)
