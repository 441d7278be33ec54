"""TLS for the daemon's listeners: its certificates, and what watches over them.

Rule: certificates are loaded before anything is bound; what cannot be loaded then keeps the daemon from starting.
"""

from __future__ import annotations

from typing import Any

from txproxy.config.model import Config
from txproxy.listeners.https import HttpsFactory
from txproxy.tls.contexts import ServerContexts
from txproxy.tls.openssl import Scratch
from txproxy.tls.store import CertificateStore

# What is spoken behind TLS, for ALPN (RFC 7301): the names are registered.
PROTOCOLS = (b"http/1.1", b"http/1.0")


class Securing:
    def __init__(self, config: Config, reactor: Any) -> None:
        import datetime
        from txproxy.tls.certificate_files import load
        self._config = config
        self.store = CertificateStore(config.tls.default)
        now = datetime.datetime.now(datetime.UTC)
        self.store.swap([load(c.cert, c.key, now) for c in config.tls.certificates], now)
        self._scratch = Scratch(reactor)
        self._reactor = reactor

    def factory(self, details):
        frontend, address = details[0], details[3]
        return HttpsFactory(*details, scratch=self._scratch,
            contexts=ServerContexts(self.store, lambda name: frontend.generation.policies.of(name), PROTOCOLS, self._reactor.seconds),
            handshake_timeout=self._config.timeouts.handshake, redirects_plain=address.redirect_plain_http)

    def start(self): ...
    def stop(self): ...
