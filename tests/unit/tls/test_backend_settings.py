"""How TLS is spoken with a backend, as a value."""

from __future__ import annotations

import pytest

from tests.unit.tls.backend_ends import lasting, root, roots_of, shown
from txproxy.tls.backend_settings import BackendSettings


@pytest.mark.parametrize(
    ("given", "name", "is_address"),
    [
        ("app.internal", "app.internal", False),
        ("app.internal.", "app.internal", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("2001:db8::7", "2001:db8::7", True),
        ("fe80::7%eth0", "fe80::7", True),
        ("localhost", "localhost", False),
        ("1.2.3.4.5", "1.2.3.4.5", False),
    ],
)
def test_names_and_addresses_are_told_apart(given: str, name: str, is_address: bool) -> None:
    """Names lose the dot of the root, addresses their zone."""
    settings = BackendSettings("https://x", given)
    assert (settings.server_name, settings.is_address) == (name, is_address)


def test_equal_files_make_equal_settings() -> None:
    """What was read decides: the same CA and certificate are equal, another CA or `verify` is not."""
    authority, ours = root(), lasting("me")

    def made(verify: bool = True, by: object = authority) -> BackendSettings:
        return BackendSettings("https://x", "a.test", roots_of(by), shown(ours), verify)  # type: ignore[arg-type]

    assert made() == made()
    assert hash(made()) == hash(made())
    assert made().trust == made().trust
    assert made() != made(verify=False)
    assert made() != made(by=root())


def test_keys_are_not_shown() -> None:
    """What is printed of a client certificate has no key in it."""
    assert "Key" not in repr(BackendSettings("https://x", "a.test", client=shown(lasting("me"))))
