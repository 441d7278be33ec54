"""The numbers of one process: plain integers, added to in place.

Rule: an exchange is counted when it starts and when it ends, each once; what is active is what
started and has not ended. Nothing here is reset, so that rates can be computed from any two snapshots.
"""

from __future__ import annotations


class Counters:
    """Counts connections and exchanges. Attributes may be added to directly where a call is too dear.

    :ivar responses: by class: index 2 is 2xx; index 0 is "no response"; 499 counts as 4xx.
    :ivar causes: failed exchanges by the cause's token.
    """

    __slots__ = (
        "accepted_connections",
        "active_connections",
        "active_exchanges",
        "bytes_received",
        "bytes_sent",
        "causes",
        "failed_handshakes",
        "requests",
        "responses",
    )

    def __init__(self) -> None:
        self.accepted_connections = 0
        self.active_connections = 0
        #: of TLS, with clients
        self.failed_handshakes = 0
        self.requests = 0
        self.active_exchanges = 0
        self.responses = [0, 0, 0, 0, 0, 0]
        self.causes: dict[str, int] = {}
        self.bytes_received = 0
        self.bytes_sent = 0

    def connection_opened(self) -> None:
        """A client's connection was accepted."""
        self.accepted_connections += 1
        self.active_connections += 1

    def connection_closed(self) -> None:
        """A client's connection is gone."""
        self.active_connections -= 1

    def exchange_started(self) -> None:
        """A request's head has arrived."""
        self.requests += 1
        self.active_exchanges += 1

    def exchange_ended(self, status: int, cause: str, received: int, sent: int) -> None:
        """Count the end of an exchange.

        :param status: as logged: 100 to 599, or 0 where there was no response.
        :param cause: the cause's token, "" if nothing failed.
        :param received: octets of the request's body.
        :param sent: octets of the response's body.
        """
        self.active_exchanges -= 1
        self.responses[status // 100] += 1
        self.bytes_received += received
        self.bytes_sent += sent
        if cause:
            self.failed(cause)

    def failed(self, cause: str) -> None:
        """Count a failure by its cause's token."""
        self.causes[cause] = self.causes.get(cause, 0) + 1

    def snapshot(self) -> dict[str, int | dict[str, int]]:
        """Give all numbers as they are now, independent of what is counted later."""
        return {
            "accepted_connections": self.accepted_connections,
            "active_connections": self.active_connections,
            "failed_handshakes": self.failed_handshakes,
            "requests": self.requests,
            "active_exchanges": self.active_exchanges,
            "responses": {f"{hundreds}xx": self.responses[hundreds] for hundreds in range(1, 6)}
            | {"none": self.responses[0]},
            "causes": dict(self.causes),
            "bytes_received": self.bytes_received,
            "bytes_sent": self.bytes_sent,
        }
