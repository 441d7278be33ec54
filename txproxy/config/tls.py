"""TLS as it is written: certificates, what is spoken with clients, with one host's clients, with backends.

Rule: a key that would weaken TLS says so in its description, and what has no effect is a problem.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from txproxy.model.hostname import normalize_name

from . import patterns, values
from .problem import quoted
from .reading import NotYet, OneOrMore, Scalar, Written
from .settings import OptionalFile, Truth, file_path, truth, words

_VERSIONS = ("1.2", "1.3")


def _version(text: str) -> str:
    bare = re.sub(r"^tls[ v_]*", "", text.lower()).replace("_", ".")
    if text in _VERSIONS:
        return text
    if bare in _VERSIONS:
        raise ValueError(f'{quoted(text)} is not a version here; write "{bare}"')
    if bare in ("1", "1.0", "1.1") or text.lower().startswith("ssl"):
        raise ValueError(f'{quoted(text)} is broken and not spoken (RFC 8996); write "1.2" or "1.3"')
    raise ValueError(f'{quoted(text)} is not a version of TLS; write "1.2" or "1.3"')


_VERSION_SCHEMA: dict[str, Any] = {"enum": [*_VERSIONS, 1.2, 1.3]}


def _version_reader(fallback: str | None) -> Scalar:
    return Scalar(_version, fallback, '"1.2" or "1.3"', _VERSION_SCHEMA)


def _host_name(text: str) -> str:
    if "*" in text or "/" in text or re.search(r"[^:\]]:[0-9]+$", text):
        raise ValueError(f"{quoted(text)} is not one host's name; write it without wildcard, scheme, port and path")
    return normalize_name(text)


def _issued_name(text: str) -> str:
    if text == "*" or text.startswith("**"):
        raise ValueError(
            f"{quoted(text)}: a certificate's wildcard stands for exactly one label below a name, as in *.localhost"
        )
    return patterns.host_pattern(text)


def _max_age(text: str) -> float:
    seconds = values.duration(text)
    if 0 < seconds < 1:
        raise ValueError(f"{quoted(text)} is less than the second that browsers count in; write 0s to end it")
    return seconds


# Where the keys about TLS belong, for the hints to those who have written them somewhere else.
_LISTENER = "it belongs to a listener, as in {address: https://0.0.0.0:443, redirect_plain_http: true}"
OF_LISTENERS = dict.fromkeys(("redirect_plain_http", "proxy_protocol"), _LISTENER)
OF_THE_TOP = dict.fromkeys(("certificates", "http_redirect", "hsts"), "it belongs to `tls` at the top of the route map")
OF_HOSTS = dict.fromkeys(("client_ca", "client_auth", "minimum"), "it belongs to `tls` of the host")
OF_UPSTREAMS = dict.fromkeys(
    ("ca", "server_name", "client_certificate", "verify"), "it belongs to `tls` of an upstream, under `upstreams`"
)

_PEM = "the path of a PEM file"
_MAX_AGE_SCHEMA = {"type": "string", "pattern": values.DURATION_PATTERN, "examples": ["365d", "1h", "0s"]}


class CertificateEntry(Written):
    """Certificates from files: one pair, or all of a directory."""

    what: ClassVar[str] = "a certificate"
    example: ClassVar[str] = "{cert: certs/app.pem, key: certs/app.key}"
    required: ClassVar[tuple[str, ...]] = ("cert",)
    instead: ClassVar[dict[str, str]] = {"cert": "directory"}
    elsewhere: ClassVar[dict[str, str]] = {
        "chain": "the chain follows the certificate in the file of `cert`",
        "names": "a certificate serves the names that it is for",
        "password": "take the passphrase off the key, and let its file's mode protect it",
    }
    cert: Annotated[str, Scalar(file_path, "", _PEM, rooted=True)] = Field(
        default="",
        description="A PEM file: the certificate, then its chain up to the root, which may be left out. It serves the "
        "names that it is for (SAN); the file is watched, and a new one taken without a restart.",
    )
    key: Annotated[str | None, Scalar(file_path, None, _PEM, rooted=True)] = Field(
        default=None,
        description="A PEM file: the certificate's key, not encrypted; in the file of `cert` unless given.",
    )
    directory: Annotated[str | None, Scalar(file_path, None, "the path of a directory", rooted=True)] = Field(
        default=None,
        description="In place of `cert`: every `NAME.pem` in this directory is a certificate with its chain; its key "
        "is in `NAME.key`, `NAME-key.pem` or the same file. Watched alike. Certbot's directories work as they are.",
    )


class HstsEntry(Written):
    """What browsers are told about using https only (RFC 6797)."""

    what: ClassVar[str] = "`hsts`"
    example: ClassVar[str] = "{max_age: 365d}"
    required: ClassVar[tuple[str, ...]] = ("max_age",)
    max_age: Annotated[
        float, Scalar(_max_age, 1.0, "a duration such as 365d", _MAX_AGE_SCHEMA, values.show_duration)
    ] = Field(
        default=0.0,
        description="How long browsers remember to use https only; it cannot be taken back for those that have seen "
        "it, except by serving 0s over https.",
    )
    include_subdomains: Truth = Field(
        default=False, description="Whether it holds for all names below the host, too, whoever serves them."
    )


class TlsEntry(Written):
    """Certificates, and how TLS is spoken on the `https` listeners."""

    what: ClassVar[str] = "`tls`"
    example: ClassVar[str] = "{certificates: [{cert: certs/app.pem, key: certs/app.key}]}"
    elsewhere: ClassVar[dict[str, str]] = OF_LISTENERS | {
        "cert": "write `certificates: [{cert: ..., key: ...}]`",
        "key": "write `certificates: [{cert: ..., key: ...}]`",
        "directory": "write `certificates: [{directory: ...}]`",
        "client_ca": "it belongs to `tls` of a host",
        "client_auth": "it belongs to `tls` of a host",
    }
    certificates: Annotated[tuple[CertificateEntry, ...], OneOrMore("a list of certificates", some=True)] = Field(
        default=(),
        description="Certificates from files. Of several for one name, the best that the client can use is served.",
    )
    default: Annotated[str | None, Scalar(_host_name, None, "a host's name")] = Field(
        default=None,
        description="The host whose certificate a client gets that names no host, if none is for the address it came "
        "to, or one that no certificate is for. Without it such clients are refused (alert `unrecognized_name`).",
    )
    internal: Annotated[
        tuple[Annotated[str, Scalar(_issued_name, "localhost", "a host or *.name")], ...],
        OneOrMore('a list such as [localhost, "*.localhost"]', some=True),
    ] = Field(
        default=(),
        description="Hosts, as names or `*.name`, whose certificates a CA issues that txproxy keeps below `state`: for "
        "development, on machines that trust its root (`txproxy ca` prints it and says how).",
    )
    acme: NotYet = Field(default=None, description="Certificates from an ACME CA such as Let's Encrypt.")
    minimum: Annotated[Literal["1.2", "1.3"], _version_reader("1.2")] = Field(
        default="1.2", description='The least version of TLS: "1.2" or "1.3". `tls` of a host goes before it.'
    )
    http_redirect: Truth = Field(
        default=False,
        description="Requests over plain http for hosts that have a certificate are sent to https with 308, path and "
        "query kept.",
    )
    hsts: HstsEntry | None = Field(
        default=None, description="Answers over https carry Strict-Transport-Security; off unless given."
    )


class HostTlsEntry(Written):
    """TLS with one host's clients."""

    what: ClassVar[str] = "`tls` of a host"
    example: ClassVar[str] = "{client_ca: certs/clients.pem, client_auth: require}"
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        ("certificates", "cert", "key", "internal", "default", "http_redirect", "hsts"),
        "it belongs to `tls` at the top of the route map",
    ) | dict.fromkeys(
        ("ca", "server_name", "verify"), "it belongs to `tls` of an upstream; for clients see `client_ca`"
    )
    client_ca: OptionalFile = Field(
        default=None,
        description="A PEM file of the CAs whose client certificates are believed. Given alone it means "
        "`client_auth: require`.",
    )
    client_auth: Annotated[Literal["request", "require"] | None, words(("require", "request"))] = Field(
        default=None,
        description="`require`: clients without a certificate of `client_ca` are refused; `request`: they are served, "
        "but a certificate that is sent must be good. A verified one can be passed on, see "
        "[header changes](#header-changes).",
    )
    minimum: Annotated[Literal["1.2", "1.3"] | None, _version_reader(None)] = Field(
        default=None, description='The least version of TLS: "1.2" or "1.3"; `tls.minimum` unless given.'
    )


