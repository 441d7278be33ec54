"""What a valid route map becomes."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from txproxy.config import (
    AccessLog,
    BackendConfig,
    Config,
    FilesLeaf,
    Limits,
    ProxyLeaf,
    RedirectLeaf,
    ResourceLeaf,
    RespondLeaf,
    RouteConfig,
    WsgiLeaf,
    load,
    load_text,
    load_value,
)

CASES = Path(__file__).parent / "cases"
PLACE = "/srv"


def config_of(text: str, **environ: str) -> Config:
    """Load a route map that has no problem at all."""
    result = load_text(text, "routes.yaml", PLACE, environ)
    assert [str(problem) for problem in result.problems] == []
    assert result.config is not None
    return result.config


def route_of(text: str) -> RouteConfig:
    """Load the one route of a route map with one host."""
    ((route,),) = [host.routes for host in config_of(text).hosts.values()]
    return route


@pytest.fixture(scope="module")
def full() -> Config:
    """Load the case in which every supported key stands."""
    result = load(str(CASES / "valid_full.yaml"), {})
    assert result.config is not None
    return result.config


def test_two_lines_are_enough() -> None:
    """A host and a URL make a whole config, with a listener on loopback."""
    config = config_of("hosts:\n  app.example.com: http://127.0.0.1:8000\n")
    (listener,) = config.listen
    assert (listener.address, listener.host, listener.port) == ("http://127.0.0.1:8080", "127.0.0.1", 8080)
    (route,) = config.hosts["app.example.com"].routes
    assert route.leaf == ProxyLeaf(upstream="http://127.0.0.1:8000", base_path="")
    assert config.upstreams["http://127.0.0.1:8000"].backends[0].port == 8000


def test_listeners(full: Config) -> None:
    """Addresses are taken apart; a socket's path starts from the file's directory, its mode is octal."""
    assert [(each.kind, each.host, each.port) for each in full.listen[:2]] == [
        ("tcp", "0.0.0.0", 80),
        ("tcp", "::", 80),
    ]
    assert (full.listen[2].kind, full.listen[2].path, full.listen[2].mode) == (
        "unix",
        str(CASES / "run/http.sock"),
        0o660,
    )


def test_upstreams_written_in_place_are_shared(full: Config) -> None:
    """Equal URLs make one anonymous upstream, whatever hosts they stand under; named ones keep their own."""
    names = [full.hosts[f"{name}.example.com"].routes[0].leaf for name in ("plain", "again")]
    assert names[0] == names[1] == ProxyLeaf(upstream="http://127.0.0.1:8000")
    anonymous = [name for name, upstream in full.upstreams.items() if upstream.anonymous]
    assert "http://10.0.0.5:8000,http://10.0.0.6:8000" in anonymous
    assert not full.upstreams["app"].anonymous


def test_an_upstream_is_complete(full: Config) -> None:
    """What an upstream leaves out has its default; none of its timeouts is None."""
    app = full.upstreams["app"]
    assert (app.timeouts.connect, app.timeouts.response, app.timeouts.idle) == (3.0, 120.0, 60.0)
    assert (app.keepalive.max_idle, app.keepalive.idle_timeout) == (32, 30.0)
    assert [backend.authority for backend in app.backends] == ["10.0.0.5:8000", "10.0.0.6:8000"]
    (backend,) = full.upstreams["secure"].backends
    path = str(CASES / "run/app.sock")
    assert backend == BackendConfig(url=f"http+unix:{path}", kind="unix", path=path, authority="localhost")


def test_hosts_are_in_the_form_that_is_compared(full: Config) -> None:
    """Patterns are in lower case, without a trailing dot, in A-labels, and in the order of the file."""
    assert list(full.hosts)[:6] == [
        "app.example.com",
        "plain.example.com",
        "again.example.com",
        "two.example.com",
        "*.dev.example.com",
        "**.xn--bcher-kva.example",
    ]


def test_every_leaf(full: Config) -> None:
    """Each kind of leaf is read; relative directories start from the file's own."""
    leaves = [route.leaf for route in full.hosts["wiki.example.com"].routes]
    assert leaves == [
        FilesLeaf(path=str(CASES / "static")),
        ProxyLeaf(upstream="secure"),
        RespondLeaf(status=503, body="later", headers={"Retry-After": "60"}),
        WsgiLeaf(application="reports.app:application"),
        ResourceLeaf(resource="mypackage.site:root"),
        RedirectLeaf(to="/people/{id}", status=302),
        ProxyLeaf(upstream="http://127.0.0.1:9000", base_path="/base"),
    ]
    assert full.hosts["old.example.com"].routes[0].leaf == RedirectLeaf(to="https://app.example.com{uri}", status=308)


