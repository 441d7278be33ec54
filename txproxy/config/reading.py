"""How pydantic reads a tree: each value by the parser of its key, each problem to the Report.

Rule: reading never fails. A value that is wrong is reported with its place and replaced by a harmless
one of the same type, so that all other checks still run. A value that comes from Python code and not
from a tree is left to pydantic as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as AnyMapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from .problem import NOWHERE, Report, Where, listed, nearest, quoted
from .tree import Blank, Broken, Mapping, Node, Sequence, Text, described, is_node

JsonSchema = dict[str, Any]


def report_of(info: ValidationInfo) -> Report:
    """Give the Report of this reading."""
    assert isinstance(info.context, Report), "a tree is read with its Report as the context"
    return info.context


def _places(node: Node) -> Iterator[Where]:
    yield node.where
    if isinstance(node, Mapping):
        yield from node.key_where.values()
    for inner in node.values() if isinstance(node, Mapping) else node if isinstance(node, Sequence) else ():
        yield from _places(inner)


def complain(info: ValidationInfo, place: Where | Node, sentence: str) -> None:
    """Report a problem with the value of the key that is being read."""
    label = (place.label if isinstance(place, Text) else None) or (info.field_name or "").removesuffix("_")
    where = place if isinstance(place, Where) else place.where
    report_of(info).error(where, f"{label}: {sentence}" if label else sentence)


def is_wrong(info: ValidationInfo, node: object, expected: str, form: type[object]) -> bool:
    """Tell whether a node is not of this form, and report it if it is not reported yet."""
    if isinstance(node, form):
        return False
    if isinstance(node, Blank):
        if not isinstance(node, Broken):
            complain(info, node, f"nothing is written here; write {expected}, or take this out")
    elif isinstance(node, Text | Sequence | Mapping):
        complain(info, node, f"expected {expected}, found {described(node)}")
    return True


@dataclass(frozen=True)
class Scalar:
    """Reads one scalar; stands in an `Annotated` beside the type of its value.

    :param parse: gives the value, or raises ValueError with one sentence.
    :param fallback: the harmless value in place of a wrong one.
    :param expected: what is expected, with its article, for messages and for the reference.
    :param schema: the JSON Schema of the text as written.
    :param show: writes a value as the language has it.
    :param rooted: `parse` also takes the directory that relative paths start from.
    """

    parse: Callable[..., Any]
    fallback: Any
    expected: str
    schema: JsonSchema = field(default_factory=lambda: {"type": "string"}, hash=False)
    show: Callable[[Any], str] = str
    rooted: bool = False

    def read(self, value: object, info: ValidationInfo) -> Any:
        """Read a node; anything else is passed on."""
        if not is_node(value):
            return value
        if is_wrong(info, value, self.expected, Text):
            return self.fallback
        assert isinstance(value, Text)
        try:
            if self.rooted:
                return self.parse(value, report_of(info).directory(value.where))
            return self.parse(value)
        except ValueError as error:
            complain(info, value, str(error))
            return self.fallback

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        if self.schema == {"type": "string"}:
            # What is read as text may look like a number to YAML.
            return {"type": ["string", "number", "boolean"]}
        return {"anyOf": [dict(self.schema), {"type": "string", "pattern": r"\$\{"}]}


@dataclass(frozen=True)
class OneOrMore:
    """Reads a list; one value alone is a list of one.

    :param some: an empty list is a problem. So it is with every matcher: a list that an author emptied
        to let nobody in must not mean everybody.
    """

    expected: str = "a list"
    some: bool = False

    def read(self, value: object, info: ValidationInfo) -> Any:
        """Give the items of a node; anything else is passed on."""
        if isinstance(value, Text | Mapping):
            return (value,)
        if isinstance(value, Sequence):
            if self.some and not value:
                complain(info, value, f"an empty list; write {self.expected}, or take this out")
            return tuple(value)
        if not isinstance(value, Blank):
            return value
        is_wrong(info, value, self.expected, Sequence)
        return ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        many = handler(schema)
        return {"anyOf": [many.get("items", {}), {"type": "array", "items": many.get("items", {})}]}


@dataclass(frozen=True)
class Table:
    """Reads a mapping whose keys the author chooses, such as the names of header fields.

    :param key: checks a key, or raises ValueError with one sentence.
    :param any_case: two keys that differ in case only are one key written twice.
    """

    expected: str
    key: Callable[[str], str]
    any_case: bool = False

    def read(self, value: object, info: ValidationInfo) -> Any:
        """Give the mapping without its bad keys; anything that is no node is passed on."""
        if not is_node(value):
            return value
        if is_wrong(info, value, self.expected, Mapping):
            return {}
        assert isinstance(value, Mapping)
        good: dict[str, object] = {}
        seen: dict[str, Where] = {}
        for written, inner in value.items():
            where = value.key_where[written]
            try:
                name = self.key(written)
            except ValueError as error:
                complain(info, where, str(error))
                continue
            folded = name.lower() if self.any_case else name
            if folded in seen:
                complain(info, where, f"{quoted(written)} is here twice; the first is in line {seen[folded].line}")
                continue
            seen[folded] = where
            if isinstance(inner, Text):
                inner.label = name
            good[str(name)] = inner
        return good

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self.read, handler(source))


@dataclass(frozen=True)
class Says:
    """Says in the reference what a value is that has several forms."""

    expected: str


class Later:
    """Marks a key that the language has and that nothing stands behind yet."""

    def read(self, value: object, info: ValidationInfo) -> None:
        """Refuse the key: what the author asked for would silently not happen."""
        assert value is None, "refused by the mapping it stands in"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {}


NotYet = Annotated[None, Later()]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a mapping was read from; `is_wrong`: something else stood there, and that is reported."""

    where: Where = NOWHERE
    node: Mapping = field(default_factory=Mapping)
    is_wrong: bool = False


