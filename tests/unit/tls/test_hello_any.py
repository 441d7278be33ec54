"""ClientHellos cut and changed in any way."""

from __future__ import annotations

from itertools import pairwise
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tls import hellos
from txproxy.tls.hello import MAX_RECORDS, HelloError, client_hello

HELLOS = [
    hellos.by_pyopenssl(lambda context: context.set_alpn_protos([b"h2", b"http/1.1"]), b"www.example.com"),
    hellos.by_python(name="a.test"),
    hellos.hello(None),
    hellos.hello(hellos.USUAL + hellos.server_name(b"A.test.") + hellos.alpn(b"http/1.1"), session=bytes(32)),
]


def outcome(data: bytes) -> object:
    """Give what is documented; anything else is raised."""
    try:
        return client_hello(data)
    except HelloError as error:
        return error.alert


def recut(data: bytes, cuts: list[int]) -> bytes:
    """Cut the one record of a hello at these places into several."""
    message = data[5:]
    places = sorted({cut % len(message) for cut in cuts} - {0})
    return hellos.records(message, *(stop - start for start, stop in pairwise([0, *places])))


def test_no_part_is_enough() -> None:
    """Cut anywhere, a hello needs more, and says so without an error."""
    for data in HELLOS:
        assert client_hello(data) is not None
        for size in range(len(data)):
            assert client_hello(data[:size]) is None


@given(st.sampled_from(HELLOS), st.lists(st.integers(0, 5000), max_size=MAX_RECORDS - 1))
def test_records_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Cut into records anywhere it is the same hello, and each part of it still needs more."""
    pieces = recut(data, cuts)
    assert client_hello(pieces) == client_hello(data)
    for size in range(len(pieces) - 1, 0, -97):
        assert client_hello(pieces[:size]) is None


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    """Any bytes give a hello, a wish for more, or the documented error."""
    outcome(data)


@given(st.binary(max_size=300), st.integers(0, 65535))
def test_anything_in_a_message(data: bytes, size: int) -> None:
    """So do any bytes behind the right beginning, whatever length is given."""
    outcome(hellos.records(hellos.message(data)))
    outcome(hellos.hello(data))
    outcome(b"\x16\3\1" + size.to_bytes(2, "big") + b"\1" + data)
    outcome(hellos.records(b"\1" + size.to_bytes(3, "big") + data))


@given(st.sampled_from(HELLOS), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes(data: bytes, changes: list[tuple[int, int]]) -> None:
    """A real hello with some bytes changed gives what is documented, and the same with anything behind it."""
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(data)] = byte
    found = outcome(bytes(changed))
    if found is not None:
        assert outcome(bytes(changed) + b"\xff" * 300) == found


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_is_refused_stays_refused(data: bytes, rest: bytes) -> None:
    """More bytes do not turn a refusal into something else."""
    for front in (b"", b"\x16\3\1", b"\x16\3\1\0\x04\1\0\0\x50"):
        found = outcome(front + data)
        if found is not None:
            assert outcome(front + data + rest) == found


def test_the_dearest_hello_costs_little() -> None:
    """64 KiB that come byte by byte, or hold as many extensions as there is room for, take no long time."""
    many = b"".join(hellos.extension(number, b"") for number in range(100, 16_000))
    message = hellos.message(hellos.body(many))
    sizes = [len(message) // MAX_RECORDS + 1] * (MAX_RECORDS - 1)
    data = hellos.records(message, *sizes)
    begun = process_time()
    assert client_hello(data) is not None
    once = process_time() - begun
    assert once < 0.2  # 8 ms where this was written
    begun = process_time()
    for size in range(0, len(data), 16):
        assert client_hello(data[:size]) is None
    assert process_time() - begun < 2.0  # 0.1 s
