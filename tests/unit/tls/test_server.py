"""The door of a listener: what a client must say, in what time, and what it gets if it does not."""

from __future__ import annotations

import gc
import weakref

import pytest

from tests.support.tls import client_context, only
from tests.unit.tls.doors import TIMEOUT, Door, certificate, plain_alert
from tests.unit.tls.hellos import hello

VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
KINDS = pytest.mark.parametrize("kind", ["ours", "plain"])


def secured(door: Door) -> bool:
    """Tell whether exactly one client was let in, and none turned away."""
    return len(door.made) == 1 and door.turned == []


# Who is let in.


@VERSIONS
@KINDS
@pytest.mark.parametrize("cut", [0, 1, 50])
def test_a_hello_in_any_pieces(version: str, kind: str, cut: int) -> None:
    """However the hello comes, the protocol is made once hands are shaken, and bytes go both ways."""
    door = Door()
    talking = door.come(only(client_context(), version), kind=kind)
    assert door.made == []
    talking.go(cut)
    assert secured(door)
    talking.other.send(b"question")
    talking.ours.write(b"answer")
    talking.go(cut)
    assert (door.made[0].data, talking.other.got) == (b"question", b"answer")
    assert talking.ours.hello is not None
    assert talking.ours.hello.server_name == "app.example"


@VERSIONS
def test_what_comes_with_the_last_flight_is_the_protocols(version: str) -> None:
    """A request in the same segment as the handshake's end is delivered, behind `connectionMade`."""
    door = Door()
    talking = door.come(only(client_context(), version))
    other = talking.other
    while not other.shaken:
        talking.deliver()
        other.feed(talking.below.take())
    other.send(b"question")
    talking.go()
    assert door.made[0].events == ["made", "data"]


def test_a_client_that_was_let_in_has_no_deadline() -> None:
    """Behind the handshake the deadline is forgotten: whoever comes next sets its own."""
    door = Door()
    talking = door.come().go()
    door.pass_time(3 * TIMEOUT)
    assert talking.below.ends == []
    assert talking.ours.deadline_slot == 0


# Who is too slow.


@KINDS
def test_who_says_nothing_is_cut(kind: str) -> None:
    """Within the deadline, and told once; nobody meant to talk to us."""
    door = Door()
    talking = door.come(kind=kind)
    door.pass_time(TIMEOUT + 1)
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert door.turned == ["the handshake took longer than timeouts.handshake"]
    assert not talking.ours.spoken


@pytest.mark.parametrize("said", [1, 5, 100])
def test_who_says_half_a_hello_is_cut(said: int) -> None:
    """A hello that does not end, also if a byte comes every now and then, ends the connection."""
    door = Door()
    talking = door.come()
    first = talking.other.take()
    for at in range(said):
        talking.below.arrive(first[at : at + 1])
    door.pass_time(TIMEOUT / 2)
    talking.below.arrive(first[said : said + 1])
    door.pass_time(TIMEOUT / 2 + 1)
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert len(door.turned) == 1
    assert talking.ours.spoken


@VERSIONS
def test_who_does_not_finish_is_cut(version: str) -> None:
    """A hello, and nothing behind our answer: the same deadline."""
    door = Door()
    talking = door.come(only(client_context(), version))
    talking.deliver()
    assert talking.below.pieces
    door.pass_time(TIMEOUT + 1)
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert door.turned == ["the handshake took longer than timeouts.handshake"]


def test_who_was_refused_and_stays_is_cut() -> None:
    """An alert that the client does not read ends the connection within the same deadline, and is the reason."""
    door = Door()
    talking = door.come(name="unknown.example")
    talking.deliver()
    assert talking.below.ends == ["closed"]
    door.pass_time(TIMEOUT + 1)
    assert talking.below.ends == ["closed", "aborted"]
    talking.below.lose()
    assert door.turned == ["no certificate is for unknown.example"]


# Who is refused, and what it is told.


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        pytest.param(b"\x80\x2e\x01\x00\x02" + b"x" * 50, 70, id="SSL 2"),
        pytest.param(b"\x17\x03\x03\x00\x05hello", 10, id="data first"),
        pytest.param(b"\x16\x03\x01\xff\xff" + b"x" * 100, 22, id="too long a record"),
        pytest.param(hello(version=0x0301), 70, id="TLS 1.0"),
        pytest.param(hello(b"\x00\x00\x00"), 50, id="an extension cut short"),
    ],
)
def test_what_is_no_hello_gets_the_alert_for_it(data: bytes, alert: int) -> None:
    """Garbage of each kind is answered as OpenSSL would, in clear, then the connection ends."""
    door = Door()
    talking = door.come()
    talking.below.arrive(data)
    assert plain_alert(talking) == alert
    assert talking.below.ends == ["closed"]
    talking.below.lose()
    assert len(door.turned) == 1
    assert door.made == []


def test_garbage_behind_the_hello_is_openssls() -> None:
    """What comes after the hello is decided by OpenSSL, with its alert and its words."""
    door = Door()
    talking = door.come()
    talking.deliver()
    talking.below.take()
    talking.below.arrive(b"\x16\x03\x03\x00\x04\x63\x00\x00\x00")
    assert talking.below.ends == ["closed"]
    talking.below.lose()
    (reason,) = door.turned
    assert reason


