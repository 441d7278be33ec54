"""From host, path and more to a route; it does not know what it finds.

Rule: nothing in here imports Twisted, OpenSSL, socket or asyncio, or any floor above `policy`.
"""

from .shadow import shadows, unreachable
from .table import Rejection, Route, RouteTable, Trace

__all__ = ["Rejection", "Route", "RouteTable", "Trace", "shadows", "unreachable"]
