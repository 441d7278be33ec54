"""From YAML events to a tree: anchors, merge keys, duplicate keys, `!include`, `${NAME}`.

Rule: an alias costs what it stands for. Its nodes are counted again each time it is used, so that a
few lines of aliases of aliases meet the same bound as the file they would expand to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Environ

import yaml

from .environ import expanded
from .problem import Report, Where, quoted
from .tree import Blank, Broken, Mapping, Node, Sequence, Text, described

# A route map nests some eight levels; the bound keeps recursion far from the interpreter's limit.
MAX_DEPTH = 40
# About what a route map of 100 000 hosts needs, and what is still read within seconds.
MAX_NODES = 2_000_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    {None, "!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge"))}
)


class TooLarge(Exception):
    """The document meets a bound; reading on could take for ever, so it stops at once."""

    def __init__(self, where: Where, sentence: str) -> None:
        super().__init__(sentence)
        self.where = where


class Budget:
    """Counts the nodes of a document and of all it includes."""

    def __init__(self) -> None:
        self.spent = 0

    def spend(self, nodes: int, where: Where) -> None:
        """Count these nodes.

        :raises TooLarge: that was too much.
        """
        self.spent += nodes
        if self.spent > MAX_NODES:
            raise TooLarge(where, f"with its aliases expanded the route map has more than {MAX_NODES:,} values")


class Composer:
    """Builds the tree of one document."""

    def __init__(
        self,
        file: str,
        report: Report,
        environ: Environ[str, str],
        budget: Budget,
        include: Callable[[str, Where], Node],
    ) -> None:
        self._file = file
        self._report = report
        self._environ = environ
        self._budget = budget
        self._include = include
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._being_made: set[str] = set()

    def document(self, events: Iterator[yaml.Event]) -> Node:
        """Build the one document that these events are.

        :raises yaml.YAMLError: the text is not YAML.
        :raises TooLarge: it expands to too much, or nests too deep.
        """
        next(events)  # the start of the stream
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            return Blank(Where(self._file, 1, 1))
        root = self._node(next(events), events, 1)
        next(events)  # the end of the document
        more = next(events)
        if not isinstance(more, yaml.StreamEndEvent):
            self._report.error(
                self._where(more), "a second YAML document starts here; a route map is one document (remove the '---')"
            )
        return root

    def _where(self, event: yaml.Event) -> Where:
        mark = event.start_mark
        assert mark is not None  # every event of a parser has one
        return Where(self._file, mark.line + 1, mark.column + 1)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        where = self._where(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", where)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        spent, anchor = self._budget.spent, event.anchor
        self._budget.spend(1, where)
        if anchor is not None:
            self._being_made.add(anchor)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, where)
        elif depth > MAX_DEPTH:
            # Not skipped over: libyaml's time is quadratic in the depth of [[[[...
            raise TooLarge(where, f"nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(where, events, depth)
        else:
            node = self._mapping(where, events, depth)
        if isinstance(event, yaml.CollectionStartEvent) and event.tag not in _PLAIN_TAGS:
            node = self._unknown_tag(event.tag, where)
        if anchor is not None:
            self._being_made.discard(anchor)
            self._anchors[anchor] = (node, self._budget.spent - spent)
        return node

    def _alias(self, name: str, where: Where) -> Node:
        if name in self._being_made:
            self._report.error(where, f"the alias *{name} stands inside of what it names")
            return Broken(where)
        if name not in self._anchors:
            hint = self._report.near(name, self._anchors)
            quote = "" if hint else "; if no alias is meant, put the text in quotes"
            self._report.error(where, f"no anchor &{name} stands above{hint}{quote}")
            return Broken(where)
        node, weight = self._anchors[name]
        self._budget.spend(weight, where)
        return node

    def _scalar(self, event: yaml.ScalarEvent, where: Where) -> Node:
        plain = event.implicit[0]
        if plain and event.value in _NULLS and event.tag is None:
            return Blank(where)
        try:
            text = expanded(event.value, self._environ)
        except ValueError as error:
            self._report.error(where, str(error))
            return Broken(where)
        if event.tag == "!include":
            return self._include(text, where)
        if event.tag not in _PLAIN_TAGS:
            return self._unknown_tag(event.tag, where)
        return Text.at(text, where)

    def _unknown_tag(self, tag: str | None, where: Where) -> Node:
        name = (tag or "").replace(_CORE, "!!")
        self._report.error(where, f"the tag {name} is not known; the only one is !include")
        return Broken(where)

    def _sequence(self, where: Where, events: Iterator[yaml.Event], depth: int) -> Sequence:
        made = Sequence(where)
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            made.append(self._node(event, events, depth + 1))
        return made

    def _mapping(self, where: Where, events: Iterator[yaml.Event], depth: int) -> Mapping:
        made = Mapping(where)
        merged: list[tuple[Node, Where]] = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if is_merge:
                merged.append((value, self._where(event)))
            elif isinstance(key, Text):
                self._put(made, key, value)
            elif isinstance(key, Blank) and not isinstance(key, Broken):
                self._put(made, Text.at(getattr(event, "value", ""), key.where), value)
            elif not isinstance(key, Broken):
                self._report.error(key.where, f"a key must be text, but this is {described(key)}")
        for value, place in merged:
            self._merge(made, value, place)
        return made

    def _put(self, made: Mapping, key: Text, value: Node) -> None:
        if key in made:
            first = made.key_where[key]
            self._report.error(key.where, f"the key {quoted(key)} is here twice; the first is in line {first.line}")
        else:
            made[key] = value
            made.key_where[key] = key.where

    def _merge(self, made: Mapping, value: Node, where: Where) -> None:
        # YAML's merge type: what is written beats what is merged, an earlier mapping a later one.
        for part in value if isinstance(value, Sequence) else [value]:
            if isinstance(part, Mapping):
                self._budget.spend(len(part), where)
                for key, inner in part.items():
                    if key not in made:
                        made[key] = inner
                        made.key_where[key] = part.key_where[key]
            elif not isinstance(part, Broken):
                self._report.error(where, f"<< merges mappings, but this is {described(part)}")
