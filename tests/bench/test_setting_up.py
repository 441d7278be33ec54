"""How the benchmark is told what to do, and how it tells the proxies and the load generators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.__main__ import _cases, _parser
from bench.cases import CASES, Backend, Case, Kind
from bench.identity import RESOLVED, make
from bench.load.drive import argv
from bench.proxies import PEERS, PROXIES, Place, Proxy, fill


def named(*names: str) -> list[Case]:
    """Give the cases of these names."""
    return [case for name in names for case in CASES if case.name == name]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_a_proxy_is_told_of_its_certificate_where_there_is_tls(proxy: Proxy, tls, tmp_path: Path):
    """With TLS its configuration and command name the key's file, without it neither; nothing is left to fill in."""
    identity = make(tmp_path / "identity") if tls else None
    place = Place(4711, 4712, tmp_path, identity)
    config = fill(proxy.template, place.values(), tmp_path / proxy.template, tls=tls)
    text = config.read_text()
    said = text + "\n".join(proxy.argv(config, place))
    assert re.findall(r"@[A-Z]+@", text) == []
    assert "4711" in said
    assert "4712" in said
    assert (str(tmp_path / "identity") in said) is tls


def test_marked_lines_are_for_one_kind_of_case():
    """Where a template has lines for TLS it has one for plain HTTP as well."""
    templates = [PEERS / proxy.template for proxy in PROXIES]
    marks = [set(re.findall(r"^\s*(@[A-Z]+@) ", path.read_text(), re.MULTILINE)) for path in templates]
    assert [found for found in marks if found not in (set(), {"@TLS@", "@PLAIN@"})] == []
    assert {"@TLS@", "@PLAIN@"} in marks


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_load_has_its_generator(case: Case):
    """Handshakes, schedules and echoes are made by generators of our own; wrk makes the rest, over TLS as well."""
    program, *rest = argv(case, 4711, 2)
    own = case.kind is Kind.LATENCY or case.backend is Backend.ECHO or (case.tls and case.closing)
    assert (program == "wrk") is not own
    if program == "wrk":
        url = f"https://{RESOLVED}:4711" if case.tls else "http://127.0.0.1:4711"
        assert url + case.path in rest
    else:
        assert "4711" in rest


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], [case.name for case in CASES]),
        (["tls-small", "tls-full"], ["tls-small", "tls-full"]),
        (["--cases", "small,new"], ["small", "new"]),
        (["10k,1m", "--quick"], ["10k", "1m"]),
        (["new", "--cases", "small"], ["small", "new"]),
    ],
)
def test_cases_are_chosen_by_name(arguments, names):
    """Cases are words, or a list after --cases, or both; without any, all of them."""
    assert [case.name for case in _cases(_parser().parse_args(arguments))] == names


def test_a_case_that_there_is_not_is_refused(capsys):
    """The error names it, and those that there are."""
    with pytest.raises(SystemExit):
        _parser().parse_args(["tls-smal"])
    assert "no tls-smal; there are small, " in capsys.readouterr().err


def test_tls_cases_are_told_apart():
    """Of handshakes one case is resumed, and one has another group; all TLS cases are called so."""
    assert [case.name for case in CASES if case.tls] == [case.name for case in CASES if case.name.startswith("tls-")]
    full, resumed, hybrid = named("tls-full", "tls-resumed", "tls-hybrid")
    assert (full.resumed, resumed.resumed, hybrid.resumed) == (False, True, False)
    assert (full.group, resumed.group, hybrid.group) == ("X25519", "X25519", "X25519MLKEM768")
