"""Addresses in a route map: where to listen, where backends are.

Rule: an address is taken apart here, once; nothing later looks into its text. What a URL cannot mean
for a proxy (user info, query, fragment) is refused, not dropped.
"""

from __future__ import annotations

import os
import re
from typing import Literal, NamedTuple

from txproxy.model.hostname import is_address, normalize_name

from .problem import nearest, quoted

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
# What RFC 3986 allows in a path: anything else would have to be percent-encoded.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*")
# sockaddr_un holds 108 octets with the closing NUL; 104 on BSD and macOS.
_MAX_SOCKET_PATH = 103
_NOW = ("http", "https", "http+unix", "https+unix")
# What others call it.
_MEANT_TLS = ("tls", "ssl")
_PORTS = {"http": 80, "https": 443}
LISTEN_LATER = ("https+systemd", "http+systemd")
BACKEND_LATER = ("h2c",)


class Address(NamedTuple):
    """A parsed address; `authority` is host and port as a URL has them, without its scheme's default port."""

    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    authority: str = ""
    tls: bool = False


def listen_address(text: str, directory: str) -> Address:
    """Read where to listen: http://ADDRESS:PORT or http+unix:PATH, https alike; port 0 is any free one.

    :raises ValueError: with one sentence.
    """
    scheme, rest = _split_scheme(text, LISTEN_LATER, "http://0.0.0.0:80")
    if scheme.endswith("+unix"):
        return _unix(scheme, rest, directory)
    authority, tail = _split_authority(text, scheme, rest)
    if tail not in ("", "/"):
        raise ValueError(f"{quoted(text)} has a path; a listener is only an address and a port")
    host, port = _host_port(text, authority, _PORTS[scheme], low=0)
    if host == "localhost":
        host = "127.0.0.1"
    if not is_address(host):
        raise ValueError(
            f"{quoted(host)} is not an IP address; listen on 0.0.0.0 (all IPv4), [::] (all IPv6) or 127.0.0.1, and "
            "name hosts under 'hosts'"
        )
    return _tcp(scheme, host, port)


def backend_address(text: str, directory: str) -> tuple[Address, str]:
    """Read a backend's URL: http://HOST[:PORT][/PATH] or http+unix:PATH, https alike; gives address and path.

    The path has no slash at its end, so that the request's path can follow it; "/" is the empty path.

    :raises ValueError: with one sentence.
    """
    scheme, rest = _split_scheme(text, BACKEND_LATER, "http://127.0.0.1:8000")
    if scheme.endswith("+unix"):
        return _unix(scheme, rest, directory), ""
    authority, tail = _split_authority(text, scheme, rest)
    for char, what in (("?", "query"), ("#", "fragment")):
        if char in tail:
            raise ValueError(f"{quoted(text)} has a {what}, which a backend's URL cannot have")
    if not _PATH.fullmatch(tail):
        raise ValueError(f"the path {quoted(tail)} holds a character that must be percent-encoded in a URL")
    if any(segment in (".", "..") for segment in tail.lower().replace("%2e", ".").split("/")):
        raise ValueError(f"the path {quoted(tail)} holds '.' or '..' segments; write it without")
    host, port = _host_port(text, authority, _PORTS[scheme], low=1)
    return _tcp(scheme, host, port), tail.rstrip("/")


def looks_like_url(text: str) -> bool:
    """Tell whether a text that may be a URL or a name was meant as a URL."""
    return "/" in text or ":" in text


def _split_scheme(text: str, later: tuple[str, ...], example: str) -> tuple[str, str]:
    if re.search("//[^/?#]*@", text):
        # Before anything else, so that no message repeats a password.
        raise ValueError("a user name or password in a URL is sent to nobody; take it out, and see `request_headers`")
    wrong = _UNSAFE.search(text)
    if wrong:
        raise ValueError(f"{quoted(text)} holds {'a space' if wrong[0] == ' ' else quoted(wrong[0])}, which no URL can")
    found = _SCHEME.fullmatch(text)
    if found is None or re.match(r"[0-9]+(/|$)", found[2]) or not found[2]:
        # "localhost:8000" parses as a scheme, but nobody means that.
        raise ValueError(f"{quoted(text)} has no scheme; write {_with_scheme(text, example)}")
    scheme, rest = found[1].lower(), found[2]
    if scheme in _NOW:
        return scheme, rest
    if scheme in later:
        raise ValueError(f"{scheme}: not supported yet")
    if scheme in _MEANT_TLS:
        raise ValueError(f"{quoted(scheme)} is not a scheme that works here; write https:{rest}")
    near = nearest(scheme, (*_NOW, *later))
    hint = f"did you mean {quoted(near)}?" if near else f"write {example}"
    raise ValueError(f"{quoted(scheme)} is not a scheme that works here; {hint}")


def _with_scheme(text: str, example: str) -> str:
    if text.startswith("/") and len(text) > 1 and not text.startswith("//"):
        return f"http+unix:{text}"
    bare = text.lstrip("/").rstrip(":")
    return f"http://{bare}" if re.fullmatch(r"[\w.\-]+(:[0-9]+)?(/.*)?", bare) else f"it like {example}"


def _split_authority(text: str, scheme: str, rest: str) -> tuple[str, str]:
    if not rest.startswith("//"):
        raise ValueError(f"{quoted(text)} lacks the '//' after '{scheme}:'; write {scheme}://{rest.lstrip('/')}")
    found = re.match(r"([^/?#]*)(.*)", rest[2:], re.DOTALL)
    assert found is not None
    authority, tail = found[1], found[2]
    return authority, tail


def _host_port(text: str, authority: str, default: int, low: int) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?", authority)
    if found is None:
        hint = (
            f"; write an IPv6 address in brackets: {_bracketed(authority)}"
            if authority.count(":") > 1 and "[" not in authority
            else ""
        )
        raise ValueError(f"{quoted(authority)} is not a host and port{hint}")
    name, port = found[1], found[2]
    if not name:
        raise ValueError(f"{quoted(text)} names no host")
    if port is None:
        return normalize_name(name), default
    if not re.fullmatch(r"[0-9]{1,5}", port) or not low <= int(port) <= 65535:
        raise ValueError(f"{quoted(port)} is not a port; ports are numbers from {low or 1} to 65535")
    return normalize_name(name), int(port)


def _bracketed(authority: str) -> str:
    found = re.fullmatch(r"(.*:.*[0-9a-f:]):([0-9]{2,5})", authority)
    return f"[{found[1]}]:{found[2]}" if found else f"[{authority}]"


def _tcp(scheme: str, host: str, port: int) -> Address:
    literal = f"[{host}]" if ":" in host else host
    authority = literal if port == _PORTS[scheme] else f"{literal}:{port}"
    return Address("tcp", host, port, authority=authority, tls=scheme == "https")


def _unix(scheme: str, rest: str, directory: str) -> Address:
    if rest.startswith("//") and not rest.startswith("///"):
        raise ValueError(f"a socket's path follows the ':' directly; write {scheme}:/{rest.lstrip('/')}")
    path = "/" + rest.lstrip("/") if rest.startswith("/") else rest
    if path.endswith("/"):
        raise ValueError(f"{quoted(path)} is not the path of a socket")
    full = os.path.normpath(os.path.join(directory, path))
    if len(os.fsencode(full)) > _MAX_SOCKET_PATH:
        raise ValueError(
            f"the path {quoted(full)} is longer than the {_MAX_SOCKET_PATH} octets that a socket's path can have"
        )
    return Address("unix", path=full, authority="localhost", tls=scheme == "https+unix")
