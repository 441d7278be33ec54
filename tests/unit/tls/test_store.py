"""Which certificates serve a name, in which order, and when the generation grows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.certificates import DAY, NOW, issue
from txproxy.tls.certificate import Certificate, make_certificate
from txproxy.tls.store import MAX_ISSUED, MAX_NAMES, CertificateStore


def certificate(*names: str, kind: str = "ecdsa", days: int = 90, source: str = "a.pem") -> Certificate:
    """Make a certificate that ends in so many days."""
    issued = issue(*names, kind=kind, start=NOW - 200 * DAY, end=NOW + days * DAY)
    return make_certificate(issued.chain, issued.key, cert_file=source, key_file=source, now=NOW - 199 * DAY)


def store_of(*certificates: Certificate, default: str | None = None) -> CertificateStore:
    """Make a store that holds these."""
    store = CertificateStore(default)
    store.swap(certificates, NOW)
    return store


def test_an_empty_store() -> None:
    """A store without certificates covers nothing, and has no default."""
    store = CertificateStore("a.test")
    assert (store.find("a.test", "127.0.0.1"), store.find(None, "127.0.0.1"), store.default()) == ((), (), ())
    assert not store.covers("a.test")
    assert (store.certificates, store.generation) == ((), 0)


def test_names() -> None:
    """A name finds what is exactly for it and what has a wildcard for it, and nothing else."""
    exact, wild, other = certificate("a.x.test"), certificate("*.x.test"), certificate("b.test")
    store = store_of(wild, other, exact)
    assert store.find("a.x.test", "") == (exact, wild)
    assert store.find("b.x.test", "") == (wild,)
    assert store.find("a.b.x.test", "") == store.find("x.test", "") == store.find("*.x.test", "") == ()


def test_the_best_comes_first() -> None:
    """ECDSA and Ed25519 come before RSA, exact before wildcard, later ends before earlier ones, expired last."""
    order = [
        certificate("a.x.test", days=50),
        certificate("a.x.test", days=40, kind="ed25519"),
        certificate("*.x.test", days=60),
        certificate("a.x.test", days=50, kind="rsa"),
        certificate("a.x.test", days=40, kind="rsa"),
        certificate("*.x.test", days=60, kind="rsa"),
        certificate("a.x.test", days=0),
        certificate("*.x.test", days=-1, kind="rsa"),
    ]
    assert list(store_of(*order).find("a.x.test", "")) == order
    assert list(store_of(*reversed(order)).find("a.x.test", "")) == order


def test_a_certificate_for_a_name_in_two_ways() -> None:
    """A certificate with a name and a wildcard for it is found once, as exact."""
    both, exact = certificate("a.x.test", "*.x.test", days=10), certificate("a.x.test", days=5)
    assert store_of(both, exact).find("a.x.test", "") == (both, exact)


@pytest.mark.parametrize(
    ("local_ip", "is_found"),
    [
        ("10.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("FE80:0::1", True),
        ("10.0.0.2", False),
        ("", False),
        ("/run/http.sock", False),
    ],
)
def test_a_client_that_names_no_host(local_ip: str, is_found: bool) -> None:
    """Without a name, what counts is the address that the client came to, in any form that sockets give."""
    found = certificate("a.test", "10.0.0.1", "fe80::1")
    assert store_of(found).find(None, local_ip) == ((found,) if is_found else ())


def test_a_name_that_is_not_found_does_not_get_the_address() -> None:
    """A client that names an unknown host gets nothing, whatever address it came to."""
    assert store_of(certificate("a.test", "10.0.0.1")).find("b.test", "10.0.0.1") == ()


def test_the_default() -> None:
    """The default is what serves its name, and none if the map names none."""
    wild = certificate("*.x.test")
    assert store_of(wild, default="a.x.test").default() == (wild,)
    assert store_of(wild, default="x.test").default() == store_of(wild).default() == ()


@pytest.mark.parametrize(
    ("host", "is_covered"),
    [
        ("a.test", True),
        ("A.Test.", True),
        ("b.x.test", True),
        ("10.0.0.1", True),
        ("[::1]", True),
        ("x.test", False),
        ("10.0.0.2", False),
        ("a test", False),
        ("", False),
    ],
)
def test_covers(host: str, is_covered: bool) -> None:
    """A host, a name or an address in any spelling, is covered or not."""
    assert store_of(certificate("a.test", "*.x.test", "10.0.0.1", "::1")).covers(host) is is_covered


def test_swap() -> None:
    """New certificates replace all old ones, what was found before is forgotten, and the generation grows."""
    old, new = certificate("a.test", "b.test"), certificate("a.test")
    store = store_of(old)
    assert (store.find("a.test", ""), store.generation) == ((old,), 1)
    store.swap([new], NOW)
    assert (store.find("a.test", ""), store.find("b.test", ""), store.generation) == ((new,), (), 2)
    assert store.certificates == (new,)
    assert repr(store) == "<CertificateStore 1 certificates, generation 2>"


def test_what_is_remembered_is_bounded() -> None:
    """Any number of names below a wildcard is found, and remembered only up to a bound; unknown ones never."""
    wild = certificate("*.x.test")
    store = store_of(wild)
    for number in range(MAX_NAMES + 10):
        assert store.find(f"h{number}.x.test", "") == (wild,)
        assert store.find(f"h{number}.y.test", "") == ()
        assert len(store._index.found) <= MAX_NAMES
    assert len(store._index.found) == 10
    assert store.generation == 1


class Ca:
    """An issuer for *.dev.test and for 127.0.0.1."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.due: set[Certificate] = set()

    def subject(self, host: str) -> str | None:
        return host if host.endswith(".dev.test") or host == "127.0.0.1" else None

    def issue(self, subject: str) -> Certificate:
        self.issued.append(subject)
        return CHEAP

    def is_due(self, certificate: Certificate) -> bool:
        return certificate in self.due


