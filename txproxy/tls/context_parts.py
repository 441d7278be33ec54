"""What contexts have in common, whichever end of TLS they are for.

Rule: what both ends must have or must not have stands here once; what only one of them has, with that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from OpenSSL import SSL, crypto

from .certificate import PrivateKey
from .openssl import release_idle_buffers, use_modern_groups


def bare_context(method: int, ciphers: bytes) -> SSL.Context:
    """Make a context without compression, renegotiation and a session cache of the library's.

    :param method: of `OpenSSL.SSL`. :param ciphers: for TLS 1.2, as OpenSSL lists them.
    """
    context = SSL.Context(method)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    release_idle_buffers(context)
    use_modern_groups(context)
    context.set_cipher_list(ciphers)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def show(context: SSL.Context, chain: Sequence[x509.Certificate], key: PrivateKey) -> None:
    """Let a context show a certificate: the leaf first, then its issuers."""
    context.use_certificate(chain[0])
    context.use_privatekey(key)
    for issuer in chain[1:]:
        context.add_extra_chain_cert(issuer)


def believe(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    """Let a context believe what comes from these.

    Whoever names an intermediate CA, or one end's own certificate, means that one.
    """
    store = context.get_cert_store()
    assert store is not None
    for each in authorities:
        store.add_cert(crypto.X509.from_cryptography(each))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
