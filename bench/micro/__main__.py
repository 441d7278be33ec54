"""``python -m bench.micro [WORD ...]``: time what has one of the words in its name, or everything.

Rule: the best of several repetitions counts, because noise only ever adds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from timeit import Timer

from . import Supplied

_MODULES = ("request_head", "response_head", "routing", "access_log", "exchange", "tls")
_REPEAT = 7
_SECONDS = 0.05

Subject = Callable[[], object] | Supplied


def _took(subject: Subject, loops: int) -> float:
    return Timer(subject.supply(loops) if isinstance(subject, Supplied) else subject).timeit(loops)


def microseconds(subject: Subject) -> float:
    """Give the least time that one call took, the mean of a loop of about _SECONDS."""
    loops = 1
    while (took := _took(subject, loops)) < _SECONDS:
        loops = loops * 2 if took < _SECONDS / 10 else int(loops * _SECONDS / took) + 1
    return min(_took(subject, loops) for _ in range(_REPEAT)) / loops * 1e6


def main(words: Sequence[str]) -> int:
    """Print a line for each subject; give 0, also where something was skipped."""
    for name in _MODULES:
        try:
            subjects = import_module(f"bench.micro.{name}").subjects()
        except (ImportError, AttributeError) as error:
            print(f"{name}: skipped: {error}")
            continue
        for title, subject in subjects.items():
            if not words or any(word in title for word in words):
                print(f"{microseconds(subject):9.3f} us  {title}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
