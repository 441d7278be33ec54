"""Which certificate and policy a client is held to, with real clients of OpenSSL's at the door."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from OpenSSL import SSL

from tests.support.certificates import Issued
from tests.support.tls import Talk, believing, certificate, client_context, lasting, only, root
from tests.unit.tls.doors import Door, plain_alert
from txproxy.tls.policies import TLS13, HostPolicy

VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
STRICT = HostPolicy(TLS13)


def shown(talking: Talk) -> Issued | None:
    """Give which of these tests' certificates the client was shown."""
    leaf = talking.other.tls.get_peer_certificate(as_cryptography=True)
    return next((each for each in KNOWN if each.certificate == leaf), None)


OTHER = lasting("other.example", "*.wild.example", by=root())
ADDRESS = lasting("192.0.2.80", by=root())
RSA, ECDSA, ED25519 = certificate("rsa"), certificate(), certificate("ed25519")
P384 = certificate("p384")
KNOWN = (OTHER, ADDRESS, RSA, ECDSA, ED25519, P384)


# By name.


@VERSIONS
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("app.example", ECDSA, id="its own"),
        pytest.param("APP.Example", ECDSA, id="in any case"),
        pytest.param("other.example", OTHER, id="another"),
        pytest.param("x.wild.example", OTHER, id="by a wildcard"),
        pytest.param("unknown.example", OTHER, id="the default's"),
        pytest.param(None, ADDRESS, id="by the address"),
    ],
)
def test_the_name_decides(version: str, name: str | None, expected: Issued) -> None:
    """Each client is shown the certificate for the name that it says, or for the address, or the default."""
    door = Door(ECDSA, OTHER, ADDRESS, default="other.example")
    talking = door.come(only(client_context(), version), name).go()
    assert shown(talking) is expected
    assert door.facts[0].server_name == (name.lower() if name else None)


@VERSIONS
@pytest.mark.parametrize("name", ["unknown.example", None])
def test_without_a_default_an_unknown_name_gets_an_alert(version: str, name: str | None) -> None:
    """It is unrecognized_name (RFC 6066, section 3), and the reason names what was asked for."""
    door = Door(ECDSA)
    talking = door.come(only(client_context(), version), name)
    talking.deliver()
    assert plain_alert(talking) == 112
    talking.close()
    assert door.turned == [
        f"no certificate is for {name}" if name else "the client names no host, and tls.default is not set"
    ]


def test_a_name_that_no_host_can_have_is_no_name() -> None:
    """A client that says one is served as one that says none."""
    door = Door(ECDSA, ADDRESS)
    talking = door.come(name="app.example:443").go()
    assert shown(talking) is ADDRESS


@VERSIONS
def test_issuers_are_sent_along(version: str) -> None:
    """A client that knows the root alone gets what lies between."""
    between = lasting(common_name="between", is_ca=True, by=root())
    issued = lasting("app.example", by=between)
    context = only(believing(client_context(), root()), version)
    assert Door(issued).come(context).go().other.shaken


# By what the client can check.


def suites(names: bytes) -> Callable[[SSL.Context], object]:
    """Let a client of TLS 1.2 speak only these suites."""
    return lambda context: only(context, "1.2").set_cipher_list(names)


def schemes(names: bytes, version: str = "1.3") -> Callable[[SSL.Context], object]:
    """Let a client check only these signatures."""

    def configure(context: SSL.Context) -> None:
        from OpenSSL._util import lib

        only(context, version)
        assert lib.SSL_CTX_set1_sigalgs_list(context._context, names) == 1

    return configure


