"""A correlation in words, for people: its window, its condition, its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from siem.sigma.correlation.rule import Correlation, Kind, Threshold
from siem.sigma.tree import And, Leaf, Node, Not, Or

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
COMPARISONS = {
    "lt": "less than", "lte": "at most", "gt": "more than", "gte": "at least", "eq": "exactly", "neq": "not",
}  # fmt: skip


def span(length: timedelta) -> str:
    """In the largest unit that it is a whole number of: `90 seconds`, `1 hour`."""
    seconds = int(length.total_seconds())
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'s' * (count != 1)}"


def number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 or value % 1 else f"{value:.0f}"


def limits(threshold: Threshold) -> str:
    return " and ".join([f"{COMPARISONS[name]} {number(limit)}" for name, limit in threshold.limits])


def condition(one: Correlation, called: Callable[[str], str]) -> str:
    """What has to hold inside a window. called: what people call a rule, by its key."""
    if one.expression is not None:
        return f"seen: {expression(one.expression, called)}"
    if one.threshold is None:
        return ""
    wanted = limits(one.threshold)
    match one.kind:
        case Kind.EVENT_COUNT:
            return f"{wanted} different events"
        case Kind.VALUE_COUNT:
            what = "values" if len(one.fields) == 1 else "combinations of values"
            return f"{wanted} different {what} of {', '.join(one.fields)}"
        case Kind.TEMPORAL_ORDERED:
            times = "equal times are in order" if one.ties else "times rise strictly"
            return f"all of its rules, one after the other in this order ({times})"
        case Kind.TEMPORAL:
            every = one.threshold.limits == (("gte", len(one.rules)),)
            return f"all of its {len(one.rules)} rules, in any order" if every else f"{wanted} of its rules"
    return f"the {measure(one)} of {one.fields[0]} is {wanted}"


def measure(one: Correlation) -> str:
    if one.kind is Kind.VALUE_PERCENTILE and one.percentile is not None:
        return f"{number(one.percentile)}th percentile"
    return {Kind.VALUE_SUM: "sum", Kind.VALUE_AVG: "mean"}.get(one.kind, "median")


def expression(node: Node, called: Callable[[str], str], inside: bool = False) -> str:
    """Words about rules, in brackets where they stand inside of others."""
    match node:
        case Leaf(field):
            return called(field or "")
        case Not(item):
            return f"not {expression(item, called, True)}"
        case And(items):
            return _linked(items, " and ", called, inside)
        case Or(items):
            return _linked(items, " or ", called, inside)


def _linked(items: Sequence[Node], word: str, called: Callable[[str], str], inside: bool) -> str:
    text = word.join([expression(item, called, True) for item in items])
    return f"({text})" if inside and len(items) > 1 else text
