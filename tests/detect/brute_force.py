"""Correlations as docs/decisions/0010-correlations.md says them: part by part, window by window, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from siem.sigma.correlation import NUMERIC, Correlation, Kind
from siem.sigma.tree import And, Leaf, Node, Not, Or


@dataclass(frozen=True)
class Part:
    slot: int
    group: str
    time: datetime
    event: str
    value: str | None = None
    number: float | None = None


@dataclass(frozen=True)
class Episode:
    group: str
    first: datetime
    last: datetime
    firings: tuple[datetime, ...]
    events: tuple[str, ...]
    parts: tuple[Part, ...]


def found(correlation: Correlation, parts: Iterable[Part]) -> list[Episode]:
    """Every episode, in order of group and time."""
    there = {part for part in parts if counts(correlation, part)}
    groups = sorted({part.group for part in there})
    return [
        episode
        for group in groups
        for episode in episodes(correlation, [part for part in there if part.group == group])
    ]


def counts(correlation: Correlation, part: Part) -> bool:
    """It has the value that is looked at."""
    if correlation.kind is Kind.VALUE_COUNT:
        return part.value is not None
    return correlation.kind not in NUMERIC or (part.number is not None and math.isfinite(part.number))


def episodes(correlation: Correlation, parts: Sequence[Part]) -> Iterator[Episode]:
    claimed: set[Part] = set()
    for run in runs(correlation.span, firings(correlation, parts)):
        mine = {part for time in run for part in window(correlation.span, parts, time)} - claimed
        claimed |= mine
        if correlation.kind is Kind.TEMPORAL_ORDERED:
            openings = [part.time for part in mine if rule(correlation, part) == correlation.rules[0]]
            if openings and min(openings) <= run[0]:
                mine = {part for part in mine if part.time >= min(openings)}
        ordered = sorted(mine, key=lambda part: (part.time, part.event))
        events = tuple(dict.fromkeys(part.event for part in ordered))
        yield Episode(ordered[0].group, ordered[0].time, run[-1], tuple(run), events, tuple(ordered))


def runs(span: timedelta, times: Iterable[datetime]) -> Iterator[list[datetime]]:
    """Firings whose windows touch; 24 hours after the first another run begins."""
    run: list[datetime] = []
    for time in times:
        if run and (time - span > run[-1] or time > run[0] + timedelta(hours=24)):
            yield run
            run = []
        run.append(time)
    if run:
        yield run


def firings(correlation: Correlation, parts: Sequence[Part]) -> list[datetime]:
    times = sorted({part.time for part in parts})
    return [time for time in times if fires(correlation, window(correlation.span, parts, time), time)]


def window(span: timedelta, parts: Sequence[Part], time: datetime) -> list[Part]:
    return [part for part in parts if time - span <= part.time <= time]


def fires(correlation: Correlation, parts: Sequence[Part], time: datetime) -> bool:
    rules = {rule(correlation, part) for part in parts}
    if correlation.kind is Kind.TEMPORAL_ORDERED:
        return any(chains(correlation, parts, len(correlation.rules) - 1, time, ()))
    if correlation.kind is Kind.TEMPORAL and correlation.expression is not None:
        return holds(correlation.expression, rules)
    if correlation.threshold is None:
        return rules == set(correlation.rules)
    return correlation.threshold.holds(number(correlation, parts))


def rule(correlation: Correlation, part: Part) -> str:
    return correlation.rules[part.slot]


def number(correlation: Correlation, parts: Sequence[Part]) -> float:
    match correlation.kind:
        case Kind.EVENT_COUNT:
            return len({part.event for part in parts})
        case Kind.VALUE_COUNT:
            return len({part.value for part in parts})
        case Kind.TEMPORAL:
            return len({rule(correlation, part) for part in parts})
    once = {(part.event, part.time, part.number) for part in parts}
    numbers = sorted(Fraction(number) for _, _, number in once if number is not None)
    match correlation.kind:
        case Kind.VALUE_SUM:
            return rounded(sum(numbers, Fraction(0)))
        case Kind.VALUE_AVG:
            return rounded(sum(numbers, Fraction(0)) / len(numbers))
        case Kind.VALUE_MEDIAN:
            return rounded(percentile(numbers, Fraction(50)))
        case _:
            return rounded(percentile(numbers, Fraction(str(correlation.percentile))))


def percentile(numbers: Sequence[Fraction], percent: Fraction) -> Fraction:
    rank = percent / 100 * (len(numbers) - 1)
    low, high = numbers[math.floor(rank)], numbers[math.ceil(rank)]
    return low + (high - low) * (rank - math.floor(rank))


def rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def holds(node: Node, rules: set[str]) -> bool:
    match node:
        case Leaf(field):
            return field in rules
        case Not(item):
            return not holds(item, rules)
        case And(items):
            return all(holds(item, rules) for item in items)
        case Or(items):
            return any(holds(item, rules) for item in items)


def chains(
    correlation: Correlation, parts: Sequence[Part], place: int, time: datetime, later: tuple[Part, ...]
) -> Iterator[bool]:
    """For each chain of rules up to `place` that goes on with `later`: true. The last one ends at `time`."""
    if place < 0:
        yield True
        return
    for part in parts:
        if rule(correlation, part) != correlation.rules[place]:
            continue
        if follows(correlation, part, later) if later else part.time == time:
            yield from chains(correlation, parts, place - 1, time, (part, *later))


def follows(correlation: Correlation, part: Part, later: Sequence[Part]) -> bool:
    if not correlation.ties:
        return part.time < later[0].time
    again = [other for other in later if rule(correlation, other) == rule(correlation, part)]
    same = any(other.time == part.time and other.event == part.event for other in again)
    return part.time <= later[0].time and not same
