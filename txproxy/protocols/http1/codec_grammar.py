"""The grammar of an HTTP/1 message head (RFC 9112), as anchored patterns.

Rule: one match takes a whole head or nothing. Every repetition is possessive, so no input makes a
pattern step back (no quadratic time), and a head that does not match is looked at a second time,
line by line, only to say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from txproxy.model import fields
from txproxy.model.errors import (
    HTTP_PROTOCOL_ERROR,
    HTTP_REQUEST_ERROR,
    HTTP_RESPONSE_HEADER_SECTION_SIZE,
    REQUEST_HEADER_TOO_LARGE,
    REQUEST_TARGET_TOO_LONG,
    ProxyError,
)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# field-vchar, obs-text, SP, HTAB (RFC 9110, section 5.5). Named, not excluded: sre walks that 1.5 times as fast.
_VALUE = rb"[\t -~\x80-\xff]*+"
_BLOCK = rb"((?:\r\n" + _TOKEN + rb":" + _VALUE + rb")*+)\r\n\r\n"

# A server should ignore an empty line before the request line (RFC 9112, section 2.2).
# The target holds no fragment: what lies behind '#' is read differently by every server.
REQUEST_HEAD = re.compile(rb"(?:\r\n)?(" + _TOKEN + rb") ([!-\"$-~]++) HTTP/1\.([01])" + _BLOCK)
RESPONSE_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (" + _VALUE + rb"))?" + _BLOCK)
TRAILERS = re.compile(_BLOCK)
# chunk-size and chunk-ext (RFC 9112, section 7.1): hexadecimal digits only, no sign, no prefix,
# no space before the line's end. 15 digits are more than any body.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;" + _VALUE + rb")?\r\n")
# What a host and a port are made of (RFC 3986, section 3.2.2), and UTF-8 as some clients send it.
HOST = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]\x80-\xff]++")
CONTENT_LENGTH = re.compile(rb"[0-9]{1,18}")

# protocol-name ["/" protocol-version] (RFC 9110, section 7.8)
UPGRADE_PROTOCOL = re.compile(_TOKEN + rb"(?:/" + _TOKEN + rb")?")

# Names with "_" are dropped: many applications cannot tell X_Real_IP from X-Real-IP.
UNDERSCORED = re.compile(rb"\r\n[^:_\r]*+_[^:\r]*+:[^\r]*+")

HOP_BY_HOP = (
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"te",
    b"upgrade",
    b"http2-settings",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"proxy-authentication-info",
)
PROVENANCE = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-server",
    b"x-forwarded-ssl",
    b"front-end-https",
    b"forwarded",
    b"x-real-ip",
    b"x-request-id",
)
FORBIDDEN_TRAILERS = (
    *HOP_BY_HOP,
    *PROVENANCE,
    b"host",
    b"content-length",
    b"trailer",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"authorization",
    b"cookie",
    b"set-cookie",
    b"cache-control",
    b"max-forwards",
    b"expect",
)
FRAMING = (b"host", b"content-length", b"expect")


@lru_cache(maxsize=16)
def usual_request_head(max_fields: int) -> Callable[[bytes], re.Match[bytes] | None]:
    """Compile the pattern of the head that nearly all requests without a body have; give its `fullmatch`.

    There is one Host, `Connection` says at most keep-alive or close, once before and once behind it, and nothing
    else has a meaning for this hop: what is left to do is to join three pieces. The runs of lines between those
    fields have less than a quarter of `max_fields` each. What does not match may be just as right, and goes the
    general way.

    The groups: method, target, piece, connection, piece with Host, host, connection, piece.
    """
    if max_fields < 4:
        return re.compile(b"(?!)").fullmatch
    name = _TOKEN.replace(b"_", b"")
    line = rb"\r\n" + fields.other_than((*FRAMING, *HOP_BY_HOP, *PROVENANCE)) + name + b":" + _VALUE
    lines = b"(?:%b){0,%d}+" % (line, max_fields // 4 - 1)
    connection = rb"(?:\r\nConnection: (keep-alive|close))?+"
    return re.compile(
        rb"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) (/[!-\"$-~]*+) HTTP/1\.1"
        rb"(" + lines + rb")" + connection + rb"(" + lines + rb"\r\nHost: ?([A-Za-z0-9.\-_:\[\]]++)" + lines + rb")"
        rb"" + connection + rb"(" + lines + rb")\r\n\r\n"
    ).fullmatch


def _usual_response_head() -> bytes:
    line = rb"\r\n" + fields.other_than((b"content-length", *HOP_BY_HOP)) + _TOKEN + b":" + _VALUE
    lines = b"(?:" + line + b")*+"
    return (
        rb"HTTP/1\.1 (?!204|304)([2-5][0-9][0-9])(?: (" + _VALUE + rb"))?"
        rb"(" + lines + rb"\r\nContent-Length: ?([0-9]{1,18})" + lines + rb")"
        rb"(?:\r\nConnection: keep-alive)?+(" + lines + rb")\r\n\r\n"
    )


# Likewise for responses: they have a length, and at most say that the connection stays.
USUAL_RESPONSE_HEAD = re.compile(_usual_response_head())
_forbidden_trailers = fields.remover(FORBIDDEN_TRAILERS)


def clean_trailers(block: bytes) -> bytes:
    """Drop what must not stand in trailers: framing, routing, authentication (RFC 9110, section 6.5.1)."""
    return UNDERSCORED.sub(b"", _forbidden_trailers.sub(b"", block)) if block else block


_NOT_NOMINATED = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"host", b"content-length"))


def nominated(options: list[bytes]) -> tuple[bytes, ...]:
    """Name the fields that `Connection` makes hop-by-hop (RFC 9110, section 7.6.1).

    Host and Content-Length are never among them: a sender must not list what is meant for all
    recipients, and a message without them is a different message.
    """
    if _NOT_NOMINATED.issuperset(options):
        return ()
    return tuple(option for option in options if option not in _NOT_NOMINATED and fields.TOKEN.fullmatch(option))


_REQUEST_LINE = re.compile(_TOKEN + rb" [!-\"$-~]++ HTTP/1\.[01]")
_ANY_VERSION = re.compile(_TOKEN + rb" [!-~]++ HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9][0-9](?: " + _VALUE + rb")?")
_FIELD_LINE = re.compile(_TOKEN + rb":" + _VALUE)


def _wrong_field_line(line: bytes) -> str:
    name, colon, value = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        return "a header line is folded (obs-fold)"
    if not colon:
        return f"a header line has no colon: {name[:40]!r}"
    if name != name.rstrip(b" \t"):
        return f"white space stands between the header name {name.strip()[:40]!r} and its colon"
    if not fields.TOKEN.fullmatch(name):
        return f"not a header name: {name[:40]!r}"
    bad = re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)
    return f"the value of {name[:40].decode('latin-1')} holds the control character {bad[0] if bad else b''!r}"


def judge_request_head(data: bytes, limit: int, max_fields: int, judged: int = 0, lines: int = 0) -> tuple[int, int]:
    """Judge the lines of a request head that is not complete, or not right.

    Lines are judged as soon as they are complete, so that garbage is refused without waiting for its
    end, and each of them once, so that a head in drops costs no more than one in a piece.

    :param judged: where the first line begins that was not judged before.
    :param lines: how many lines, the request line included, are before it.
    :returns: both for the next time.
    :raises ProxyError: the first thing that is wrong, wherever the head was split.
    """
    while (stop := data.find(b"\r\n", judged, limit)) >= 0:
        line = data[judged:stop]
        if lines:
            if not _FIELD_LINE.fullmatch(line):
                raise ProxyError(HTTP_REQUEST_ERROR, f"{_wrong_field_line(line)}, at byte {judged} of the head")
            if lines > max_fields:
                raise too_many(max_fields)
            lines += 1
        elif line or judged:  # one empty line before the request line is no fault
            _judge_request_line(line)
            lines = 1
        judged = stop + 2
    # The last line may be cut anywhere; a bare LF or CR in it will not mend.
    last = data[judged:limit]
    if b"\n" in last or b"\r" in last[:-1] or b"\0" in last:
        raise ProxyError(HTTP_REQUEST_ERROR, "a bare CR, a bare LF or a NUL stands in the head")
    if not lines:
        _judge_start(last)
    if len(data) > limit:
        if not lines:
            raise ProxyError(REQUEST_TARGET_TOO_LONG, f"the request line is longer than {limit} bytes")
        raise too_large(limit)
    return judged, lines


def _judge_request_line(line: bytes) -> None:
    if _REQUEST_LINE.fullmatch(line):
        return
    version = _ANY_VERSION.fullmatch(line)
    if version is not None and version[1] != b"1":
        shown = f"HTTP/{version[1].decode()}.{version[2].decode()}"
        raise ProxyError(HTTP_REQUEST_ERROR, f"{shown} is not spoken here", status=505)
    raise ProxyError(HTTP_REQUEST_ERROR, f"not a request line: {line[:80]!r}")


def _judge_start(start: bytes) -> None:
    # Told by the first byte: a client of another protocol may wait for us before it sends a line's end.
    if not start or start == b"\r" or fields.TOKEN.match(start):
        return
    what = "a TLS handshake came to a plain HTTP port" if start[0] == 0x16 else f"not HTTP: {start[:40]!r}"
    raise ProxyError(HTTP_REQUEST_ERROR, what)


def too_large(limit: int) -> ProxyError:
    """Make the error for a head over `limits.header_bytes`."""
    hint = "The limit is limits.header_bytes of the route map."
    return ProxyError(REQUEST_HEADER_TOO_LARGE, f"the head is longer than {limit} bytes", hint=hint)


def too_many(limit: int) -> ProxyError:
    """Make the error for a head of more fields than `limits.header_fields`."""
    hint = "The limit is limits.header_fields of the route map."
    return ProxyError(REQUEST_HEADER_TOO_LARGE, f"more than {limit} header fields", hint=hint)


def response_head_error(data: bytes, limit: int) -> ProxyError | None:
    """Say what is wrong with a response head that did not match; None: it is incomplete.

    A folded or badly spaced line is mended once the head is complete (see `mend_response_head`), so
    before that only the status line is judged.
    """
    head, found, _ = data.partition(b"\r\n\r\n")
    if len(head) + 4 > limit and (found or len(data) > limit):
        return ProxyError(HTTP_RESPONSE_HEADER_SECTION_SIZE, f"the head is longer than {limit} bytes")
    line, complete, _ = head.partition(b"\r\n")
    if not complete and not found:
        # Garbage is told by its first bytes; there may never be a line end to wait for.
        wrong = not b"HTTP/1.".startswith(line[:7]) or b"\n" in line
    else:
        wrong = not _STATUS_LINE.fullmatch(line)
    if wrong:
        return ProxyError(HTTP_PROTOCOL_ERROR, f"not a status line: {line[:80]!r}")
    if not found:
        return None
    faults = (_wrong_field_line(line) for line in head.split(b"\r\n")[1:] if not _FIELD_LINE.fullmatch(line))
    return ProxyError(HTTP_PROTOCOL_ERROR, next(faults, "the head is malformed"))


# The look-behind lets a match begin only where white space begins: a run of it is walked through once.
_FOLD = re.compile(rb"(?<![ \t])[ \t]*+\r\n[ \t]++")
_SPACE_BEFORE_COLON = re.compile(rb"(\r\n" + _TOKEN + rb")[ \t]++:")


def mend_response_head(data: bytes) -> bytes:
    """Mend what a proxy may mend in a complete response head before it forwards it.

    Folded lines are joined by one space (RFC 9112, section 5.2), white space before a colon is
    removed (section 5.1). The data behind the head stays as it is, and so does a line that would be
    folded into the status line: it is no continuation of anything (section 2.2).
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    line, separator, block = head.partition(b"\r\n")
    if block[:1] in (b" ", b"\t"):
        return data
    mended = _SPACE_BEFORE_COLON.sub(rb"\1:", _FOLD.sub(b" ", separator + block))
    return line + mended + found + rest
