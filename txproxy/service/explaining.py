"""What happens to one request, and why: the answer to `txproxy explain`.

Rule: everything that is told was observed while the request was played through the code that serves
(`rehearsal`); the config only adds the places where things are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from txproxy.config.model import Config, FilesLeaf, ResourceLeaf, RouteConfig, UpstreamConfig, WsgiLeaf
from txproxy.config.problem import nearest
from txproxy.forwarding.reasons import reason_phrase
from txproxy.middleware.pipeline import Pipeline
from txproxy.model import fields

from .asking import Asked
from .output import head_lines, one_line
from .rehearsal import Played, Rehearsal

_PHASES = ("on_request", "on_request_body", "on_response", "on_response_body", "on_finish")
_CLIENT_AUTH = {
    "none": "no client certificate is asked for",
    "request": "a client certificate is asked for (here: none is shown)",
    "require": "a client certificate is required (here: one is shown)",
}
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Step:
    """A route that was passed over: the condition that failed, where it is written, what came instead."""

    route: str
    where: str
    condition: str
    condition_where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.route} ({self.where}): {self.condition} ({self.condition_where}): {one_line(self.reason)}"


class Explanation:
    """What became of a request.

    :ivar route: the chosen route, None without one.
    :ivar steps: those that were passed over, in order.
    :ivar status: of the answer that txproxy itself gives; None if a backend or an application answers.
    :ivar served: the certificates that the client is shown, None without TLS.
    :ivar is_redirected: it is sent to https before any route is looked for.
    """

    def __init__(self, config: Config, asked: Asked, played: Played, rehearsal: Rehearsal) -> None:
        self.asked = asked
        self._config = config
        self._played = played
        trace = played.trace
        self.pattern = None if trace is None else trace.pattern
        self.steps = tuple(
            Step(one.route.name, str(one.route.where), one.condition, str(one.where), one.detail)
            for one in (() if trace is None else trace.rejections)
        )
        self.route = None if played.route is None else _route_config(config, played.route.host, played.route.name)
        self.error = played.error
        self.upstream = "" if self.error else played.upstream
        self.application = "" if self.error or self.route is None else _application(self.route)
        self.sent = "" if self.error else played.sent.decode("latin-1")
        ours = not (self.upstream or self.application)
        self.answer = played.answer if ours else b""
        self.status = int(played.answer[9:12]) if ours and played.answer else None
        self._now = rehearsal.certificates.now
        # A client may be refused for want of a certificate that is named and cannot be used.
        self._unusable = [one.message for one in rehearsal.certificates.complaints if one.severity == "error"]
        self.served = self._host_tls = None
        if asked.scheme == "https":
            self.served = rehearsal.certificates.served(asked.server_name, asked.local_ip)
            name = asked.server_name
            pattern = None if name is None else rehearsal.generation.table.pattern(name)
            self._host_tls = None if pattern is None else config.hosts[pattern].tls
            if pattern in rehearsal.certificates.client_ca:
                self._unusable.append(rehearsal.certificates.client_ca[pattern].message)
        self.is_redirected = played.trace is None and played.error is None and self.location is not None

    @property
    def target(self) -> str | None:
        """What the backend is asked for; None if none is."""
        return self.sent.split(" ", 2)[1] if self.sent else None

    @property
    def location(self) -> str | None:
        """Where the client is sent; None if it is not."""
        value = fields.get(b"\r\n" + self.answer.partition(b"\r\n\r\n")[0].partition(b"\r\n")[2], b"location")
        return None if value is None else value.decode("latin-1")

    @property
    def middleware(self) -> list[str]:
        """The middleware of the route, each with its phases."""
        return [] if self._played.route is None else _middleware(self._played.route.value.pipeline)

    @property
    def outcome(self) -> str:
        """What happens, in a few words."""
        if self.error is not None:
            return f"the answer is {self.error.status} ({self.error.cause.token})"
        if self.upstream:
            return f"it goes to the upstream {self.upstream!r}"
        if self.application:
            return f"it goes to {self.application}"
        if self.location is not None:
            return f"the answer is {self.status} to {one_line(self.location)}"
        return f"the answer is {self.status}"

    def why(self) -> list[str]:
        """Give the way to the route, a line for each step."""
        if self.is_redirected:
            return [f"sent to https before a route is looked for ({self._redirected_by()})"]
        if self._played.trace is None:
            return [f"refused before a route was looked for: {one_line(self.error.detail if self.error else '')}"]
        lines = [f"host: {self._host()}", *(f"passed over: {step}" for step in self.steps)]
        lines.append("no route matches" if self.route is None else f"chosen: {self.route.name} ({self.route.where})")
        return lines

    def _redirected_by(self) -> str:
        return "redirect_plain_http" if self.asked.is_plain else "tls.http_redirect"

    def _host(self) -> str:
        if self.pattern is None:
            host = self.asked.host
            near = nearest(host, self._config.hosts)
            hint = "" if near is None else f"; did you mean {near}?"
            return f"no host of the route map is for {one_line(host)}, and there is no host '*'{hint}"
        return f"{self.pattern} ({self._config.hosts[self.pattern].where})"

    def _backends(self) -> tuple[UpstreamConfig, int]:
        upstream = self._config.upstreams[self.upstream]
        return upstream, [backend.url for backend in upstream.backends].index(self._played.backend) + 1

    def as_text(self) -> str:
        """Give all of it as text for people."""
        asked = self.asked
        origin = asked.client_ip or "a unix socket"
        to = f", to {asked.listener}" if asked.listener else f", to port {asked.local_port} ({asked.scheme})"
        lines = [one_line(f"{asked.method} {asked.url}"), f"  from         {origin}{to}", *self._tls_as_text()]
        if self._played.trace is not None:
            lines.append(f"  host         {self._host()}")
        lines += [f"  passed over  {step}" for step in self.steps]
        if self.route is not None:
            lines.append(f"  route        {self.route.name} ({self.route.where})")
        elif self._played.trace is not None:
            lines.append("  route        none matches")
        if self.is_redirected:
            lines.append(f"  redirected   to https, before a route is looked for ({self._redirected_by()})")
        if middleware := self.middleware:
            lines.append(f"  middleware   {', '.join(middleware)}")
        return "\n".join([*lines, *self._end_as_text()]) + "\n"

    def _tls_as_text(self) -> list[str]:
        if self.served is None:
            return []
        tls = self._host_tls
        where = "" if tls is None else f" ({tls.where})"
        shown = _CLIENT_AUTH["none" if tls is None else tls.client_auth]
        return [
            f"  certificate  {one_line(self.served.as_text(self._now))}",
            *(f"  unusable     {one_line(message)}" for message in self._unusable),
            f"  tls          version {self._minimum()} at least, {shown}{where}",
        ]

    def _minimum(self) -> str:
        """The least version of TLS that the host takes."""
        top = "1.2" if self._config.tls is None else self._config.tls.minimum
        return top if self._host_tls is None else self._host_tls.minimum or top

    def _tls_as_json(self) -> dict[str, Any] | None:
        if self.served is None:
            return None
        tls = self._host_tls
        return {
            "certificate": self.served.as_json(self._now),
            "unusable": self._unusable,
            "minimum": self._minimum(),
            "client_auth": "none" if tls is None else tls.client_auth,
            "where": None if tls is None else str(tls.where),
        }

    def _end_as_text(self) -> list[str]:
        if self.upstream:
            upstream, place = self._backends()
            count = len(upstream.backends)
            ordinal = _ORDINALS[place - 1] if place <= len(_ORDINALS) else f"number {place}"
            turn = f"the {ordinal} of {count}, taken in turn" if count > 1 else "the only one"
            named = "written in place" if upstream.anonymous else upstream.name
            sent = head_lines(self.sent.encode("latin-1"))
            return [
                f"  upstream     {named} ({upstream.where})",
                f"  backend      {self._played.backend} ({turn})",
                "  sent         (X-Request-Id is random in service)",
                *(f"    {line}" for line in sent),
            ]
        if self.application:
            return [f"  application  {self.application}", *self._given()]
        lines = []
        if self.error is not None:
            lines.append(f"  cause        {self.error.cause.token}: {self.error.cause.sentence}")
            lines += [f"  detail       {one_line(self.error.detail)}"] if self.error.detail else []
            lines += [f"  hint         {self.error.hint}"] if self.error.hint else []
        status = self.status or 0
        lines.append(f"  answer       {status} {reason_phrase(status).decode('ascii') if status else 'none'}")
        return [*lines, *(f"    {line}" for line in head_lines(self.answer))]

    def _given(self) -> list[str]:
        given = self._played.given
        # None while the application waits for a body that the head announces; files get the client's own.
        if not given or (self.route is not None and isinstance(self.route.leaf, FilesLeaf)):
            return []
        return ["  given        (X-Request-Id is random in service)", *(f"    {one_line(line)}" for line in given)]

    def as_json(self) -> dict[str, Any]:
        """Give all of it as what JSON can hold; octets as Latin-1."""
        asked, error = self.asked, self.error
        found: dict[str, Any] = {
            "request": {
                "method": asked.method,
                "url": asked.url,
                "head": asked.wire.decode("latin-1"),
                "from": asked.client_ip,
                "listener": asked.listener,
                "port": asked.local_port,
            },
            "tls": self._tls_as_json(),
            "redirected_to_https": self.is_redirected,
            "host": self.pattern and {"pattern": self.pattern, "where": str(self._config.hosts[self.pattern].where)},
            "passed_over": [
                {
                    "route": step.route,
                    "where": step.where,
                    "condition": step.condition,
                    "condition_where": step.condition_where,
                    "reason": step.reason,
                }
                for step in self.steps
            ],
            "route": self.route and {"name": self.route.name, "where": str(self.route.where)},
            "middleware": self.middleware,
        }
        if self.upstream:
            upstream, place = self._backends()
            found["upstream"] = {"name": upstream.name, "where": str(upstream.where), "balance": upstream.balance}
            found["backend"] = {"url": self._played.backend, "number": place, "of": len(upstream.backends)}
            found["sent"] = self.sent
        elif self.application:
            found["application"] = self.application
            found["given"] = list(self._played.given)
        else:
            found["answer"] = {"status": self.status, "head": _head(self.answer), "location": self.location}
        if error is not None:
            cause = error.cause
            found["error"] = {"cause": cause.token, "status": error.status, "detail": error.detail, "hint": error.hint}
        return found


def explain(config: Config, rehearsal: Rehearsal, asked: Asked) -> Explanation:
    """Play a request and tell what became of it.

    :param rehearsal: of this very config.
    """
    return Explanation(config, asked, rehearsal.play(asked), rehearsal)


def _head(message: bytes) -> str:
    head, end, _ = message.partition(b"\r\n\r\n")
    return (head + end).decode("latin-1")


def _route_config(config: Config, pattern: str, name: str) -> RouteConfig:
    return next(route for route in config.hosts[pattern].routes if route.name == name)


def _application(route: RouteConfig) -> str:
    leaf = route.leaf
    if isinstance(leaf, FilesLeaf):
        return f"the files below {leaf.path}"
    if isinstance(leaf, WsgiLeaf):
        return f"the WSGI application {leaf.application}"
    return f"the resource {leaf.resource}" if isinstance(leaf, ResourceLeaf) else ""


def _middleware(pipeline: Pipeline) -> list[str]:
    phases: dict[Any, list[str]] = {}
    for phase in _PHASES:
        for method in getattr(pipeline, phase):
            phases.setdefault(method.__self__, []).append(phase)
    return [f"{type(one).__name__} ({', '.join(names)})" for one, names in phases.items()]
