"""A route map from a file, or from a value that another program has: the two doors into `config`.

Rule: whatever comes in, a `Loaded` comes out, never an exception; the config is there if and only if
there is no error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from typing import Any

import yaml

from .draft import sound_part
from .language import RouteMap
from .model import Config
from .problem import Problem, Report, Where
from .resolve import resolved
from .source import Reader
from .tree import Blank, Broken, Mapping, Node, described

# What stands for the file's name in problems with a value that came from no file.
VALUE = "<route map>"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gave: a config, or the reasons why there is none; warnings in either case.

    :ivar draft: where there is no config, the routes without errors, to look for more in; None if there is nothing.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    draft: Config | None = None


def load(path: str, environ: AnyMapping[str, str]) -> Loaded:
    """Read a route map from a file.

    :param environ: what `${NAME}` is taken from.
    """
    report = Report()
    return _loaded(Reader(report, environ).read_file(path), report)


def load_value(value: AnyMapping[str, Any], base: str, environ: AnyMapping[str, str]) -> Loaded:
    """Read a route map that is here as a dict, as a YAML parser would give it.

    Problems cite the lines of the YAML text that the value would be, and show them.

    :param base: the directory that relative paths start from.
    """
    report = Report()
    try:
        text = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=1000, default_flow_style=False)
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        # PyYAML's representer names the object it has no YAML for; a dict that holds itself nests without end.
        report.error(Where(VALUE, 1, 1), f"this is not a value that YAML can hold: {error}")
        return Loaded(None, report.problems())
    return _loaded(Reader(report, environ).read_text(text, VALUE, os.path.abspath(base)), report)


def load_text(text: str, file: str, base: str, environ: AnyMapping[str, str]) -> Loaded:
    """Read a route map that is here as text; `file` is its name in problems."""
    report = Report()
    return _loaded(Reader(report, environ).read_text(text, file, os.path.abspath(base)), report)


def _loaded(root: Node, report: Report) -> Loaded:
    config = draft = None
    if isinstance(root, Mapping):
        written = RouteMap.model_validate(root, context=report)
        config = resolved(written, report)
        if report.failed:
            draft = sound_part(config, written, report)
            config = None
    elif not isinstance(root, Broken):
        example = "a route map starts with a line such as 'hosts:'"
        what = "the file is empty" if isinstance(root, Blank) else f"expected a mapping, found {described(root)}"
        report.error(root.where, f"{what}; {example}")
    return Loaded(config, report.problems(), draft)
