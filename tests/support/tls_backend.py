"""Backends that speak TLS: Python's ssl around a script, nginx, and `openssl s_server`, with certificates to order.

Rule: what is not asked for is good for a century, because every program looks at the real clock.
"""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .addresses import HOST, free_port
from .backend import Connection, Script
from .certificates import Issued, issue, pem, write
from .messages import Gone

START, PAST, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2002, 2101))


class Pki:
    """A folder with a CA, `ca.pem`, and the certificates that it issues."""

    def __init__(self, folder: Path, common_name: str = "a test's root") -> None:
        self.folder = folder
        self.root = issue(common_name=common_name, is_ca=True, start=START, end=END)
        self.ca = write(folder / "ca.pem", pem(self.root.certificate))

    def issue(self, name: str, *names: str, by: Issued | None = None, **more: Any) -> Path:
        """Write `name`.pem with a certificate for these names, by the CA unless another issuer is given, and its key.

        :param more: as `certificates.issue` has it; `self_signed`: by nobody else.
        """
        issuer = None if more.pop("self_signed", False) else by or self.root
        issued = issue(*names, by=issuer, **({"start": START, "end": END} | more))
        return issued.write(self.folder / f"{name}.pem")


def server_context(certificate: Path, *, clients: Path | None = None, version: str | None = None) -> ssl.SSLContext:
    """Make what a Python server speaks TLS with.

    :param clients: the CA of the client certificates that it wants. :param version: "1.2": no other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def over_tls(context: ssl.SSLContext, script: Script, resumed: list[bool] | None = None) -> Script:
    """Let a script speak through TLS; it ends with a close_notify, unless it has closed the socket itself.

    :param resumed: gets of each handshake whether it took up a session.
    """

    def secure(connection: Connection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.socket = wrapped = context.wrap_socket(connection.socket, server_side=True)
        except (ssl.SSLError, OSError):
            raise Gone("in the handshake") from None
        if resumed is not None:
            resumed.append(bool(wrapped.session_reused))
        try:
            script(connection)
            if wrapped.fileno() >= 0:
                wrapped.unwrap()
        except ssl.SSLError:
            raise Gone("cut") from None

    return secure


def cut(connection: Connection) -> None:
    """End the wire below TLS, without a close_notify."""
    wrapped = connection.socket
    assert isinstance(wrapped, ssl.SSLSocket)
    plain = socket.socket(fileno=wrapped.detach())
    plain.shutdown(socket.SHUT_RDWR)
    plain.close()


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {host}:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_session_cache shared:test:1m;
    {settings}
    root {folder}/files;
    location /tls {{ return 200 "$ssl_session_reused $ssl_server_name $ssl_protocol $ssl_client_verify $connection"; }}
  }}
}}
"""


def nginx(start_child: Any, folder: Path, certificate: Path, settings: str = "") -> int:
    """Start nginx with TLS; give its port. `/tls` tells of the connection, other paths are files of `folder/files`."""
    port = free_port()
    (folder / "files").mkdir(exist_ok=True)
    path = write(
        folder / "nginx.conf",
        NGINX.format(folder=folder, host=HOST, port=port, certificate=certificate, settings=settings).encode(),
    )
    start_child([_program("nginx"), "-c", path, "-e", folder / "error.log"], (HOST, port))
    return port


def s_server(start_child: Any, certificate: Path, options: Sequence[str | Path] = ("-www",)) -> int:
    """Start `openssl s_server`; give its port. With `-www` it answers with a page about the connection."""
    port = free_port()
    argv = [_program("openssl"), "s_server", "-accept", f"{HOST}:{port}", "-cert", certificate, "-key", certificate]
    start_child([*argv, *options], (HOST, port))
    return port


def _program(name: str) -> str:
    """Find a program, of those for administrators too."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    assert found is not None, f"{name} is not installed"
    return found
