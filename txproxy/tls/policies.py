"""Which policy each host has: what the route map says under `hosts.*.tls`, by the host's pattern.

Rule: a host name finds its policy by the very pattern by which its requests find their routes; who names no host
has the policy of the routes that requests without Host find, which are those of `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# As they stand in a ClientHello.
TLS12, TLS13 = 0x0303, 0x0304


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """What a host asks of TLS; two hosts with equal policies share sessions and connections.

    :ivar minimum: the least version. :ivar client_auth: whether clients show a certificate.
    :ivar client_ca: what signs those of clients, as PEM. :ivar name: for logs; does not count.
    """

    minimum: int = TLS12
    client_auth: Literal["none", "request", "require"] = "none"
    client_ca: bytes = b""
    name: str = field(default="", compare=False)


class HostPolicies:
    """The policies of one route map.

    :param default: of all hosts that have none of their own.
    :param by_pattern: of hosts that have one.
    :param pattern_of: gives the pattern that a host name in normal form meets ("": no name), or None.
    """

    __slots__ = ("_by_pattern", "_pattern_of", "default")

    def __init__(
        self,
        default: HostPolicy,
        by_pattern: Mapping[str, HostPolicy],
        pattern_of: Callable[[str], str | None],
    ) -> None:
        self.default = default
        self._by_pattern = dict(by_pattern)
        self._pattern_of = pattern_of

    @property
    def require_certificates(self) -> bool:
        """Whether any host lets in only clients with a certificate."""
        return any(policy.client_auth == "require" for policy in (self.default, *self._by_pattern.values()))

    def of(self, name: str | None) -> HostPolicy:
        """Give the policy of a host; None: of clients and requests that name no host."""
        if not self._by_pattern:
            return self.default
        pattern = self._pattern_of(name or "")
        return self.default if pattern is None else self._by_pattern.get(pattern, self.default)
