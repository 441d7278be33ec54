"""`txproxy demo`: the route map that lies beside this module, served.

Rule: it is an ordinary route map, the same as etc/demo.yaml, and everything goes the ordinary way.
"""

from __future__ import annotations

import os
import socket
from importlib.resources import files

from txproxy.config.loading import load_text
from txproxy.config.model import Config

from .running import CannotRun, run

PORT_VARIABLE = "TXPROXY_DEMO_PORT"
TLS_PORT_VARIABLE = "TXPROXY_DEMO_TLS_PORT"

_HELLO = """\
txproxy demo: two sites behind one address

  http://a.localhost:{port}/          a twisted.web resource that shows your request, with a WebSocket at /echo
  http://b.localhost:{port}/          a WSGI application
  http://b.localhost:{port}/a/hello   the first site, through a proxy route of the second
  https://a.localhost:{tls_port}/         the same by https, as is all else; `txproxy ca` tells how a browser trusts it

In a terminal:  curl -H 'Host: a.localhost' http://127.0.0.1:{port}/
                curl --cacert "$(txproxy ca --path)" https://a.localhost:{tls_port}/
The route map:  {file}
Ctrl-C ends it.
"""


def route_map() -> str:
    """Give the text of the demo's route map."""
    return (files(__package__) / "demo.yaml").read_text(encoding="utf-8")


def configured(port: int, tls_port: int) -> Config:
    """Read the demo's route map for these ports."""
    file = str(files(__package__) / "demo.yaml")
    environ = {PORT_VARIABLE: str(port), TLS_PORT_VARIABLE: str(tls_port)}
    loaded = load_text(route_map(), file, os.getcwd(), environ)
    if loaded.config is None:
        raise CannotRun("\n".join(problem.render() for problem in loaded.problems))
    return loaded.config


def serve(port: int, tls_port: int) -> None:
    """Serve the demo until the process is told to stop.

    :param port, tls_port: on 127.0.0.1; 0: any free one.
    :raises CannotRun: a port is taken, or the development CA cannot be made.
    """
    port, tls_port = port or _free_port(), tls_port or _free_port()
    hello = _HELLO.format(port=port, tls_port=tls_port, file=files(__package__) / "demo.yaml")
    run(configured(port, tls_port), started=lambda: print(hello, flush=True))


def _free_port() -> int:
    # The map needs to know it beforehand, for one of its routes leads back to itself.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
