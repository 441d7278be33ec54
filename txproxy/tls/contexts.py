"""Contexts: how TLS is spoken with the clients of one host, made from its certificate and its policy.

Rule: one context is for one certificate and one policy, and holds ticket keys of its own, so a session can
be taken up only where both are the same. Contexts are never changed: a renewed certificate, a changed
policy or the time for new ticket keys (`ROTATION`) makes new ones, and connections keep what they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from OpenSSL import SSL
from OpenSSL.crypto import X509

from .certificate import Certificate
from .context_parts import bare_context, believe, show
from .hello import UNRECOGNIZED_NAME, ClientHello
from .openssl import verify_words
from .parties import parties_of
from .policies import TLS13, HostPolicy
from .server import Refused
from .store import address_of
from .words import in_chain

# TLS 1.2: forward secrecy and AEAD only (RFC 9325, section 4.2). The suites of 1.3 are all good.
_CIPHERS = b":".join(
    b"ECDHE-%b-%b" % (key, cipher)
    for cipher in (b"AES128-GCM-SHA256", b"AES256-GCM-SHA384", b"CHACHA20-POLY1305")
    for key in (b"ECDSA", b"RSA")
)
# Seconds that a session may be taken up for; with client certificates, whose checks it skips, less. That is no limit by
# itself: in TLS 1.3 each handshake with a session gives a new one. So where certificates are shown, ticket keys live
# no longer than that either, and nobody gets in by a certificate that was last checked earlier.
SESSION_SECONDS = 2 * 3600
SESSION_SECONDS_WITH_CLIENT = 300
# Seconds after which ticket keys are made anew; a session of an older key costs its client a full handshake.
ROTATION = 12 * 3600.0

# The signature scheme (RFC 8446, section 4.2.3) that a key of this curve signs with, and the group that it is of.
_ECDSA = {"secp256r1": (0x0403, 0x0017), "secp384r1": (0x0503, 0x0018), "secp521r1": (0x0603, 0x0019)}
_ED25519 = 0x0807
# Suites of TLS 1.2 for ECDSA and Ed25519 (RFC 8422, section 5.1) that are in `_CIPHERS`.
_ECDSA_SUITES = frozenset((0xC02B, 0xC02C, 0xCCA9))


class _NoProtocol(Exception):
    """The client speaks none of our protocols: pyOpenSSL turns any exception into the alert for it."""


class _NotBelieved(Exception):
    """The client's certificate is no good: OpenSSL knows the alert for it, and this is the reason for the log."""


class ServerContexts:
    """Makes the connection for each client of a listener.

    :param store: the certificates (see `store.CertificateStore`).
    :param policy_of: gives the policy of a host by its name or address in normal form, None: neither is known.
    :param protocols: for ALPN, ours first.
    :param seconds: the time, for ticket keys.
    """

    def __init__(
        self,
        store: Any,
        policy_of: Callable[[str | None], HostPolicy],
        protocols: Sequence[bytes],
        seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._policy_of = policy_of
        self._protocols = tuple(protocols)
        self._seconds = seconds
        #: with the time until which each is used
        self._made: dict[tuple[Certificate, HostPolicy], tuple[SSL.Context, float]] = {}
        self._generation = store.generation

    def connection(self, hello: ClientHello, local_ip: str) -> tuple[SSL.Connection, HostPolicy]:
        """Make the connection for a client, with the policy that it is held to.

        :raises Refused: there is no certificate for it.
        """
        name = hello.server_name
        certificates = self._store.find(name, local_ip) or self._store.default()
        if not certificates:
            raise Refused(
                UNRECOGNIZED_NAME,
                f"no certificate is for {name}" if name else "the client names no host, and tls.default is not set",
            )
        # No client names an address (RFC 6066, section 3): a host that is one is known by where they come to.
        policy = self._policy_of(address_of(local_ip) or None if name is None else name)
        connection = SSL.Connection(self._context(best(certificates, hello), policy), None)
        connection.set_accept_state()
        return connection, policy

    def _context(self, certificate: Certificate, policy: HostPolicy) -> SSL.Context:
        if self._generation != self._store.generation:
            self._generation = self._store.generation
            self._made = {}
        now = self._seconds()
        made, until = self._made.get((certificate, policy), (None, now))
        if made is not None and now < until:
            return made
        # Policies come and go with route maps.
        self._made = {key: kept for key, kept in self._made.items() if now < kept[1]}
        made = server_context(certificate, policy, self._select)
        seconds = ROTATION if policy.client_auth == "none" else SESSION_SECONDS_WITH_CLIENT
        self._made[certificate, policy] = (made, now + seconds)
        return made

    def _select(self, connection: SSL.Connection, offered: Sequence[bytes]) -> bytes:
        for protocol in self._protocols:
            if protocol in offered:
                return protocol
        raise _NoProtocol(f"the client speaks only {b', '.join(offered[:8]).decode('latin-1')}")


def best(certificates: Sequence[Certificate], hello: ClientHello) -> Certificate:
    """Give the first of these that the client can check; the last, if it says that it can check none."""
    return next((each for each in certificates if _checks(each, hello)), certificates[-1])


def _checks(certificate: Certificate, hello: ClientHello) -> bool:
    if certificate.kind == "rsa":
        return True
    scheme: int | None = _ED25519
    group: int | None = None
    if certificate.kind == "ecdsa":
        assert isinstance(certificate.key, EllipticCurvePrivateKey)
        scheme, group = _ECDSA.get(certificate.key.curve.name, (None, None))
    if scheme not in hello.signature_algorithms:
        return False
    if TLS13 in hello.versions:
        return True
    if group is not None and hello.groups and group not in hello.groups:
        return False  # a key's curve is agreed on as well (RFC 8422, section 5.1.1)
    return not _ECDSA_SUITES.isdisjoint(hello.cipher_suites)


def server_context(
    certificate: Certificate, policy: HostPolicy, select: Callable[[SSL.Connection, Sequence[bytes]], bytes]
) -> SSL.Context:
    """Make a context, complete: pyOpenSSL lets nothing be changed once it is used."""
    # Without a cache sessions are tickets: nothing is kept here for clients that may never come back.
    context = bare_context(SSL.TLS_SERVER_METHOD, _CIPHERS)
    context.set_min_proto_version(policy.minimum)
    context.set_max_proto_version(TLS13)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    show(context, certificate.chain, certificate.key)
    context.set_alpn_select_callback(select)
    context.set_session_id(b"txproxy")
    context.set_timeout(SESSION_SECONDS if policy.client_auth == "none" else SESSION_SECONDS_WITH_CLIENT)
    if policy.client_auth != "none":
        _ask_for_certificate(context, policy)
    return context


def _ask_for_certificate(context: SSL.Context, policy: HostPolicy) -> None:
    authorities = x509.load_pem_x509_certificates(policy.client_ca)
    believe(context, authorities)
    for authority in authorities:
        context.add_client_ca(authority)
    mode = SSL.VERIFY_PEER
    if policy.client_auth == "require":
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode, _believed)


def _believed(_connection: SSL.Connection, certificate: X509, number: int, depth: int, ok: int) -> bool:
    """Called by OpenSSL: for the first thing that is wrong, or for each certificate of a chain that is good."""
    if not ok:
        parties = parties_of(certificate.to_cryptography())
        raise _NotBelieved(f"{in_chain(depth)} ({parties}) is not believed: {verify_words(number)}")
    return True
