"""The fuzz harnesses hold for what the tables have, and notice what nobody documented."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import config, request, response
from tests.unit.protocols.http1 import test_codec_request, test_codec_request_refused, test_codec_response

REQUESTS = [data for data, _ in test_codec_request.GOOD.values()] + list(test_codec_request_refused.HEADS.values())
RESPONSES = [data for data, _ in test_codec_response.GOOD.values()] + list(test_codec_response.BAD_HEADS.values())
MAPS = [b"hosts: {a.test: http://127.0.0.1:1}", b"", b"- x", b"hosts: {a: &b {c: *b}}", b"\xff: ${N}", b"a: !!x/y b"]


@pytest.mark.parametrize(
    ("one_input", "corpus"),
    [(request.one_input, REQUESTS), (response.one_input, RESPONSES), (config.one_input, MAPS)],
    ids=["request", "response", "config"],
)
def test_a_harness_passes_its_corpus(one_input: Callable[[bytes], None], corpus: list[bytes]) -> None:
    """Every input of the tables, split and asked for in several ways, gives what is documented."""
    for data in corpus:
        for first in (b"\x00", b"\x06", b"\x41", b"\x82", b"\xdf"):
            one_input(first + data)
    one_input(b"")


@given(st.binary(max_size=200))
def test_harnesses_pass_anything(data: bytes) -> None:
    """Any bytes give what is documented."""
    for one_input in (request.one_input, response.one_input, config.one_input):
        one_input(data)
