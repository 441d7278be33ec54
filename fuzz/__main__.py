"""Gives a harness to atheris: ``python -m fuzz request [libFuzzer's options] [a directory for the corpus]``.

Rule: what a harness imports is instrumented while it is imported, so nothing of txproxy is imported before.
"""

from __future__ import annotations

import sys
from importlib import import_module

HARNESSES = ("request", "response", "config", "hello", "proxy_header")


def main(arguments: list[str]) -> None:
    """Fuzz until a limit of the command line, or a fault, ends it."""
    if len(arguments) < 2 or arguments[1] not in HARNESSES:
        sys.exit(f"usage: python -m fuzz {'|'.join(HARNESSES)} [options of libFuzzer] [corpus]")
    import atheris  # type: ignore[import-not-found]  # noqa: PLC0415 - only who fuzzes needs it

    with atheris.instrument_imports(include=["txproxy", "fuzz"]):
        one_input = import_module(f"fuzz.{arguments[1]}").one_input
    atheris.Setup(arguments[:1] + arguments[2:], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