@pytest.mark.parametrize(
    ("configure", "expected"),
    [
        pytest.param(lambda context: only(context, "1.3"), ECDSA, id="1.3"),
        pytest.param(lambda context: only(context, "1.2"), ECDSA, id="1.2"),
        pytest.param(suites(b"ECDHE-RSA-AES128-GCM-SHA256"), RSA, id="1.2, suites of RSA"),
        pytest.param(suites(b"ECDHE-ECDSA-CHACHA20-POLY1305"), ECDSA, id="1.2, suites of ECDSA"),
    ],
)
def test_the_best_that_the_client_can_use(configure: Callable[[SSL.Context], object], expected: Issued) -> None:
    """Of several certificates for a name a client gets ECDSA, or RSA if its suites know no other."""
    context = client_context()
    configure(context)
    talking = Door(RSA, ECDSA).come(context).go()
    assert talking.other.shaken
    assert shown(talking) is expected


def hello_of(talking: Talk, **changed: object) -> object:
    """Give the hello of a client, with some of it changed."""
    talking.deliver()
    hello = talking.ours.hello
    for name, value in changed.items():
        assert hasattr(hello, name)
        setattr(hello, name, value)
    return hello


@pytest.mark.parametrize(
    ("available", "changed", "expected"),
    [
        pytest.param((ECDSA, RSA), {"signature_algorithms": (0x0804,)}, RSA, id="no ECDSA scheme"),
        pytest.param((ECDSA, RSA), {"signature_algorithms": (0x0503, 0x0804)}, RSA, id="of another curve"),
        pytest.param((P384, RSA), {"signature_algorithms": (0x0503, 0x0804)}, P384, id="P-384"),
        pytest.param((ED25519, RSA), {"signature_algorithms": (0x0807, 0x0804)}, ED25519, id="Ed25519"),
        pytest.param((ED25519, RSA), {"signature_algorithms": (0x0403, 0x0804)}, RSA, id="no Ed25519"),
        pytest.param(
            (ECDSA, RSA),
            {"versions": (0x0303,), "cipher_suites": (0xC02F,)},
            RSA,
            id="1.2 without a suite for it",
        ),
        pytest.param((ED25519, RSA), {"versions": (0x0303,), "cipher_suites": (0xC02F,)}, RSA, id="1.2, Ed25519"),
        pytest.param(
            (P384, RSA),
            {"versions": (0x0303,), "groups": (0x001D, 0x0017)},
            RSA,
            id="1.2 without its curve",
        ),
        pytest.param((ECDSA,), {"signature_algorithms": (0x0804,)}, ECDSA, id="there is no other"),
    ],
)
def test_what_the_client_says_it_can_check(
    available: tuple[Issued, ...], changed: dict[str, object], expected: Issued
) -> None:
    """A certificate is chosen that the client can check by its schemes, and in TLS 1.2 by its suites and curves."""
    from txproxy.tls.contexts import best

    door = Door(*available)
    hello = hello_of(door.come(), **changed)
    assert best(door.store.find("app.example", ""), hello).chain[0] == expected.certificate


def test_a_client_of_1_2_without_the_curve_of_our_key_gets_rsa() -> None:
    """In TLS 1.2 a key's curve must be one of the client's groups (RFC 8422, section 5.1.1): with RSA it gets in."""
    from OpenSSL._util import lib

    context = only(client_context(), "1.2")
    assert lib.SSL_CTX_set1_curves_list(context._context, b"X25519:P-256") == 1
    talking = Door(P384, RSA).come(context).go()
    assert talking.other.shaken
    assert shown(talking) is RSA


@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519", "p384"])
@VERSIONS
def test_every_kind_of_key_serves_both_versions(kind: str, version: str) -> None:
    """A name with one certificate, of any kind, is served to a usual client."""
    talking = Door(certificate(kind)).come(only(client_context(), version)).go()
    assert talking.other.shaken


# Policy.


def test_a_host_may_ask_for_1_3() -> None:
    """A client of 1.2 gets the alert protocol_version there, and is served at the host next door."""
    door = Door(ECDSA, OTHER, policies={"app.example": STRICT})
    old = door.come(only(client_context(), "1.2"))
    old.deliver()
    assert plain_alert(old) == 70
    old.go()
    assert old.other.alert == "tlsv1 alert protocol version"
    assert door.made == []
    assert door.come(only(client_context(), "1.2"), "other.example").go().other.shaken
    assert door.come(only(client_context(), "1.3")).go().other.shaken
    assert [facts.policy.minimum for facts in door.facts] == [0x0303, TLS13]
    old.close()
    assert door.turned == ["unsupported protocol"]


