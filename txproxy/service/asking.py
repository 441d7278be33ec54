"""A request as somebody describes it on the command line, or in `tests:`, and the bytes a client would send.

Rule: nothing is judged here but what cannot be put on the wire at all; whether the request is a good one,
the codec that serves says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote

from txproxy.config.model import Config, Listen
from txproxy.model.hostname import normalize_name

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_NO_LINE = re.compile(r"[\x00-\x1f\x7f]")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
_PORTS = {"http": 80, "https": 443}
# RFC 6335, section 6: of the range that clients' ports come from; the number only shows in Forwarded.
CLIENT_PORT = 50000


class NotAsked(ValueError):
    """What was described cannot be sent; the message is one sentence for the one who described it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and where it comes from and to.

    :ivar host: as the URL names it.
    :ivar wire: its head as a client would send it.
    :ivar client_ip: "" for a unix socket.
    :ivar local_port: the port it comes to, 0 for a unix socket.
    :ivar listener: the listener's address as the route map has it; "" where none speaks the scheme.
    :ivar server_name: the host that a TLS client names, in normal form; None: it names none, as for an IP address.
    :ivar local_ip: the address that it comes to, as far as that is known, "" otherwise.
    :ivar is_plain: it comes without TLS to a listener that speaks TLS, which redirects it if `is_redirected`.
    """

    method: str
    url: str
    scheme: str
    host: str
    wire: bytes
    client_ip: str
    local_port: int
    listener: str
    server_name: str | None = None
    local_ip: str = ""
    is_plain: bool = False
    is_redirected: bool = False


def asked(
    config: Config,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    client_ip: str | None = None,
    listener: str | None = None,
) -> Asked:
    """Make a request of a description.

    :param url: absolute; without a scheme it has that of `listener`, else http.
    :param client_ip: where it comes from; None: this machine.
    :param listener: the address, as the route map has it, that it comes to; None: the one that fits best.
    :raises NotAsked: it cannot be sent.
    """
    if not method or re.search(r"[\x00-\x20\x7f]", method) or not method.isascii():
        raise NotAsked(f"{method!r} is not a method")
    found = _URL.fullmatch(url)
    assert found is not None  # every part of the pattern may be empty
    named = None if listener is None else _named(config, listener)
    scheme = (found[1] or ("https" if named is not None and named.tls else "http")).lower()
    authority, target = found[2], found[3]
    if scheme not in _PORTS or not authority:
        raise NotAsked(f"{url!r} is not an http or https URL such as http://app.example.com/path")
    if named is not None and scheme == "https" and not named.tls:
        raise NotAsked(f"{named.address} does not speak TLS, and {url!r} does not fit")
    port = _port(authority)
    address = named or _fitting(config, scheme, port)
    if address is not None and address.kind == "unix":
        ip, local_port = "", 0
        if client_ip is not None:
            raise NotAsked(f"{address.address} is a unix socket: its clients have no address")
    else:
        ip, local_port = _ip(client_ip), (address.port if address else 0) or port or _PORTS[scheme]
    wire = _wire(method, _target(target), _host(authority, scheme), list(headers))
    name, local_ip = _named_host(authority, address)
    is_plain = address is not None and address.tls and scheme == "http"
    return Asked(
        method,
        url,
        scheme,
        authority,
        wire,
        ip,
        local_port,
        listener="" if address is None else address.address,
        server_name=name,
        local_ip=local_ip,
        is_plain=is_plain,
        is_redirected=is_plain and address is not None and address.redirect_plain_http,
    )


def _named_host(authority: str, address: Listen | None) -> tuple[str | None, str]:
    """Give what TLS knows of the host: its name, or none but the address (RFC 6066, section 3)."""
    found = _HOST_AND_PORT.fullmatch(authority)
    try:
        name = normalize_name("" if found is None else found[1])
    except ValueError:
        return None, ""
    try:
        return None, str(ip_address(name))
    except ValueError:
        return name, "" if address is None else address.host


def _wire(method: str, target: str, host: bytes, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1".encode("ascii")]
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(b"Host: " + host)
    for name, value in headers:
        if _NO_LINE.search(name) or _NO_LINE.search(value.replace("\t", " ")):
            raise NotAsked(f"the header field {name!r} holds a control character")
        lines.append(f"{name}: {value}".encode("utf-8", "surrogateescape"))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _target(text: str) -> str:
    # As clients do: what cannot stand in a request line is escaped, all else is sent as it is written.
    path = quote(text.encode("utf-8", "surrogateescape"), safe="".join(map(chr, range(0x21, 0x7F))))
    return path if path.startswith("/") else "/" + path


def _host(authority: str, scheme: str) -> bytes:
    found = _HOST_AND_PORT.fullmatch(authority)
    if found is None:
        return authority.encode("utf-8", "surrogateescape")
    name, port = found[1], found[2] or ""
    if not name.isascii():
        try:
            name = normalize_name(name)  # browsers and curl ask for the A-label
        except ValueError:
            return authority.encode("utf-8", "surrogateescape")
    return (name if port in ("", str(_PORTS[scheme])) else f"{name}:{port}").encode("ascii")


def _port(authority: str) -> int:
    found = _HOST_AND_PORT.fullmatch(authority)
    return int(found[2]) if found is not None and found[2] else 0


def _ip(text: str | None) -> str:
    if text is None:
        return "127.0.0.1"
    try:
        return str(ip_address(text))
    except ValueError:
        raise NotAsked(f"{text!r} is not an IP address") from None


def _named(config: Config, wanted: str) -> Listen:
    for listen in config.listen:
        if wanted in (listen.address, listen.address.partition("://")[2]):
            return listen
    known = ", ".join(listen.address for listen in config.listen)
    raise NotAsked(f"{wanted!r} is not a listener of the route map; there is {known}")


def _fitting(config: Config, scheme: str, port: int) -> Listen | None:
    """Give the listener that fits best; None if none speaks the scheme: the request is taken as if one did."""
    speaking = [listen for listen in config.listen if listen.tls is (scheme == "https")]
    tcp = [listen for listen in speaking if listen.kind == "tcp"]
    fitting = [listen for listen in tcp if listen.port == (port or _PORTS[scheme])]
    # A port that the URL names is the one that is meant, even if TLS is spoken there.
    by_slip = [listen for listen in config.listen if scheme == "http" and port and listen.tls and listen.port == port]
    return next(iter((*fitting, *by_slip, *tcp, *speaking)), None)
