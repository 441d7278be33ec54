"""The answer a client gets when the proxy itself has to make one.

Rule: it says the status, the cause and the request's id, and what the client can do about it; it
never says a version, an internal address or a detail meant for the log, and whatever it repeats is
escaped. `ProxyError.detail` is not read here.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator

from txproxy.model import fields
from txproxy.model.errors import ProxyError
from txproxy.model.head import ResponseHead

from .reasons import reason_phrase

# Seconds. Long enough that a crowd of waiting clients is no load, short enough for a restart of a
# backend, which is the usual reason of a 503.
RETRY_AFTER = 5
# The pages stay below 2 KiB, whatever a hint quotes from the route map.
_LONGEST_HINT = 200
_LONGEST_ID = 128
# Octets of Accept that are read; browsers send some 150. It bounds what an attacker's can cost.
_LONGEST_ACCEPT = 1024

# An element of Accept (RFC 9110, section 12.5.1), quoted strings with their commas included; a
# quote that does not end takes all the rest, so that nothing is looked at twice.
_ELEMENT = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++')
_RANGE = re.compile(rb"[ \t]*+([!#$%&'*+\-.^_`|~0-9A-Za-z]++)/([!#$%&'*+\-.^_`|~0-9A-Za-z]++)[ \t]*+(;.*+)?")
_WEIGHT = re.compile(rb";[ \t]*+[qQ]=([^;, \t]*+)")
_WEIGHT_VALUE = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_HTML = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n'
    "<title>{title}</title>\n"
    "<style>body{{max-width:40em;margin:15vh auto;padding:0 1em;font:1rem/1.5 system-ui,sans-serif}}"
    "code{{overflow-wrap:anywhere}}</style>\n"
    "</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{sentence}</p>\n{hint}"
    "<dl>\n<dt>Cause</dt>\n<dd><code>{token}</code></dd>\n"
    "<dt>Request</dt>\n<dd><code>{request_id}</code></dd>\n</dl>\n</main>\n</body>\n</html>\n"
)


def error_page(
    error: ProxyError, request_id: str, accept: bytes | None = None, method: bytes = b"GET"
) -> tuple[ResponseHead, bytes]:
    """Make the response that tells a client of a failure.

    :param error: its status (400 to 599), cause and hint are shown, its detail is not.
    :param request_id: as in the log.
    :param accept: the request's Accept, None without one (RFC 9110, section 12.5.1).
    :param method: for HEAD the body is empty, and the head the same as for GET but for its
        `content_length` of 0, which says that none follows.
    :returns: the head, whose block includes Content-Length, and the body, below 2 KiB.
    """
    media_type, write = _REPRESENTATIONS[_preferred(accept)]
    body = write(error, _printable(error.hint, _LONGEST_HINT), _printable(request_id, _LONGEST_ID))
    pairs = [
        (b"Content-Type", media_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Proxy-Status", proxy_status(error)),
    ]
    if error.status == 503:  # RFC 9110, section 15.6.4
        pairs.append((b"Retry-After", b"%d" % RETRY_AFTER))
    if error.status == 405:  # RFC 9110, section 15.5.6: MUST; what is refused by us is TRACE, for any resource
        pairs.append((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    if method == b"HEAD":
        body = b""
    return ResponseHead(error.status, reason_phrase(error.status), fields.from_items(pairs), len(body)), body


def proxy_status(error: ProxyError) -> bytes:
    """Give the value of Proxy-Status for a failure of ours (RFC 9209, section 2)."""
    return b"txproxy; error=" + error.cause.token.encode("ascii")


def _printable(text: str, longest: int) -> str:
    # `isprintable` is False for controls, separators of lines and lone surrogates: what is left
    # can be encoded, and stays on its line.
    return "".join([character if character.isprintable() else " " for character in text[:longest]])


def _as_html(error: ProxyError, hint: str, request_id: str) -> bytes:
    return _HTML.format(
        title=f"{error.status} {reason_phrase(error.status).decode('ascii')}",
        sentence=html.escape(error.cause.sentence),
        hint=f"<p>{html.escape(hint, quote=False)}</p>\n" if hint else "",
        token=html.escape(error.cause.token),
        request_id=html.escape(request_id),
    ).encode()


def _as_json(error: ProxyError, hint: str, request_id: str) -> bytes:
    # RFC 9457, section 4.2.1: with the type about:blank the title is the status's phrase.
    problem = {
        "type": "about:blank",
        "title": reason_phrase(error.status).decode("ascii"),
        "status": error.status,
        "detail": f"{error.cause.sentence} {hint}".rstrip(),
        "cause": error.cause.token,
        "request_id": request_id,
    }
    return json.dumps(problem, ensure_ascii=False).encode() + b"\n"


def _as_text(error: ProxyError, hint: str, request_id: str) -> bytes:
    reason = reason_phrase(error.status).decode("ascii")
    lines = [
        f"{error.status} {reason}",
        error.cause.sentence,
        hint,
        f"Cause: {error.cause.token}",
        f"Request: {request_id}",
    ]
    return "".join([f"{line}\n" for line in lines if line]).encode()


# In our order of preference where the client has none. RFC 8259, section 11: JSON has no charset.
_REPRESENTATIONS: dict[bytes, tuple[bytes, Callable[[ProxyError, str, str], bytes]]] = {
    b"text/html": (b"text/html; charset=utf-8", _as_html),
    b"application/problem+json": (b"application/problem+json", _as_json),
    b"application/json": (b"application/json", _as_json),
    b"text/plain": (b"text/plain; charset=utf-8", _as_text),
}
_DEFAULT = b"text/html"
# RFC 9110, section 12.4.1 lets a server disregard an Accept that it cannot satisfy. Text is what
# a program that asked for an image, or for XML, can at least print.
_LAST_RESORT = b"text/plain"


def _preferred(accept: bytes | None) -> bytes:
    """Choose a representation: by weight, then a type named before one that a wildcard let in.

    The second rule is not in RFC 9110, but it is what ``application/json, */*`` means; so is the
    third, the client's order, as in ``application/json, text/html``.
    """
    if accept is None:
        return _DEFAULT
    # For each representation the most specific range that covers it decides (section 12.5.1).
    decided: dict[bytes, tuple[int, int, int]] = {}
    place = 0
    for kind, subtype, has_parameters, weight in _media_ranges(accept[:_LONGEST_ACCEPT]):
        place -= 1
        for name in _REPRESENTATIONS:
            specificity = _specificity(name, kind, subtype, has_parameters)
            if specificity and (name not in decided or specificity > decided[name][1]):
                decided[name] = (weight, specificity, place)
    if not place:
        return _DEFAULT
    acceptable = [name for name in _REPRESENTATIONS if name in decided and decided[name][0]]
    return max(acceptable, key=decided.__getitem__, default=_LAST_RESORT)


def _specificity(name: bytes, kind: bytes, subtype: bytes, has_parameters: bool) -> int:
    """How closely a range names this type: 0 not at all, 1 ``*/*``, 2 ``type/*``, 4 by its name.

    With parameters (3) it asks for a variant that we do not have (``application/json;odata=verbose``);
    the plain type is then nearer to it than another one.
    """
    if kind + b"/" + subtype == name:
        return 3 if has_parameters else 4
    if subtype != b"*":
        return 0
    if kind == b"*":
        return 1
    return 2 if name.startswith(kind + b"/") else 0


def _media_ranges(accept: bytes) -> Iterator[tuple[bytes, bytes, bool, int]]:
    """Give (type, subtype, whether it has parameters, weight in thousandths) for each valid range."""
    for element in _ELEMENT.findall(accept):
        found = _RANGE.fullmatch(element)
        if found is None:
            continue
        weight = 1000
        parameters = found[3] or b""
        if weighted := _WEIGHT.search(parameters):
            if not _WEIGHT_VALUE.fullmatch(weighted[1]):
                continue
            weight = round(float(weighted[1]) * 1000)
            parameters = parameters[: weighted.start()]
        yield found[1].lower(), found[2].lower(), bool(parameters.strip(b"; \t")), weight
