"""Of which windows a correlation holds. A window is that of a part: what its group has in the span up to its time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial, reduce

import numpy as np

from siem.detect.correlating.numbers import reaches_percentile, reaches_sum
from siem.detect.correlating.parts import Parts, changed
from siem.sigma.correlation import NUMERIC, Correlation, Kind, Threshold
from siem.sigma.tree import And, Leaf, Node, Not, Or

Reaches = Callable[[float], np.ndarray]
"""Whether the number of each window is at least a limit."""

NEVER = -(2**62)
"""On the axis, before everything."""


def least(correlation: Correlation) -> int:
    """Windows of fewer rows cannot fire: the prefilter."""
    if correlation.kind is Kind.TEMPORAL_ORDERED:
        return len(set(correlation.rules))
    if correlation.kind in NUMERIC or correlation.expression is not None:
        return 1
    below = {"gte": math.ceil, "eq": math.ceil, "gt": lambda limit: math.floor(limit) + 1}
    limits = _threshold(correlation).limits
    return int(max([1, *[below[name](limit) for name, limit in limits if name in below]]))


def relevant(correlation: Correlation, parts: Parts) -> Parts:
    """Without what cannot matter: groups whose windows are all too small, an event's equal numbers."""
    if correlation.kind in NUMERIC:
        return _once(parts)
    if correlation.kind in (Kind.EVENT_COUNT, Kind.VALUE_COUNT):
        large = parts.size >= least(correlation)
        return parts.kept(np.isin(parts.group, np.unique(parts.group[large])))
    return parts


def fires(correlation: Correlation, parts: Parts) -> np.ndarray:
    """A mask of the parts at whose time it fires."""
    match correlation.kind:
        case Kind.TEMPORAL_ORDERED:
            return in_order(correlation, parts)
        case Kind.TEMPORAL if correlation.expression is not None:
            return _holds_of(correlation.expression, _seen(correlation.rules, parts), len(parts))
        case _:
            return _passes(_threshold(correlation), _reaches(correlation, parts))


def _threshold(correlation: Correlation) -> Threshold:
    """Without one, all rules are wanted."""
    return correlation.threshold or Threshold((("gte", len(set(correlation.rules))),))


def _reaches(correlation: Correlation, parts: Parts) -> Reaches:
    match correlation.kind:
        case Kind.EVENT_COUNT:
            return partial(np.greater_equal, _different(parts, "event"))
        case Kind.VALUE_COUNT:
            return partial(np.greater_equal, _different(parts, "value"))
        case Kind.TEMPORAL:
            seen = _seen(correlation.rules, parts).values()
            return partial(np.greater_equal, np.sum(list(seen), axis=0, dtype=np.int64))
        case Kind.VALUE_SUM | Kind.VALUE_AVG:
            return reaches_sum(parts, average=correlation.kind is Kind.VALUE_AVG)
        case Kind.VALUE_MEDIAN:
            return reaches_percentile(parts, Fraction(50))
        case _:
            return reaches_percentile(parts, Fraction(str(correlation.percentile)))  # 99.9 as it is written


def _passes(threshold: Threshold, reaches: Reaches) -> np.ndarray:
    """More than a limit is to reach the double after it."""

    def passes(name: str, limit: float) -> np.ndarray:
        limit, after = float(limit), math.nextafter(limit, math.inf)
        match name:
            case "gte":
                return reaches(limit)
            case "gt":
                return reaches(after)
            case "lt":
                return ~reaches(limit)
            case "lte":
                return ~reaches(after)
            case "eq":
                return reaches(limit) & ~reaches(after)
            case _:
                return ~reaches(limit) | reaches(after)

    return reduce(np.logical_and, [passes(name, limit) for name, limit in threshold.limits])


