"""TLS as a whole: what is written becomes values, and what does not go together is told.

Rule: a map that says nothing wrong about TLS but would leave somebody without it, or with less than its
author thinks, gets at least a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .language import ListenEntry, RouteMap, UpstreamEntry
from .model import (
    CLIENT_CERT_FIELDS,
    BackendConfig,
    CertificateDirectory,
    CertificateFiles,
    HostTls,
    Hsts,
    ProxyProtocol,
    Tls,
    UpstreamTls,
)
from .problem import Report, Where, listed, nearest, quoted
from .reading import Written
from .routes import HostEntry, RouteEntry
from .settings import HeaderEdits
from .tls import CertificateEntry, HostTlsEntry, TlsEntry, UpstreamTlsEntry

_CLIENT_CERT = re.compile(r"\{(client[_-]?cert\w*)(?:\.([^{}]*))?\}", re.IGNORECASE)


def tls_of(entry: TlsEntry | None, report: Report) -> Tls | None:
    """Give the top-level `tls` as a value; None if there is none."""
    if entry is None:
        return None
    made = (_certificate(one, report) for one in entry.certificates)
    hsts = entry.hsts
    return Tls(
        certificates=tuple(one for one in made if one is not None),
        default=entry.default,
        internal=tuple(dict.fromkeys(entry.internal)),
        minimum=entry.minimum,
        http_redirect=entry.http_redirect,
        hsts=None if hsts is None else Hsts(max_age=hsts.max_age, include_subdomains=hsts.include_subdomains),
        where=entry.where,
        key_where=_places(entry),
    )


def _places(entry: Written) -> dict[str, Where]:
    return {key: entry.value_where(key) for key in entry.keys}


def _certificate(entry: CertificateEntry, report: Report) -> CertificateFiles | CertificateDirectory | None:
    for key in ("cert", "key"):
        if "directory" in entry.keys and key in entry.keys:
            report.error(
                entry.key_where(key),
                f"{key}: a directory holds certificates with their keys; remove this, or write it as a certificate of "
                "its own",
            )
    if entry.directory is not None:
        return CertificateDirectory(directory=entry.directory, where=entry.where)
    return CertificateFiles(cert=entry.cert, key=entry.key, where=entry.where) if entry.cert else None


def check_tls(written: RouteMap, report: Report) -> None:
    """Report what `listen` and `tls` say that does not go together."""
    listeners = [entry for entry in written.listen if "address" in entry.keys]
    secure = [entry for entry in listeners if is_https(entry)]
    tls = written.tls
    if secure and not _has_certificates(tls):
        report.error(
            secure[0].value_where("address"),
            f"listen: there is no certificate for {quoted(secure[0].text('address'))}; write `tls: {{certificates: "
            "[{cert: certs/app.pem, key: certs/app.key}]}`, or for development `tls: {internal: [localhost]}`",
        )
    if tls is None or tls.is_wrong:
        return
    if not secure:
        report.warning(written.key_where("tls"), "tls: no listener speaks it; add one such as https://0.0.0.0:443")
        if tls.http_redirect:
            report.error(
                tls.key_where("http_redirect"),
                "http_redirect: clients would be sent to where nobody listens; add a listener such as "
                "https://0.0.0.0:443",
            )
        if tls.hsts is not None:
            report.warning(tls.key_where("hsts"), "hsts: it is sent over https only, which no listener speaks")
    elif tls.http_redirect and len(secure) == len(listeners):
        report.warning(
            tls.key_where("http_redirect"),
            "http_redirect: no listener takes plain http; add one such as http://0.0.0.0:80",
        )


def is_https(entry: ListenEntry) -> bool:
    """Tell whether a listener is meant to speak TLS, even if its address is wrong."""
    return entry.address.tls or entry.text("address").lower().startswith(("https", "tls:", "ssl:"))


def _has_certificates(tls: TlsEntry | None) -> bool:
    # Where something else is wrong with `tls`, that is told, and this is not what its author got wrong.
    return tls is not None and (
        tls.is_wrong or tls.has_unknown_keys or not {"certificates", "internal", *tls.later}.isdisjoint(tls.keys)
    )


def check_listener(entry: ListenEntry, report: Report) -> ProxyProtocol | None:
    """Report keys of a listener that do not fit its address; give its PROXY protocol."""
    if "redirect_plain_http" in entry.keys and not is_https(entry):
        report.error(
            entry.key_where("redirect_plain_http"),
            "redirect_plain_http: only an https listener can tell plain HTTP from TLS; remove it, or see "
            "`tls.http_redirect`",
        )
    wanted = entry.proxy_protocol
    if wanted is None or not wanted.from_:
        return None
    if entry.address.kind == "unix" and not any(network.is_loopback for network in wanted.from_):
        report.error(
            wanted.key_where("from"),
            "from: nobody who connects here is in it; clients of a Unix socket count as 127.0.0.1",
        )
    return ProxyProtocol(sources=wanted.from_, timeout=wanted.timeout)


def host_tls_of(entry: HostEntry, written: RouteMap, report: Report) -> HostTls | None:
    """Give a host's `tls` as a value; None if there is none."""
    tls = entry.tls
    if tls is None or tls.is_wrong:
        return None
    if tls.client_auth is not None and "client_ca" not in tls.keys:
        report.error(
            tls.key_where("client_auth"),
            f"client_auth: {tls.client_auth} needs to know whose certificates are believed; add `client_ca`",
        )
    if not any(is_https(one) for one in written.listen):
        report.warning(tls.where, "tls: no listener speaks it; add one such as https://0.0.0.0:443")
    else:
        _warn_of_plain(tls, written, report)
    auth = tls.client_auth or ("none" if tls.client_ca is None else "require")
    return HostTls(
        client_ca=tls.client_ca, client_auth=auth, minimum=tls.minimum, where=tls.where, key_where=_places(tls)
    )