CHEAP = certificate("a.dev.test")


def test_an_issuer_is_asked_last_and_once() -> None:
    """The issuer makes what no certificate is for, once a name; to ask whether a host is covered makes none."""
    ca, exact = Ca(), certificate("a.dev.test", "a.test")
    store = CertificateStore(issuer=ca)
    store.swap([exact], NOW)
    assert store.covers("b.dev.test")
    assert not store.covers("b.test")
    assert store.find("a.dev.test", "") == (exact,)
    assert store.find("b.test", "") == ()
    assert ca.issued == []
    assert store.find("B.dev.test", "") == store.find("b.dev.test.", "") == (CHEAP,)
    assert store.find(None, "::ffff:127.0.0.1") == (CHEAP,)
    assert (ca.issued, store.generation) == (["b.dev.test", "127.0.0.1"], 1)


def test_an_issuer_renews() -> None:
    """When a certificate is due, the next one is made while it is asked for, in a new generation."""
    ca = Ca()
    store = CertificateStore(issuer=ca)
    store.find("a.dev.test", "")
    ca.due.add(CHEAP)
    store.find("a.dev.test", "")
    assert (ca.issued, store.generation) == (["a.dev.test"] * 2, 1)


def test_what_an_issuer_makes_is_bounded() -> None:
    """At a bound, all that was made is forgotten in a new generation, so that nobody keeps what was made of it."""
    ca = Ca()
    store = CertificateStore(issuer=ca)
    for number in range(MAX_ISSUED + 1):
        assert store.generation == 0
        store.find(f"h{number}.dev.test", "")
    assert (store.generation, len(store._made)) == (1, 1)


# Any names, against a model that walks over all certificates.

LABELS = st.sampled_from(["a", "b", "x"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
NAMES = st.one_of(HOSTS, HOSTS.map(lambda host: f"*.{host}"))
# Few, because making certificates takes long; any selection of them is a store.
POOL = tuple(
    certificate(*names, kind=kind, days=days, source=f"{days}.pem")
    for days, (names, kind) in enumerate(
        [
            (("a", "b.x", "*.a"), "ecdsa"),
            (("*.x", "a.b.x"), "rsa"),
            (("*.b.x", "*.a.a"), "ed25519"),
            (("A.B.X", "b"), "ecdsa"),
            (("*.A.b", "x.a"), "rsa"),
            (("a.a", "*.a", "*.x"), "ecdsa"),
            (("b.x", "*.a.b.x"), "rsa"),
        ],
        start=-1,
    )
)


def spelled(draw: st.DrawFn, host: str) -> str:
    """Give a host in some spelling."""
    cased = "".join(char.upper() if draw(st.booleans()) else char for char in host)
    return cased + draw(st.sampled_from(["", "."]))


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Give a host in normal form, and in some spelling."""
    host = draw(HOSTS)
    return host, spelled(draw, host)


def model(certificates: Sequence[Certificate], host: str) -> list[Certificate]:
    """Find what serves a host, by the rules as they are written."""

    def has(each: Certificate, name: str) -> bool:
        return name in {entry.lower() for entry in each.names}

    parent = host.split(".", 1)[1] if "." in host else None
    serving = [each for each in certificates if has(each, host) or (parent and has(each, f"*.{parent}"))]
    serving.sort(key=lambda each: each.not_after, reverse=True)
    serving.sort(key=lambda each: not has(each, host))
    serving.sort(key=lambda each: each.kind == "rsa")
    serving.sort(key=lambda each: each.not_after <= NOW)
    return serving


@given(chosen=st.lists(st.sampled_from(POOL), unique=True), asked=st.lists(spellings(), min_size=1, max_size=8))
def test_any_names(chosen: list[Certificate], asked: list[tuple[str, str]]) -> None:
    """Whatever names there are, in any spelling, first or again, the store finds what the model finds."""
    store = store_of(*chosen)
    for host, spelling in asked * 2:
        expected = model(chosen, host)
        assert list(store.find(spelling, "")) == expected
        assert store.covers(spelling) is bool(expected)
        assert {each for each in chosen if each.covers(spelling)} == set(expected)
