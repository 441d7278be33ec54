"""The leaf that everything is about: requests go to an upstream.

Rule: a leaf is reached natively through `handle(exchange)`, or below any stock `Site` through
`render(request)`; both do the same, for `render` only makes an exchange of the request and handles it.
"""

from __future__ import annotations

from typing import Any

from twisted.web import proxy
from twisted.web.server import NOT_DONE_YET

from txproxy.model import fields
from txproxy.model.head import RequestHead
from txproxy.policy.forwarded import X_FORWARDED, Forwarding
from txproxy.policy.hops import hops_left, with_hops
from txproxy.policy.rewrite import Rewrite
from txproxy.policy.trust import Trust
from txproxy.reactor.deadlines import Deadlines
from txproxy.upstream.pool import KeepAlive, Pool
from txproxy.upstream.upstream import Backend, Upstream, UpstreamTimeouts

from .attempt import Attempt, body_too_large

# RFC 9110, section 7.6.3: a gateway MUST send it with each request it forwards.
_VIA = {10: b"\r\nVia: 1.0 txproxy", 11: b"\r\nVia: 1.1 txproxy", 20: b"\r\nVia: 2 txproxy", 30: b"\r\nVia: 3 txproxy"}
_host_field = fields.remover((b"host",))

PRESERVE, BACKEND = "preserve", "backend"


class ReverseProxyResource(proxy.ReverseProxyResource):
    """Forward requests to an upstream, streaming, with keep-alive; in place of the stock class of this name.

    ``ReverseProxyResource("127.0.0.1", 8000, b"/base")`` works as the stock one does. What the route map
    can say of a proxy route are the keyword arguments.

    :param host: name or address of the one backend; ignored if `upstream` is given.
    :param port: its port.
    :param path: put in front of each request's path.
    :param reactor: Twisted's; None: the one that is installed.
    :param upstream: the backends to choose from.
    :param deadlines: the wheel for connections and tunnels; None: one of its own.
    :param strip_prefix: taken off the front of the path.
    :param host_header: "preserve", "backend" or the value for Host.
    :param forwarding: which fields tell where a request comes from.
    :param max_body: octets of a request's body.
    :param timeouts: of the backends.
    :param tunnel_timeout: seconds without a byte after which a tunnel ends.
    """

    isLeaf = True
    #: what it stands in below a stock Site (see `rendered`), and the middleware there; None: made when needed, none
    surroundings: Any = None
    pipeline: Any = None

    def __init__(
        self,
        host: str = "",
        port: int = 80,
        path: bytes = b"",
        reactor: Any = None,
        *,
        upstream: Upstream | None = None,
        deadlines: Deadlines | None = None,
        strip_prefix: str | None = None,
        host_header: str = PRESERVE,
        forwarding: Forwarding | None = None,
        max_body: int = 1024 * 1024,
        timeouts: UpstreamTimeouts | None = None,
        tunnel_timeout: float = 3600.0,
    ) -> None:
        if reactor is None:
            # Not at the top: importing it chooses the reactor.
            from twisted.internet import reactor  # noqa: PLC0415, TID251
        super().__init__(host, port, path, reactor)  # type: ignore[no-untyped-call]
        self.deadlines = Deadlines(reactor, on_demand=True) if deadlines is None else deadlines
        self.upstream = upstream or _single(host, port, reactor, self.deadlines)
        self.timeouts = timeouts or self.upstream.timeouts
        self.max_body = max_body
        self.tunnel_timeout = tunnel_timeout
        self.forwarding = forwarding or Forwarding((X_FORWARDED,), Trust(()))
        self.host_header = host_header
        self.sends_backends_host = host_header == BACKEND
        self._keeps_host = host_header == PRESERVE
        self._literal_host = None if host_header in (PRESERVE, BACKEND) else host_header.encode("ascii")
        rewrite = Rewrite(strip_prefix, path.decode("ascii"))
        self.rewrite = rewrite if rewrite.changes else None

    def __repr__(self) -> str:
        return f"<ReverseProxyResource to {self.upstream.name}>"

    def handle(self, exchange: Any) -> None:
        """Forward an exchange's request, and its answer back."""
        head = exchange.head
        if head.content_length is not None and head.content_length > self.max_body:
            exchange.fail(body_too_large(self.max_body))
            return
        if head.method == b"OPTIONS" and hops_left(head.block) == 0:
            exchange.respond(200, b"OK", b"")
            return
        upstream = self.upstream
        exchange.upstream = upstream.name
        backend = upstream.pick()
        request = self.forwarded_head(exchange, backend)
        if not exchange.pipeline.on_request or exchange.edit_request(request):
            Attempt(self, exchange, request).begin(backend)

    def forwarded_head(self, exchange: Any, backend: Backend) -> RequestHead:
        """Make the head that goes to this backend, before middleware sees it."""
        head = exchange.head
        authority = head.authority
        target = head.target if self.rewrite is None else self.rewrite(head.target)
        origin = exchange.client.origin
        # A browser asks for the same host again and again: what is told of it is made once.
        if origin is None or origin[0] != authority or origin[1] is not self.forwarding or head.provenance:
            origin = self._origin(exchange)
        block = b"".join((head.block, origin[2], exchange.request_id.encode(), _VIA[head.version]))
        if not self._keeps_host or not authority:
            block = self.with_host(block, backend)
        if head.method == b"OPTIONS" and (left := hops_left(block)):
            block = with_hops(block, left - 1)
        # In the order of the arguments: names would cost as much as all of it.
        return RequestHead(
            head.method,
            target,
            authority,
            block,
            head.content_length,
            head.version,
            head.upgrade,
            False,
            head.accepts_trailers,
        )

    def _origin(self, exchange: Any) -> tuple[bytes, Forwarding, bytes]:
        """Make the fields that tell where a request comes from; kept at its client for the next."""
        head, client = exchange.head, exchange.client
        block = self.forwarding.block(
            head.provenance, client.ip, client.port, client.scheme, head.authority, client.local_port, client.trusted
        )
        origin = (head.authority, self.forwarding, block + b"\r\nX-Request-Id: ")
        if not head.provenance:
            client.origin = origin
        return origin

    def with_host(self, block: bytes, backend: Backend) -> bytes:
        """Give the block with the Host that this backend is to see.

        HTTP/1.1 asks for one; where the client (HTTP/1.0) sent none it is the backend's own.
        """
        host = self._literal_host or backend.authority
        return b"\r\nHost: " + host + _host_field.sub(b"", block)

    # Below a stock Site.

    def getChild(self, path: bytes, request: Any) -> ReverseProxyResource:
        """Everything below is this leaf's too."""
        return self

    def render(self, request: Any) -> int:
        """Handle a request of `twisted.web`; its body has been received by then."""
        from .rendered import handle_rendered  # noqa: PLC0415 - below a Site only; the daemon loads none of it

        handle_rendered(self, request)
        return NOT_DONE_YET


class _Address:
    kind = "tcp"
    path = ""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port


def _single(host: str, port: int, reactor: Any, deadlines: Deadlines) -> Upstream:
    authority = f"[{host}]" if ":" in host else host
    if port != 80:
        authority = f"{authority}:{port}"
    pool = Pool(reactor, deadlines, _Address(host, port), KeepAlive())
    backend = Backend(f"http://{authority}", authority.encode("ascii"), pool)
    return Upstream(backend.url, (backend,), UpstreamTimeouts())