def test_an_end_within_the_handshake_is_told() -> None:
    """Who leaves, before the hello or behind it, is turned away once."""
    for said in (False, True):
        door = Door()
        talking = door.come()
        if said:
            talking.deliver()
        talking.below.eof()
        talking.below.lose()
        assert door.turned == ["the connection was closed during the handshake"]


@VERSIONS
def test_a_client_that_does_not_trust_us_says_so(version: str) -> None:
    """Its alert is the reason, in OpenSSL's words."""
    from tests.support.tls import believing

    door = Door()
    talking = door.come(only(believing(client_context()), version)).go()
    talking.below.lose()
    assert talking.other.error is not None
    # In TLS 1.3 it says so before it has finished.
    assert door.turned == ["tlsv1 alert unknown ca"]


# Who speaks something else.


@pytest.mark.parametrize("cut", [0, 1])
def test_plain_http_is_handed_over(cut: int) -> None:
    """What does not begin as TLS goes to whoever takes it, from its first byte on; the deadline is forgotten."""
    door = Door()
    talking = door.come()
    request = b"GET / HTTP/1.1\r\n\r\n"
    for at in range(0, len(request), cut or len(request)):
        talking.below.arrive(request[at : at + (cut or len(request))])
        if door.plain_data:
            break
    assert request.startswith(door.plain_data[0])
    assert talking.below.pieces == []
    door.pass_time(3 * TIMEOUT)
    assert talking.below.ends == []
    assert door.turned == []


def test_plain_http_that_nobody_takes_is_refused() -> None:
    """It gets an alert and is turned away, as what is no hello."""
    door = Door()
    door.takes_plain = False
    talking = door.come()
    talking.below.arrive(b"GET / HTTP/1.1\r\n\r\n")
    assert plain_alert(talking) is not None
    assert talking.below.ends == ["closed"]
    talking.below.lose()
    assert len(door.turned) == 1


# What goes wrong on our side.


@VERSIONS
def test_a_door_that_fails_is_told_of_the_end(version: str) -> None:
    """If no protocol can be made, the connection ends for that reason, and is turned away as any other."""
    door = Door()
    door.fault = ZeroDivisionError("no protocol")
    talking = door.come(only(client_context(), version)).go()
    assert talking.below.over
    assert door.turned == ["no protocol"]


def test_a_context_that_cannot_be_made_ends_one_connection() -> None:
    """What admitting raises is the reason; the client's connection ends, and it is told of once."""
    door = Door()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("no context")

    door.admit = fail  # type: ignore[assignment,method-assign]
    talking = door.come().go()
    assert talking.below.over
    assert door.turned == ["no context"]


@pytest.mark.parametrize("when", ["made", "data"])
def test_a_protocol_that_fails_ends_one_connection(when: str) -> None:
    """An exception in `connectionMade` or `dataReceived` is the reason of the end, which the protocol hears of."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    door = Door()
    door.act = {when: fail}
    talking = door.come().go()
    if when == "data":
        talking.other.send(b"x")
        talking.go()
    assert talking.below.over
    assert door.made[0].why == "ZeroDivisionError"
    assert door.turned == []
    fine = Door().come().go()
    assert fine.below.ends == []


# What a listener asks of it.


@pytest.mark.parametrize("how", ["abort", "cut", "close_when_idle"])
def test_a_listener_that_ends_cuts_handshakes(how: str) -> None:
    """Nothing is under way yet: whatever the listener says, the connection is cut at once."""
    door = Door()
    talking = door.come()
    talking.deliver()
    assert talking.ours.answering is False
    (talking.ours.cut if how == "cut" else getattr(talking.ours, how))(*([None] if how == "cut" else []))
    assert talking.below.ends == ["aborted"]
    talking.below.lose()
    assert len(door.turned) == 1


@VERSIONS
@pytest.mark.parametrize("end", ["served", "refused", "cut", "garbage"])
def test_nothing_is_left_for_the_garbage_collector(version: str, end: str) -> None:
    """Behind its end a connection is gone with its last reference, whether it was let in or not."""
    door = Door()
    talking = door.come(only(client_context(), version), name="unknown.example" if end == "refused" else "app.example")
    if end == "cut":
        talking.deliver()
        door.pass_time(TIMEOUT + 1)
    elif end == "garbage":
        talking.deliver()
        talking.below.arrive(b"\x16\x03\x03\x00\x04\x63\x00\x00\x00")
    else:
        talking.go()
        if end == "served":
            talking.ours.loseConnection()
    talking.close()
    gone = weakref.ref(talking.ours)
    for made in door.made:
        made.transport = None
    door.facts.clear()
    gc.collect()
    gc.disable()
    try:
        talking.ours = None
        assert gone() is None
    finally:
        gc.enable()


def test_the_certificate_is_that_of_the_name() -> None:
    """What the client is shown is what the store has for it, with its issuers."""
    door = Door()
    talking = door.come().go()
    shown = talking.other.tls.get_peer_certificate(as_cryptography=True)
    assert shown == certificate().certificate
