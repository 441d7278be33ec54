"""Every way in which an exchange can fail, as one table.

Rule: a failure is a `ProxyError` with a `Cause`. The cause's token is the one word for it
everywhere: exception, access log, metric label, error page and the `Proxy-Status` field
(RFC 9209, section 2.3, where that has a token; ours where it has none).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """One kind of failure.

    `token` is what machines read, `status` the response the client gets (499 is only logged:
    nobody is there to read it), `sentence` what the error page says, free of any internal detail.
    """

    token: str
    status: int
    sentence: str


class ProxyError(Exception):
    """A failure with its cause, and a detail for the log that no client ever sees.

    :param cause: the row of the table that applies.
    :param detail: what exactly happened, for the log: addresses and reasons are allowed here.
    :param status: overrides the cause's status where one cause has several (400 against 501).
    :param hint: one sentence that is safe to show to the client: which limit, which key to change.
    """

    def __init__(self, cause: Cause, detail: str = "", *, status: int | None = None, hint: str = "") -> None:
        super().__init__(f"{cause.token}: {detail}" if detail else cause.token)
        self.cause = cause
        self.detail = detail
        self.status = cause.status if status is None else status
        self.hint = hint


# RFC 9209, section 2.3, written as there.
DNS_TIMEOUT = Cause("dns_timeout", 504, "The name of the server behind this proxy was not resolved in time.")
DNS_ERROR = Cause("dns_error", 502, "The name of the server behind this proxy could not be resolved.")
DESTINATION_NOT_FOUND = Cause("destination_not_found", 404, "No site or page is configured at this address.")
DESTINATION_UNAVAILABLE = Cause("destination_unavailable", 503, "No server is available for this page at the moment.")
DESTINATION_IP_UNROUTABLE = Cause("destination_ip_unroutable", 502, "The server behind this proxy cannot be reached.")
CONNECTION_REFUSED = Cause("connection_refused", 502, "The server behind this proxy refused the connection.")
CONNECTION_TERMINATED = Cause(
    "connection_terminated", 502, "The server behind this proxy closed the connection before it answered."
)
CONNECTION_TIMEOUT = Cause(
    "connection_timeout", 504, "The server behind this proxy did not accept the connection in time."
)
CONNECTION_LIMIT_REACHED = Cause("connection_limit_reached", 503, "Too many connections are open at the moment.")
HTTP_REQUEST_ERROR = Cause(
    "http_request_error", 400, "The request is not valid HTTP, or not one that this server accepts."
)
HTTP_RESPONSE_INCOMPLETE = Cause(
    "http_response_incomplete", 502, "The server behind this proxy sent only a part of its answer."
)
HTTP_RESPONSE_HEADER_SECTION_SIZE = Cause(
    "http_response_header_section_size", 502, "The server behind this proxy sent too large a header."
)
HTTP_RESPONSE_CONTENT_CODING = Cause(
    "http_response_content_coding", 502, "The server behind this proxy sent an answer whose compression is broken."
)
HTTP_RESPONSE_TIMEOUT = Cause("http_response_timeout", 504, "The server behind this proxy did not answer in time.")
HTTP_PROTOCOL_ERROR = Cause(
    "http_protocol_error", 502, "The server behind this proxy sent an answer that is not valid HTTP."
)
HTTP_UPGRADE_FAILED = Cause(
    "http_upgrade_failed", 502, "The server behind this proxy did not change the protocol as asked."
)
TLS_CERTIFICATE_ERROR = Cause(
    "tls_certificate_error", 502, "The identity of the server behind this proxy could not be verified."
)
TLS_PROTOCOL_ERROR = Cause("tls_protocol_error", 502, "The server behind this proxy does not speak TLS as it should.")
TLS_ALERT_RECEIVED = Cause(
    "tls_alert_received", 502, "The server behind this proxy did not accept the secure connection."
)
PROXY_INTERNAL_ERROR = Cause("proxy_internal_error", 500, "This proxy failed to handle the request.")
PROXY_INTERNAL_RESPONSE = Cause("proxy_internal_response", 200, "This proxy made the answer itself.")

# Ours, where RFC 9209 has none.
MISDIRECTED_REQUEST = Cause(
    "misdirected_request", 421, "This site asks for another connection than the one that this request came on."
)
REQUEST_HEADER_TIMEOUT = Cause("request_header_timeout", 408, "The request's header did not arrive in time.")
REQUEST_BODY_TIMEOUT = Cause("request_body_timeout", 408, "The request's body stopped arriving.")
REQUEST_BODY_TOO_LARGE = Cause("request_body_too_large", 413, "The request's body is larger than this page accepts.")
REQUEST_HEADER_TOO_LARGE = Cause(
    "request_header_too_large", 431, "The request's header is larger than this server accepts."
)
REQUEST_TARGET_TOO_LONG = Cause(
    "request_target_too_long", 414, "The request's address is longer than this server accepts."
)
RESPONSE_WRITE_TIMEOUT = Cause("response_write_timeout", 499, "The client stopped reading the answer.")
TUNNEL_IDLE_TIMEOUT = Cause("tunnel_idle_timeout", 499, "Nothing was sent through the tunnel for too long.")
CLIENT_DISCONNECTED = Cause("client_disconnected", 499, "The client went away before the answer was complete.")
QUEUE_TIMEOUT = Cause("queue_timeout", 503, "All servers are busy.")
SHUTTING_DOWN = Cause("shutting_down", 503, "This server is stopping.")

CAUSES: dict[str, Cause] = {value.token: value for value in list(globals().values()) if isinstance(value, Cause)}
