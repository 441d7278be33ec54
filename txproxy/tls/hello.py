"""A TLS client's first message, read before OpenSSL sees it (RFC 8446, section 4.1.2), without I/O.

Rule: it tells what the client asks for, so that certificate and policy are chosen before there is a
connection of OpenSSL's, which gets the same bytes afterwards and decides all the rest. So what is refused
here is only what cannot be read in one way: lengths that lie, doubled extensions, what is no ClientHello.

A server name that no host can have (a port, a wildcard, bytes beyond ASCII) is no name: nginx serves such
clients as if they had sent none, and so do we; no route and no certificate can have such a name either.
What OpenSSL refuses in a name (two of them, a NUL in it, more than 255 bytes), and what RFC 6066 does not
know (an empty one), is refused here, with the alert that OpenSSL sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, unpack_from

from txproxy.model.hostname import normalize_name

# Alerts (RFC 8446, section 6).
UNEXPECTED_MESSAGE = 10
RECORD_OVERFLOW = 22
ILLEGAL_PARAMETER = 47
DECODE_ERROR = 50
PROTOCOL_VERSION = 70
UNRECOGNIZED_NAME = 112

TLS_1_2 = 0x0303
TLS_1_3 = 0x0304

# What is not encrypted yet may be no longer (RFC 8446, section 5.1).
MAX_RECORD = 1 << 14
# Usual is 0.5 to 2 KiB, post-quantum signatures make it a few more. OpenSSL takes 128 KiB.
MAX_HELLO = 64 * 1024
# The longest hello needs five. Each read walks over all there are, so there are not many.
MAX_RECORDS = 64

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_RECORD_HEAD = 5
_MESSAGE_HEAD = 4
# Version, random, session id, one cipher suite, one compression method.
_SHORTEST = 2 + 32 + 1 + 4 + 2

_SERVER_NAME = 0
_GROUPS = 10
_SIGNATURE_ALGORITHMS = 13
_ALPN = 16
_VERSIONS = 43

_two_shorts = Struct(">HH").unpack_from


class HelloError(Exception):
    """What arrived is no ClientHello, or none that is read here.

    :ivar alert: what a server sends (RFC 8446, section 6), 0..255.
    :ivar detail: what is wrong, for the log.
    :ivar plain: whether it begins as a protocol in plain text does, such as HTTP.
    """

    def __init__(self, alert: int, detail: str, *, plain: bool = False) -> None:
        super().__init__(alert, detail)
        self.alert = alert
        self.detail = detail
        self.plain = plain

    def __str__(self) -> str:
        return self.detail


@dataclass(slots=True)
class ClientHello:
    """What a client asks for. Numbers are as sent, with those of RFC 8701 (GREASE) that mean nothing.

    :ivar server_name: in the one form of `model.hostname`; None: none was sent, or none that a host can have.
    :ivar alpn: the protocols that it can speak, best first (RFC 7301).
    :ivar versions: which of TLS 1.2 (0x0303) and 1.3 (0x0304) it can speak, in its order; never empty.
    """

    server_name: str | None
    alpn: tuple[bytes, ...]
    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    groups: tuple[int, ...]


def client_hello(data: bytes) -> ClientHello | None:
    """Read the ClientHello at the front of all that has arrived on a connection.

    What follows its last record is not looked at. While more is needed this costs a look at the heads of
    the records that are there, so it may be called for each byte.

    :returns: None: more is needed.
    :raises HelloError: no more will help.
    """
    if len(data) < _RECORD_HEAD:
        _judge_beginning(data)
        return None
    if data[0] != _HANDSHAKE or data[1] != 3:
        _judge_beginning(data)
    size = data[3] << 8 | data[4]
    if len(data) < _RECORD_HEAD + size:
        if size > MAX_RECORD:
            raise _record_too_long(size)
        return None
    # Nearly always one record holds the message and nothing else.
    if size > _MESSAGE_HEAD and data[5] == _CLIENT_HELLO and int.from_bytes(data[6:9]) == size - _MESSAGE_HEAD:
        if size > MAX_RECORD:
            raise _record_too_long(size)
        return _read(data, _RECORD_HEAD + _MESSAGE_HEAD, _RECORD_HEAD + size)
    message = _joined(data)
    return None if message is None else _read(message, _MESSAGE_HEAD, len(message))


def _judge_beginning(data: bytes) -> None:
    """Refuse what does not begin with a handshake record.

    :raises HelloError: it does not, and not only because it is too short to tell.
    """
    if not data:
        return
    first = data[0]
    if first == _HANDSHAKE:
        if len(data) > 1 and data[1] != 3:
            raise HelloError(PROTOCOL_VERSION, f"a record of version {data[1]}.x, which no TLS has")
    elif 20 <= first <= 24:
        raise HelloError(UNEXPECTED_MESSAGE, f"the first record is of type {first}, not a handshake")
    elif first & 0x80:
        # Of SSL 2 (RFC 6101, appendix E): two bytes of length with the top bit set, and then 1.
        if len(data) > 2:
            if data[2] == _CLIENT_HELLO:
                raise HelloError(PROTOCOL_VERSION, "a hello of SSL 2")
            raise HelloError(UNEXPECTED_MESSAGE, "not TLS")
    elif data[:1].isalpha():
        raise HelloError(UNEXPECTED_MESSAGE, "not TLS but plain text", plain=True)
    else:
        raise HelloError(UNEXPECTED_MESSAGE, "not TLS")


def _record_too_long(size: int) -> HelloError:
    return HelloError(RECORD_OVERFLOW, f"a record of {size} bytes; at most {MAX_RECORD} are allowed")


def _joined(data: bytes) -> bytes | None:
    """Take the first message out of the records (RFC 8446, section 5.1): its head and its body."""
    message = b""
    at = 0
    for _ in range(MAX_RECORDS):
        head = data[at : at + _RECORD_HEAD]
        if len(head) < _RECORD_HEAD:
            if head and head[0] != _HANDSHAKE:
                raise HelloError(UNEXPECTED_MESSAGE, f"a record of type {head[0]} within the hello")
            return None
        if head[0] != _HANDSHAKE:
            raise HelloError(UNEXPECTED_MESSAGE, f"a record of type {head[0]} within the hello")
        if head[1] != 3:
            raise HelloError(PROTOCOL_VERSION, f"a record of version {head[1]}.x, which no TLS has")
        size = head[3] << 8 | head[4]
        if size > MAX_RECORD:
            raise _record_too_long(size)
        if not size:
            raise HelloError(UNEXPECTED_MESSAGE, "an empty handshake record")
        at += _RECORD_HEAD
        if len(data) < at + size:
            return None
        message += data[at : at + size]
        at += size
        if _is_whole(message):
            return message
    raise HelloError(UNEXPECTED_MESSAGE, f"a hello in more than {MAX_RECORDS} records")


def _is_whole(message: bytes) -> bool:
    if message[0] != _CLIENT_HELLO:
        raise HelloError(UNEXPECTED_MESSAGE, f"the first message is of type {message[0]}, not a ClientHello")
    if len(message) < _MESSAGE_HEAD:
        return False
    size = int.from_bytes(message[1:4])
    if size > MAX_HELLO:
        raise HelloError(ILLEGAL_PARAMETER, f"a hello of {size} bytes; at most {MAX_HELLO} are accepted")
    if len(message) > _MESSAGE_HEAD + size:
        # Keys may change behind it, so nothing may share its record.
        raise HelloError(UNEXPECTED_MESSAGE, "more than the hello in its last record")
    return len(message) == _MESSAGE_HEAD + size


def _read(data: bytes, at: int, end: int) -> ClientHello:
    """Read the message's body, which is `data[at:end]`."""
    if end - at < _SHORTEST:
        raise _lies()
    try:
        version = data[at] << 8 | data[at + 1]
        if version < TLS_1_2:
            raise HelloError(PROTOCOL_VERSION, f"the client speaks version {version:#06x} at most; TLS 1.2 is 0x0303")
        at += 34  # version and random
        if data[at] > 32:
            raise HelloError(DECODE_ERROR, "a session id of more than 32 bytes")
        at += 1 + data[at]
        suites = _numbers(data, at + 2, data[at] << 8 | data[at + 1], end)
        at += 2 + 2 * len(suites)
        if at >= end or not data[at]:
            raise HelloError(DECODE_ERROR, "no compression method")
        at += 1 + data[at]
        if at >= end:
            if at > end:
                raise _lies()
            return ClientHello(None, (), (TLS_1_2,), suites, (), ())
        at += 2
        if at + (data[at - 2] << 8 | data[at - 1]) != end:
            raise _lies()
    except IndexError:
        # Behind the end of all that is there. The message's own end, where it comes sooner, shows in the comparisons.
        raise _lies() from None
    return _read_extensions(data, at, end, suites)


