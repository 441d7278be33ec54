"""Explanations, as text and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from txproxy.config import Config
from txproxy.service.asking import asked
from txproxy.service.explaining import Explanation, explain
from txproxy.service.rehearsal import Rehearsal

Reader = Callable[[str], Config]
MAP = """\
trusted_proxies: [10.0.0.0/8]
upstreams:
  app:
    backends: [http://10.0.0.5:8000, http://10.0.0.6:8000]
hosts:
  wiki.example.com:
    - path: /static/*
      files: /srv/static
    - path: [/api/*, /rpc]
      methods: [GET, POST]
      headers: {X-Version: "2"}
      proxy: app
      strip_prefix: /api
      request_headers: {set: {X-Env: prod}, remove: [X-Debug]}
      response_headers: {remove: [Server]}
    - name: inside
      path: /in
      clients: [192.168.0.0/16]
      respond: {body: hello}
    - name: rest
      proxy: http://127.0.0.1:9000/base
      host_header: backend
  "*.old.example.com": {redirect: "https://wiki.example.com{uri}"}
"""


def explained(config: Config, method: str, url: str, client: str | None = None, **headers: str) -> Explanation:
    """Explain one request."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return explain(config, Rehearsal(config), asked(config, method, url, pairs, client_ip=client))


def undated(text: str) -> str:
    """Take the date out of an answer's head."""
    return re.sub(r"Date: .* GMT", "Date: (now)", text)


PROXIED = """\
POST http://wiki.example.com/api/users?x=1
  from         127.0.0.1, to http://127.0.0.1:8080
  host         wiki.example.com (routes.yaml:6)
  passed over  wiki.example.com/static/* (routes.yaml:7): path (routes.yaml:7): /api/users is not /static/*
  route        wiki.example.com/api/* (routes.yaml:9)
  middleware   RequestHeaders (on_request), ResponseHeaders (on_response)
  upstream     app (routes.yaml:3)
  backend      http://10.0.0.5:8000 (the first of 2, taken in turn)
  sent         (X-Request-Id is random in service)
    POST /users?x=1 HTTP/1.1
    Host: wiki.example.com
    X-Version: 2
    X-Forwarded-For: 127.0.0.1
    X-Forwarded-Proto: http
    X-Forwarded-Host: wiki.example.com
    X-Forwarded-Port: 8080
    X-Request-Id: 00000000000000000000000000000000
    Via: 1.1 txproxy
    X-Env: prod
"""

REST = """\
GET http://wiki.example.com/api/users
  from         127.0.0.1, to http://127.0.0.1:8080
  host         wiki.example.com (routes.yaml:6)
  passed over  wiki.example.com/static/* (routes.yaml:7): path (routes.yaml:7): /api/users is not /static/*
  passed over  wiki.example.com/api/* (routes.yaml:9): headers (routes.yaml:11): X-Version is 3, not 2
  passed over  inside (routes.yaml:16): path (routes.yaml:17): /api/users is not /in
  route        rest (routes.yaml:20)
  upstream     written in place (routes.yaml:21)
  backend      http://127.0.0.1:9000 (the only one)
  sent         (X-Request-Id is random in service)
    GET /base/api/users HTTP/1.1
    Host: 127.0.0.1:9000
    X-Version: 3
    X-Forwarded-For: 127.0.0.1
    X-Forwarded-Proto: http
    X-Forwarded-Host: wiki.example.com
    X-Forwarded-Port: 8080
    X-Request-Id: 00000000000000000000000000000000
    Via: 1.1 txproxy
"""

REDIRECTED = """\
GET http://a.old.example.com/x?y
  from         127.0.0.1, to http://127.0.0.1:8080
  host         *.old.example.com (routes.yaml:23)
  route        *.old.example.com (routes.yaml:23)
  answer       308 Permanent Redirect
    HTTP/1.1 308 Permanent Redirect
    Location: https://wiki.example.com/x?y
    Content-Length: 0
    Date: (now)
"""

NOWHERE = """\
GET http://wki.example.com/
  from         127.0.0.1, to http://127.0.0.1:8080
  host         no host of the route map is for wki.example.com, and there is no host '*'; did you mean wiki.example.com?
  route        none matches
  cause        destination_not_found: No site or page is configured at this address.
  detail       no route matches
  answer       404 Not Found
    HTTP/1.1 404 Not Found
    Content-Type: text/html; charset=utf-8
"""


@pytest.mark.parametrize(
    ("method", "url", "headers", "text"),
    [
        ("POST", "http://wiki.example.com/api/users?x=1", {"X_Version": "2", "X_Debug": "1"}, PROXIED),
        ("GET", "http://wiki.example.com/api/users", {"X_Version": "3"}, REST),
        ("GET", "http://a.old.example.com/x?y", {}, REDIRECTED),
        ("GET", "http://wki.example.com/", {}, NOWHERE),
    ],
)
def test_text(config: Reader, method: str, url: str, headers: dict[str, str], text: str) -> None:
    """The text names each step with its place, and ends with what is sent."""
    assert undated(explained(config(MAP), method, url, **headers).as_text()).startswith(text)


def test_applications_are_named(config: Reader) -> None:
    """Where an application answers, it is named, and nothing is said of its answer."""
    explanation = explained(config(MAP), "GET", "http://wiki.example.com/static/x")
    assert explanation.as_text().endswith("  application  the files below /srv/static\n")
    assert (explanation.status, explanation.target, explanation.location) == (None, None, None)
    assert explanation.outcome == "it goes to the files below /srv/static"


GIVEN = """\
  route        code (routes.yaml:3)
  application  the WSGI application nosuch:app
  given        (X-Request-Id is random in service)
    GET /x HTTP/1.1
    Host: a
    X-Forwarded-For: 127.0.0.1
    X-Forwarded-Proto: http
    X-Forwarded-Host: a
    X-Forwarded-Port: 8080
    X-Request-Id: 00000000000000000000000000000000
"""


def test_what_an_application_is_given(config: Reader) -> None:
    """The request as code would get it is shown, though the code cannot even be imported."""
    explanation = explained(config("hosts:\n  a:\n    - {name: code, wsgi: 'nosuch:app'}\n"), "GET", "a/x")
    assert explanation.as_text().endswith(GIVEN)
    assert explanation.as_json()["given"][0] == "GET /x HTTP/1.1"


@pytest.mark.parametrize(
    ("client", "headers", "route"),
    [
        ("192.168.1.1", {}, "inside"),
        ("172.16.0.1", {"X_Forwarded_For": "192.168.1.1"}, "rest"),
        ("10.0.0.1", {"X_Forwarded_For": "192.168.1.1"}, "inside"),
        (None, {}, "rest"),
    ],
)
def test_where_a_request_comes_from(config: Reader, client: str | None, headers: dict[str, str], route: str) -> None:
    """Conditions on clients see the address given, or the one that a trusted proxy names."""
    explanation = explained(config(MAP), "GET", "http://wiki.example.com/in", client, **headers)
    assert explanation.route is not None
    assert explanation.route.name == route


def test_json_of_a_proxied_request(config: Reader) -> None:
    """The JSON holds the same facts, and the head as it is sent."""
    found = explained(config(MAP), "GET", "http://wiki.example.com/rpc", X_Version="2").as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["host"] == {"pattern": "wiki.example.com", "where": "routes.yaml:6"}
    assert found["route"] == {"name": "wiki.example.com/api/*", "where": "routes.yaml:9"}
    assert [(step["condition"], step["condition_where"]) for step in found["passed_over"]] == [
        ("path", "routes.yaml:7")
    ]
    assert found["upstream"] == {"name": "app", "where": "routes.yaml:3", "balance": "round_robin"}
    assert found["backend"] == {"url": "http://10.0.0.5:8000", "number": 1, "of": 2}
    assert found["sent"].startswith("GET /rpc HTTP/1.1\r\nHost: wiki.example.com\r\n")
    assert "answer" not in found


def test_json_of_a_failure(config: Reader) -> None:
    """A refused request has its cause and the answer's head, and nothing of a route."""
    found = explained(config(MAP), "GET", "http://wiki.example.com/%00").as_json()
    assert (found["host"], found["route"]) == (None, None)
    assert found["error"]["cause"] == "http_request_error"
    assert found["answer"]["status"] == 400
    assert found["answer"]["head"].endswith("\r\n\r\n")


def test_what_clients_write_cannot_steer_a_terminal(config: Reader) -> None:
    """Escape sequences in a path or a field show as escapes."""
    text = explained(config(MAP), "GET", "http://wiki.example.com/static\x1b[2J", X_Version="\u202e\u00e9").as_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "X-Version: \\u202e\u00e9" in text
