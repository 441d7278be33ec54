"""How TLS is spoken with one backend, as a value.

Rule: it holds what the files said, not their names, so two that are equal may share what they have learned
of a backend (its connections, its sessions), and two that differ never do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from txproxy.model.hostname import is_address

from .backend_files import ClientCertificate, Roots


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """What is asked of one backend.

    :ivar where: its URL, for logs.
    :ivar server_name: the name or IP address that its certificate must be for; names are sent as SNI.
    :ivar roots: where its certificate must come from; None: from the system's CAs.
    :ivar client: what is shown if it asks.
    :ivar verify: False: its certificate is not looked at.
    """

    where: str
    server_name: str
    roots: Roots | None = None
    client: ClientCertificate | None = None
    verify: bool = True
    #: the server name is an IP address, which is not sent (RFC 6066, section 3)
    is_address: bool = field(init=False)

    def __post_init__(self) -> None:
        # A zone is known to this machine only, and no part of a certificate.
        bare = self.server_name.partition("%")[0]
        by_address = is_address(bare)
        object.__setattr__(self, "server_name", bare if by_address else self.server_name.rstrip("."))
        object.__setattr__(self, "is_address", by_address)

    @property
    def trust(self) -> tuple[Roots | None, ClientCertificate | None, bool]:
        """What an `SSL.Context` is made of; many backends may have the same."""
        return (self.roots, self.client, self.verify)
