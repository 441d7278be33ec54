r"""A field section as one block of bytes.

Rule: a *block* is the field lines as they were on the wire, each PRECEDED by CRLF, with none at the
end: ``b"\r\nHost: a\r\nAccept: */*"`` (the empty section is ``b""``). The codecs let only valid
blocks in (RFC 9110, section 5: token names, no control characters in values, so CR and LF are only
ever the separators), and everything here relies on that. In this form a head is
``start line + block + CRLF CRLF``, a field is appended with ``+``, and one pattern with a literal
first byte finds or removes fields at C speed: order, case, white space and multiplicity stay.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable
from functools import lru_cache

_LINE = re.compile(rb"\r\n([^:]*+):[ \t]*+([^\r]*+)")
# RFC 9110, sections 5.1 and 5.6.2: a name is a token. Section 5.5: values hold no control but HTAB.
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*+")


def items(block: bytes) -> list[tuple[bytes, bytes]]:
    """Give (name as sent, value without surrounding white space) for each field line, in order."""
    return [(name, value.rstrip(b" \t")) for name, value in _LINE.findall(block)]


def from_items(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Make a block of (name, value) pairs.

    :raises ValueError: a name is not a token or a value holds CR, LF, NUL or another control.
    """
    pieces = []
    for name, value in pairs:
        if not TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"not a valid field: {name!r}: {value!r}")
        pieces.append(b"\r\n%b: %b" % (name, value))
    return b"".join(pieces)


def _any_case(text: bytes) -> bytes:
    # Written out as sets, because a flag for the whole pattern would switch off sre's quick
    # rejection of an alternative by its first character (measured: three times slower).
    return b"".join(b"[%c%c]" % (c - 32, c) if 97 <= c <= 122 else re.escape(bytes([c])) for c in text.lower())


def _alternation(names: Iterable[bytes]) -> bytes:
    by_first = defaultdict(list)
    for name in sorted({name.lower() for name in names}):
        by_first[name[:1]].append(name[1:])
    return b"|".join(
        _any_case(first) + b"(?:" + b"|".join(map(_any_case, rest)) + b")" for first, rest in by_first.items()
    )


def _first_letters(names: Iterable[bytes]) -> bytes:
    return b"(?=[" + b"".join({re.escape(n[:1].lower()) + re.escape(n[:1].upper()) for n in names}) + b"])"


def finder(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Compile a pattern whose `findall(block)` gives (name as sent, value) of just these names.

    The value may end in spaces or tabs. Compile once, at load time.
    """
    names = list(names)
    return re.compile(rb"\r\n" + _first_letters(names) + b"(" + _alternation(names) + rb"):[ \t]*+([^\r]*+)")


def remover(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Compile a pattern whose `sub(b"", block)` removes all fields of these names, in any case."""
    names = list(names)
    return re.compile(rb"\r\n" + _first_letters(names) + b"(?:" + _alternation(names) + rb"):[^\r]*+")


def other_than(names: Iterable[bytes]) -> bytes:
    """Give the piece of a pattern that holds only in front of a field line of another name than these."""
    names = list(names)
    return b"(?!" + _first_letters(names) + b"(?:" + _alternation(names) + b"):)"


@lru_cache(maxsize=1024)
def _finder_of_one(name: bytes) -> re.Pattern[bytes]:
    return finder([name])


@lru_cache(maxsize=1024)
def _remover_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return remover(names)


def get(block: bytes, name: bytes) -> bytes | None:
    """Give the first value of this field (any case), or None."""
    found = _finder_of_one(name).search(block)
    return None if found is None else found[2].rstrip(b" \t")


def get_all(block: bytes, name: bytes) -> list[bytes]:
    """Give every value of this field (any case), in order."""
    return [value.rstrip(b" \t") for _, value in _finder_of_one(name).findall(block)]


def without(block: bytes, *names: bytes) -> bytes:
    """Give the block without the fields of these names (any case)."""
    return _remover_of(names).sub(b"", block)


def without_any(block: bytes, names: Container[bytes]) -> bytes:
    """Give the block without the fields whose lower-cased name is among these.

    For names that a message brings along: nothing is compiled for them, and nothing is kept.
    """
    lines = block.split(b"\r\n")[1:]
    return b"".join(b"\r\n" + line for line in lines if line.partition(b":")[0].lower() not in names)


def list_members(value: bytes) -> list[bytes]:
    """Split a comma-separated list of tokens (RFC 9110, section 5.6.1) into its lower-cased members."""
    return [member.strip(b" \t").lower() for member in value.split(b",") if member.strip(b" \t")]