def _once(parts: Parts) -> Parts:
    """Each number of an event once, however many rules matched it."""
    code, different = parts.codes("event")
    if different == len(parts):
        return parts
    numbers = parts.values("number")
    order = np.lexsort((numbers, code, parts.moment))
    again = ~(changed(parts.moment[order]) | changed(code[order]) | changed(numbers[order]))
    chosen = np.ones(len(parts), bool)
    chosen[order[again]] = False
    return parts.kept(chosen)


def _different(parts: Parts, column: str) -> np.ndarray:
    """How many different texts each window has.

    A text is in a window while its last occurrence is: from that on until the next one or, at the latest, until the
    span is over. So it is a running number of beginnings less a running number of ends.
    """
    code, different = parts.codes(column)
    if different == len(parts):
        return parts.size
    key = parts.group * different + code
    order = np.argsort(key, kind="stable")
    end = parts.axis + parts.span + 1
    same = ~changed(key[order])[1:]
    end[order[:-1][same]] = np.minimum(end[order[:-1][same]], parts.axis[order[1:][same]])
    end.sort()
    inside: np.ndarray = parts.stop - np.searchsorted(end, parts.axis, "right")
    return inside


def _seen(rules: Sequence[str], parts: Parts) -> dict[str, np.ndarray]:
    """Rule -> whether each window has a part of it."""
    seen: dict[str, np.ndarray] = {}
    for rule, mine in _of_rules(rules, parts).items():
        running = np.concatenate(([0], np.cumsum(mine)))
        seen[rule] = running[parts.stop] > running[parts.start]
    return seen


def _of_rules(rules: Sequence[str], parts: Parts) -> dict[str, np.ndarray]:
    """Rule -> whether each part is of it, in whichever of its places."""
    slots = parts.values("slot")
    named = {rule: [slot for slot, other in enumerate(rules) if other == rule] for rule in rules}
    return {rule: np.isin(slots, places) for rule, places in named.items()}


def _holds_of(node: Node, seen: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    match node:
        case Leaf(field):
            return seen[field or ""]
        case Not(item):
            return ~_holds_of(item, seen, size)
        case And(items):
            return reduce(np.logical_and, [_holds_of(item, seen, size) for item in items], np.ones(size, bool))
        case Or(items):
            return reduce(np.logical_or, [_holds_of(item, seen, size) for item in items], np.zeros(size, bool))


def in_order(correlation: Correlation, parts: Parts) -> np.ndarray:
    """The parts of the last rule that end a chain through all of them, in order, inside of their window.

    For each place in the order and each moment (group and time): the latest start of a chain that ends there. It goes
    on from one that ended before; with ties, also from the place before in the same moment.
    """
    rules, moment = correlation.rules, parts.moment
    at = parts.axis[changed(parts.axis)]
    counts = _counts(correlation, parts, len(at))
    earlier = [at]  # latest start of chains up to the place before, that ended before this moment
    latest = at
    for place in range(len(rules)):
        latest = np.full(len(at), NEVER)
        for begin in range(0 if correlation.ties else place, place + 1):
            wanted = Counter(rules[begin : place + 1])
            enough = np.logical_and.reduce([counts[rule] >= times for rule, times in wanted.items()])
            latest = np.where(enough, np.maximum(latest, earlier[begin]), latest)
        earlier.append(np.concatenate(([NEVER], np.maximum.accumulate(latest)[:-1])))
    reached: np.ndarray = (latest >= at - parts.span)[moment]
    return reached


def _counts(correlation: Correlation, parts: Parts, moments: int) -> dict[str, np.ndarray]:
    """Rule -> how many events each moment has of it. Without ties, or of a rule that is named once, 1 says some."""
    counts: dict[str, np.ndarray] = {}
    for rule, mine in _of_rules(correlation.rules, parts).items():
        moment = parts.moment[mine]
        if correlation.ties and correlation.rules.count(rule) > 1:
            code, different = parts.codes("event", np.flatnonzero(mine))
            moment = np.unique(moment * different + code) // max(different, 1)
        counts[rule] = np.bincount(moment, minlength=moments)
    return counts
