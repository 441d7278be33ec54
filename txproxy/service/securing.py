"""TLS for the daemon's listeners: its certificates, what watches over them, and who speaks it.

Rule: certificates are loaded before anything is bound; what cannot be loaded then keeps the daemon from starting,
and what cannot be loaded later changes nothing.
"""

from __future__ import annotations

import os
from typing import Any

from txproxy.config.model import Config, Listen
from txproxy.forwarding.frontend import Frontend
from txproxy.listeners.https import HttpsFactory
from txproxy.tls.certificate import CertificateError
from txproxy.tls.contexts import ServerContexts
from txproxy.tls.openssl import Scratch
from txproxy.tls.policies import HostPolicy
from txproxy.tls.watching import CertificateErrors, open_certificates

from .clock import utc_now
from .compose_error import ComposeError

# What is spoken behind TLS, by the names of RFC 7301's registry.
PROTOCOLS = (b"http/1.1", b"http/1.0")


class Securing:
    """The certificates of one route map.

    :param config: the route map, with `tls`. :param reactor: Twisted's. :param scratch: of the reactor.
    :raises ComposeError: a certificate that it names cannot be served.
    """

    def __init__(self, config: Config, reactor: Any, scratch: Scratch) -> None:
        assert config.tls is not None, "the config has a certificate for its https listeners"
        self._config = config
        self._reactor = reactor
        self._scratch = scratch
        try:
            self._watcher = open_certificates(config.tls, config.state, reactor, utc_now, os.environ)
        except CertificateErrors as errors:
            raise _located(errors) from errors
        except CertificateError as error:
            raise ComposeError(config.tls.where, str(error)) from error
        self.store = self._watcher.store
        self._contexts: ServerContexts | None = None

    def factory(self, address: Listen, frontend: Frontend, *details: Any) -> HttpsFactory:
        """Make the factory of an https listener; `details` as `HttpFactory` has them."""
        if self._contexts is None:

            def policy_of(name: str | None) -> HostPolicy:
                return frontend.generation.policies.of(name)

            # One for all listeners: a session of one may be taken up at another.
            self._contexts = ServerContexts(self.store, policy_of, PROTOCOLS, self._reactor.seconds)
        return HttpsFactory(
            frontend,
            *details,
            scratch=self._scratch,
            contexts=self._contexts,
            handshake_timeout=self._config.timeouts.handshake,
            redirects_plain=address.redirect_plain_http,
        )

    def start(self) -> None:
        """Tell what is in force, and watch the files."""
        self._watcher.start()

    def stop(self) -> None:
        """Watch no more."""
        self._watcher.stop()


def _located(errors: CertificateErrors) -> ComposeError:
    """Say of each, one a line, where the map names what it is about."""
    (where, first), *more = ((where, f"certificates: {said}") for where, said in errors.problems)
    return ComposeError(where, "\n".join([first, *(f"{where}: {message}" for where, message in more)]))
