"""Path patterns: what the route map's `path` key means.

Rule: a pattern is compared with the normal form of a path (`routing.path`) and with nothing else;
a pattern that no normal form can ever match is refused when it is compiled.

- ``/a``: that path only; ``/a/`` is another one.
- ``/a/*``: ``/a``, ``/a/`` and all below. ``/*``: everything, the ``*`` of ``OPTIONS *`` included.
- ``{name}`` as a whole segment: any one segment, captured under that name.
- ``~`` and a regular expression: searched in the path, so anchors are up to it; ``.`` matches line ends
  too, so that an encoded one cannot hide the rest of a path; named groups are captures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Each part of a regular expression in which "$" stands for itself, and each "$" that does not.
_DOLLAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|\$", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Literal(NamedTuple):
    """A segment that is this text, decoded."""

    text: str


class Capture(NamedTuple):
    """Any one segment, remembered under a name."""

    name: str


Step: TypeAlias = Literal | Capture


class PathPattern:
    """One compiled pattern.

    :ivar text: as written.
    :ivar steps: its segments; empty for a regular expression.
    :ivar below: it ends in ``/*``.
    :ivar slash: it ends in ``/``.
    :ivar regex: what decides, for a pattern with captures or a regular expression; None for plain text.
    :raises ValueError: with one sentence, for a pattern that cannot be compiled or could never match.
    """

    __slots__ = ("below", "regex", "slash", "steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: tuple[Step, ...] = ()
        self.below = self.slash = False
        self.regex: re.Pattern[str] | None = None
        if text.startswith("~"):
            self.regex = compile_regex(text)
        elif text.startswith("/"):
            self._read(text)
        else:
            raise ValueError(f"the path {text!r} has to start with / or, for a regular expression, with ~")

    def _read(self, text: str) -> None:
        self.below = text.endswith("/*")
        body = text[1:-1] if self.below else text[1:]
        self.slash = body.endswith("/") and not self.below
        parts = body.removesuffix("/").split("/") if body else []
        self.steps = tuple(_step(part, text) for part in parts)
        names = [step.name for step in self.steps if isinstance(step, Capture)]
        if len(names) != len(set(names)):
            raise ValueError(f"the path {text!r} captures one name twice")
        if names:
            self.regex = self._regex()

    def _regex(self) -> re.Pattern[str]:
        steps = [
            re.escape("/" + step.text) if isinstance(step, Literal) else f"/(?P<{step.name}>[^/]+)"
            for step in self.steps
        ]
        end = "(?:/.*)?" if self.below else "/" if self.slash else ""
        return re.compile(rf"\A{''.join(steps)}{end}\Z", re.DOTALL)

    @property
    def is_everything(self) -> bool:
        """It is ``/*``."""
        return self.below and not self.steps

    @property
    def is_regular_expression(self) -> bool:
        """It was written with ``~``."""
        return self.text.startswith("~")

    @property
    def literal(self) -> str | None:
        """The one path it matches or, with `below`, the path it starts at; None if it captures or searches."""
        if self.regex is not None:
            return None
        path = "/" + "/".join(step.text for step in self.steps if isinstance(step, Literal))
        return path + "/" if self.slash and self.steps else path

    def matches(self, path: str) -> bool:
        """Tell whether a path in normal form is one that this pattern stands for."""
        if self.regex is not None:
            return self.regex.search(path) is not None
        literal = self.literal
        if self.below:
            return self.is_everything or path == literal or path.startswith(f"{literal}/")
        return path == literal

    def captures(self, path: str) -> dict[str, str] | None:
        """Give what the pattern captures from a path it matches, by name; None if it does not match."""
        if self.regex is None:
            return {} if self.matches(path) else None
        found = self.regex.search(path)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

    def __repr__(self) -> str:
        return f"<PathPattern {self.text}>"


def compile_regex(text: str) -> re.Pattern[str]:
    """Compile a value written as ``~regex``; in it ``.`` matches line ends too, and ``$`` only the end.

    Python's own ``$`` also matches before a last line end: ``/re/12%0a`` would pass for ``^/re/[0-9]+$``.

    :raises ValueError: it is no regular expression.
    """
    text = text.removeprefix("~")
    try:
        compiled = re.compile(text, re.DOTALL)
        if compiled.flags & re.MULTILINE:  # whoever writes (?m) knows of lines
            return compiled
        return re.compile(_DOLLAR.sub(lambda found: r"\Z" if found[0] == "$" else found[0], text), re.DOTALL)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error


def _step(part: str, text: str) -> Step:
    if found := _CAPTURE.fullmatch(part):
        return Capture(found[1])
    if "{" in part or "}" in part:
        raise ValueError(f"the path {text!r}: {{name}} stands for a whole segment")
    if "*" in part:
        raise ValueError(f"the path {text!r}: * stands at the end only, as /*; for anything else use ~regex")
    if _BAD_ESCAPE.search(part):
        raise ValueError(f"the path {text!r}: a % has to be followed by two hexadecimal digits")
    literal = unquote_to_bytes(part).decode("utf-8", "surrogateescape")
    if literal in {"", ".", ".."} or any(char in literal for char in "/\\;\0?#"):
        raise ValueError(
            f"the path {text!r} can never match: paths are compared without empty and dot segments, "
            "backslashes, ;parameters and queries"
        )
    return Literal(literal)


class PathSet:
    """Several patterns as one question, asked once per request: exact ones cost one lookup together.

    :ivar is_everything: it matches every path; so does a set of no patterns.
    """

    __slots__ = ("_beginnings", "_exact", "_regexes", "is_everything", "patterns")

    def __init__(self, texts: Iterable[str]) -> None:
        self.patterns = tuple(map(PathPattern, texts))
        self.is_everything = not self.patterns or any(pattern.is_everything for pattern in self.patterns)
        exact, beginnings = set(), []
        for pattern in self.patterns:
            if (literal := pattern.literal) is not None:
                exact.add(literal)
                if pattern.below:
                    beginnings.append(literal + "/")
        self._exact = frozenset(exact)
        self._beginnings = tuple(beginnings)
        self._regexes = tuple(pattern.regex.search for pattern in self.patterns if pattern.regex is not None)

    def matches(self, path: str) -> bool:
        """Tell whether any of the patterns matches a path in normal form; no patterns match everything."""
        if self.is_everything or path in self._exact or path.startswith(self._beginnings):
            return True
        return any(search(path) is not None for search in self._regexes)

    @property
    def first_segments(self) -> frozenset[str] | None:
        """What the first segment of every path it matches is one of ("" for the root); None if it may be any."""
        firsts = set()
        for pattern in self.patterns:
            first = pattern.steps[0] if pattern.steps else Literal("")
            if pattern.is_regular_expression or pattern.is_everything or isinstance(first, Capture):
                return None
            firsts.add(first.text)
        return frozenset(firsts) if firsts else None

    @property
    def names(self) -> frozenset[str]:
        """What every one of the patterns captures, so that it is there whichever matches."""
        each = [frozenset(pattern.regex.groupindex if pattern.regex is not None else ()) for pattern in self.patterns]
        return frozenset.intersection(*each) if each else frozenset()

    def captures(self, path: str) -> dict[str, str]:
        """Give the captures of the first pattern that matches; empty if none does."""
        for pattern in self.patterns:
            if (found := pattern.captures(path)) is not None:
                return found
        return {}
