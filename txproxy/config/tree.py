"""A YAML document as text with positions, before any key says what its value means.

Rule: YAML's own guesses are not used. Every scalar stays the text that was written, so `on` is a key,
`0660` keeps its zero and `22:22` is no number; what a text means is decided by the key it stands under.
"""

from __future__ import annotations

from .problem import NOWHERE, Where, quoted


class Text(str):
    """A scalar: the text as written, and where.

    `label` is what its problems are headed with, where that is not the key it is read under: a short
    form is read as the long one, but its author knows only what is written.
    """

    __slots__ = ("label", "where")
    where: Where
    label: str | None

    @classmethod
    def at(cls, text: str, where: Where) -> Text:
        """Make one."""
        made = cls(text)
        made.where, made.label = where, None
        return made


class Blank:
    """A value that was left out (`key:` with nothing after it, `~` or `null`)."""

    __slots__ = ("where",)

    def __init__(self, where: Where) -> None:
        self.where = where


class Broken(Blank):
    """A value that was reported already; whoever meets it says nothing more."""

    __slots__ = ()


class Sequence(list["Node"]):
    """A YAML list, and where it starts."""

    __slots__ = ("where",)

    def __init__(self, where: Where = NOWHERE) -> None:
        super().__init__()
        self.where = where


class Mapping(dict[str, "Node"]):
    """A YAML mapping, where it starts, and where each of its keys stands."""

    __slots__ = ("key_where", "where")

    def __init__(self, where: Where = NOWHERE) -> None:
        super().__init__()
        self.where = where
        self.key_where: dict[str, Where] = {}


Node = Text | Blank | Sequence | Mapping


def is_node(value: object) -> bool:
    """Tell what was read from YAML from what Python code passed in."""
    return isinstance(value, Text | Blank | Sequence | Mapping)


def described(node: Node) -> str:
    """Say in two or three words what was written, for "expected ..., found ..."."""
    if isinstance(node, Text):
        return quoted(node)
    if isinstance(node, Sequence):
        return "a list"
    return "a mapping" if isinstance(node, Mapping) else "nothing"