def test_matchers_know_their_places(full: Config) -> None:
    """A route has what it matches on, and where each condition is written."""
    route = full.hosts["wiki.example.com"].routes[1]
    assert (route.paths, route.methods) == (("/api/*", "/rpc"), ("GET", "POST"))
    assert (route.headers, route.query) == ({"X-Version": "2", "Accept": "~json"}, {"page": "1"})
    assert route.clients == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert route.strip_prefix == "/api"
    lines = (CASES / "valid_full.yaml").read_text().split("\n")
    for key, where in route.matcher_where.items():
        assert lines[where.line - 1][where.column - 1 :].startswith(f"{key}:")
    assert set(route.matcher_where) == {"path", "methods", "headers", "query", "clients"}
    assert str(route.where).endswith(f"valid_full.yaml:{route.matcher_where['path'].line}")


def test_a_route_with_everything(full: Config) -> None:
    """What a route says besides its leaf is read as it is meant."""
    route = full.hosts["wiki.example.com"].routes[-1]
    assert (route.name, route.host_header, route.max_body) == ("everything-else", "backend", 2 << 30)
    assert (route.timeouts.connect, route.timeouts.response) == (None, 600.0)
    assert (route.request_headers.set, route.request_headers.add) == ({"X-Env": "prod"}, {"X-Via": "txproxy"})
    assert (route.request_headers.remove, route.response_headers.remove) == (("X-Debug",), ("Server",))
    assert route.forwarded == {"x-forwarded", "forwarded"}
    assert full.hosts["secure.example.com"].routes[0].forwarded == frozenset()


def test_names_of_routes_are_made_and_unique(full: Config) -> None:
    """A route without a name gets one from its host and first path pattern, numbered where that is taken."""
    names = [route.name for route in full.hosts["wiki.example.com"].routes]
    assert names[:4] == [f"wiki.example.com{path}" for path in ("/static/*", "/api/*", "/api/*#2", "/report/*")]
    every = [route.name for host in full.hosts.values() for route in host.routes]
    assert len(set(every)) == len(every)


