"""Which policy a host name is held to."""

from __future__ import annotations

import pytest

from txproxy.tls.policies import TLS13, HostPolicies, HostPolicy

DEFAULT = HostPolicy(name="default")
STAFF = HostPolicy(TLS13, "require", b"a CA", "staff.example")
WILD = HostPolicy(TLS13, name="*.wild.example")
PATTERNS = {"staff.example": "staff.example", "x.wild.example": "*.wild.example", "open.example": "open.example"}
POLICIES = HostPolicies(DEFAULT, {"staff.example": STAFF, "*.wild.example": WILD}, PATTERNS.get)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        pytest.param("staff.example", STAFF, id="its own"),
        pytest.param("x.wild.example", WILD, id="of its pattern"),
        pytest.param("open.example", DEFAULT, id="of a pattern without one"),
        pytest.param("unknown.example", DEFAULT, id="no pattern"),
        pytest.param(None, DEFAULT, id="no name"),
    ],
)
def test_a_name_has_the_policy_of_its_pattern(name: str | None, policy: HostPolicy) -> None:
    """What has none of its own has the default one."""
    assert POLICIES.of(name) is policy


def test_who_names_no_host_has_the_policy_of_the_routes_for_any() -> None:
    """A request without Host finds the routes of `*`, so what these ask for is asked of it as well."""
    every = HostPolicies(DEFAULT, {"*": STAFF}, lambda name: "open.example" if name == "open.example" else "*")
    assert every.of(None) is STAFF
    assert every.of("unknown.example") is STAFF
    assert every.of("open.example") is DEFAULT


def test_without_policies_nobody_is_asked() -> None:
    """A route map without any costs no look at the routes."""

    def never(name: str) -> str:
        raise AssertionError("asked")

    assert HostPolicies(DEFAULT, {}, never).of("staff.example") is DEFAULT


def test_equal_policies_are_one_whatever_their_names() -> None:
    """Two hosts that ask for the same share connections and sessions; any difference tells them apart."""
    same = HostPolicy(TLS13, "require", b"a CA", "other.example")
    assert same == STAFF
    assert hash(same) == hash(STAFF)
    for different in (
        HostPolicy(client_auth="require", client_ca=b"a CA"),
        HostPolicy(TLS13, "request", b"a CA"),
        HostPolicy(TLS13, "require", b"another CA"),
    ):
        assert different != STAFF


@pytest.mark.parametrize(
    ("default", "by_pattern", "expected"),
    [
        (DEFAULT, {}, False),
        (DEFAULT, {"a.example": HostPolicy(client_auth="request", client_ca=b"a CA")}, False),
        (DEFAULT, {"staff.example": STAFF}, True),
        (STAFF, {}, True),
    ],
)
def test_whether_any_host_requires_certificates(
    default: HostPolicy, by_pattern: dict[str, HostPolicy], expected: bool
) -> None:
    """A request for one counts as none: such a host is for everybody."""
    assert HostPolicies(default, by_pattern, PATTERNS.get).require_certificates is expected
