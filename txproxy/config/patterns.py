"""The three small grammars of the language: host patterns, path patterns, redirect templates.

Rule: a pattern that could never match, or a template that could not be filled, is refused here, with
what to write instead; what passes can be compiled by anyone who follows the same grammar.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from txproxy.model.hostname import normalize_name

from .problem import listed, nearest, quoted
from .values import regex

_PLACEHOLDERS = ("uri", "host", "path", "query", "scheme")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACES = re.compile(r"\{([^{}]*)\}")
# What a path in its normal form never holds within a segment (see routing).
_NEVER = frozenset("/\\;\0?#")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def host_pattern(text: str) -> str:
    """Read the key of a host: a name, an IP address, `*.name` (one label), `**.name` (any depth) or `*`.

    Gives it as it is compared: lower case, A-labels, no trailing dot.

    :raises ValueError: with one sentence.
    """
    if text == "*":
        return text
    if text == "**":
        raise ValueError("'**' is not a host; write \"*\" for hosts that nothing else matches")
    if "://" in text:
        host = text.partition("://")[2].partition("/")[0]
        raise ValueError(f"{quoted(text)} is a URL; a host is only its name: {host}")
    if "/" in text:
        host, _, path = text.partition("/")
        raise ValueError(f"{quoted(text)} has a path; write the host {host} and put 'path: /{path}' in a route")
    port = re.fullmatch(r"(\[.*\]|[^:]+):[0-9]*", text)
    if port:
        raise ValueError(f"{quoted(text)} has a port; hosts match on every port, so write {port[1]}")
    found = re.match(r"(\*{1,2}\.)?(.*)", text, re.DOTALL)
    assert found is not None
    stars, name = found[1] or "", found[2]
    if "*" in name:
        raise ValueError(
            f"{quoted(text)}: a wildcard is the whole leftmost label, as in *.example.com or **.example.com"
        )
    if stars and not name:
        raise ValueError(f"{quoted(text)} names no domain after the wildcard")
    if stars and (":" in name or "[" in name or name.replace(".", "").isdigit()):
        raise ValueError(f"{quoted(text)}: an IP address has no labels for a wildcard to match")
    return stars + normalize_name(name)


def path_pattern(text: str) -> str:
    """Check a path pattern: /a exact, /a/* it and all below, {name} one segment, ~regex.

    :raises ValueError: with one sentence.
    """
    if text.startswith("~"):
        regex(text[1:])
        if text == "~":
            raise ValueError("'~' is a regular expression without anything in it")
        return text
    if not text.startswith("/"):
        hint = "~" + text if text.startswith("^") else "/" + text
        raise ValueError(f"{quoted(text)} does not start with '/'; write {hint}")
    wrong = next((char for char in text if ord(char) < 32 or ord(char) == 127), None)
    if wrong is not None:
        raise ValueError(f"{quoted(text)} holds the control character {wrong!r}, which no path can")
    for char, what in (("?", "query; match that with 'query:'"), ("#", "fragment, which no browser sends")):
        if char in text:
            raise ValueError(f"{quoted(text)} has a {what}")
    _check_escapes(text)
    _check_segments(text)
    return text


def _check_escapes(text: str) -> None:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"{quoted(text)}: after a '%' come two hexadecimal digits; write %25 for the character itself")


def _check_segments(text: str) -> None:
    seen: set[str] = set()
    segments = text[1:].split("/")
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        decoded = unquote(segment)
        if decoded in (".", "..") or (not decoded and not is_last):
            raise ValueError(
                f"{quoted(text)} would never match: paths are compared without '.', '..' and empty segments"
            )
        wrong = next((char for char in decoded if char in _NEVER), None)
        if wrong is not None:
            raise ValueError(
                f"{quoted(text)} would never match: no segment of the paths that are compared holds {quoted(wrong)}"
            )
        if "*" in segment and not (segment == "*" and is_last):
            hint = "{name} stands for one whole segment, and ~^/...$ is a regular expression"
            raise ValueError(f"{quoted(text)}: '*' can only be the last segment, as in /static/*; {hint}")
        if "{" in segment or "}" in segment:
            name = segment[1:-1]
            if segment != f"{{{name}}}" or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{quoted(text)}: {quoted(segment)} is not of the form {{name}}, which stands for one whole segment"
                )
            if name in seen:
                raise ValueError(f"{quoted(text)} has {{{name}}} twice; give each segment a name of its own")
            seen.add(name)


def captured(pattern: str) -> frozenset[str]:
    """Give the names that a path pattern captures: {name} or the regular expression's (?P<name>...)."""
    if pattern.startswith("~"):
        try:
            return frozenset(regex(pattern[1:]).groupindex)
        except ValueError:
            return frozenset()
    return frozenset(_BRACES.findall(pattern))


def strip_prefix(text: str) -> str:
    """Check a prefix that is taken off the request's path: it starts with '/' and does not end with one."""
    bare = text.removesuffix("*").rstrip("/")
    wrong = next((char for char in text if char in "?#" or ord(char) <= 32), None)
    if wrong is not None:
        raise ValueError(f"{quoted(text)} is not a path: it holds {quoted(wrong)}")
    if not text.startswith("/"):
        raise ValueError(f"{quoted(text)} does not start with '/'; write /{text}")
    if not bare:
        raise ValueError(f"{quoted(text)} takes nothing off; leave strip_prefix out")
    if bare != text:
        raise ValueError(f"{quoted(text)} is more than a prefix; write {bare}")
    if any(char in text for char in "{}*"):
        raise ValueError(f"{quoted(text)}: a prefix is plain text, without patterns")
    _check_escapes(text)
    for segment in map(unquote, text[1:].split("/")):
        if segment in ("", ".", "..") or not _NEVER.isdisjoint(segment):
            raise ValueError(
                f"{quoted(text)} would never be found: no path that is compared has a part {quoted(segment)}"
            )
    return text


def redirect_template(text: str, names: frozenset[str]) -> str:
    """Check where a redirect goes: a URL or path with {uri}, {host}, {path}, {query}, {scheme} and captured names.

    :param names: what every path pattern of the route captures.
    :raises ValueError: with one sentence.
    """
    wrong = _UNSAFE.search(text)
    if wrong:
        raise ValueError(f"{quoted(text)} holds {'a space' if wrong[0] == ' ' else quoted(wrong[0])}, which no URL can")
    if re.search(r"[{}]", _BRACES.sub("", text)):
        raise ValueError(f"{quoted(text)} has a brace without its partner; placeholders are written {{uri}}")
    for name in _BRACES.findall(text):
        if name not in _PLACEHOLDERS and name not in names:
            raise ValueError(_unknown_placeholder(name, names))
    found = re.match(r"(?:https?|\{scheme\})://(.*?)(?:[/?#]|\{uri\}|\{path\}|$)", text)
    if found:
        _check_authority(text, found[1])
    elif text.startswith("//"):
        raise ValueError(
            f"{quoted(text)} begins with '//'; write https:{text} or, for a path on the same host, one '/'"
        )
    elif not text.startswith(("/", "{uri}", "{path}")):
        hint = f"; write https://{text}" if re.match(r"[\w-]+\.[\w.-]+", text) else ""
        raise ValueError(f"{quoted(text)} is not a URL: begin with https://, http:// or '/'{hint}")
    return text


def _check_authority(text: str, authority: str) -> None:
    """Refuse a URL in which a client's text would decide which site it leads to."""
    if not authority:
        raise ValueError(f"{quoted(text)} names no host")
    for found in _BRACES.finditer(authority):
        name, behind = found[1], authority[found.end() :]
        if name in ("query", "scheme"):
            raise ValueError(f"{quoted(text)}: {{{name}}} cannot be part of a host")
        if name != "host" and not re.match(r"\.[^{}:]", behind):
            raise ValueError(
                f"{quoted(text)}: the request would decide which host {{{name}}} leads to; put a '/' in front of it"
            )


def _unknown_placeholder(name: str, names: frozenset[str]) -> str:
    known = (*_PLACEHOLDERS, *sorted(names))
    near = nearest(name, known)
    if near:
        return f"the placeholder {{{name[:40]}}} is not known; did you mean {{{near}}}?"
    shown = listed([f"{{{each}}}" for each in known], "and")
    return f"the placeholder {{{name[:40]}}} is not known; there are {shown}, and what every path of the route captures"
