"""Routes that can never be reached.

Rule: `shadows` says yes only where it is certain. Routes that together leave nothing over, regular
expressions that mean the same, and the like are not found out; nothing that can be reached is accused.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from .conditions import ClientCondition, Condition, HeaderCondition, MethodCondition, QueryCondition, Value
from .pattern import Literal, PathPattern, Step
from .table import Route


def shadows(earlier: Route[Any], later: Route[Any]) -> bool:
    """Tell whether every request that `later` matches is certainly matched by `earlier` before it.

    Both are of one host pattern, else False.
    """
    if earlier.host != later.host:
        return False
    if not earlier.paths.is_everything:
        if later.paths.is_everything:
            return False
        if not all(any(_covers(wide, narrow) for wide in earlier.paths.patterns) for narrow in later.paths.patterns):
            return False
    return all(_implied(condition, later.conditions) for condition in earlier.conditions if condition.kind != "path")


def unreachable(routes: Iterable[Route[Any]]) -> list[tuple[Route[Any], Route[Any]]]:
    """Give (earlier, later) for each route that an earlier one of its host shadows, with the first that does."""
    by_host: dict[str, list[Route[Any]]] = {}
    found = []
    for route in routes:
        before = by_host.setdefault(route.host, [])
        shadow = next((earlier for earlier in before if shadows(earlier, route)), None)
        if shadow is None:
            before.append(route)  # what a shadowed route would shadow, its own shadow does already
        else:
            found.append((shadow, route))
    return found


def _covers(wide: PathPattern, narrow: PathPattern) -> bool:
    if wide.is_everything or wide.text == narrow.text:
        return True
    if narrow.is_regular_expression or (wide.is_regular_expression and narrow.literal is None):
        return False
    if wide.is_regular_expression:
        # A plain path without /* is a single text, which can be tried.
        return not narrow.below and wide.matches(narrow.literal or "")
    if wide.below:
        enough = len(narrow.steps) >= len(wide.steps)
    else:
        enough = not narrow.below and len(narrow.steps) == len(wide.steps) and narrow.slash == wide.slash
    return enough and all(map(_step_covers, wide.steps, narrow.steps))


def _step_covers(wide: Step, narrow: Step) -> bool:
    return not isinstance(wide, Literal) or wide == narrow


def _implied(condition: Condition, others: Iterable[Condition]) -> bool:
    return any(_implies(other, condition) for other in others)


def _implies(given: Condition, wanted: Condition) -> bool:
    """Tell whether every request that fulfils `given` certainly fulfils `wanted`."""
    if isinstance(given, MethodCondition) and isinstance(wanted, MethodCondition):
        return given.methods <= wanted.methods
    if isinstance(given, ClientCondition) and isinstance(wanted, ClientCondition):
        wide = wanted.addresses.networks
        return all(any(_within(network, other) for other in wide) for network in given.addresses.networks)
    if isinstance(given, HeaderCondition) and isinstance(wanted, HeaderCondition):
        return given.name.lower() == wanted.name.lower() and _value_implies(given.value, wanted.value)
    if isinstance(given, QueryCondition) and isinstance(wanted, QueryCondition):
        return given.name == wanted.name and _value_implies(given.value, wanted.value)
    return False


def _value_implies(given: Value, wanted: Value) -> bool:
    return given.text == wanted.text or (given.regex is None and wanted.matches(given.text))


def _within(network: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)
