"""Chains of correlations as docs/decisions/0010-correlations.md says them, over `brute_force`: what alerts tell."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import brute_force
from brute_force import Part

from siem.sigma.correlation import NUMERIC, Correlation, Kind

Moment = tuple[datetime, str]
"""An event: its time and id. One id at two times is two events, and counted once."""


@dataclass(frozen=True)
class Event:
    """rules: keys of those that match it. values: of its fields, as it writes them."""

    id: str
    time: datetime
    rules: frozenset[str]
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Told:
    """What an alert says. group: folded values of `group-by`, in its order."""

    rule: str
    group: tuple[str, ...]
    first: datetime
    last: datetime
    events: tuple[str, ...]


class Chains:
    """Correlations, in whatever order, over events, in whatever order."""

    def __init__(self, correlations: Iterable[Correlation], events: Iterable[Event]) -> None:
        self._known = {one.key: one for one in correlations}
        self._events = list(events)
        self._episodes: dict[str, list[brute_force.Episode]] = {}

    def told(self, key: str) -> list[Told]:
        """The alerts of a correlation, each group's in order of time."""
        correlation, listed = self._known[key], set[tuple[str, Moment]]()
        told: list[Told] = []
        for episode in self.episodes(correlation):
            below = sorted({event for part in episode.parts for event in self._below(correlation, part)})
            mine = [(time, event) for time, event in below if time <= episode.last]
            first = episode.first if (episode.group, mine[0]) in listed else mine[0][0]
            listed.update((episode.group, moment) for moment in mine)
            ids = tuple(dict.fromkeys(event for _, event in mine))
            told.append(Told(key, unfolded(episode.group), first, episode.last, ids))
        return told

    def without(self, key: str) -> set[tuple[str, Moment]]:
        """The rules and events that it or one below it looks at, and that are no part there."""
        correlation, found = self._known[key], set[tuple[str, Moment]]()
        for rule in correlation.rules:
            if rule in self._known:
                found |= self.without(rule)
                continue
            mine = [event for event in self._events if rule in event.rules]
            found |= {(rule, (one.time, one.id)) for one in mine if not any(parts(correlation, 0, rule, one))}
        return found

    def groups(self, key: str, event: Event) -> set[tuple[str, ...]]:
        """The groups of a correlation that an event is a part in, by itself or below."""
        correlation = self._known[key]
        found: set[tuple[str, ...]] = set()
        for slot, rule in enumerate(correlation.rules):
            if (inner := self._known.get(rule)) is not None:
                found |= {projected(correlation, inner, group) for group in self.groups(rule, event)}
            elif rule in event.rules:
                found |= {unfolded(part.group) for part in parts(correlation, slot, rule, event)}
        return found

    def writings(self, key: str, event: Event) -> set[tuple[str, ...]]:
        """The groups of a correlation that an event is in, however it may write them."""
        correlation = self._known[key]
        found: set[tuple[str, ...]] = set()
        for rule in correlation.rules:
            if (inner := self._known.get(rule)) is not None:
                found |= {projected(correlation, inner, group) for group in self.writings(rule, event)}
            elif rule in event.rules:
                found.update(product(*grouped_by(correlation, rule, event)))
        return found

    def episodes(self, correlation: Correlation) -> list[brute_force.Episode]:
        if correlation.key not in self._episodes:
            self._episodes[correlation.key] = brute_force.found(correlation, self._parts(correlation))
        return self._episodes[correlation.key]

    def _parts(self, correlation: Correlation) -> Iterator[Part]:
        for slot, rule in enumerate(correlation.rules):
            if (inner := self._known.get(rule)) is None:
                for event in self._events:
                    if rule in event.rules:
                        yield from parts(correlation, slot, rule, event)
                continue
            for number, episode in enumerate(self.episodes(inner)):
                group = json.dumps(projected(correlation, inner, unfolded(episode.group)))
                for time in episode.firings:
                    yield Part(slot, group, time, f"{rule}#{number}")

    def _below(self, correlation: Correlation, part: Part) -> set[Moment]:
        """The event that a part is; of a firing all events of its episode."""
        inner = self._known.get(correlation.rules[part.slot])
        if inner is None:
            return {(part.time, part.event)}
        episode = self.episodes(inner)[int(part.event.rpartition("#")[2])]
        return {event for below in episode.parts for event in self._below(inner, below)}


def parts(correlation: Correlation, slot: int, rule: str, event: Event) -> Iterator[Part]:
    """An event that a rule matched: a part of each group, for each value that is looked at."""
    for group in product(*[[text.lower() for text in texts] for texts in grouped_by(correlation, rule, event)]):
        for value, number in looked_at(correlation, rule, event):
            yield Part(slot, json.dumps(group), event.time, event.id, value, number)


def grouped_by(correlation: Correlation, rule: str, event: Event) -> Sequence[tuple[str, ...]]:
    """The event's values of each name in `group-by`."""
    return [event.values.get(correlation.aliases.get(name, {}).get(rule, name), ()) for name in correlation.group_by]


def looked_at(correlation: Correlation, rule: str, event: Event) -> Iterator[tuple[str | None, float | None]]:
    named = [correlation.aliases.get(name, {}).get(rule, name) for name in correlation.fields]
    texts = [event.values.get(name, ()) for name in named]
    if correlation.kind is Kind.VALUE_COUNT:
        for chosen in product(*texts):
            yield json.dumps([text.lower() for text in chosen]), None
    elif correlation.kind in NUMERIC:
        for text in texts[0]:
            if (number := numeric(text)) is not None:
                yield None, number
    else:
        yield None, None


def numeric(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def projected(outer: Correlation, inner: Correlation, group: Sequence[str]) -> tuple[str, ...]:
    """The values of the inner group that the outer correlation groups by."""
    held = dict(zip(inner.group_by, group, strict=True))
    return tuple(held[outer.aliases.get(name, {}).get(inner.key, name)] for name in outer.group_by)


def unfolded(group: str) -> tuple[str, ...]:
    """A group from the text that stands for it in parts."""
    return tuple(json.loads(group))
