"""The certificates that a route map names, for those who look at the map and do not serve it.

Rule: files are read, and nothing else happens: no key is made, nothing issued, watched or written. What is wrong
with one file hides nothing that is wrong with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from txproxy.config.model import CertificateDirectory, CertificateFiles, Config, HostTls, UpstreamTls
from txproxy.config.problem import Severity, Where
from txproxy.model.hostname import is_address
from txproxy.tls import certificate_files, pem
from txproxy.tls.certificate import Certificate, CertificateError, NotForServers, wildcard_of
from txproxy.tls.sources import pairs_in
from txproxy.tls.store import CertificateStore

from .named_files import contents

# Days before the end from which on it is told daily in service, too.
SOON = 14
# RFC 6761, 6762, 7686, 8375, 9476 and ICANN's .internal: no public CA issues for these.
_NOT_PUBLIC = ("localhost", "local", "test", "invalid", "internal", "home.arpa", "onion", "alt", "lan", "corp", "home")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a file, and where the map names it."""

    where: Where
    message: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Served:
    """What a client is shown.

    :ivar certificates: those for the host, the best first; which one it gets depends on what it can check.
    :ivar internal: the name that the development CA issues one for, "" if they are from files.
    :ivar is_default: there is none for what it asks, and these are of `tls.default`.
    """

    certificates: tuple[Certificate, ...] = ()
    internal: str = ""
    is_default: bool = False

    def as_json(self, now: datetime) -> dict[str, Any] | None:
        """Give the first of them as what JSON can hold; None: there is none."""
        if self.internal:
            return {"names": [self.internal], "source": "tls.internal", "default": self.is_default}
        if not self.certificates:
            return None
        first = self.certificates[0]
        return {
            "names": sorted(first.names | first.addresses),
            "kind": first.kind,
            "source": first.source,
            "days_left": first.days_left(now),
            "default": self.is_default,
        }

    def as_text(self, now: datetime) -> str:
        """Give the first of them in one line: its names, its source, its days."""
        default = ", by tls.default" if self.is_default else ""
        if self.internal:
            return f"for {self.internal}, issued by txproxy's own CA (tls.internal){default}"
        if not self.certificates:
            return "none is for this host: the client is refused (unrecognized_name)"
        first, *others = self.certificates
        more = f"; for clients that cannot check it, {', '.join(other.source for other in others)}" if others else ""
        left = first.days_left(now)
        return f"for {first.title} ({first.kind}) from {first.source}, {left} days left{default}{more}"


class NamedCertificates:
    """All that are named by one map, loaded.

    :param now: aware of its zone.
    :ivar complaints: what is wrong with their files, in the order in which the map names them.
    :ivar client_ca: what is wrong with the `client_ca` of hosts, by their pattern.
    """

    def __init__(self, config: Config, now: datetime) -> None:
        tls = config.tls
        self.now = now
        self.complaints: list[Complaint] = []
        self._default = None if tls is None else tls.default
        self._internal = frozenset(() if tls is None else tls.internal)
        self._store = CertificateStore()
        found: list[Certificate] = []
        for entry in () if tls is None else tls.certificates:
            found += self._of_directory(entry) if isinstance(entry, CertificateDirectory) else self._of_files(entry)
        self._store.swap(found, now)
        self.client_ca: dict[str, Complaint] = {}
        for pattern, host in config.hosts.items():
            if host.tls is not None and host.tls.client_ca is not None:
                for wrong in _checked("client_ca", host.tls.client_ca, host.tls, _authorities):
                    self.client_ca[pattern] = wrong

    def covers(self, host: str) -> bool:
        """Tell whether there is a certificate for a host, from files or issued."""
        return self._store.covers(host) or bool(self._issued(host))

    def served(self, name: str | None, local_ip: str) -> Served:
        """Give what a client is shown.

        :param name: the host that it names, in normal form; None: it names none.
        :param local_ip: the address that it comes to.
        """
        found = self._for(name, local_ip)
        if found is None and self._default is not None and (default := self._for(self._default, "")) is not None:
            return replace(default, is_default=True)
        return found or Served()

    def _for(self, name: str | None, local_ip: str) -> Served | None:
        if found := self._store.find(name, local_ip):
            return Served(found)
        issued = self._issued(local_ip if name is None else name)
        return Served(internal=issued) if issued else None

    def _issued(self, host: str) -> str:
        """Give the name that the development CA issues a certificate for, "" if it does not for this host."""
        return next((name for name in (host, wildcard_of(host)) if name in self._internal), "")

    def _of_files(self, entry: CertificateFiles) -> Iterator[Certificate]:
        try:
            found = certificate_files.load(entry.cert, entry.key, self.now)
        except CertificateError as error:
            self.complaints.append(Complaint(entry.where, f"certificates: {error}"))
            return
        yield self._seen(found, entry.where)

    def _of_directory(self, entry: CertificateDirectory) -> Iterator[Certificate]:
        try:
            pairs = pairs_in(entry)
        except CertificateError as error:
            self.complaints.append(Complaint(entry.where, f"certificates: {error}"))
            return
        others = 0
        for pair in pairs:
            try:
                found = certificate_files.load(pair.cert, pair.key, self.now)
            except NotForServers:
                others += 1
            except CertificateError as error:
                self.complaints.append(Complaint(entry.where, f"certificates: {error}"))
            else:
                yield self._seen(found, entry.where)
        if others == len(pairs):
            message = f"certificates: {entry.directory} holds no certificate with its key in files *.pem"
            self.complaints.append(Complaint(entry.where, message, "warning"))

    def _seen(self, found: Certificate, where: Where) -> Certificate:
        for finding in found.findings:
            self.complaints.append(Complaint(where, f"certificates: {finding}", "warning"))
        left = found.days_left(self.now)
        if left < SOON:
            message = f"certificates: {found.source} ({found.title}) expires in {left} days: renew it"
            self.complaints.append(Complaint(where, message, "warning"))
        return found


