"""Whether the code that a route map names (`wsgi:`, `resource:`) can be had.

Rule: `check` never imports it into its own process. A child does, with a reactor in place as in service,
so that what importing does (install a reactor, start threads, write to standard output, hang, exit)
shows as a problem and touches nothing else; applications are not called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from txproxy.config.problem import nearest

# Seconds that all imports of one map may take; an application that loads a model at import may need many.
PATIENCE = 60.0


class Reference(NamedTuple):
    """A name in the route map: `kind` is "wsgi" or "resource", `name` is "module:attribute"."""

    kind: str
    name: str


def complaints(references: Iterable[Reference], patience: float = PATIENCE) -> dict[Reference, str]:
    """Import each in a child process and give what is wrong, for those with which something is.

    :param patience: seconds that one child has.
    """
    waiting = list(dict.fromkeys(references))
    found: dict[Reference, str] = {}
    while waiting:
        answers, end = _child(waiting, patience)
        for answer in answers:
            reference = waiting.pop(0)
            if answer:
                found[reference] = answer
        if waiting:  # the child ended before this one was answered; the others get another child
            reference = waiting.pop(0)
            found[reference] = f"importing {reference.name} {end}"
    return found


def _child(references: list[Reference], patience: float) -> tuple[list[str], str]:
    """Give the answers of a child, and how it ended."""
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    asked = json.dumps([list(reference) for reference in references])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)])}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            command, input=asked, env=environ, capture_output=True, text=True, timeout=patience, check=False
        )
        output, end = done.stdout, f"ended the process with status {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode()
        end = f"took longer than {patience:g} s"
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith("\n")], end


def main() -> None:
    """Be the child: a list of references on standard input, an answer a line on standard output."""
    asked = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the imported modules print is no answer
    from twisted.internet import reactor  # noqa: F401 - in service there is one before anything is imported

    for answer in _answers(asked):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    answers.flush()
    os._exit(0)  # without waiting for threads that were started


def _answers(asked: list[tuple[str, str]]) -> Iterator[str]:
    from .compose import ComposeError, imported

    for kind, name in asked:
        try:
            found = imported(name, None)
        except ComposeError as error:
            yield error.message + _hint(name)
        else:
            yield _unfit(kind, name, found)


def _unfit(kind: str, name: str, found: Any) -> str:
    from twisted.web.resource import IResource

    what = type(found).__name__
    if kind == "wsgi" and not callable(found):
        return f"{name} is no WSGI application: a {what} cannot be called"
    if kind == "resource" and not (IResource.providedBy(found) or callable(found)):
        return f"{name}, a {what}, is neither a twisted.web resource nor something that makes one"
    return ""


def _hint(name: str) -> str:
    module_name, _, attribute = name.partition(":")
    module = sys.modules.get(module_name)
    near = (
        None if module is None else nearest(attribute, [known for known in vars(module) if not known.startswith("_")])
    )
    return "" if near is None else f"; did you mean {module_name}:{near}?"
