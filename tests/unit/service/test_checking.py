"""Whole route maps, checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from txproxy.service.checking import Checked, check

RouteMap = Callable[[str], Path]


@pytest.fixture
def checked(route_map: RouteMap) -> Callable[[str], Checked]:
    """Check a route map that is written for it."""
    return lambda text: check(str(route_map(text)), {})


CHECK = Callable[[str], Checked]


def rendered(found: Checked) -> str:
    """Give all findings as text."""
    return "\n".join(finding.render() for finding in found.findings)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("hosts: {a: http://b:1}\n", "routes.yaml: ok: 1 host, 1 route"),
        (
            "hosts: {a: http://b:1, c: http://b:1}\ntests: [{request: GET http://a/, route: a}]\n",
            "routes.yaml: ok: 2 hosts, 2 routes, 1 test passed",
        ),
        (
            "upstreams: {x: {backends: [http://b:1]}}\nhosts: {a: http://b:1}\n",
            "routes.yaml: ok: 1 host, 1 route, 1 warning",
        ),
        ("host: {a: http://b:1}\n", "routes.yaml: 1 error"),
    ],
)
def test_the_summary(checked: CHECK, text: str, summary: str) -> None:
    """One line tells how it went, and how much was looked at."""
    assert checked(text).summary == summary


UNREACHABLE = """\
routes.yaml:4:7: the route 'never' is never reached: 'all' (routes.yaml:3) takes all its requests
    4 |     - {name: never, path: /x, proxy: http://b:2}
      |       ^"""


def test_unreachable_routes(checked: CHECK) -> None:
    """A route whose requests an earlier one takes is an error at its place, and names the other's."""
    found = checked(
        "hosts:\n  a:\n    - {name: all, path: [/x, /y], proxy: http://b:1}\n"
        "    - {name: never, path: /x, proxy: http://b:2}\n    - {name: rest, proxy: http://b:3}\n"
    )
    assert rendered(found) == UNREACHABLE
    assert not found.ok


def test_directories_and_code(checked: CHECK, tmp_path: Path) -> None:
    """A missing directory is a warning, a file in its place too; code that cannot be had is an error."""
    (tmp_path / "is").mkdir()
    found = checked(
        "hosts:\n  a: {files: is}\n  b: {files: isnt}\n  c: {files: routes.yaml}\n  d: {wsgi: 'nosuchmod:x'}\n"
        "  e: {resource: 'nosuchmod:x'}\n"
    )
    assert [
        (f.problem.line, f.problem.severity, f.problem.message.partition(" cannot")[0]) for f in found.findings
    ] == [
        (3, "warning", f"files: {tmp_path}/isnt does not exist"),
        (4, "warning", f"files: {tmp_path}/routes.yaml is not a directory"),
        (5, "error", "wsgi:"),
        (6, "error", "resource:"),
    ]


TESTED = """\
upstreams: {app: {backends: [http://10.0.0.1:80]}}
hosts:
  a.example.com:
    - {name: api, path: /api/*, methods: [GET], headers: {X-V: "2"}, proxy: app, strip_prefix: /api}
    - {name: away, path: /away, redirect: "https://b.example.com{uri}"}
    - {name: static, path: /static/*, files: /}
    - {name: rest, proxy: http://127.0.0.1:9000/base}
"""


@pytest.mark.parametrize(
    ("test", "wrong"),
    [
        ("GET https://a.example.com/api/x, headers: {X-V: '2'}, route: api, upstream: app, path: /x", None),
        ("GET https://a.example.com/x?y, upstream: 'http://127.0.0.1:9000', path: /base/x?y", None),
        ("GET https://a.example.com/away, redirect: 'https://b.example.com/away', status: 308, route: away", None),
        ("GET https://b.example.com/, status: 404", None),
        ("GET http://a.example.com/%00, status: 400", None),
        ("GET http://a.example.com/static/x, route: static", None),
        ("GET https://a.example.com/x, route: api", "route: expected api, got rest"),
        ("GET https://a.example.com/api/x, upstream: app", "upstream: expected app, got http://127.0.0.1:9000"),
        ("GET https://a.example.com/x, path: /x", "path: expected /x, got /base/x"),
        ("GET https://a.example.com/away, status: 301", "status: expected 301, got 308"),
        ("GET https://a.example.com/x, status: 200", "status: expected 200, got none"),
        ("GET https://a.example.com/x, redirect: /y", "redirect: expected /y, got none"),
        ("GET https://b.example.com/, route: rest, status: 404", "route: expected rest, got none"),
        ("GET http://a.example.com/static/x, path: /x", "path: expected /x, got none"),
    ],
)
def test_tests_are_run_on_the_code_that_serves(checked: CHECK, test: str, wrong: str | None) -> None:
    """A test passes if everything that it expects comes; if not, it says what was expected and what came."""
    request, _, rest = test.partition(", ")
    found = checked(f"{TESTED}tests:\n  - {{request: '{request}', {rest}}}\n")
    assert [finding.problem.message for finding in found.findings] == ([f"test {request}: {wrong}"] if wrong else [])
    assert found.tests_failed == len(found.findings)


FAILED = """\
routes.yaml:9:5: test GET http://a.example.com/api/x: route: expected api, got rest; path: expected /x, got /base/api/x
    9 |   - {request: GET http://a.example.com/api/x, route: api, path: /x}
      |     ^
        host: a.example.com (routes.yaml:3)
        passed over: api (routes.yaml:4): headers (routes.yaml:4): there is no X-V
        passed over: away (routes.yaml:5): path (routes.yaml:5): /api/x is not /away
        passed over: static (routes.yaml:6): path (routes.yaml:6): /api/x is not /static/*
        chosen: rest (routes.yaml:7)
        so it goes to the upstream 'http://127.0.0.1:9000'"""


def test_a_failed_test_tells_the_way_the_request_took(checked: CHECK) -> None:
    """Below the test's line stands each step, with its place."""
    found = checked(TESTED + "tests:\n  - {request: GET http://a.example.com/api/x, route: api, path: /x}\n")
    assert rendered(found) == FAILED


def test_findings_come_in_the_order_of_the_file(checked: CHECK) -> None:
    """Warnings and errors of every kind are sorted by their place."""
    found = checked(
        "hosts:\n  a:\n    - {wsgi: 'nosuchmod:x'}\n    - {path: /x, files: nosuchdir}\n"
        "upstreams: {x: {backends: [http://b:1]}}\ntests: [{request: GET http://b/, status: 200}]\n"
    )
    assert [finding.problem.line for finding in found.findings] == [3, 4, 4, 5, 6]
    assert (found.errors, len(found.findings)) == (3, 5)


FAULTY = """\
lisen: x
hosts:
  a:
    - {path: /x/*, proxy: http://b:1}
    - {path: /x/y, proxy: http://b:1}
    - {wsgi: 'nosuchmod:x', path: /w}
    - {path: /f, files: nosuchdir}
    - {path: '~[', files: nosuchdir}
    - {methodss: [GET], proxy: http://b:1}
    - {path: /z, proxy: http://b:1}
    - {path: /x/z, proxy: nowhere}
tests: [{request: GET http://a/x, route: nowhere}, {request: GET http://a/x, status: 404}]
"""


def test_a_map_with_errors_is_looked_through_all_the_same(checked: CHECK) -> None:
    """What takes whole routes to find is told beside the other errors; a route with an error of its own has no part."""
    found = checked(FAULTY)
    assert [(f.problem.line, f.problem.severity, f.problem.message.partition(" ")[0]) for f in found.findings] == [
        (1, "error", "unknown"),
        (5, "error", "the"),
        (6, "error", "wsgi:"),
        (7, "warning", "files:"),
        (8, "error", "path:"),
        (9, "error", "unknown"),
        (11, "error", "there"),
        (12, "error", "route:"),
    ]
    assert "'a/x/y' is never reached: 'a/x/*' (" in found.findings[1].problem.message
    assert (found.config, found.tests_failed) == (None, 0)


def test_included_files_are_cited(checked: CHECK, tmp_path: Path) -> None:
    """A finding in an included file shows that file's line."""
    (tmp_path / "hosts.yaml").write_text("a:\n  - {name: x, proxy: http://b:1}\n  - {name: y, proxy: http://b:2}\n")
    found = checked("hosts: !include hosts.yaml\n")
    assert rendered(found).startswith("hosts.yaml:3:5: the route 'y' is never reached: 'x' (hosts.yaml:2)")
    assert "    3 |   - {name: y, proxy: http://b:2}" in rendered(found)


def test_two_spellings_of_one_host_are_one_host(checked: CHECK) -> None:
    """Case, a trailing dot and the U-label do not make another host."""
    found = checked("hosts:\n  B\u00fccher.example: http://b:1\n  xn--bcher-kva.example.: http://b:2\n")
    assert [(finding.problem.line, finding.problem.severity) for finding in found.findings] == [(3, "error")]


def test_json(checked: CHECK) -> None:
    """For programs there is the same as JSON."""
    found = checked("hosts: {a: http://b:1}\ntests: [{request: GET http://a/, route: a, path: /x}]\n").as_json()
    assert json.loads(json.dumps(found)) == found
    assert (found["file"], found["ok"], found["tests"]) == ("routes.yaml", False, {"run": 1, "failed": 1})
    (problem,) = found["problems"]
    assert (problem["line"], problem["severity"]) == (2, "error")
    assert problem["notes"][-1] == "so it goes to the upstream 'http://b:1'"
