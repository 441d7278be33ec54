"""From the language as written to the config: names found, short forms spelled out, wholes checked.

Rule: what needs more than one value to judge is judged here and in `leaves`: names that must exist, be
unique or be used, and keys that do not go together.
"""

from __future__ import annotations

from .destinations import Destination
from .language import RouteMap, TestEntry, UpstreamEntry
from .leaves import check_details, leaf_of
from .model import (
    DEFAULT_LISTEN,
    FORWARDED,
    BackendConfig,
    Config,
    HostConfig,
    Legacy,
    Listen,
    RouteConfig,
    RouteTest,
    UpstreamConfig,
)
from .patterns import host_pattern
from .problem import Report, Where, quoted
from .routes import LEGACY, HostEntry, RouteEntry
from .settings import UpstreamTimeouts
from .tls_checks import check_client_cert, check_listener, check_tls, host_tls_of, tls_of, upstream_tls_of
from .values import FALSE

_DEFAULTS = UpstreamTimeouts(connect=3.0, response=60.0, idle=60.0)
_MATCHERS = ("path", "methods", "headers", "query", "clients")


def resolved(written: RouteMap, report: Report) -> Config:
    """Make the config; while `report` has errors it only serves to find more of them."""
    upstreams = Upstreams(written, report)
    names = Names(written, report)
    places = _host_places(written)

    def host(pattern: str, entry: HostEntry) -> HostConfig:
        tls = host_tls_of(entry, written, report)
        for route in entry.routes:
            check_client_cert(pattern, tls, route, report)
        routes = tuple(_route(pattern, route, names, upstreams, report) for route in entry.routes)
        return HostConfig(pattern=pattern, routes=routes, tls=tls, where=places.get(pattern, entry.where))

    hosts = {pattern: host(pattern, entry) for pattern, entry in written.hosts.items()}
    tests = tuple(_test(test, names, upstreams, report) for test in written.tests)
    upstreams.report_unused()
    check_tls(written, report)
    return Config(
        listen=_listen(written, report) if "listen" in written.keys else DEFAULT_LISTEN,
        tls=tls_of(written.tls, report),
        upstreams=upstreams.made,
        hosts=hosts,
        trusted_proxies=written.trusted_proxies,
        limits=written.limits,
        timeouts=written.timeouts,
        log=written.log,
        tests=tests,
        state=written.state,
    )


def _host_places(written: RouteMap) -> dict[str, Where]:
    places: dict[str, Where] = {}
    for key, where in written.inner_keys("hosts").items():
        try:
            places.setdefault(host_pattern(key), where)
        except ValueError:  # reported when the key was read
            continue
    return places


class Upstreams:
    """The upstreams by name: those of the route map, and those made of URLs written in place."""

    def __init__(self, written: RouteMap, report: Report) -> None:
        self._report = report
        self._places = written.inner_keys("upstreams")
        # Also the names whose upstreams are wrong: who uses them is not.
        self._used: set[str] = set()
        self.made = {
            name: _upstream(name, entry, self._places.get(name, entry.where), report)
            for name, entry in written.upstreams.items()
        }
        self._anonymous: dict[tuple[BackendConfig, ...], str] = {}

    def name_of(self, wanted: Destination) -> str:
        """Give the name of the upstream that a destination means; report a name that there is none of."""
        if wanted.name:
            if wanted.name in self._places:
                self._used.add(wanted.name)
            else:
                self._report.error(wanted.where, self._missing(wanted.name))
            return wanted.name
        if not wanted.backends:
            return ""  # wrong, and reported
        name = self._anonymous.setdefault(wanted.backends, ",".join(backend.url for backend in wanted.backends))
        if name not in self.made:
            self.made[name] = UpstreamConfig(
                name=name, backends=wanted.backends, timeouts=_DEFAULTS, anonymous=True, where=wanted.where
            )
        return name

    def _missing(self, name: str) -> str:
        hint = self._report.near(name, self._places)
        if hint:
            return f"there is no upstream {quoted(name)}{hint}"
        example = f"http://{name}" if "." in name or name == "localhost" else "http://127.0.0.1:8000"
        return f"there is no upstream {quoted(name)}; add it under `upstreams`, or write a URL such as {example}"

    def check_expected(self, name: str, where: Where) -> None:
        """Report a test's upstream if nothing goes by this name."""
        if name not in self._places and name not in self.made:
            hint = self._report.near(name, [*self._places, *self.made])
            self._report.error(where, f"upstream: there is no upstream {quoted(name)}{hint}")

    def report_unused(self) -> None:
        """Warn of upstreams that no route leads to."""
        for name, where in self._places.items():
            if name not in self._used:
                self._report.warning(where, f"the upstream {quoted(name)} is not used by any route")


