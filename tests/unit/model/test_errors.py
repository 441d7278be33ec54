"""The table of causes."""

from __future__ import annotations

import re

import pytest

from txproxy.model.errors import CAUSES, HTTP_REQUEST_ERROR, Cause, ProxyError


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_each_cause_is_a_token_a_status_and_a_sentence(cause: Cause) -> None:
    """Tokens are for machines (RFC 8941, section 3.3.4), sentences for people, statuses for both."""
    assert re.fullmatch("[a-z][a-z_]*", cause.token)
    assert CAUSES[cause.token] is cause
    assert cause.status == 200 or 400 <= cause.status < 600
    assert re.fullmatch(r"[A-Z].*\.", cause.sentence)


def test_an_error_says_what_the_log_wants() -> None:
    """An error's text is its token and its detail; its status is the cause's unless another one is given."""
    assert str(ProxyError(HTTP_REQUEST_ERROR)) == "http_request_error"
    error = ProxyError(HTTP_REQUEST_ERROR, "no Host", status=417, hint="Send one.")
    assert (str(error), error.status, error.hint) == ("http_request_error: no Host", 417, "Send one.")
    assert ProxyError(HTTP_REQUEST_ERROR).status == 400
