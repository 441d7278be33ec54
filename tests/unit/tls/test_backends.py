"""Connections to backends: who is believed, what is sent, and what is kept for the next connection."""

from __future__ import annotations

import gc
import weakref

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost

from tests.support.certificates import Issued
from tests.unit.tls.backend_ends import NAME, PAST, Joined, Place, lasting, root, roots_of, server_context, shown
from txproxy.tls.backend_settings import BackendSettings
from txproxy.tls.backends import SESSION_SECONDS, BackendContexts
from txproxy.tls.openssl import Scratch, was_resumed

ROOT = root()
GOOD = lasting(NAME, by=ROOT)
VERSIONS = [pytest.param(SSL.TLS1_2_VERSION, id="1.2"), pytest.param(SSL.TLS1_3_VERSION, id="1.3")]


def place(issued: Issued = GOOD, authority: Issued | None = ROOT, server_name: str = NAME, **more: object) -> Place:
    """Make a backend, good in every way that is not said."""
    return Place(issued, authority, server_name, **more)


def refused(joined: Joined) -> str:
    """Give cause and detail of a handshake that failed, after everything that must hold then was looked at."""
    joined.pump()
    assert joined.errors == []  # told at the end, once
    joined.lose()
    (error,) = joined.errors
    assert joined.inner.transport is None
    assert joined.inner.lost == []
    return str(error)


# Who is believed.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backend_that_is_who_it_should_be_is_talked_to(version: int) -> None:
    """With a certificate of the CA for the name, both versions carry bytes both ways and tell of no error."""
    joined = place(server={"version": version}).join().converse()
    assert joined.client.negotiatedProtocol is None
    assert len(joined.lose().inner.lost) == 1
    assert joined.errors == []


def test_the_name_is_sent_and_only_http_1_is_offered() -> None:
    """The server name goes along as SNI, and ALPN agrees on HTTP/1.1 whatever else the backend speaks."""
    joined = place(server={"protocols": [b"h2", b"http/1.1"]}).join().pump()
    assert joined.server.get_servername() == NAME.encode()
    assert joined.client.negotiatedProtocol == b"http/1.1"


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "fe80::7%eth0"])
def test_an_address_is_verified_and_not_sent(address: str) -> None:
    """An IP address, without its zone, must be in the certificate; as SNI none is sent."""
    bare = address.partition("%")[0]
    joined = place(lasting(bare, by=ROOT), server_name=address).join().pump()
    assert joined.inner.transport is not None
    assert joined.server.get_servername() is None


@pytest.mark.parametrize("name", ["app.internal.", "APP.internal", "any.wild.test"])
def test_names_are_compared_as_names(name: str) -> None:
    """Case and the dot of the root do not matter, and a wildcard stands for one label."""
    assert place(lasting(NAME, "*.wild.test", by=ROOT), server_name=name).join().pump().inner.transport is not None


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        pytest.param(lasting(NAME, by=root("another")), "unable to get local issuer certificate", id="unknown CA"),
        pytest.param(lasting(NAME), "self-signed certificate", id="self-signed"),
        pytest.param(lasting(NAME, by=ROOT, end=PAST), "certificate has expired", id="expired"),
        pytest.param(lasting("other.internal", by=ROOT), "is for other.internal and not for app.internal", id="name"),
        pytest.param(lasting("192.0.2.7", by=ROOT), "is for 192.0.2.7 and not for app.internal", id="address"),
        pytest.param(
            lasting(common_name=NAME, by=ROOT), "is for no host at all and not", id="no name but the common one"
        ),
        pytest.param(lasting("*.internal", "*", by=lasting(NAME)), "unable to get local issuer", id="not by a CA"),
        pytest.param(
            lasting(NAME, by=ROOT, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), "unsuitable certificate", id="purpose"
        ),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_who_is_not_believed_is_sent_nothing(issued: Issued, why: str, version: int) -> None:
    """The handshake fails with the reason, an alert goes out, and the protocol is never connected."""
    joined = place(issued, server={"version": version}).join()
    text = refused(joined)
    assert text.startswith("tls_certificate_error: https://10.0.0.7:8443 is not believed: ")
    assert why in text
    assert joined.wire.ends == ["closed"]
    assert joined.server_error is not None
    assert "alert" in str(joined.server_error)