def test_settings(full: Config) -> None:
    """Limits, timeouts, log and trusted proxies are read in octets, seconds and networks."""
    assert full.limits == Limits(
        connections=20, header_bytes=32 << 10, header_fields=50, body=512, requests_per_connection=7
    )
    timeouts = full.timeouts
    assert (timeouts.header, timeouts.keepalive, timeouts.tunnel, timeouts.drain) == (1.0, 3.0, 360.0, 0.0)
    assert full.log.level == "debug"
    assert full.log.access == AccessLog(path=str(CASES / "logs/access.log"), format="combined")
    assert full.trusted_proxies == (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.0.0.0/8"))


def test_tests(full: Config) -> None:
    """A test is a method, a URL, header fields and what is expected."""
    first, second, third = full.tests
    assert (first.method, first.url) == ("GET", "https://wiki.example.com/static/x.css")
    assert (second.headers, second.upstream, second.path) == ({"X-Version": "2"}, "secure", "/users")
    assert (third.redirect, third.status, third.route) == ("https://app.example.com/", 308, None)


@pytest.mark.parametrize("text", ["off", "no", "false", "False", '"off"'])
def test_the_access_log_can_be_off(text: str) -> None:
    """`access: off` means none, in each way in which people write it."""
    assert config_of(f"hosts: {{a: http://b}}\nlog: {{access: {text}}}\n").log.access is None


def test_what_looks_like_a_number_stays_text() -> None:
    """YAML's own guesses change nothing: what a value means is up to its key."""
    route = route_of("hosts: {a: {name: 010, respond: {body: 1_000, headers: {X-A: yes, X-B: 1:30}}}}")
    assert route.name == "010"
    assert route.leaf == RespondLeaf(body="1_000", headers={"X-A": "yes", "X-B": "1:30"})
    assert config_of("listen: {address: http+unix:/a, mode: 0660}\nhosts: {a: http://b}").listen[0].mode == 0o660


def test_the_environment_fills_in() -> None:
    """`${NAME}` may stand in values, in parts of them and in keys; a default stands in for unset and empty."""
    text = "hosts:\n  ${NAME}.example.com: http://${HOST:-10.0.0.1}:${PORT:-80}\n"
    config = config_of(text, NAME="app", PORT="8000", HOST="")
    assert config.hosts["app.example.com"].routes[0].leaf == ProxyLeaf(upstream="http://10.0.0.1:8000")


def test_the_environment_cannot_add_keys() -> None:
    """A variable is text, whatever is in it: it ends no quote and starts no key."""
    hostile = "x}\n  b: http://c # ' ${OTHER}"
    for quote in ("", "'", '"'):
        config = config_of(f"hosts:\n  a:\n    respond:\n      body: {quote}${{BODY}}{quote}\n", BODY=hostile)
        assert config.hosts["a"].routes[0].leaf == RespondLeaf(body=hostile)
        assert list(config.hosts) == ["a"]


def test_a_literal_reference_can_be_written() -> None:
    """`$${` stands for the two characters themselves."""
    assert route_of("hosts: {a: {respond: {body: '$${HOME} costs $5'}}}").leaf == RespondLeaf(body="${HOME} costs $5")


def test_several_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Included files join by merge keys; relative paths start from the file that names them."""
    monkeypatch.chdir(CASES)
    config = load("many_files.yaml", {"PORT": "8000"}).config
    assert config is not None
    assert config.upstreams["blue"].backends[0].path == str(CASES / "parts/teams/blue.sock")
    assert config.hosts["blue.example.com"].routes[0].leaf == ProxyLeaf(upstream="blue")
    assert str(config.hosts["blue.example.com"].where) == "parts/teams/blue.yaml:1"
    # What is written beats what is merged in.
    assert config.hosts["red.example.com"].routes[0].leaf == ProxyLeaf(upstream="http://127.0.0.1:8000")
    slow = config.hosts["slow.example.com"].routes[0].timeouts
    assert (slow.connect, slow.response) == (1.0, 600.0)


@pytest.mark.parametrize("name", ["valid_full", "valid_short"])
def test_a_dict_is_as_good_as_a_file(name: str) -> None:
    """Embedding programs hand over what a YAML parser gives, and get the same config."""
    path = CASES / f"{name}.yaml"
    value = yaml.safe_load(path.read_text())
    result = load_value(value, str(CASES), {})
    assert [str(problem) for problem in result.problems] == []
    assert without_places(result.config) == without_places(load(str(path), {}).config)


def without_places(config: Config | None) -> Any:
    """Dump a config without what depends on where it was written."""

    def cleaned(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: cleaned(value) for key, value in node.items() if key not in {"where", "key_where", "matcher_where"}
            }
        return [cleaned(value) for value in node] if isinstance(node, list | tuple) else node

    assert config is not None
    return cleaned(config.model_dump())


def test_a_dict_shows_its_problems_as_yaml() -> None:
    """A problem in a dict cites the YAML that the dict would be, and shows the line."""
    result = load_value({"hosts": {"a.example.com": "localhost:8000"}, "limits": {"bodies": 5}}, ".", {})
    assert result.config is None
    scheme, key = result.problems
    assert scheme.render().split("\n") == [
        "<route map>:2:18: a.example.com: 'localhost:8000' has no scheme; write http://localhost:8000",
        "    2 |   a.example.com: localhost:8000",
        "      |                  ^",
    ]
    assert key.render().split("\n")[1:] == ["    4 |   bodies: 5", "      |   ^"]


def test_a_dict_of_anything_gives_problems() -> None:
    """Values that YAML has no form for, and dicts inside of themselves, are problems and no exceptions."""
    endless: dict[str, Any] = {}
    endless["hosts"] = endless
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for value in ({"hosts": object()}, endless, deep, {"hosts": None}, {"hosts": {1: 2.5}}, {}):
        result = load_value(value, ".", {})
        assert result.config is None
        assert result.problems


def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    """A file that is not there, or is no file, is one problem that says so."""
    (problem,) = load(str(tmp_path / "none.yaml"), {}).problems
    assert "no such file" in problem.message
    (problem,) = load(str(tmp_path), {}).problems
    assert "is a directory" in problem.message


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "etc").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_load(path: Path) -> None:
    """A route map in etc/ has no problem at all."""
    assert [str(problem) for problem in load(str(path), {}).problems] == []
