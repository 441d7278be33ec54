"""Which certificates serve a name.

Rule: what a handshake asks is answered from dictionaries that never change. New certificates are a new index, put
in force by one assignment; its `generation` tells whoever keeps something made of a certificate to make it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from txproxy.model.hostname import normalize_name
from txproxy.policy.addresses import parse

from .certificate import Certificate, wildcard_of

# Names that were asked for and found. Under a wildcard there may be any number: what is kept is forgotten at this many.
MAX_NAMES = 4096
# Certificates of the development CA. More names than this nobody develops on; each costs its maker 0.1 ms.
MAX_ISSUED = 256

_NONE: tuple[Certificate, ...] = ()


class Issuer(Protocol):
    """Makes certificates when they are asked for: see `internal_ca.InternalCa`."""

    def subject(self, host: str) -> str | None:
        """Tell which certificate is for a host, a name or an address in normal form; None: it issues none for it."""

    def issue(self, subject: str) -> Certificate:
        """Make the certificate for such a subject."""

    def is_due(self, certificate: Certificate) -> bool:
        """Tell whether it is time for the next one."""


class CertificateStore:
    """All certificates that are in force. Empty until the first `swap`.

    :param default: the name of `tls.default`, None: there is none.
    :param issuer: for names that no certificate here is for.

    :ivar generation: how often certificates have changed.
    """

    def __init__(self, default: str | None = None, issuer: Issuer | None = None) -> None:
        self._default = default
        self._issuer = issuer
        self._index = _Index((), None)
        self._made: dict[str, tuple[Certificate, ...]] = {}
        self.generation = 0

    def __repr__(self) -> str:
        return f"<CertificateStore {len(self._index.certificates)} certificates, generation {self.generation}>"

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """All but the issuer's."""
        return self._index.certificates

    def swap(self, certificates: Iterable[Certificate], now: datetime) -> None:
        """Put these in force, and only these.

        :param now: those that have expired by then are only used where there is no other.
        """
        self._index = _Index(tuple(certificates), now)
        self.generation += 1

    def find(self, name: str | None, local_ip: str) -> tuple[Certificate, ...]:
        """Give all certificates that serve a name, the best first.

        ECDSA and Ed25519 come before RSA, then exact names before wildcards, then what expires later before the rest.

        :param name: as the client names the host, in any spelling; None: it names none, and gets what is for the
            address that it came to.
        :param local_ip: that address.
        """
        index = self._index
        asked = address_of(local_ip) if name is None else name
        found = index.found.get(asked)
        if found is not None:
            return found
        try:
            host = normalize_name(asked)
        except ValueError:
            return _NONE  # a Unix socket's clients come to no address
        return index.remember(asked, host) or self._issued(host)

    def default(self) -> tuple[Certificate, ...]:
        """Give those of `tls.default`, the best first; none if the map names none."""
        return _NONE if self._default is None else self.find(self._default, "")

    def covers(self, host: str) -> bool:
        """Tell whether there is a certificate for a host, a name in any spelling or an address."""
        try:
            name = normalize_name(host)
        except ValueError:
            return False
        served = self._index.served
        return (
            name in served
            or wildcard_of(name) in served
            or (self._issuer is not None and self._issuer.subject(name) is not None)
        )

    def _issued(self, host: str) -> tuple[Certificate, ...]:
        if self._issuer is None or (subject := self._issuer.subject(host)) is None:
            return _NONE
        found = self._made.get(subject)
        if found is not None and not self._issuer.is_due(found[0]):
            return found
        if found is not None or len(self._made) >= MAX_ISSUED:
            # A new generation, so that what was made of those that go is not kept for ever.
            self._made.clear()
            self.generation += 1
        found = self._made[subject] = (self._issuer.issue(subject),)
        return found


class _Index:
    """The certificates in force, by the names and addresses that they are for."""

    __slots__ = ("_rank", "certificates", "found", "served")

    def __init__(self, certificates: tuple[Certificate, ...], now: datetime | None) -> None:
        self.certificates = certificates
        # Lower is better. What expires while it is served is still better than nothing, and worse than all else.
        self._rank = {each: (now is not None and each.not_after <= now, each.kind == "rsa") for each in certificates}
        by_name: dict[str, list[Certificate]] = {}
        for each in certificates:
            for name in each.names | each.addresses:
                by_name.setdefault(name, []).append(each)
        self.served = {name: self._sorted(those, frozenset(those)) for name, those in by_name.items()}
        self.found: dict[str, tuple[Certificate, ...]] = {}

    def remember(self, asked: str, host: str) -> tuple[Certificate, ...]:
        """Look a host up, and keep what is found under the spelling that was asked for."""
        exact = self.served.get(host, _NONE)
        found = exact + tuple(each for each in self.served.get(wildcard_of(host), _NONE) if each not in exact)
        if len(found) > len(exact) > 0:
            found = self._sorted(found, frozenset(exact))
        if found:  # what is not found is cheap to look up, and has no bound
            if len(self.found) >= MAX_NAMES:
                self.found.clear()
            self.found[asked] = found
        return found

    def _sorted(self, certificates: Iterable[Certificate], exact: frozenset[Certificate]) -> tuple[Certificate, ...]:
        def order(each: Certificate) -> tuple[bool, bool, bool, float, str]:
            expired, is_rsa = self._rank[each]
            return expired, is_rsa, each not in exact, -each.not_after.timestamp(), each.source

        return tuple(sorted(certificates, key=order))


def address_of(text: str) -> str:
    """Give an address of a socket as certificates have it: without a zone, and IPv4 as IPv4."""
    address = parse(text.partition("%")[0])
    return "" if address is None else str(address)