def complaints_of(config: Config, named: NamedCertificates) -> Iterator[Complaint]:
    """Find what is wrong with the files that a map names for TLS."""
    yield from named.complaints
    yield from named.client_ca.values()
    for upstream in config.upstreams.values():
        tls = upstream.tls
        if tls is not None and tls.ca is not None and tls.verify:
            yield from _checked("ca", tls.ca, tls, _authorities)
        if tls is not None and tls.client_certificate is not None:
            yield from _checked("client_certificate", tls.client_certificate, tls, _own_certificate)


def uncovered(config: Config, named: NamedCertificates) -> Iterator[Complaint]:
    """Find the hosts that no certificate is for; to be asked only where all are loaded."""
    tls = config.tls
    if tls is None or not any(listen.tls for listen in config.listen):
        return
    if tls.default is not None and not named.covers(tls.default):
        where = tls.key_where.get("default", tls.where)
        yield Complaint(where, f"default: no certificate is for {tls.default}; write a host that one is for")
    for host in config.hosts.values():
        if is_public(host.pattern) and not named.covers(host.pattern):
            yield Complaint(
                host.where,
                f"no certificate is for {host.pattern}, so browsers do not take https://{host.pattern}/",
                "warning",
            )


def is_public(pattern: str) -> bool:
    """Tell whether a host pattern is one name that strangers can ask for."""
    if "*" in pattern or "." not in pattern:
        return False
    return not is_address(pattern) and not any(pattern.endswith(f".{name}") for name in _NOT_PUBLIC)


def _checked(
    key: str, path: str, tls: HostTls | UpstreamTls, judge: Callable[[bytes, str], None]
) -> Iterator[Complaint]:
    try:
        judge(contents(path), path)
    except CertificateError as error:
        yield Complaint(tls.key_where.get(key, tls.where), f"{key}: {error}")


def _authorities(data: bytes, path: str) -> None:
    found = pem.contents(data, path)
    if not found.certificates:
        raise CertificateError(f"{path} holds no certificate: put those of the CAs there")
    pem.certificates(found, path)


def _own_certificate(data: bytes, path: str) -> None:
    found = pem.contents(data, path)
    if not found.certificates or len(found.keys) != 1:
        raise CertificateError(f"{path} must hold a certificate and its one key: put both there")
    leaf = pem.certificates(found, path)[0]
    key = pem.private_key(found.keys[0], path)
    if getattr(key, "public_key", lambda: None)() != leaf.public_key():
        raise CertificateError(f"{path}: the key in it does not belong to its certificate, which must come first")
