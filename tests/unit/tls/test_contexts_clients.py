"""Clients that show a certificate, and clients that take up a session: neither gets past a host's policy."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL

from tests.support.certificates import Issued
from tests.support.tls import PAST, Talk, certificate, client_context, lasting, only, root
from tests.unit.tls.doors import Door
from txproxy.tls import contexts
from txproxy.tls.contexts import ROTATION
from txproxy.tls.openssl import was_resumed
from txproxy.tls.policies import TLS13, HostPolicy

VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
STAFF_CA, OTHER_CA = root("staff"), root("others")
ALICE = lasting(common_name="alice", by=STAFF_CA)
MALLORY = lasting(common_name="mallory", by=OTHER_CA)
EXPIRED = lasting(common_name="bob", by=STAFF_CA, end=PAST)
REQUIRED = HostPolicy(client_auth="require", client_ca=STAFF_CA.pem)
REQUESTED = HostPolicy(client_auth="request", client_ca=STAFF_CA.pem)
NAMES = lasting("app.example", "staff.example", "other.example", by=root())


def door_of(policies: dict[str, HostPolicy] | None = None) -> Door:
    """Make a door with one certificate for all hosts: what tells them apart is their policy."""
    return Door(NAMES, policies=policies or {"staff.example": REQUIRED})


def come(door: Door, version: str, name: str | None, shows: Issued | None = None, **more: Any) -> Talk:
    """Let a client come, talk, and stay."""
    context = more.pop("context", None) or only(client_context(shows=shows), version)
    talking = door.come(context, name, **more).go()
    if talking.other.error is None:
        talking.other.send(b"question")
        talking.go()
    return talking


# Certificates of clients.


@VERSIONS
def test_a_host_that_is_an_address_is_named_by_nobody(version: str) -> None:
    """Clients send no address as a server name (RFC 6066, section 3): the one that they come to is their host."""
    door = Door(lasting("app.example", "192.0.2.80", by=root()), policies={"192.0.2.80": REQUIRED})
    come(door, version, None).close()
    assert "peer did not return a certificate" in door.turned[0]
    assert not door.made
    come(door, version, None, ALICE)
    assert door.facts[0].client_certificate()["subject"] == "CN=alice"


@VERSIONS
def test_who_shows_a_good_one_is_let_in(version: str) -> None:
    """A certificate of the host's CA is what the connection's facts tell of."""
    door = door_of()
    come(door, version, "staff.example", ALICE)
    assert door.facts[0].client_certificate()["subject"] == "CN=alice"
    assert door.made[0].data == b"question"


@VERSIONS
@pytest.mark.parametrize("policy", [REQUIRED, REQUESTED], ids=["require", "request"])
@pytest.mark.parametrize(
    ("shows", "alert", "why"),
    [
        pytest.param(
            MALLORY,
            "alert unknown ca",
            "its certificate (CN=mallory, issued by CN=others) is not believed: unable to get local issuer certificate",
            id="another CA's",
        ),
        pytest.param(
            EXPIRED,
            "alert certificate expired",
            "its certificate (CN=bob, issued by CN=staff) is not believed: certificate has expired",
            id="expired",
        ),
        pytest.param(
            lasting(common_name="alice", is_ca=True),
            "alert unknown ca",
            "its certificate (CN=alice, issued by CN=alice) is not believed: self-signed certificate",
            id="its own",
        ),
        pytest.param(
            lasting(common_name="a\nb", by=OTHER_CA),
            "alert unknown ca",
            r"its certificate (CN=a\0Ab, issued by CN=others) is not believed: unable to get local issuer certificate",
            id="with a line break",
        ),
    ],
)
def test_who_shows_a_bad_one_is_not(version: str, policy: HostPolicy, shows: Issued, alert: str, why: str) -> None:
    """Whether required or only requested, what is shown must be good: nothing is heard, and the reason names it."""
    door = door_of({"staff.example": policy})
    talking = come(door, version, "staff.example", shows)
    assert alert in (talking.other.alert or "")
    assert door.made == []
    assert talking.close().below.over
    assert door.turned == [why]


@VERSIONS
def test_who_shows_none_where_one_is_required_is_not(version: str) -> None:
    """It gets the alert for it (1.3: certificate_required), and the reason says so."""
    door = door_of()
    talking = come(door, version, "staff.example")
    assert (talking.other.alert or "").endswith("certificate required" if version == "1.3" else "handshake failure")
    assert door.made == []
    talking.close()
    assert door.turned == ["peer did not return a certificate"]


@VERSIONS
def test_who_shows_none_where_one_is_requested_is(version: str) -> None:
    """It is let in, and its facts tell of no certificate."""
    door = door_of({"staff.example": REQUESTED})
    come(door, version, "staff.example")
    assert door.facts[0].client_certificate() == {}
    assert door.made[0].data == b"question"


@VERSIONS
def test_who_comes_to_an_open_host_is_not_asked(version: str) -> None:
    """A client that has a certificate shows none to a host that does not ask, and the other way round."""
    door = door_of()
    come(door, version, "app.example", ALICE)
    assert door.facts[0].client_certificate() == {}


@VERSIONS
def test_the_client_is_told_whose_certificates_count(version: str) -> None:
    """The host's CA is named to the client, so that it shows the right one of several."""
    door = door_of()
    talking = come(door, version, "staff.example", ALICE)
    told = [dict(name.get_components())[b"CN"] for name in talking.other.tls.get_client_ca_list()]
    assert told == [b"staff"]


