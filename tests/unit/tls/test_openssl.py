"""The calls that go below pyOpenSSL's public names."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from OpenSSL._util import lib

from tests.support.tls import OpenSsl, client_context, server_context
from tests.unit.tls.talks import talk
from txproxy.tls.openssl import (
    CLOSE_NOTIFY,
    SCRATCH_BYTES,
    WANTS_READ,
    Scratch,
    inside,
    octets_of,
    problem,
    ssl_get_error,
    ssl_read,
    ssl_write,
    use_modern_groups,
    verify_words,
    was_resumed,
)


def test_a_read_without_data_says_what_it_waits_for() -> None:
    """More bytes, the end, or an error: told apart by number."""
    talking = talk()
    ssl, _, _ = inside(talking.ours.tls)
    scratch = Scratch(None)
    assert ssl_get_error(ssl, ssl_read(ssl, scratch.buffer, SCRATCH_BYTES)) == WANTS_READ
    talking.other.end()
    talking.ours.tls.bio_write(talking.other.take())
    assert ssl_get_error(ssl, ssl_read(ssl, scratch.buffer, SCRATCH_BYTES)) == CLOSE_NOTIFY


def test_bytes_go_through_the_scratch() -> None:
    """What is read into the buffer is taken from its view; what is written may begin anywhere in a bytes object."""
    talking = talk()
    ssl, _, out = inside(talking.ours.tls)
    data = b"__hello__"
    assert ssl_write(ssl, octets_of(data) + 2, 5) == 5
    scratch = Scratch(None)
    assert len(scratch.view) == SCRATCH_BYTES
    size = lib.BIO_read(out, scratch.buffer, SCRATCH_BYTES)
    talking.other.feed(scratch.view[:size])
    assert talking.other.got == b"hello"


def test_a_problem_is_what_pyopenssl_would_have_raised() -> None:
    """With its reasons and without its frames; the library's queue is empty behind it."""
    talking = talk()
    ssl, _, _ = inside(talking.ours.tls)
    talking.ours.tls.shutdown()
    result = ssl_write(ssl, b"x", 1)
    assert result <= 0
    error = problem(talking.ours.tls, result)
    assert isinstance(error, SSL.Error)
    assert error.args[0][0][2] == "protocol is shutdown"
    assert error.__traceback__ is None
    assert lib.ERR_peek_error() == 0


def test_a_problem_that_is_none_is_still_an_error() -> None:
    """Whoever asks has no bytes: something comes back, and nobody is told that all is well."""
    talking = talk()
    assert isinstance(problem(talking.ours.tls, 1), SSL.Error)


def test_words_for_what_is_not_believed() -> None:
    """OpenSSL's own, by its number."""
    assert verify_words(10) == "certificate has expired"


def test_a_full_handshake_took_up_nothing() -> None:
    """And one that did says so (see test_contexts_clients.py)."""
    assert not was_resumed(talk().ours.tls)


@pytest.mark.parametrize("first_is_known", [True, False])
def test_modern_groups_are_agreed_on(first_is_known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The post-quantum one where this OpenSSL knows it, otherwise X25519; an error about it is not left behind."""
    if not first_is_known:
        from txproxy.tls import openssl

        monkeypatch.setattr(openssl, "_GROUPS", (b"no such group", *openssl._GROUPS[1:]))
    server, client = server_context("1.3"), client_context("1.3")
    use_modern_groups(server)
    assert lib.ERR_peek_error() == 0
    ends = OpenSsl(client, server=False), OpenSsl(server, server=True)
    ends[0].go_on()
    for _ in range(3):
        ends[1].feed(ends[0].take())
        ends[0].feed(ends[1].take())
    assert ends[0].shaken
    agreed = ends[0].tls.get_group_name().upper()
    assert agreed in ({"X25519MLKEM768", "X25519"} if first_is_known else {"X25519"})