class Written(BaseModel):
    """A mapping of the language; its fields are the keys, their descriptions the reference.

    A key that Python keeps for itself, such as `from`, is the alias of a field with an underscore behind it.

    :cvar what: what the mapping is, with its article, for messages.
    :cvar example: one as it may be written, for messages; "" where `what` says enough.
    :cvar required: keys that must be there (every field has a harmless default nevertheless).
    :cvar instead: for a required key, one that can stand in its place.
    :cvar by_key: the fields by their keys.
    :cvar later: the keys that are not supported yet; found by their type.
    :cvar elsewhere: keys that are often written here but belong to another place, and a hint for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)
    what: ClassVar[str] = "a mapping"
    example: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[AnyMapping[str, str]] = {}
    elsewhere: ClassVar[AnyMapping[str, str]] = {}
    by_key: ClassVar[AnyMapping[str, FieldInfo]] = {}
    later: ClassVar[tuple[str, ...]] = ()
    _origin: Origin = PrivateAttr(default_factory=Origin)

    def __eq__(self, other: object) -> bool:
        # Two mappings that say the same are equal, wherever they stand.
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__))

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.by_key = {known.alias or name: known for name, known in cls.model_fields.items()}
        cls.later = tuple(
            key for key, known in cls.by_key.items() if any(isinstance(each, Later) for each in known.metadata)
        )

    @property
    def where(self) -> Where:
        """Where the mapping starts."""
        return self._origin.where

    @property
    def is_wrong(self) -> bool:
        """Whether something else stood where the mapping should; that is reported already."""
        return self._origin.is_wrong

    @property
    def keys(self) -> AbstractSet[str]:
        """The keys that were written, rightly or not."""
        return self._origin.node.keys()

    @property
    def has_unknown_keys(self) -> bool:
        """Whether keys were written that the language does not have."""
        return not self.keys <= self.by_key.keys()

    def key_where(self, key: str) -> Where:
        """Give where this key stands; where the mapping starts, if it was left out."""
        return self._origin.node.key_where.get(key, self.where)

    def value_where(self, key: str) -> Where:
        """Give where this key's value starts; where the mapping starts, if it was left out."""
        node = self._origin.node
        return node[key].where if key in node else self.where

    def places(self) -> Iterator[Where]:
        """Give where this mapping starts, and every key and value in it, however deep."""
        yield self.where
        yield from _places(self._origin.node)

    def text(self, key: str) -> str:
        """Give this key's value as it was written, if it is one text; else an empty one."""
        value = self._origin.node.get(key)
        return str(value) if isinstance(value, Text) else ""

    def inner_keys(self, key: str) -> AnyMapping[str, Where]:
        """Give where each key of the mapping that stands under this key is."""
        value = self._origin.node.get(key)
        return value.key_where if isinstance(value, Mapping) else {}

    @classmethod
    def made(cls, where: Where, *, is_wrong: bool = False, **values: Any) -> Self:
        """Make one that was not read: out of a short form, or a harmless one in place of a wrong one."""
        model = cls.model_construct(**values)
        model._origin = Origin(where, is_wrong=is_wrong)
        return model

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: object, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not is_node(value):
            return handler(value)
        if is_wrong(info, value, f"a mapping such as {cls.example}" if cls.example else cls.what, Mapping):
            return cls.made(getattr(value, "where", NOWHERE), is_wrong=True)
        assert isinstance(value, Mapping)
        model = handler(cls._checked(value, report_of(info)))
        model._origin = Origin(value.where, value)
        return model

    @classmethod
    def _checked(cls, node: Mapping, report: Report) -> dict[str, object]:
        """Give the entries that there is a field for; report the others, and what is missing."""
        later, known = cls.later, cls.by_key
        misspelt: set[str | None] = set()
        for key, where in node.key_where.items():
            if key in later:
                report.error(where, f"{key}: not supported yet")
            elif key not in known:
                report.error(where, f"unknown key {quoted(key)} in {cls.what}{cls._hint(key, report)}")
                misspelt.add(nearest(key, cls.required))
                misspelt.update(wanted for wanted in cls.required if f"`{wanted}" in cls.elsewhere.get(key, ""))
        for key in cls.required:
            if key not in node and key not in misspelt and cls.instead.get(key) not in node:
                report.error(node.where, f"{cls.what} needs the key {quoted(key)}")
        return {key: value for key, value in node.items() if key in known and key not in later}

    @classmethod
    def _hint(cls, key: str, report: Report) -> str:
        if key in cls.elsewhere:
            return f"; {cls.elsewhere[key]}"
        near = report.near(key, cls.by_key)
        now = [name for name in cls.by_key if name not in cls.later]
        return near or f"; its keys are {listed(now, 'and')}"
