"""One spelling for each host name, so that two spellings of one name never meet two routes.

Rule: the route map's host patterns and the Host field of requests both go through `normalize_name`,
and through nothing else; what it refuses can neither be configured nor asked for.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

# RFC 1035, section 2.3.4: 253 octets as text, 63 a label. The underscore is no host name character
# there, but container networks use it and browsers send it.
MAX_NAME = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NAME = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address, with a zone or without; nothing else is taken for one."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def normalize_name(text: str) -> str:
    """Give a host name or IP literal in the one form that is compared.

    Lower case, no trailing dot, U-labels as A-labels (RFC 5891, mapped as UTS 46 says), IPv6 literals
    without brackets in RFC 5952's form. A port is not part of a name: take it off before.

    A-labels are not decoded: names in real use (emoji) are valid DNS names but no valid IDNA.

    :raises ValueError: with one sentence that says what is wrong.
    """
    name = text.lower()
    if len(name) < MAX_NAME and _NAME.fullmatch(name):
        return _checked(name)
    if not name:
        raise ValueError("a host name cannot be empty")
    if name.startswith("[") or name.endswith("]") or name.count(":") > 1:
        return _ipv6(name)
    if len(name) > MAX_NAME + 1:
        raise ValueError(f"a host name has at most {MAX_NAME} characters, this one has {len(name)}")
    if not name.isascii():
        name = _a_labels(name)
    name = name.removesuffix(".")
    if _NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return _checked(name)
    raise ValueError(_complaint(name, text))


def _checked(name: str) -> str:
    # Four all-digit labels are an IPv4 address or a slip of the pen; "010" is refused because
    # some software reads it as octal 8 and some as 10.
    if name[-1].isdigit() and name.count(".") == 3 and name.replace(".", "").isdigit():
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise ValueError(f"{name!r} is not a valid IPv4 address") from None
    return name


def _ipv6(name: str) -> str:
    inner = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        if "%" in inner:  # RFC 9110, section 4.2.4: no zone identifiers in http URIs
            raise ValueError(inner)
        return str(IPv6Address(inner))
    except ValueError:
        raise ValueError(f"{name!r} is not a valid IPv6 address") from None


def _a_labels(name: str) -> str:
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
        labels = mapped.split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(f"{name!r} is not a valid internationalised name ({error})") from None


def _complaint(name: str, text: str) -> str:
    for label in name.split("."):
        if not label:
            return f"{text!r} has an empty label: two dots in a row, or a dot in front"
        if len(label) > 63:
            return f"{text!r} has a label of {len(label)} characters; at most 63 are allowed"
        if label.startswith("-") or label.endswith("-"):
            return f"{text!r} has a label that starts or ends with a hyphen"
        wrong = next((char for char in label if not re.match(r"[a-z0-9_-]", char)), None)
        if wrong is not None:
            return f"{text!r} holds {wrong!r}, which no host name can hold"
    return f"a host name has at most {MAX_NAME} characters, this one has {len(name)}"
