"""`${NAME}` and `${NAME:-default}` in a route map.

Rule: substitution happens in the text of scalars after YAML is parsed, once, so that no value of the
environment can add a key, end a quote or be expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .problem import nearest, quoted

# `$${` stands for a literal `${`.
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|)")


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Give the text with every reference replaced.

    As in a shell, the default also stands in for a variable that is set but empty.

    :raises ValueError: with one sentence: a variable is not set and has no default, or a reference is malformed.
    """
    if "${" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if found[0] == "$${":
            return "${"
        if name is None:
            rest = text[found.start() : found.start() + 40]
            raise ValueError(
                f"{quoted(rest)} is not a reference such as ${{NAME}} or ${{NAME:-default}}; write "
                f"$${{ for a literal ${{"
            )
        if default is not None:
            return environ.get(name) or default
        if name in environ:
            return environ[name]
        near = nearest(name, environ)
        hint = f"did you mean ${{{near}}}?" if near else f"set it, or write ${{{name}:-default}}"
        raise ValueError(f"the environment variable {name} is not set; {hint}")

    return _REFERENCE.sub(value, text)