def test_an_issuer_that_may_not_issue_is_not_believed() -> None:
    """A good certificate that signs others is still no CA."""
    other = lasting("evil.internal", by=GOOD)
    assert "is not believed: invalid CA certificate" in refused(place(other).join())


def test_an_address_wants_an_address() -> None:
    """A DNS name that looks like the address does not count, nor does it spoil the names beside it."""
    odd = lasting(NAME, by=ROOT, more=(x509.DNSName("192.0.2.7"), x509.DNSName("*.0.2.7"), x509.RFC822Name("a@b")))
    assert "for app.internal, 192.0.2.7, *.0.2.7, a@b and not" in refused(place(odd, server_name="192.0.2.7").join())
    assert place(odd).join().pump().inner.transport is not None


def test_without_a_ca_the_systems_decide() -> None:
    """No `ca`: those of the system are loaded, and a private CA is not among them."""
    assert "name the file of its CA as ca" in refused(place(authority=None).join())


def test_a_ca_replaces_the_systems_and_may_be_one_of_several() -> None:
    """Each certificate of the file is believed."""
    contexts = BackendContexts(Scratch(place().clock))
    for settings in (roots_of(root("first"), ROOT), roots_of(ROOT, root("last"))):
        backend = contexts.backend(BackendSettings("https://x", NAME, settings))
        assert Joined(backend, server_context(GOOD)).pump().inner.transport is not None


@pytest.mark.parametrize("pinned", ["intermediate", "leaf", "self-signed leaf"])
def test_what_is_named_as_ca_is_believed_as_it_is(pinned: str) -> None:
    """An intermediate CA alone, or the backend's own certificate, is enough; others of its CA are then not believed."""
    middle = root("middle", by=ROOT)
    leaf = lasting(NAME) if pinned == "self-signed leaf" else lasting(NAME, by=middle)
    trusted = middle if pinned == "intermediate" else leaf
    assert place(leaf, trusted).join().pump().inner.transport is not None
    assert "is not believed" in refused(place(lasting(NAME, by=ROOT), trusted).join())


def test_an_intermediate_certificate_may_be_sent_along() -> None:
    """A chain up to the root is followed; one with a hole is not."""
    middle = root("middle", by=ROOT)
    leaf = lasting(NAME, by=middle)
    assert place(leaf).join().pump().inner.transport is not None
    assert "sends no full chain" in refused(place(Issued(leaf.certificate, leaf.key)).join())


@pytest.mark.parametrize("version", VERSIONS)
def test_without_verification_anybody_is_believed(version: int) -> None:
    """`verify: false`: a stranger's expired certificate for another name will do; the name is still sent."""
    bad = lasting("other.internal", end=PAST)
    joined = place(bad, None, verify=False, server={"version": version}).join().converse()
    assert joined.server.get_servername() == NAME.encode()


# Client certificates.


@pytest.mark.parametrize("version", VERSIONS)
def test_our_certificate_is_shown_with_its_chain(version: int) -> None:
    """A backend that knows the root only gets the intermediate CA from us."""
    ours = lasting("me", by=root("middle", by=ROOT))
    joined = place(client=shown(ours), server={"clients": ROOT, "version": version}).join().converse()
    peer = joined.server.get_peer_certificate()
    assert peer is not None
    assert peer.to_cryptography() == ours.certificate


def test_without_ours_the_alert_says_so_within_the_handshake() -> None:
    """TLS 1.2: a backend that wants a certificate ends the handshake by an alert."""
    joined = place(server={"clients": ROOT, "version": SSL.TLS1_2_VERSION}).join()
    text = refused(joined)
    assert text.startswith("tls_alert_received: https://10.0.0.7:8443 refused TLS with the alert 'handshake failure'")
    assert "client_certificate" in text


