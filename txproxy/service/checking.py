"""Whether a route map will do: what takes the whole map to find out, and the tests that it carries.

Rule: everything is looked at and everything is reported, in the order of the file; tests are run by the
code that serves (`rehearsal`). Nothing that the map names is called, bound or written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from txproxy.config.loading import load
from txproxy.config.model import Config, FilesLeaf, ResourceLeaf, RouteConfig, RouteTest, WsgiLeaf
from txproxy.config.problem import Problem, Severity, Where
from txproxy.routing import Route, unreachable

from .asking import NotAsked, asked
from .certificates import NamedCertificates, complaints_of, uncovered
from .clock import utc_now
from .compose import compiled
from .explaining import Explanation, explain
from .output import Finding, counted, one_line
from .references import Reference, complaints
from .rehearsal import Rehearsal


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `config` is None if the map cannot even be read; `tests_failed` counts tests."""

    file: str
    config: Config | None
    findings: tuple[Finding, ...]
    tests_failed: int = 0
    tests_run: int = 0

    @property
    def errors(self) -> int:
        """How many findings keep the map from being used."""
        return sum(finding.problem.severity == "error" for finding in self.findings)

    @property
    def ok(self) -> bool:
        """Whether the map can be used."""
        return not self.errors

    @property
    def summary(self) -> str:
        """Give the result as one line."""
        warnings = len(self.findings) - self.errors
        also = f", {counted(warnings, 'warning')}" if warnings else ""
        if not self.ok:
            return f"{self.file}: {counted(self.errors, 'error')}{also}"
        assert self.config is not None
        routes = sum(len(host.routes) for host in self.config.hosts.values())
        parts = [counted(len(self.config.hosts), "host"), counted(routes, "route")]
        if self.config.tests:
            parts.append(f"{counted(self.tests_run, 'test')} passed")
        return f"{self.file}: ok: {', '.join(parts)}{also}"

    def as_json(self) -> dict[str, Any]:
        """Give all of it as what JSON can hold."""
        return {
            "file": self.file,
            "ok": self.ok,
            "problems": [finding.as_json() for finding in self.findings],
            "tests": {"run": self.tests_run, "failed": self.tests_failed},
        }


def check(file: str, environ: Mapping[str, str], clock: Callable[[], datetime] = utc_now) -> Checked:
    """Check the route map in a file, completely.

    :param clock: gives the time, by which certificates are good or not; aware of its zone.
    """
    loaded = load(file, environ)
    findings = [Finding(problem) for problem in loaded.problems]
    config = loaded.config
    # Of a map with errors the sound routes are looked at all the same: whoever mends it wants to know all at once.
    readable = loaded.draft if config is None else config
    sources = Sources()
    failed: list[Finding] = []
    run = 0
    if readable is not None:
        named = NamedCertificates(readable, clock())
        files = _tls_files(readable, named, sources, whole=config is not None)
        findings += files
        findings += unreachable_routes((compiled(route, None) for route in _routes(readable)), sources)
        findings += _missing_directories(readable, sources)
        findings += _dangling_references(readable, sources)
        # Without its files a map cannot be served, so its tests would tell of nothing that can happen.
        if config is not None and not any(finding.problem.severity == "error" for finding in files):
            failed += failed_tests(config, Rehearsal(config, named), sources)
            findings += failed
            run = len(config.tests)
    findings.sort(key=lambda finding: (finding.problem.file != file, *_place(finding.problem)))
    return Checked(file, config, tuple(findings), len(failed), run)


def _tls_files(config: Config, named: NamedCertificates, sources: Sources, *, whole: bool) -> list[Finding]:
    found = list(complaints_of(config, named))
    if whole and not any(complaint.severity == "error" for complaint in found):
        found += uncovered(config, named)
    return [sources.finding(complaint.where, complaint.message, complaint.severity) for complaint in found]


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


class Sources:
    """The lines of files that findings are in, read when one is shown."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def finding(
        self, where: object, message: str, severity: Severity = "error", notes: tuple[str, ...] = ()
    ) -> Finding:
        """Make a finding at a place."""
        assert isinstance(where, Where)
        return Finding(Problem(where.file, where.line, where.column, message, severity, self._line(where)), notes)

    def _line(self, where: Where) -> str:
        if where.file not in self._lines:
            try:
                with open(where.file, encoding="utf-8-sig", errors="replace") as file:
                    self._lines[where.file] = file.read().splitlines()
            except OSError:  # gone since, or no file at all: the finding stands without its line
                self._lines[where.file] = []
        lines = self._lines[where.file]
        return lines[where.line - 1] if 0 < where.line <= len(lines) else ""


def unreachable_routes(routes: Iterable[Route[Any]], sources: Sources) -> Iterator[Finding]:
    """Find the routes that an earlier one of their host leaves no request for; a map with one is not served."""
    for earlier, later in unreachable(routes):
        message = (
            f"the route {later.name!r} is never reached: {earlier.name!r} ({earlier.where}) takes all its requests"
        )
        yield sources.finding(later.where, message)


def _routes(config: Config) -> Iterator[RouteConfig]:
    for host in config.hosts.values():
        yield from host.routes


def _missing_directories(config: Config, sources: Sources) -> Iterator[Finding]:
    for route in _routes(config):
        if isinstance(route.leaf, FilesLeaf) and not os.path.isdir(route.leaf.path):
            what = "is not a directory" if os.path.exists(route.leaf.path) else "does not exist"
            yield sources.finding(route.where, f"files: {route.leaf.path} {what}", "warning")


def _dangling_references(config: Config, sources: Sources) -> Iterator[Finding]:
    named = [(route.where, reference) for route in _routes(config) if (reference := _reference(route)) is not None]
    wrong = complaints(reference for _, reference in named)
    for where, reference in named:
        if reference in wrong:
            yield sources.finding(where, f"{reference.kind}: {one_line(wrong[reference])}")


def _reference(route: RouteConfig) -> Reference | None:
    if isinstance(route.leaf, WsgiLeaf):
        return Reference("wsgi", route.leaf.application)
    return Reference("resource", route.leaf.resource) if isinstance(route.leaf, ResourceLeaf) else None


def failed_tests(config: Config, rehearsal: Rehearsal, sources: Sources) -> Iterator[Finding]:
    """Run the map's tests; each that fails is a finding at its line, with the way the request took."""
    for test in config.tests:
        name = f"{test.method} {test.url}"
        try:
            explanation = explain(config, rehearsal, asked(config, test.method, test.url, test.headers.items()))
        except NotAsked as error:
            yield sources.finding(test.where, f"test {name}: {error}")
            continue
        if wrong := _disappointments(test, explanation):
            notes = (*explanation.why(), f"so {explanation.outcome}")
            yield sources.finding(test.where, f"test {name}: {'; '.join(wrong)}", notes=notes)


def _disappointments(test: RouteTest, explanation: Explanation) -> list[str]:
    route = None if explanation.route is None else explanation.route.name
    got: dict[str, str | int | None] = {
        "route": route,
        "upstream": explanation.upstream or None,
        "path": explanation.target,
        "redirect": explanation.location,
        "status": explanation.status,
    }
    wrong = []
    for key, value in got.items():
        wanted = getattr(test, key)
        if wanted is not None and wanted != value:
            came = "none" if value is None else one_line(str(value))
            wrong.append(f"{key}: expected {wanted}, got {came}")
    return wrong