class UpstreamTlsEntry(Written):
    """TLS with the `https` backends of an upstream; certificates are verified unless `verify` says otherwise."""

    what: ClassVar[str] = "`tls` of an upstream"
    example: ClassVar[str] = "{ca: certs/internal-ca.pem, server_name: app.internal}"
    elsewhere: ClassVar[dict[str, str]] = {
        "client_ca": "the CA of backends is `ca`",
        "cert": "the certificate that backends are shown is `client_certificate`",
        "key": "the key stands in the file of `client_certificate`",
        "insecure": "write `verify: false`, or better `ca` with the file of the CA",
    }
    ca: OptionalFile = Field(
        default=None,
        description="A PEM file of the CAs that the backends' certificates must come from; the system's CAs unless "
        "given.",
    )
    server_name: Annotated[str | None, Scalar(_host_name, None, "a host's name")] = Field(
        default=None,
        description="The name that is asked for (SNI) and that the certificates must be for; each backend's own host "
        "unless given (of a Unix socket, localhost).",
    )
    client_certificate: OptionalFile = Field(
        default=None,
        description="A PEM file with a certificate, its chain and its key, that backends are shown if they ask.",
    )
    verify: Annotated[bool, truth(fallback=True)] = Field(
        default=True,
        description="`false` believes any certificate: whoever can put themselves on the way reads and changes "
        "everything.",
    )
