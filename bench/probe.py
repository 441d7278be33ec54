"""The probe: is this proxy doing its work at all, before anybody measures how fast.

Rule: status, body and a header that must have reached the backend are compared, over TLS the certificate
as well; a proxy that fails is named with the reason, and not measured.
"""

from __future__ import annotations

import http.client
import os
import re
import socket

from .answers import BadAnswer, connect
from .cases import SMALL_BODY, Backend, Case
from .load import handshakes
from .proxies import Place
from .websocket_client import handshake
from .websocket_frames import from_client, from_server

_SECONDS = 5.0


def probe(case: Case, place: Place) -> None:
    """Send what the case consists of through the proxy at this place, once; over TLS, if it has an identity.

    :raises BadAnswer: with what was wrong, in a sentence.
    """
    token = os.urandom(8).hex()
    try:
        if case.backend is Backend.ECHO:
            _probe_echo(case, place.port, token)
            return
        answer, seen = _exchange(case, place, token)
        if case.backend is Backend.FILES:
            _check_seen_by_files(case, place, token)
        elif seen != token:
            raise BadAnswer("a request header did not reach the backend")
        _expect("body", answer, case.answer)
        if case.closing:
            _check_closes(case, place)
        if case.closing and case.tls:
            handshakes.check(case, place.port)
    except (OSError, http.client.HTTPException) as error:
        raise BadAnswer(f"{type(error).__name__}: {error}") from error


def _connect(place: Place) -> socket.socket:
    sock = connect(place.port, place.identity.client() if place.identity else None)
    sock.settimeout(_SECONDS)
    return sock


def _exchange(case: Case, place: Place, token: str, path: str | None = None) -> tuple[bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    try:
        connection.sock = _connect(place)
        headers = {**dict(case.headers()), "X-Probe": token}
        method, body = ("POST", b"u" * case.upload) if case.upload and path is None else ("GET", None)
        connection.request(method, path or case.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise BadAnswer(f"status {response.status}: {answer[:200]!r}")
        return answer, response.getheader("X-Probe-Seen")
    finally:
        connection.close()


def _check_seen_by_files(case: Case, place: Place, token: str) -> None:
    seen = _exchange(case, place, token, "/seen")[0].decode("latin-1").strip().split("|")
    sent = dict(case.headers())
    _expect("what the backend saw", seen[0::2], [token, sent["Cookie"]])
    if not re.search(r"\b127\.0\.0\.1\b", seen[1]):
        raise BadAnswer(f"X-Forwarded-For reached the backend as {seen[1]!r}")


def _check_closes(case: Case, place: Place) -> None:
    with _connect(place) as sock:
        sock.sendall(case.request())
        received = b""
        while data := sock.recv(65536):
            received += data
    if not received.endswith(SMALL_BODY):
        raise BadAnswer("the connection was closed before the answer was complete")


def _probe_echo(case: Case, port: int, token: str) -> None:
    sock, head = handshake(port, case.path, (("X-Probe", token),))
    with sock:
        if token.encode("ascii") not in head:
            raise BadAnswer("a request header did not reach the backend")
        payload = os.urandom(100)
        sock.sendall(from_client(payload, os.urandom(4)))
        expected = from_server(payload)
        received = b""
        while len(received) < len(expected):
            data = sock.recv(4096)
            if not data:
                raise BadAnswer("closed in the middle of a message")
            received += data
        _expect("message", received, expected)


def _expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise BadAnswer(f"{what}: {_short(got)} instead of {_short(wanted)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