def _warn_of_plain(tls: HostTlsEntry, written: RouteMap, report: Report) -> None:
    """Warn where a host that requires certificates is asked for without TLS, too, and cannot be served."""
    plain = next((one for one in written.listen if one.text("address") and not is_https(one)), None)
    redirects = written.tls is not None and written.tls.http_redirect
    if plain is not None and "client_ca" in tls.keys and tls.client_auth != "request" and not redirects:
        report.warning(
            tls.key_where("client_ca"),
            f"client_ca: {plain.text('address')} gives nothing of this host (421), as nobody can show a certificate "
            "there; send its clients to https with `tls.http_redirect`",
        )


def upstream_tls_of(entry: UpstreamEntry, backends: Sequence[BackendConfig], report: Report) -> UpstreamTls | None:
    """Give an upstream's `tls` as a value; None if there is none."""
    tls = entry.tls
    if tls is None or tls.is_wrong:
        return None
    if backends and len(backends) == len(entry.backends) and not any(backend.tls for backend in backends):
        report.error(entry.key_where("tls"), "tls: none of the backends is https://; write them so, or remove this")
    _warn_of_trust(tls, report)
    return UpstreamTls(
        ca=tls.ca,
        server_name=tls.server_name,
        client_certificate=tls.client_certificate,
        verify=tls.verify,
        where=tls.where,
        key_where=_places(tls),
    )


def _warn_of_trust(tls: UpstreamTlsEntry, report: Report) -> None:
    if tls.verify:
        return
    instead = "`ca` is not used" if "ca" in tls.keys else "use `ca` with the file of the CA that they come from"
    report.warning(
        tls.key_where("verify"),
        "verify: the backends' certificates are not looked at, so anybody on the way can read and change what is sent; "
        f"{instead}",
    )


def check_client_cert(host: str, tls: HostTls | None, route: RouteEntry, report: Report) -> None:
    """Report `{client_cert.NAME}` in header changes where it is none, or where it stays empty."""
    for key, edits in (("request_headers", route.request_headers), ("response_headers", route.response_headers)):
        for part, table in (("set", edits.set), ("add", edits.add)):
            for name, value in table.items():
                for found in _CLIENT_CERT.finditer(value):
                    where = _place(edits, part, name)
                    if key == "response_headers":
                        report.error(where, f"{key}: {found[0]} is only known to `request_headers`")
                    elif (wrong := _wrong_placeholder(found)) is not None:
                        report.error(where, f"{key}: {wrong}")
                    else:
                        _warn_of_client_cert(found[0], host, tls, part, where, report)


def _place(edits: HeaderEdits, part: str, name: str) -> Where:
    return edits.inner_keys(part).get(name, edits.where)


def _wrong_placeholder(found: re.Match[str]) -> str | None:
    word, field = found[1], found[2]
    if word == "client_cert" and field in CLIENT_CERT_FIELDS:
        return None
    near = nearest(field or "", CLIENT_CERT_FIELDS)
    hint = f"did you mean {{client_cert.{near}}}?" if near else f"there are {listed(CLIENT_CERT_FIELDS, 'and')}"
    return f"there is no {quoted(found[0])}; {hint}"


def _warn_of_client_cert(text: str, host: str, tls: HostTls | None, part: str, where: Where, report: Report) -> None:
    if tls is None or tls.client_auth == "none":
        report.warning(
            where,
            f"request_headers: {text} is always empty, because {quoted(host)} asks for no client certificate (`tls: "
            "{client_ca: FILE}`)",
        )
    elif part == "add":
        report.warning(
            where, f"request_headers: {text} is added beside what a client sends under this name; write it under `set`"
        )
