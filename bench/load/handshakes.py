"""A load generator for TLS handshakes: one request on each connection, and then the next connection.

Rule: what was asked for is what happened. A handshake that was resumed where it had to be full, or full
where it had to be resumed, or of another version, suite or group, is an error and no answer. It is one
epoll loop and ends by the clock. Run as ``python -m bench.load.handshakes PORT CASE SECONDS``.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable

from OpenSSL import SSL
from OpenSSL._util import lib

from bench.answers import BadAnswer, is_whole
from bench.cases import CASES, HOST, Case
from bench.identity import CIPHER_SUITE

from .result import summary

_SECONDS = 2.0


class Client:
    """What all connections of a case have in common."""

    def __init__(self, case: Case, port: int) -> None:
        self.resumed = case.resumed
        self.request, self.body = case.request(), case.answer
        self.address = ("127.0.0.1", port)
        self.agreed = ("TLSv1.3", CIPHER_SUITE, case.group.casefold())
        # Certificates are verified by the probe, of the same proxy at the same time. Here it would only
        # take time from the load's core.
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.context.set_min_proto_version(SSL.TLS1_3_VERSION)
        self.context.set_tls13_ciphersuites(CIPHER_SUITE.encode("ascii"))
        # The answer says how long it is, so an end without close_notify cuts nothing short. OpenSSL would
        # take it for an attack, and the session for unfit to be resumed.
        self.context.set_options(ssl.OP_IGNORE_UNEXPECTED_EOF)
        # pyOpenSSL has no function for it.
        if not lib.SSL_CTX_set1_curves_list(self.context._context, case.group.encode("ascii")):
            raise BadAnswer(f"this OpenSSL has no group {case.group}")


def _connected(address: tuple[str, int]) -> socket.socket:
    sock = socket.socket()
    try:
        sock.settimeout(_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
    except OSError as error:
        sock.close()
        raise BadAnswer(f"not accepted: {error}") from error
    sock.setblocking(False)
    return sock


class Visit:
    """One connection: a handshake, a request and its answer, and its end, which is the other side's to make.

    :ivar took: nanoseconds from connecting to the end of the answer; 0 as long as that has not come.
    """

    __slots__ = ("_began", "_client", "_received", "_resumes", "_sock", "_step", "_tls", "took")

    def __init__(self, client: Client, session: SSL.Session | None = None) -> None:
        """Connect and say hello, with the session that shall be resumed.

        :raises BadAnswer: nobody accepts it.
        """
        self._client, self._resumes = client, session is not None
        self._received, self.took = b"", 0
        self._step: Callable[[], bool] = self._shake_hands
        self._began = time.perf_counter_ns()
        self._sock = _connected(client.address)
        self._tls = SSL.Connection(client.context, self._sock)
        self._tls.set_tlsext_host_name(HOST.encode("ascii"))
        self._tls.set_connect_state()
        if session is not None:
            self._tls.set_session(session)
        try:
            self.readable()
        except BadAnswer:
            self.close()
            raise

    def fileno(self) -> int:
        return self._sock.fileno()

    def readable(self) -> bool:
        """Go on with what there is to read; tell whether all is done, and done well.

        :raises BadAnswer: the connection ended before, or something else came than what had to.
        """
        try:
            return self._step()
        except SSL.WantReadError:
            return False
        except SSL.ZeroReturnError:
            return self._ended("close_notify")
        except SSL.Error as error:
            return self._ended(_reason(error))
        except OSError as error:
            return self._ended(str(error))

    def _shake_hands(self) -> bool:
        self._tls.do_handshake()
        group = (self._tls.get_group_name() or "").casefold()  # OpenSSL 4 says x25519
        found = (self._tls.get_protocol_version_name(), self._tls.get_cipher_name(), group)
        if found != self._client.agreed:
            raise BadAnswer(f"agreed on {found}, not on {self._client.agreed}")
        # pyOpenSSL does not tell.
        if bool(lib.SSL_session_reused(self._tls._ssl)) is not self._resumes:
            raise BadAnswer("the session was not resumed" if self._resumes else "resumed without a session")
        self._tls.send(self._client.request)
        self._step = self._read
        return False

    def _read(self) -> bool:
        while True:
            self._received += self._tls.recv(65536)
            if is_whole(self._received, self._client.body) and not self.took:
                self.took = time.perf_counter_ns() - self._began

    def _ended(self, how: str) -> bool:
        if not self.took:
            what = "the handshake failed" if self._step == self._shake_hands else "ended before the end of the answer"
            raise BadAnswer(f"{what}: {how}")
        return True

    def session(self) -> SSL.Session | None:
        """Give what the next connection may resume; None: the other side gave none."""
        return self._tls.get_session()

    def close(self) -> None:
        # Else OpenSSL takes the end for a broken one, and makes the session unfit for resumption.
        self._tls.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        self._sock.close()


def _reason(error: SSL.Error) -> str:
    # OpenSSL's errors are a list of library, function and reason; those of a socket a number and a text.
    found = error.args[0] if error.args else ""
    return "; ".join(reason for _, _, reason in found) if isinstance(found, list) else str(error)


def visit(client: Client, session: SSL.Session | None = None) -> SSL.Session | None:
    """Make one connection from its begin to its end, and give the session that it leaves.

    :raises BadAnswer: it did not go as it had to.
    """
    made = Visit(client, session)
    try:
        while select.select([made], [], [], _SECONDS)[0]:
            if made.readable():
                return made.session()
        raise BadAnswer("nothing came for too long")
    finally:
        made.close()


def check(case: Case, port: int) -> None:
    """Make one handshake of the case.

    :raises BadAnswer: it did not go as it had to.
    """
    client = Client(case, port)
    session = visit(client)
    if case.resumed:
        visit(client, session)


class Visiting:
    """So many connections at a time, each followed by the next."""

    def __init__(self, case: Case, port: int) -> None:
        self._client = Client(case, port)
        self._poller = select.epoll()
        self._visits: dict[int, Visit] = {}
        self._sessions = [visit(self._client) if case.resumed else None for _ in range(case.connections)]
        self.took: list[int] = []
        self.errors = 0

    def run(self, seconds: float) -> dict[str, int]:
        """Go on for that long and give the summary."""
        start = time.perf_counter_ns()
        end = start + int(seconds * 1e9)
        self._begin()
        while time.perf_counter_ns() < end:
            for fd, _ in self._poller.poll(0.1):
                self._go_on(fd)
            self._begin()
        for each in self._visits.values():
            each.close()
        self._poller.close()
        return summary(self.took, time.perf_counter_ns() - start, self.errors)

    def _begin(self) -> None:
        for _ in range(len(self._sessions)):
            session = self._sessions.pop()
            try:
                made = Visit(self._client, session)
            except BadAnswer:
                self.errors += 1
                self._sessions.append(session)
                return  # until the next turn, by when the time may be over
            self._visits[made.fileno()] = made
            self._poller.register(made, select.EPOLLIN)

    def _go_on(self, fd: int) -> None:
        made = self._visits[fd]
        try:
            if not made.readable():
                return
            self.took.append(made.took)
        except BadAnswer:
            self.errors += 1
        del self._visits[fd]
        self._sessions.append(made.session() if self._client.resumed else None)
        made.close()


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles
    (_case,) = (each for each in CASES if each.name == sys.argv[2])
    print(json.dumps(Visiting(_case, int(sys.argv[1])).run(float(sys.argv[3]))))
