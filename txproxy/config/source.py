"""From files of YAML to one tree of text with positions.

Rule: only YAML's events are used, never a constructor, so that no tag can make a Python object; and
everything that could grow without limit (files, includes, aliases, depth) has a bound.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Mapping as Environ

import yaml

from .compose import Budget, Composer, TooLarge
from .problem import Report, Where, quoted
from .syntax import LINE_BREAK, explained
from .tree import Broken, Node

# 10 000 hosts with a few routes each take some 5 MB; a larger file is no route map but a mistake.
MAX_BYTES = 32 * 1024 * 1024
MAX_INCLUDE_DEPTH = 16
MAX_INCLUDES = 1000
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Reader:
    """Reads one route map with all it includes."""

    def __init__(self, report: Report, environ: Environ[str, str]) -> None:
        self._report = report
        self._environ = environ
        self._budget = Budget()
        self._open: list[str] = []
        self._includes = 0

    def read_file(self, path: str, where: Where | None = None) -> Node:
        """Read a file; `where` is the `!include` that asks for it, None for the route map itself."""
        data = self._bytes(path, where)
        if data is None:
            return Broken(where or Where(path, 1, 1))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8-sig", "replace")
            lines = LINE_BREAK.split(before)
            self._report.add_source(path, os.path.dirname(path), lines)
            place = Where(path, len(lines), len(lines[-1]) + 1)
            self._report.error(place, "this is not UTF-8 text from here on; save the file in UTF-8")
            return Broken(place)
        self._open.append(os.path.realpath(path))
        try:
            return self.read_text(text, path, os.path.dirname(os.path.abspath(path)))
        finally:
            self._open.pop()

    def read_text(self, text: str, file: str, directory: str) -> Node:
        """Read a document that is here as text."""
        self._report.add_source(file, directory, LINE_BREAK.split(text))
        start = Where(file, 1, 1)
        unprintable = _UNPRINTABLE.search(text.removeprefix("\ufeff"))
        if unprintable:
            before = LINE_BREAK.split(text[: unprintable.start()])
            place = Where(file, len(before), len(before[-1]) + 1)
            code = f"U+{ord(unprintable[0]):04X}"
            self._report.error(
                place,
                f"the character {code} cannot stand in a YAML file; in double quotes it can be written as an escape",
            )
            return Broken(place)
        composer = Composer(file, self._report, self._environ, self._budget, self._include)
        events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        try:
            return composer.document(events)
        except yaml.MarkedYAMLError as error:
            place, message = explained(error, file, text)
            self._report.error(place, message)
        except yaml.YAMLError as error:
            self._report.error(start, f"this is not valid YAML: {error}")
        except TooLarge as error:
            self._report.error(error.where, str(error))
        return Broken(start)

    def _include(self, path: str, where: Where) -> Node:
        base = self._report.directory(where)
        # Shown as the author would write it on the command line: beside the file that includes it.
        joined = os.path.normpath(os.path.join(os.path.dirname(where.file) if _is_file(where.file) else base, path))
        found = os.path.realpath(os.path.join(base, path))
        self._includes += 1
        if not path:
            self._report.error(where, "!include needs the path of a file")
        elif found in self._open:
            self._report.error(where, f"!include goes in a circle: {quoted(joined)} is being read already")
        elif len(self._open) > MAX_INCLUDE_DEPTH or self._includes > MAX_INCLUDES:
            self._report.error(
                where, f"too many files: at most {MAX_INCLUDES}, and {MAX_INCLUDE_DEPTH} deep, can be included"
            )
        else:
            return self.read_file(joined, where)
        return Broken(where)

    def _bytes(self, path: str, where: Where | None) -> bytes | None:
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
            self._report.error(where or Where(path, 1, 1), f"cannot read {quoted(path)}: {_lowered(reason)}")
            return None
        if len(data) > MAX_BYTES:
            self._report.error(where or Where(path, 1, 1), f"{quoted(path)} is larger than {MAX_BYTES >> 20} MiB")
            return None
        return data


def _is_file(name: str) -> bool:
    return not name.startswith("<")


def _lowered(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