@VERSIONS
def test_several_authorities_may_stand_in_a_file(version: str) -> None:
    """Any of them vouches; an intermediate certificate may be sent along."""
    policy = HostPolicy(client_auth="require", client_ca=OTHER_CA.pem + STAFF_CA.pem)
    between = lasting(common_name="department", is_ca=True, by=STAFF_CA)
    for shows in (ALICE, MALLORY, lasting(common_name="carol", by=between)):
        door = door_of({"staff.example": policy})
        come(door, version, "staff.example", shows)
        assert len(door.facts) == 1, shows


@VERSIONS
def test_an_intermediate_authority_may_be_the_only_one(version: str) -> None:
    """Where the file holds a CA that is no root, those that it has signed are let in, and the root's others are not."""
    between = lasting(common_name="department", is_ca=True, by=STAFF_CA)
    policy = HostPolicy(client_auth="require", client_ca=between.pem)
    for shows, let_in in ((lasting(common_name="carol", by=between), 1), (ALICE, 0)):
        door = door_of({"staff.example": policy})
        come(door, version, "staff.example", shows)
        assert len(door.facts) == let_in, shows


@VERSIONS
def test_a_certificate_for_servers_is_none_for_clients(version: str) -> None:
    """One whose extended key usage is only for servers is refused."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    server = lasting("staff.example", by=STAFF_CA, usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
    door = door_of()
    come(door, version, "staff.example", server)
    assert door.made == []


# Sessions.


class Visitor:
    """One client that comes again and again, with the same context, as OpenSSL asks for sessions."""

    def __init__(self, door: Door, version: str, shows: Issued | None = None) -> None:
        self.door = door
        self.version = version
        self.context = only(client_context(shows=shows), version)
        self.session: SSL.Session | None = None

    def come(self, name: str = "app.example") -> Talk:
        """Come with the session of last time, and take the next one along."""
        talking = come(self.door, self.version, name, context=self.context, session=self.session)
        if talking.other.error is None:
            self.session = talking.other.tls.get_session()
            # OpenSSL gives up the session of a connection that goes away without an end.
            talking.other.end()
        return talking

    def resumes(self, name: str = "app.example") -> bool:
        """Come, be let in, and tell whether both sides say that the session was taken up."""
        talking = self.come(name)
        assert talking.other.error is None
        resumed = was_resumed(talking.other.tls)
        assert self.door.facts[-1].resumed is resumed
        return resumed


@VERSIONS
def test_a_session_is_taken_up(version: str) -> None:
    """The second and the third handshake of a client are short."""
    visitor = Visitor(door_of(), version)
    assert [visitor.resumes() for _ in range(3)] == [False, True, True]


@VERSIONS
def test_a_session_is_taken_up_where_certificate_and_policy_are_the_same(version: str) -> None:
    """By another name too, as long as neither differs."""
    visitor = Visitor(door_of(), version)
    assert not visitor.resumes("app.example")
    assert visitor.resumes("other.example")


@VERSIONS
def test_a_session_does_not_stand_in_for_a_certificate(version: str) -> None:
    """Of an open host, it is worth nothing at one that requires certificates: it is asked for, and none is shown."""
    visitor = Visitor(door_of(), version)
    visitor.come("app.example")
    talking = visitor.come("staff.example")
    assert talking.other.error is not None
    assert len(visitor.door.made) == 1
    assert talking.close().below.over
    assert visitor.door.turned == ["peer did not return a certificate"]


@VERSIONS
def test_a_session_does_not_stand_in_for_another_cas_certificate(version: str) -> None:
    """Shown to one host, a certificate is asked for again by a host that believes another CA, and refused there."""
    others = HostPolicy(client_auth="require", client_ca=OTHER_CA.pem)
    visitor = Visitor(door_of({"staff.example": REQUIRED, "other.example": others}), version, ALICE)
    assert not visitor.resumes("staff.example")
    assert visitor.resumes("staff.example")
    talking = visitor.come("other.example")
    assert "unknown ca" in (talking.other.alert or "")
    assert len(visitor.door.made) == 2


def test_a_session_does_not_stand_in_for_a_version() -> None:
    """Of TLS 1.2, it lets nobody into a host of 1.3."""
    visitor = Visitor(door_of({"staff.example": HostPolicy(TLS13)}), "1.2")
    visitor.come("app.example")
    assert visitor.come("staff.example").other.alert == "tlsv1 alert protocol version"


@VERSIONS
def test_a_session_of_a_host_with_certificates_is_nothing_elsewhere(version: str) -> None:
    """It is taken up at its own host only: elsewhere the handshake is full, and no certificate is told of."""
    visitor = Visitor(door_of(), version, ALICE)
    visitor.come("staff.example")
    assert not visitor.resumes("app.example")
    assert visitor.door.facts[-1].client_certificate() == {}


@VERSIONS
def test_a_session_remembers_the_certificate(version: str) -> None:
    """Taken up, it still tells whose it is, with every field."""
    visitor = Visitor(door_of(), version, ALICE)
    assert not visitor.resumes("staff.example")
    assert visitor.resumes("staff.example")
    first, second = (facts.client_certificate() for facts in visitor.door.facts)
    assert second == first
    assert second["subject"] == "CN=alice"


@VERSIONS
def test_new_certificates_end_all_sessions(version: str) -> None:
    """When the store has changed, the next handshake is full, and the one behind it short again."""
    visitor = Visitor(door_of(), version)
    visitor.come()
    visitor.door.put(NAMES, certificate("rsa"))
    assert [visitor.resumes() for _ in range(2)] == [False, True]


@VERSIONS
def test_ticket_keys_are_made_anew_in_time(version: str) -> None:
    """Every twelve hours sessions of older keys are worth nothing, so that no key is worth stealing for long."""
    visitor = Visitor(door_of(), version)
    visitor.come()
    visitor.door.time.advance(ROTATION - 1)
    assert visitor.resumes()
    visitor.door.time.advance(1)
    assert [visitor.resumes() for _ in range(2)] == [False, True]
    visitor.door.time.advance(ROTATION)
    assert not visitor.resumes()


@VERSIONS
@pytest.mark.parametrize("policy", [REQUIRED, REQUESTED], ids=["require", "request"])
def test_a_certificate_is_shown_again_every_five_minutes(version: str, policy: HostPolicy) -> None:
    """However often a client comes, and though each handshake gives it a new session (TLS 1.3)."""
    visitor = Visitor(door_of({"staff.example": policy}), version, ALICE)
    resumed = []
    for _ in range(9):
        resumed.append(visitor.resumes("staff.example"))
        visitor.door.time.advance(100)
    assert resumed == [False, True, True] * 3


def test_sessions_with_certificates_are_short() -> None:
    """OpenSSL is told five minutes of them, and two hours of others."""
    lifetimes = []
    for name in ("staff.example", "app.example"):
        talking = come(door_of(), "1.3", name, ALICE)
        lifetimes.append(talking.ours.tls.get_context().get_timeout())
    assert lifetimes == [contexts.SESSION_SECONDS_WITH_CLIENT, contexts.SESSION_SECONDS] == [300, 7200]