@pytest.mark.parametrize(("client", "alert"), [(None, "certificate required"), (lasting("me"), "unknown ca")])
def test_without_a_good_one_the_alert_comes_behind_the_handshake(client: Issued | None, alert: str) -> None:
    """TLS 1.3: we are connected, and then lost with the alert as the reason, which is told to the protocol."""
    joined = place(client=client and shown(client), server={"clients": ROOT}).join().pump()
    assert joined.errors == []
    (lost,) = joined.lose(ConnectionLost()).inner.lost
    assert str(lost).startswith(f"tls_alert_received: https://10.0.0.7:8443 refused TLS with the alert {alert!r}: it ")
    assert "client_certificate" in str(lost)


def test_a_close_notify_is_no_alert() -> None:
    """An orderly end is told as the transport tells it."""
    joined = place().join().converse()
    joined.server.shutdown()
    joined.flush()
    assert joined.lose(ConnectionLost("as told")).inner.lost[0].args == ("as told",)


# What does not speak our TLS.


def test_plain_http_is_recognised() -> None:
    """A backend that answers a ClientHello in HTTP is named as one that speaks plain HTTP."""
    joined = place().join()
    joined.client.dataReceived(b"HT")
    joined.client.dataReceived(b"TP/1.1 400 Bad Request\r\n\r\n")
    text = refused(joined)
    assert text.startswith("tls_protocol_error: no TLS with https://10.0.0.7:8443: it answered in plain HTTP")
    assert "http:// instead of https://" in text


@pytest.mark.parametrize("noise", [b"SSH-2.0-OpenSSH_9.2\r\n", b"<!DOCTYPE HTML>\n<html>", b"\0" * 100])
def test_what_is_no_tls_is_shown(noise: bytes) -> None:
    """Of anything else the first bytes are in the log."""
    joined = place().join()
    joined.client.dataReceived(noise)
    text = refused(joined)
    assert text.startswith("tls_protocol_error: ")
    assert repr(noise[:16]) in text


def test_broken_tls_is_told_in_openssls_words() -> None:
    """A record of the right kind with nonsense in it is a protocol error."""
    joined = place().join()
    joined.client.dataReceived(b"\x16\x03\x03\x00\x04\xff\xff\xff\xff")
    assert refused(joined).startswith("tls_protocol_error: no TLS with https://10.0.0.7:8443: ")


def test_an_end_within_the_handshake_is_told() -> None:
    """A backend that just closes: the connection was terminated, and perhaps it speaks plain HTTP."""
    joined = place().join()
    joined.pump = lambda: joined  # type: ignore[method-assign]
    text = refused(joined)
    assert text.startswith("connection_terminated: no TLS with https://10.0.0.7:8443: the connection ended")
    assert "http:// instead of https://" in text


def test_too_old_a_backend_says_so() -> None:
    """TLS 1.1 is not spoken: OpenSSL's server refuses our hello with the alert for it."""
    joined = place().join()
    joined.client.dataReceived(b"\x15\x03\x01\x00\x02\x02\x46")  # what a server sends that has TLS 1.1 at most
    text = refused(joined)
    assert text.startswith("tls_alert_received: ")
    assert "'protocol version': it speaks no TLS 1.2 or newer" in text


def test_a_renegotiation_is_refused() -> None:
    """A backend of TLS 1.2 that asks for another handshake gets an alert (no_renegotiation), and no hello."""
    joined = place(server={"version": SSL.TLS1_2_VERSION}).join().converse()
    joined.server.renegotiate()
    joined.server.do_handshake()
    joined.flush()
    joined.inner.transport.write(b"more")
    joined.client.end_turn()
    sent = joined.wire.take()
    first = 5 + int.from_bytes(sent[3:5], "big")
    assert (sent[:1], sent[first : first + 1]) == (b"\x15", b"\x17")
    assert len(sent) == first + 5 + int.from_bytes(sent[first + 3 : first + 5], "big")


# Sessions.


