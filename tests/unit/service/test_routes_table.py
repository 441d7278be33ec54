"""The table of routes."""

from __future__ import annotations

from collections.abc import Callable

from txproxy.config import Config
from txproxy.service import routes_table

MAP = """\
upstreams: {app: {backends: [http://10.0.0.5:8000]}}
hosts:
  a.org: app
  "*.b.org":
    - {name: api, path: [/api/*, /rpc], methods: [GET, POST], proxy: app, strip_prefix: /api}
    - {name: old, headers: {X-V: ~^2, X-E: ""}, query: {q: "1"}, clients: [10.0.0.0/8], redirect: "/new{uri}"}
    - {name: no, path: /no, respond: {status: 204}}
    - {name: base, path: /base, proxy: http://b:9/b}
    - {name: f, path: /f/*, files: /srv/f}
    - {name: w, path: /w/*, wsgi: "a.b:c"}
    - {name: r, resource: "a.b:d"}
"""

TABLE = """\
HOST     PATH         CONDITIONS                           DESTINATION          NAME   WHERE
a.org    /*           -                                    -> app               a.org  routes.yaml:3
*.b.org  /api/* /rpc  GET,POST                             -> app without /api  api    routes.yaml:5
*.b.org  /*           X-V:~^2 X-E:'' ?q=1 from 10.0.0.0/8  -> 308 /new{uri}     old    routes.yaml:6
*.b.org  /no          -                                    -> respond 204       no     routes.yaml:7
*.b.org  /base        -                                    -> http://b:9/b      base   routes.yaml:8
*.b.org  /f/*         -                                    -> files /srv/f      f      routes.yaml:9
*.b.org  /w/*         -                                    -> wsgi a.b:c        w      routes.yaml:10
*.b.org  /*           -                                    -> resource a.b:d    r      routes.yaml:11
"""


def test_text(config: Callable[[str], Config]) -> None:
    """Each route is a row: what it asks for, where it leads, and where it is written."""
    assert routes_table.as_text(config(MAP)) == TABLE


def test_json(config: Callable[[str], Config]) -> None:
    """The JSON has the same routes in the same order, conditions apart."""
    found = routes_table.as_json(config(MAP))
    assert [route["name"] for route in found] == ["a.org", "api", "old", "no", "base", "f", "w", "r"]
    assert found[2] == {
        "host": "*.b.org",
        "paths": [],
        "methods": [],
        "headers": {"X-V": "~^2", "X-E": ""},
        "query": {"q": "1"},
        "clients": ["10.0.0.0/8"],
        "destination": "308 /new{uri}",
        "name": "old",
        "where": "routes.yaml:6",
    }