def _upstream(name: str, entry: UpstreamEntry, where: Where, report: Report) -> UpstreamConfig:
    backends: list[BackendConfig] = []
    for written in entry.backends:
        if written.url is None:
            continue
        if written.url in backends and not written.is_wrong:
            report.error(written.value_where("url"), f"backends: {quoted(written.url.url)} is in this list twice")
        backends.append(written.url)
    timeouts = UpstreamTimeouts(
        connect=entry.timeouts.connect or _DEFAULTS.connect,
        response=entry.timeouts.response or _DEFAULTS.response,
        idle=entry.timeouts.idle or _DEFAULTS.idle,
    )
    return UpstreamConfig(
        name=name,
        backends=tuple(backends),
        balance=entry.balance,
        timeouts=timeouts,
        keepalive=entry.keepalive,
        tls=upstream_tls_of(entry, backends, report),
        where=where,
    )


class Names:
    """The names of routes: each is one route's, whether written or made."""

    def __init__(self, written: RouteMap, report: Report) -> None:
        self._report = report
        self._places: dict[str, Where] = {}
        for entry in written.hosts.values():
            for route in entry.routes:
                if route.name is not None:
                    self._claim(route.name, route.value_where("name"))

    def _claim(self, name: str, where: Where) -> None:
        if name in self._places:
            first = self._places[name]
            self._report.error(where, f"name: {quoted(name)} is the name of the route in {first} already")
        else:
            self._places[name] = where

    def name_of(self, host: str, route: RouteEntry) -> str:
        """Give the route's name: the one it has, or one made of host and first path pattern."""
        if route.name is not None:
            return route.name
        base = host + (route.path[0] if route.path else "")
        name, number = base, 1
        while name in self._places:
            number += 1
            name = f"{base}#{number}"
        self._places[name] = route.where
        return name

    def check_expected(self, name: str, where: Where) -> None:
        """Report a test's route if no route has this name."""
        if name not in self._places:
            hint = self._report.near(name, self._places)
            self._report.error(where, f"route: there is no route {quoted(name)}{hint}")


def _route(host: str, route: RouteEntry, names: Names, upstreams: Upstreams, report: Report) -> RouteConfig:
    check_details(route, report)
    keys = route.keys
    return RouteConfig(
        name=names.name_of(host, route),
        host=host,
        leaf=leaf_of(route, report, upstreams.name_of),
        where=route.where,
        paths=route.path,
        methods=route.methods,
        headers=route.headers,
        query=route.query,
        clients=route.clients,
        matcher_where={key: route.key_where(key) for key in _MATCHERS if key in keys},
        strip_prefix=route.strip_prefix,
        host_header=route.host_header,
        max_body=route.max_body,
        timeouts=route.timeouts,
        request_headers=route.request_headers,
        response_headers=route.response_headers,
        forwarded=frozenset(kind for kind in FORWARDED if kind in route.forwarded),
        legacy=_legacy(route, report),
    )


def _legacy(route: RouteEntry, report: Report) -> Legacy | None:
    entry = route.legacy
    if entry is None or entry.is_wrong:
        return None
    made = Legacy(redirects=entry.redirects, cookies=entry.cookies, links=entry.links)
    if made == Legacy() and all(key in LEGACY and entry.text(key).lower() in FALSE for key in entry.keys):
        hint = "name the parts that are on, as in [redirects, cookies], or write false"
        report.error(route.key_where("legacy"), f"legacy: none of its parts is on; {hint}")
    return None if made == Legacy() else made


def _listen(written: RouteMap, report: Report) -> tuple[Listen, ...]:
    made: list[Listen] = []
    seen: dict[tuple[str, int, str], tuple[bool, Where]] = {}
    for entry in written.listen:
        address = entry.address
        place = address.host, address.port, address.path
        where = entry.value_where("address")
        proxy_protocol = check_listener(entry, report)
        if entry.is_wrong or not (address.host or address.path):
            continue  # wrong, and reported
        if place in seen and (address.port or address.path):
            tls, first = seen[place]
            what = "is here twice; the first is" if tls is address.tls else "has the address of the listener"
            report.error(where, f"listen: {quoted(entry.text('address'))} {what} in line {first.line}")
        seen.setdefault(place, (address.tls, where))
        if entry.mode is not None and address.kind == "tcp":
            report.error(entry.key_where("mode"), "mode: only the file of a Unix socket has a mode; remove it")
        made.append(
            Listen(
                address=entry.text("address"),
                kind=address.kind,
                host=address.host,
                port=address.port,
                path=address.path,
                mode=entry.mode,
                tls=address.tls,
                redirect_plain_http=entry.redirect_plain_http,
                proxy_protocol=proxy_protocol,
                where=entry.where,
            )
        )
    return tuple(made)


def _test(test: TestEntry, names: Names, upstreams: Upstreams, report: Report) -> RouteTest:
    expectations = ("route", "upstream", "path", "redirect", "status")
    if not (test.is_wrong or test.has_unknown_keys or test.keys & set(expectations)):
        report.error(test.where, "the test expects nothing; add route, upstream, path, redirect or status")
    if test.route is not None:
        names.check_expected(test.route, test.value_where("route"))
    if test.upstream is not None:
        upstreams.check_expected(test.upstream, test.value_where("upstream"))
    method, _, url = test.request.partition(" ")
    return RouteTest(
        method=method,
        url=url,
        headers=test.headers,
        where=test.where,
        **{key: getattr(test, key) for key in expectations},
    )