def resumed(joined: Joined) -> bool:
    """Talk on a connection, and tell whether it took up a session."""
    return was_resumed(joined.converse().client.tls)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_taken_up_by_the_next_connection(version: int) -> None:
    """The second connection is resumed from the first, the third from the second, by name and by address."""
    for name, issued in ((NAME, GOOD), ("192.0.2.7", lasting("192.0.2.7", by=ROOT))):
        there = place(issued, server_name=name, server={"version": version})
        found = []
        for _ in range(3):
            joined = there.join()
            found.append(resumed(joined))
            there.backend.remember(joined.client)
        assert found == [False, True, True]


def test_without_tickets_each_handshake_is_full() -> None:
    """A backend that gives no sessions is shaken hands with each time, without any fault."""
    there = place(server={"tickets": False})
    for _ in range(2):
        joined = there.join()
        assert not resumed(joined)
        there.backend.remember(joined.client)


def test_a_session_is_of_one_backend() -> None:
    """Another backend with the same settings, and thus the same context, is not offered it."""
    there = place()
    joined = there.join().converse()
    there.backend.remember(joined.client)
    contexts = BackendContexts(Scratch(there.clock))
    one, other = (contexts.backend(BackendSettings(f"https://{each}", NAME, roots_of(ROOT))) for each in "ab")
    joined = Joined(one, there.context).converse()
    one.remember(joined.client)
    assert not resumed(Joined(other, there.context))
    assert resumed(Joined(one, there.context))


def test_a_session_ends_with_a_failed_handshake() -> None:
    """Whatever a handshake failed by, the next one is full."""
    there = place()
    there.backend.remember(there.join().converse().client)
    there.join().lose()
    assert not resumed(there.join())


def test_a_session_ends_with_an_alert() -> None:
    """Nor is one kept, or left, when the backend ends a connection by an alert."""
    there = place(server={"clients": ROOT})
    joined = there.join().pump().lose()
    there.backend.remember(joined.client)
    assert there.backend.connection(joined.client._notes).get_session() is None


def test_the_certificate_is_looked_at_every_hour() -> None:
    """Sessions that stem from one full handshake end together, however often they were taken up."""
    there = place()
    found = []
    for _ in range(5):
        joined = there.join()
        found.append(resumed(joined))
        there.backend.remember(joined.client)
        there.clock.advance(SESSION_SECONDS / 3 + 1)
    assert found == [False, True, True, False, True]


def test_an_older_proof_does_not_replace_a_newer_one() -> None:
    """A long connection that ends late does not bring its old session back."""
    there = place()
    old = there.join().converse()
    there.clock.advance(SESSION_SECONDS - 1)
    there.backend.remember(there.join().converse().client)
    there.backend.remember(old.client)
    there.clock.advance(2)
    assert resumed(there.join())


def test_a_backend_that_has_changed_its_keys_is_shaken_hands_with() -> None:
    """A session that the backend does not know any more costs a full handshake and no failure."""
    there = place()
    there.backend.remember(there.join().converse().client)
    assert not resumed(there.join(server_context(GOOD)))


def test_one_context_for_all_that_trust_alike() -> None:
    """Backends share a context, whatever their names; it goes with the last of them."""
    contexts = BackendContexts(Scratch(place().clock))
    roots = roots_of(ROOT)
    one, same, other = (
        contexts.backend(BackendSettings("https://x", name, roots, verify=verify))
        for name, verify in (("a.test", True), ("b.test", True), ("a.test", False))
    )
    assert one._context is same._context
    assert one._context is not other._context
    gone = weakref.ref(one._context)
    del one, same
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("good", [True, False])
def test_a_connection_is_freed_without_the_collector(good: bool) -> None:
    """Neither a good handshake nor a failed one leaves a circle that keeps the library's objects."""
    joined = place(GOOD if good else lasting(NAME)).join().pump().lose()
    freed = weakref.ref(joined.client.tls)
    joined.inner.transport = None
    gc.disable()
    try:
        del joined
        assert freed() is None
    finally:
        gc.enable()
