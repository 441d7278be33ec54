"""The certificate that all proxies have, and what the clients offer."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.cases import HOST
from bench.identity import RESOLVED, Identity, make
from txproxy.tls.hello import client_hello

# What a client says first that sets nothing itself.
HELLO = """
import sys
from OpenSSL import SSL
client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
client.set_connect_state()
try:
    client.do_handshake()
except SSL.WantReadError:
    sys.stdout.buffer.write(client.bio_read(65536))
"""


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    """Make an identity."""
    return make(tmp_path / "identity")


def shake_hands(identity: Identity, name: str) -> ssl.SSLObject:
    """Join a client that verifies and a server with the identity's files, in memory; give the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.bundle)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = identity.client().wrap_bio(down, up, server_hostname=name)
    server = context.wrap_bio(up, down, server_side=True)
    for each in (client, server, client):
        try:
            each.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client


@pytest.mark.parametrize("name", [HOST, RESOLVED, "127.0.0.1"])
def test_the_certificate_is_for_what_clients_ask_for(identity, name):
    """It is verified for the host of the requests, for the name in wrk's URL, and for the address."""
    client = shake_hands(identity, name)
    assert client.version() == "TLSv1.3"
    assert client.getpeercert()["notAfter"]


def test_another_name_is_not_verified(identity):
    """A client that asks for somebody else refuses the certificate."""
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(identity, "other.example.com")


def test_a_chain_of_two_with_a_key_on_p256(identity):
    """The leaf comes first, then what issued it, as a public CA has it; keys are ECDSA P-256 and private."""
    leaf, intermediate = x509.load_pem_x509_certificates(identity.certificate.read_bytes())
    (root,) = x509.load_pem_x509_certificates(identity.root.read_bytes())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    keys = [each.public_key() for each in (leaf, intermediate, root)]
    assert [key.curve.name for key in keys if isinstance(key, ec.EllipticCurvePublicKey)] == ["secp256r1"] * 3
    assert identity.bundle.read_bytes() == identity.certificate.read_bytes() + identity.key.read_bytes()
    assert [path.stat().st_mode & 0o077 for path in (identity.key, identity.bundle)] == [0, 0]


def test_a_program_is_told_what_to_offer(identity):
    """With the file in OPENSSL_CONF a client offers TLS 1.3, one suite and one group, and nothing else."""
    environ = {**os.environ, "OPENSSL_CONF": str(identity.openssl_conf("X25519"))}
    said = subprocess.run([sys.executable, "-c", HELLO], env=environ, capture_output=True, check=True, timeout=30)
    hello = client_hello(said.stdout)
    assert hello is not None
    # TLS_AES_128_GCM_SHA256, and the signal of RFC 5746 that names no suite; x25519.
    assert set(hello.cipher_suites) - {0x00FF} == {0x1301}
    assert (hello.versions, hello.groups) == ((0x0304,), (0x001D,))
