"""Requests that two readers could read differently: judged by what reaches the backend's socket.

Rule: each row hides a second request, for /poison, in the first. It is either refused and the
connection closed, or rewritten so that every reader reads the same.
"""

from __future__ import annotations

import pytest

from tests.support.backend import ok
from tests.support.waiting import until

POISON = b"GET /poison HTTP/1.1\r\nHost: app.test\r\nX: y\r\n\r\n"
LINE = b"POST /first HTTP/1.1\r\nHost: app.test\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"


def _framed(*lines: bytes, body: bytes = b"") -> bytes:
    """Make a request out of these field lines, and the poison after it."""
    return LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body + POISON


def _named(rows: dict[str, object]) -> list[object]:
    return [pytest.param(row, id=name) for name, row in rows.items()]


# Their head alone tells: nothing at all may reach the backend.
HEADS: dict[str, tuple[bytes, set[int]]] = {
    "cl-te": (_framed(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {400}),
    "te-cl": (_framed(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"), {400}),
    "te-x": (_framed(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), {400, 501}),
    "te-identity": (_framed(b"Transfer-Encoding: identity", b"Content-Length: 0"), {400, 501}),
    "te-identity-alone": (_framed(b"Transfer-Encoding: identity"), {400, 501}),
    "te-gzip-chunked": (_framed(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), {400, 501}),
    "te-chunked-identity": (_framed(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), {400, 501}),
    "te-chunked-chunked": (_framed(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), {400, 501}),
    "te-twice": (_framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"), {400, 501}),
    "te-twice-the-same": (
        _framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        {400, 501},
    ),
    "te-empty": (_framed(b"Transfer-Encoding:", b"Content-Length: 0"), {400, 501}),
    "te-quoted": (_framed(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), {400, 501}),
    "te-vertical-tab": (_framed(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), {400}),
    "te-form-feed": (_framed(b"Transfer-Encoding: chunked\x0c", body=b"0\r\n\r\n"), {400}),
    "te-space-before-colon": (_framed(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), {400}),
    "te-tab-before-colon": (_framed(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"), {400}),
    "te-folded": (_framed(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), {400}),
    "te-in-a-fold": (_framed(b"X: y\r\n Transfer-Encoding: chunked", b"Content-Length: 0"), {400}),
    "te-after-bare-lf": (_framed(b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 0"), {400}),
    "te-after-bare-cr": (_framed(b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 0"), {400}),
    "te-on-1.0": (
        b"POST /first HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + POISON,
        {400, 501},
    ),
    "cl-unequal": (_framed(b"Content-Length: 0", b"Content-Length: 44"), {400}),
    "cl-list-unequal": (_framed(b"Content-Length: 0, 44"), {400}),
    "cl-plus": (_framed(b"Content-Length: +0"), {400}),
    "cl-minus": (_framed(b"Content-Length: -1"), {400}),
    "cl-hex": (_framed(b"Content-Length: 0x0"), {400}),
    "cl-empty": (_framed(b"Content-Length:"), {400}),
    "cl-underscore": (_framed(b"Content-Length: 1_0"), {400}),
    "cl-inner-space": (_framed(b"Content-Length: 0 0"), {400}),
    "cl-fraction": (_framed(b"Content-Length: 0.0"), {400}),
    "cl-other-digits": (_framed("Content-Length: \u0663".encode()), {400}),
    "cl-too-large": (_framed(b"Content-Length: 99999999999999999999999"), {400, 413}),
    "cl-space-before-colon": (_framed(b"Content-Length : 44"), {400}),
    "fold": (_framed(b"X: y", b" z: 1", b"Content-Length: 0"), {400}),
    "fold-first": (b"GET /first HTTP/1.1\r\n Host: app.test\r\n\r\n" + POISON, {400}),
    "nul-in-value": (_framed(b"X: a\0b"), {400}),
    "nul-in-name": (_framed(b"X\0: a"), {400}),
    "name-empty": (_framed(b": a"), {400}),
    "no-colon": (_framed(b"just words"), {400}),
    "name-with-bracket": (_framed(b"X[]: a"), {400}),
    "name-not-ascii": (_framed(b"X\xe9: a"), {400}),
    "all-bare-lf": (b"GET /first HTTP/1.1\nHost: app.test\n\n" + POISON, {400}),
    "bare-lf-after-start": (b"GET /first HTTP/1.1\nHost: app.test\r\n\r\n" + POISON, {400}),
    "bare-cr-after-start": (b"GET /first HTTP/1.1\rHost: app.test\r\n\r\n" + POISON, {400}),
    "http-0.9": (b"GET /first\r\n\r\n" + POISON, {400, 505}),
    "http-2.0": (b"GET /first HTTP/2.0\r\nHost: app.test\r\n\r\n" + POISON, {400, 505}),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + POISON, {400, 505}),
    "version-lower-case": (b"GET /first http/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400, 505}),
    "version-two-digits": (b"GET /first HTTP/1.10\r\nHost: app.test\r\n\r\n" + POISON, {400, 505}),
    "version-zero": (b"GET /first HTTP/01.1\r\nHost: app.test\r\n\r\n" + POISON, {400, 505}),
    "version-odd": (b"GET /first HTTP/1.1 x\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "two-spaces": (b"GET  /first HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "tab-separated": (b"GET\t/first\tHTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "space-first": (b" GET /first HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "method-not-a-token": (b"G(T /first HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "target-with-space": (b"GET /first /x HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "target-not-ascii": (b"GET /\x80\xff HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "target-control": (b"GET /\x01 HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "target-no-slash": (b"GET first HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "target-other-scheme": (b"GET ftp://app.test/first HTTP/1.1\r\nHost: app.test\r\n\r\n" + POISON, {400}),
    "connect": (b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n" + POISON, {400, 405, 501}),
    "host-missing": (b"GET /first HTTP/1.1\r\nX: y\r\n\r\n" + POISON, {400}),
    "host-twice": (b"GET /first HTTP/1.1\r\nHost: app.test\r\nHost: b.test\r\n\r\n" + POISON, {400}),
    "host-twice-the-same": (b"GET /first HTTP/1.1\r\nHost: app.test\r\nHost: app.test\r\n\r\n" + POISON, {400}),
}


@pytest.mark.parametrize("row", _named(HEADS))
def test_an_ambiguous_head_is_refused_and_nothing_of_it_goes_on(daemon, echo, row):
    """The client gets an error, its connection is closed, and the backend's socket stays silent."""
    sent, allowed = row
    with daemon.connect() as client:
        client.send(sent)
        response = client.response()
        assert response.status in allowed
        assert client.end() in {"closed", "reset"}
    assert echo.received() == b""


# Framed well, and asking for what cannot be: refused alone, and the next request is a request.
IMPOSSIBLE: dict[str, bytes] = {
    "target-userinfo": b"GET http://a@app.test/first HTTP/1.1\r\nHost: app.test\r\n\r\n",
    "target-escapes-root": b"GET /a/../../first HTTP/1.1\r\nHost: app.test\r\n\r\n",
    "target-escapes-root-encoded": b"GET /%2e%2e/first HTTP/1.1\r\nHost: app.test\r\n\r\n",
    "target-encoded-nul": b"GET /a%00b HTTP/1.1\r\nHost: app.test\r\n\r\n",
    "host-list": b"GET /first HTTP/1.1\r\nHost: app.test, b.test\r\n\r\n",
    "host-with-path": b"GET /first HTTP/1.1\r\nHost: app.test/x\r\n\r\n",
    "host-with-userinfo": b"GET /first HTTP/1.1\r\nHost: a@app.test\r\n\r\n",
    "host-with-space": b"GET /first HTTP/1.1\r\nHost: app test\r\n\r\n",
    "host-bad-port": b"GET /first HTTP/1.1\r\nHost: app.test:8x\r\n\r\n",
    "host-bad-ipv6": b"GET /first HTTP/1.1\r\nHost: [::1\r\n\r\n",
}


@pytest.mark.parametrize("sent", _named(IMPOSSIBLE))
def test_a_request_for_what_cannot_be_is_refused(daemon, echo, sent):
    """A target or a host that is not one gives 400, and nothing of that request reaches the backend."""
    with daemon.connect() as client:
        assert client.ask(sent).status == 400
    assert echo.received() == b""


# The head is good, the chunked body is not: what goes on must never be a whole request.
BODIES: dict[str, bytes] = {
    "size-0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size-plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "size-minus": b"-0\r\n\r\n",
    "size-space-first": b" 3\r\nabc\r\n0\r\n\r\n",
    "size-tab-first": b"\t3\r\nabc\r\n0\r\n\r\n",
    "size-empty": b"\r\nabc\r\n0\r\n\r\n",
    "size-words": b"three\r\nabc\r\n0\r\n\r\n",
    "size-underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "size-overlong": b"1" + b"0" * 16 + b"3\r\nabc\r\n0\r\n\r\n",
    "size-very-long": b"0" * 70000 + b"3\r\nabc\r\n0\r\n\r\n",
    "size-other-digits": "\u0663\r\nabc\r\n0\r\n\r\n".encode(),
    "size-bare-lf": b"3\nabc\r\n0\r\n\r\n",
    "size-bare-cr": b"3\rabc\r\n0\r\n\r\n",
    "size-nul": b"3\0\r\nabc\r\n0\r\n\r\n",
    "extension-with-lf": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "extension-with-cr": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "extension-with-nul": b"3;a\0b\r\nabc\r\n0\r\n\r\n",
    "extension-very-long": b"3;" + b"a" * 70000 + b"\r\nabc\r\n0\r\n\r\n",
    "data-too-long": b"3\r\nabcd\r\n0\r\n\r\n",
    "data-ends-with-lf": b"3\r\nabc\n0\r\n\r\n",
    "data-ends-with-cr": b"3\r\nabc\r0\r\n\r\n",
    "data-ends-with-anything": b"3\r\nabcXX0\r\n\r\n",
    "last-chunk-bare-lf": b"3\r\nabc\r\n0\n\n",
    "trailer-without-colon": b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
    "trailer-space-before-colon": b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    "trailer-fold": b"3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
    "trailer-bare-lf": b"3\r\nabc\r\n0\r\nX: y\nZ: y\r\n\r\n",
    "trailer-nul": b"3\r\nabc\r\n0\r\nX: \0\r\n\r\n",
}


@pytest.mark.parametrize("body", _named(BODIES))
def test_a_bad_chunk_never_becomes_a_whole_request(daemon, echo, body):
    """The client gets 400 and is closed; the backend sees no end of the request, and nothing of the hidden one."""
    with daemon.connect() as client:
        client.try_send(CHUNKED + body + POISON)
        assert client.response().status == 400
        assert client.end() in {"closed", "reset"}
    echo.all_ended()
    assert echo.requests == []
    assert b"poison" not in echo.received()


# Odd, and unambiguous once rewritten: (what is sent, how many requests it is, the body of the first).
NORMALISED: dict[str, tuple[bytes, int, bytes]] = {
    "te-upper-case": (LINE + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1, b"abc"),
    "te-with-tab": (LINE + b"Transfer-Encoding:\tchunked\t\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1, b"abc"),
    "size-with-zeros": (CHUNKED + b"0003\r\nabc\r\n0\r\n\r\n", 1, b"abc"),
    "extension": (CHUNKED + b"3;a=b\r\nabc\r\n0;c\r\n\r\n", 1, b"abc"),
    "extension-quoted": (CHUNKED + b'3;a="b;c"\r\nabc\r\n0\r\n\r\n', 1, b"abc"),
    "poison-in-a-chunk": (CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON), 1, POISON),
    "poison-in-content-length": (LINE + b"Content-Length: %d\r\n\r\n%b" % (len(POISON), POISON), 1, POISON),
    "two-requests": (LINE + b"Content-Length: 2\r\n\r\nhi" + LINE + b"Content-Length: 0\r\n\r\n", 2, b"hi"),
    "empty-line-first": (b"\r\n" + LINE + b"Content-Length: 2\r\n\r\nhi", 1, b"hi"),
    "framing-in-trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nContent-Length: 44\r\nHost: b.test\r\n\r\n", 1, b"hi"),
    "poison-in-a-get": (
        b"GET /first HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n%b" % (len(POISON), POISON),
        1,
        POISON,
    ),
}


@pytest.mark.parametrize("row", _named(NORMALISED))
def test_an_odd_request_arrives_in_one_clear_form(daemon, echo, row):
    """Each request reaches the backend once, with one framing, exactly the body that was sent, and no other field."""
    sent, count, body = row
    with daemon.connect() as client:
        client.send(sent)
        for _ in range(count):
            assert client.response().status == 200
    until(lambda: len(echo.requests) == count, "the requests reach the backend")
    first = echo.requests[0]
    assert first.target == "/first"
    assert first.body == body
    assert first.values("host") == ["app.test"]
    assert [name.lower() for name, _ in first.trailers] == []
    assert echo.received().count(b"HTTP/1.1\r\n") - body.count(b"HTTP/1.1\r\n") == count


EQUAL = _framed(b"Content-Length: 0", b"Content-Length: 0")


@pytest.mark.parametrize("sent", [EQUAL, _framed(b"Content-Length: 0, 0"), _framed(b"Content-Length: 00")])
def test_a_length_said_twice_is_refused_or_said_once(daemon, echo, sent):
    """Equal lengths are either refused, or go on as one (RFC 9110, section 8.6)."""
    with daemon.connect() as client:
        client.send(sent)
        refused = client.response().status == 400
    if refused:
        assert echo.received() == b""
    else:
        until(lambda: len(echo.requests) == 2, "both requests reach the backend")
        assert [int(value) for value in echo.requests[0].values("content-length")] in ([], [0])


def test_the_authority_of_an_absolute_target_wins_over_host(start_daemon, serve):
    """The host that is routed on is the host that the backend is told (RFC 9112, section 3.2.2)."""
    right, wrong = serve(lambda request: ok(b"right")), serve(lambda request: ok(b"wrong"))
    daemon = start_daemon(f"hosts: {{right.test: {right.url}, wrong.test: {wrong.url}}}")
    with daemon.connect() as client:
        response = client.ask(b"GET http://right.test/a?b HTTP/1.1\r\nHost: wrong.test\r\n\r\n")
    assert response.body == b"right"
    [request] = right.requests
    assert (request.target, request.values("host")) == ("/a?b", ["right.test"])
    assert wrong.received() == b""


def test_a_version_above_1_1_is_read_as_1_1_or_refused(daemon, echo):
    """HTTP/1.2 goes on as HTTP/1.1, or not at all (RFC 9110, section 2.5)."""
    with daemon.connect() as client:
        status = client.ask(b"GET /first HTTP/1.2\r\nHost: app.test\r\n\r\n").status
    if status == 200:
        assert echo.received().startswith(b"GET /first HTTP/1.1\r\n")
    else:
        assert status in {400, 505}
        assert echo.received() == b""


def test_every_byte_of_a_hidden_request_stays_hidden_when_sent_one_by_one(daemon, echo):
    """The classic TE.CL attack, an octet at a time, is refused as it is in one piece."""
    with daemon.connect() as client:
        for octet in HEADS["te-cl"][0]:
            if not client.try_send(bytes([octet])):
                break
        assert client.response().status == 400
    assert echo.received() == b""
