"""The one place that goes below pyOpenSSL's public names: the calls that records pass through, and two settings.

Rule: nothing else in txproxy touches `OpenSSL._util`. A `Connection` is made, shaken hands with, shut down and
asked by its public methods; only what happens for every request goes straight to the library, because pyOpenSSL
allocates a buffer and raises an exception where these calls return a number (10.7 us a request against 2.6).
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi as _ffi
from OpenSSL._util import lib as _lib

# RFC 8446, section 5.1: what one record holds at most.
RECORD_BYTES = 16 * 1024
# A read gives all records that have come, up to this; one write's record with its framing fits as well.
SCRATCH_BYTES = 9 * RECORD_BYTES

# What a call gives that returned no bytes (SSL_get_error).
WANTS_READ: int = _lib.SSL_ERROR_WANT_READ
CLOSE_NOTIFY: int = _lib.SSL_ERROR_ZERO_RETURN

ssl_read = _lib.SSL_read
ssl_write = _lib.SSL_write
bio_read = _lib.BIO_read
bio_write = _lib.BIO_write
ssl_get_error = _lib.SSL_get_error
clear_errors = _lib.ERR_clear_error
octets_of = _ffi.from_buffer

# As a client with keys for the first two ("*"): a server that does not know the first needs no second hello of ours.
_GROUPS = (b"*X25519MLKEM768:*X25519:P-256:P-384", b"X25519:P-256:P-384")


class Scratch:
    """What all TLS connections of one reactor share: the room that bytes pass through on their way to Python.

    :ivar buffer: of `SCRATCH_BYTES`, for the library; nothing stays in it from one call to the next.
    :ivar view: the same, to take bytes out of.
    :ivar reactor: calls what has to wait for the end of a turn.
    """

    __slots__ = ("buffer", "reactor", "view")

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.buffer = _ffi.new("char[]", SCRATCH_BYTES)
        self.view = _ffi.buffer(self.buffer)


def inside(connection: SSL.Connection) -> tuple[Any, Any, Any]:
    """Give the library's own objects of a connection with memory BIOs: itself, its way in, its way out.

    They live as long as the connection, which whoever keeps them has to keep as well.
    """
    return connection._ssl, connection._into_ssl, connection._from_ssl


def problem(connection: SSL.Connection, result: int) -> Exception:
    """Give what pyOpenSSL would have raised for a call that returned this; the library's queue is empty behind it."""
    try:
        connection._raise_ssl_error(connection._ssl, result)
    except SSL.Error as error:
        # It says all by itself; who keeps it shall not keep the frames, and so the connection, that it went through.
        return error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - a callback's may be of any kind, and is what is asked for
        return error
    finally:
        clear_errors()
    return SSL.Error([("", "", "no error")])


def verify_words(number: int) -> str:
    """Give OpenSSL's words for why a certificate is not believed (X509_V_ERR_...)."""
    return str(_ffi.string(_lib.X509_verify_cert_error_string(number)).decode("ascii"))


def was_resumed(connection: SSL.Connection) -> bool:
    """Tell whether a handshake took up an earlier session."""
    return bool(_lib.SSL_session_reused(connection._ssl))


def use_modern_groups(context: SSL.Context) -> None:
    """Let a context agree on X25519MLKEM768 or X25519 first, then on the NIST curves; pyOpenSSL can set one only."""
    for groups in _GROUPS:
        if _lib.SSL_CTX_set1_curves_list(context._context, groups) == 1:
            return
        clear_errors()  # an OpenSSL before 3.5 knows neither the first group nor the star


def release_idle_buffers(context: SSL.Context) -> None:
    """Let connections give the room for a record back while they are idle: 34 KiB each."""
    context.set_mode(_lib.SSL_MODE_RELEASE_BUFFERS)