def _read_extensions(data: bytes, at: int, end: int, suites: tuple[int, ...]) -> ClientHello:
    # One pass finds where each stands; a number that is there twice shows by the count.
    places: dict[int, tuple[int, int]] = {}
    count = 0
    last = end - 4
    while at <= last:
        kind, size = _two_shorts(data, at)
        at += 4
        places[kind] = (at, size)
        at += size
        count += 1
    if at != end:
        raise _lies()
    if count != len(places):
        raise HelloError(ILLEGAL_PARAMETER, "an extension is there twice")  # RFC 8446, section 4.2
    find = places.get
    place = find(_SERVER_NAME)
    name = None if place is None else _server_name(data, *place)
    place = find(_ALPN)
    alpn = () if place is None else _protocols(data, *place)
    place = find(_VERSIONS)
    versions = (TLS_1_2,) if place is None else _versions(data, *place)
    place = find(_SIGNATURE_ALGORITHMS)
    algorithms = () if place is None else _number_list(data, *place)
    place = find(_GROUPS)
    groups = () if place is None else _number_list(data, *place)
    return ClientHello(name, alpn, versions, suites, algorithms, groups)


def _numbers(data: bytes, at: int, size: int, end: int) -> tuple[int, ...]:
    """Read so many bytes as numbers of two; at least one."""
    if not size or size & 1 or at + size > end:
        raise _lies()
    return unpack_from(f">{size >> 1}H", data, at)