@pytest.mark.parametrize("method", [b"AES128-SHA", b"ECDHE-RSA-AES128-SHA", b"DHE-RSA-AES128-GCM-SHA256"])
def test_weak_suites_are_not_spoken(method: bytes) -> None:
    """Without forward secrecy, without AEAD, or with finite fields there is no handshake."""
    context = only(client_context(), "1.2")
    context.set_cipher_list(method + b":@SECLEVEL=0")
    talking = Door(RSA).come(context)
    talking.deliver()
    assert plain_alert(talking) == 40


@VERSIONS
@pytest.mark.parametrize(
    ("offered", "agreed"),
    [([b"http/1.1"], b"http/1.1"), ([b"h2", b"http/1.1"], b"h2"), ([b"http/1.1", b"h2"], b"h2"), ([], b"")],
)
def test_alpn_is_by_our_preference(version: str, offered: list[bytes], agreed: bytes) -> None:
    """The first of ours that the client speaks; without ALPN nothing is agreed on."""
    context = only(client_context(), version)
    if offered:
        context.set_alpn_protos(offered)
    talking = Door(protocols=(b"h2", b"http/1.1")).come(context).go()
    assert talking.other.tls.get_alpn_proto_negotiated() == agreed
    assert talking.ours.negotiatedProtocol == (agreed or None)


@VERSIONS
def test_no_protocol_in_common_is_an_alert(version: str) -> None:
    """It is no_application_protocol (RFC 7301, section 3.2), and the reason says what the client speaks."""
    context = only(client_context(), version)
    context.set_alpn_protos([b"spdy/3", b"h3"])
    door = Door()
    talking = door.come(context)
    talking.deliver()
    assert plain_alert(talking) == 120
    talking.close()
    assert door.turned == ["the client speaks only spdy/3, h3"]


def test_modern_groups_come_first() -> None:
    """Two of this OpenSSL agree on the post-quantum group if it knows it, else on X25519."""
    talking = Door().come().go()
    assert talking.other.tls.get_group_name().upper() in {"X25519MLKEM768", "X25519"}


def test_renegotiation_and_compression_are_off() -> None:
    """A client of TLS 1.2 that wants to shake hands again is refused."""
    talking = Door().come(only(client_context(), "1.2")).go()
    assert talking.other.tls.renegotiate()
    with pytest.raises(SSL.WantReadError):
        talking.other.tls.do_handshake()
    talking.go()
    assert "no renegotiation" in (talking.other.alert or "")


def test_contexts_are_made_once_for_certificate_and_policy() -> None:
    """Equal policies share one, whatever their names; another certificate, policy, or generation has its own."""
    door = Door(
        ECDSA,
        OTHER,
        policies={
            "other.example": HostPolicy(name="a"),
            "x.wild.example": HostPolicy(name="b"),
            "y.wild.example": STRICT,
        },
    )

    def context_of(name: str) -> SSL.Context:
        talking = door.come(name=name).go()
        context: SSL.Context = talking.ours.tls.get_context()
        return context

    same = context_of("other.example")
    assert context_of("x.wild.example") is same
    assert context_of("y.wild.example") is not same
    assert context_of("app.example") is not same
    assert context_of("other.example") is same
    door.put(ECDSA, OTHER)
    assert context_of("other.example") is not same


def test_open_connections_keep_what_they_have() -> None:
    """When certificates are swapped, nothing happens to who is connected, and who comes gets the new ones."""
    door = Door(ECDSA)
    before = door.come().go()
    door.put(RSA)
    before.other.send(b"still")
    before.ours.write(b"here")
    before.go()
    assert (door.made[0].data, before.other.got) == (b"still", b"here")
    assert shown(door.come().go()) is RSA
