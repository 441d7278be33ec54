"""What hosts ask of TLS, as the route map says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import issue
from txproxy.config import Config
from txproxy.service.compose_error import ComposeError
from txproxy.service.compose_policies import host_policies
from txproxy.tls.policies import TLS12, TLS13, HostPolicies

Reader = Callable[[str], Config]
MAP = """
listen: https://127.0.0.1:8443
tls: {{internal: [a.example], minimum: "{minimum}"}}
hosts:
  a.example: {{respond: {{status: 200}}}}
  staff.example:
    tls: {{client_ca: ca.pem, client_auth: require, minimum: "1.3"}}
    routes: [{{respond: {{status: 200}}}}]
  "*.staff.example":
    tls: {{client_ca: ca.pem}}
    routes: [{{respond: {{status: 200}}}}]
  guests.example:
    tls: {{client_ca: ca.pem, client_auth: request}}
    routes: [{{respond: {{status: 200}}}}]
"""


def policies(config: Reader, minimum: str = "1.2") -> HostPolicies:
    """Make those of `MAP`, with patterns that match as they are written."""
    return host_policies(config(MAP.format(minimum=minimum)), lambda host: host)


@pytest.fixture(autouse=True)
def authority(route_map: object) -> bytes:
    """Put the CA of clients beside the route map."""
    made = issue(common_name="clients", is_ca=True).pem
    Path("ca.pem").write_bytes(made)
    return made


@pytest.mark.parametrize(
    ("host", "minimum", "client_auth"),
    [
        ("staff.example", TLS13, "require"),
        ("*.staff.example", TLS12, "require"),
        ("guests.example", TLS12, "request"),
        ("a.example", TLS12, "none"),
        ("nobody.example", TLS12, "none"),
        (None, TLS12, "none"),
    ],
)
def test_each_host_has_what_its_pattern_says(
    config: Reader, authority: bytes, host: str | None, minimum: int, client_auth: str
) -> None:
    """A host without `tls`, and a client that names no host, have the default; `client_ca` alone requires."""
    found = policies(config).of(host)
    assert (found.minimum, found.client_auth) == (minimum, client_auth)
    assert found.client_ca == (b"" if client_auth == "none" else authority)


def test_what_a_host_leaves_out_is_as_tls_has_it(config: Reader) -> None:
    """`tls.minimum` holds for all hosts that say nothing else."""
    made = policies(config, "1.3")
    assert {made.of(host).minimum for host in ("guests.example", "a.example", None)} == {TLS13}


@pytest.mark.parametrize(("content", "why"), [(b"no PEM", "holds no certificates"), (None, "cannot be read")])
def test_a_client_ca_that_cannot_be_used(config: Reader, content: bytes | None, why: str) -> None:
    """It is an error at the host's place, and not a host that anybody gets into."""
    file = Path("ca.pem")
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(ComposeError, match=why) as caught:
        policies(config)
    assert "routes.yaml:7" in str(caught.value)


def test_whether_any_host_requires_certificates(config: Reader) -> None:
    """It is told, so that plain requests are only looked at where that matters."""
    assert policies(config).require_certificates
    assert not host_policies(config("hosts: {a: http://127.0.0.1:1}"), lambda host: host).require_certificates