def _number_list(data: bytes, at: int, size: int) -> tuple[int, ...]:
    """Read an extension that is a list of numbers of two bytes (RFC 8446, sections 4.2.3 and 4.2.7)."""
    if size < 2 or (data[at] << 8 | data[at + 1]) != size - 2:
        raise _lies()
    return _numbers(data, at + 2, size - 2, at + size)


def _versions(data: bytes, at: int, size: int) -> tuple[int, ...]:
    """Read supported_versions (RFC 8446, section 4.2.1), which counts instead of the hello's own version."""
    if not size or data[at] != size - 1:
        raise _lies()
    offered = _numbers(data, at + 1, size - 1, at + size)
    versions = tuple([version for version in offered if version in (TLS_1_3, TLS_1_2)])
    if not versions:
        raise HelloError(PROTOCOL_VERSION, "the client speaks neither TLS 1.2 nor 1.3")
    return versions


def _protocols(data: bytes, at: int, size: int) -> tuple[bytes, ...]:
    """Read application_layer_protocol_negotiation (RFC 7301, section 3.1)."""
    if size < 4 or (data[at] << 8 | data[at + 1]) != size - 2:
        raise _lies()
    protocols = []
    end = at + size
    at += 2
    while at < end:
        length = data[at]
        at += 1
        if not length or at + length > end:
            raise _lies()
        protocols.append(data[at : at + length])
        at += length
    return tuple(protocols)


def _server_name(data: bytes, at: int, size: int) -> str | None:
    """Read server_name (RFC 6066, section 3): one host name, other kinds of names were never defined."""
    if size < 6 or (data[at] << 8 | data[at + 1]) != size - 2 or data[at + 2]:
        raise _lies()
    length = data[at + 3] << 8 | data[at + 4]
    if length > size - 5:
        raise _lies()
    if length < size - 5:
        raise HelloError(DECODE_ERROR, "more than one server name")
    name = data[at + 5 : at + size]
    if b"\0" in name or length > 255:
        raise HelloError(UNRECOGNIZED_NAME, "a server name that is none")
    try:
        return normalize_name(name.decode("ascii"))  # U-labels are not sent (RFC 6066, section 3)
    except ValueError:
        return None


def _lies() -> HelloError:
    return HelloError(DECODE_ERROR, "a length in the hello does not fit what is there")
