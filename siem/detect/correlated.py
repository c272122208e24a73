"""Correlations over what rules matched: which values a match has to carry, its groups, and the episodes in the end.

The window work is `siem.detect.correlating`'s; this module makes parts of matches and names of rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, product
from math import isfinite
from typing import Any, NamedTuple

import pyarrow as pa

from siem.detect.correlating import EVIDENCE, Correlator, Found
from siem.detect.suppressing import runs
from siem.schema import fold
from siem.sigma import Correlation, number
from siem.sigma.correlation import NUMERIC, Kind

MOST_GROUPS = 1_000
"""Groups that one event is a part of, by arrays in fields of `group-by`."""

Group = tuple[str, ...]
"""Values of `group-by`, in its order."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A rule matched an event. values: of every field that `Correlated.wanted` names, as the event wrote them."""

    rule: str
    event_id: str
    time: datetime
    values: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Episode:
    """Firings of a correlation whose windows touch; where it suppresses, all that are one alert.

    group: field or alias -> value; events: at most 1,000 ids.
    begins: time of the first of these events; before `first` where an earlier episode has it too.
    """

    rule: Correlation
    group: Mapping[str, str]
    first: datetime
    last: datetime
    count: int
    events: Sequence[str]
    begins: datetime


@dataclass
class Outcome:
    """left_out: events that had no value to be grouped or counted by, here or in a correlation that is named."""

    episodes: list[Episode] = field(default_factory=list)
    left_out: int = 0


Moment = tuple[datetime, str]
"""An event: its time and id. The same id may come at two times."""

ALL = 2**31 - 1
"""Events that an inner episode lists."""


class _Part(NamedTuple):
    slot: int
    group: str
    time: datetime
    event: str
    value: str | None
    number: float | None


SCHEMA = pa.schema(
    [
        ("slot", pa.int16()),
        ("group", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("event", pa.string()),
        ("value", pa.string()),
        ("number", pa.float64()),
    ]
)


class Correlated:
    """Correlations, those that others name first, ready to run."""

    def __init__(self, correlations: Sequence[Correlation], silent: Iterable[str] = ()) -> None:
        """silent: keys of those that only others look at."""
        self._all = {one.key: one for one in correlations}
        hidden = frozenset(silent)
        self.alerting = [one for one in correlations if one.key not in hidden]
        self._wanted: dict[str, set[str]] = defaultdict(set)
        for one in correlations:
            for key in one.rules:
                self._wanted[key].update([one.field_of(name, key) for name in (*one.group_by, *one.fields)])

    def wanted(self, rule: str) -> frozenset[str]:
        """The fields of a rule's events that correlations ask for."""
        return frozenset(self._wanted.get(rule, ()))

    @cached_property
    def rules(self) -> frozenset[str]:
        """Keys of all event rules that correlations stand on."""
        return frozenset().union(*self._rules_of.values())

    def over(self, rule: str) -> list[Correlation]:
        """The correlations that alert and stand on a rule, through others too."""
        return [one for one in self.alerting if rule in self.rules_of(one)]

    def rules_of(self, correlation: Correlation) -> frozenset[str]:
        """Keys of the event rules that a correlation stands on."""
        return self._rules_of[correlation.key]

    @cached_property
    def _rules_of(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for one in self._all.values():
            found[one.key] = frozenset().union(*[found.get(key, frozenset((key,))) for key in one.rules])
        return found

    def about(self, correlation: Correlation, seen: Seen) -> list[dict[str, str]]:
        """What the alerts are about that an event has a part in: field or alias -> value as it was written."""
        places = [correlation.group_by.index(name) for name in correlation.about]
        found = {
            tuple([folded[place] for place in places]): [written[place] for place in places]
            for folded, written in reversed(self.groups(correlation, seen).items())
        }
        return [dict(zip(correlation.about, written, strict=True)) for written in reversed(found.values())]

    def groups(self, correlation: Correlation, seen: Seen) -> dict[Group, Group]:
        """The groups that an event is in: folded values -> as they were written. None where a value is missing."""
        found: dict[Group, Group] = {}
        for key in dict.fromkeys(correlation.rules):
            if (inner := self._all.get(key)) is not None:
                places = places_in(inner, correlation)
                groups = {
                    tuple([folded[place] for place in places]): tuple([written[place] for place in places])
                    for folded, written in self.groups(inner, seen).items()
                }
            elif key == seen.rule:
                fields = [correlation.field_of(name, key) for name in correlation.group_by]
                groups = combinations([seen.values.get(name, ()) for name in fields])
            else:
                continue
            found = {**groups, **found}
        return found

    def outcome(self, correlation: Correlation, seen: Sequence[Seen], correlator: Correlator) -> Outcome:
        """What a correlation finds in all that its rules matched, in order of time."""
        return _Run(self, self._all, correlator, seen).outcome(correlation)


class _Run:
    """One look at what was seen; what an inner correlation found is kept for all that name it."""

    def __init__(
        self, owner: Correlated, known: Mapping[str, Correlation], correlator: Correlator, seen: Sequence[Seen]
    ) -> None:
        self._owner, self._known, self._correlator = owner, known, correlator
        self._by_rule: dict[str, list[Seen]] = defaultdict(list)
        for one in seen:
            self._by_rule[one.rule].append(one)
        self._found: dict[str, Found] = {}
        self._below: dict[str, list[Moment]] = {}
        self._left_out: set[tuple[str, Moment]] = set()

    def outcome(self, correlation: Correlation) -> Outcome:
        chain = any(key in self._known for key in correlation.rules)
        whole = chain or correlation.suppress is not None  # episodes may have events in common
        rows = self._of(correlation, ALL if whole else EVIDENCE).episodes.to_pylist()
        evidence = [self._evidence(row) for row in rows]
        written = self._written(
            correlation, {(row["group"], mine[0]) for row, mine in zip(rows, evidence, strict=True)}
        )
        before: set[tuple[str, Moment]] = set()
        made: list[tuple[Episode, Sequence[Moment]]] = []
        for row, mine in zip(rows, evidence, strict=True):  # in order of group and time
            begins = (row["group"], mine[0])
            events = list(dict.fromkeys([event for _, event in mine]))
            episode = Episode(
                correlation,
                dict(zip(correlation.group_by, written[begins], strict=True)),
                row["first"] if begins in before else mine[0][0],
                row["last"],
                len(events) if chain else row["count"],
                events[:EVIDENCE],
                mine[0][0],
            )
            made.append((episode, mine))
            before.update([(row["group"], moment) for moment in mine])
        made.sort(key=lambda one: (one[0].first, one[0].events[:1]))
        if correlation.suppress is not None:
            return Outcome(_suppressed(made, correlation.suppress.span), len(self._left_out))
        return Outcome([episode for episode, _ in made], len(self._left_out))

    def _evidence(self, row: Mapping[str, Any]) -> list[Moment]:
        """A row's events, in order; of inner episodes, which may go on, those up to its last."""
        moments = _moments(row)
        below = self._expanded(moments)
        return moments if below == moments else [one for one in below if one[0] <= row["last"]]

    def _expanded(self, moments: Sequence[Moment]) -> list[Moment]:
        """With the events of inner episodes in place of these, in order."""
        if not any(id_ in self._below for _, id_ in moments):
            return list(moments)
        return sorted({event for moment in moments for event in self._below.get(moment[1], (moment,))})

    def _written(self, correlation: Correlation, firsts: Collection[tuple[str, Moment]]) -> dict[Any, Group]:
        """Groups and their first events -> the values of the group as this event has them."""
        groups: dict[Moment, dict[str, Group]] = {moment: {} for _, moment in firsts}
        for key in sorted(self._owner.rules_of(correlation)):
            for one in self._by_rule[key]:
                if (held := groups.get((one.time, one.event_id))) is not None:
                    for folded, written in self._owner.groups(correlation, one).items():
                        held.setdefault(_text(folded), written)
        return {
            (group, moment): groups[moment].get(group) or tuple(json.loads(group or "[]")) for group, moment in firsts
        }

    def _of(self, correlation: Correlation, evidence: int = ALL) -> Found:
        if correlation.key not in self._found:
            parts = list(self._parts(correlation))
            columns = list(zip(*parts, strict=True)) if parts else [()] * len(SCHEMA)
            table = pa.table([pa.array(column, of.type) for column, of in zip(columns, SCHEMA, strict=True)], SCHEMA)
            self._found[correlation.key] = self._correlator.found(correlation, table, evidence)
        return self._found[correlation.key]

    def _parts(self, correlation: Correlation) -> Iterator[_Part]:
        for slot, key in enumerate(correlation.rules):
            if (inner := self._known.get(key)) is not None:
                yield from self._firings(correlation, slot, inner)
                continue
            for seen in self._by_rule[key]:
                parts = list(self._of_event(correlation, slot, seen))
                yield from parts
                if not parts:
                    self._left_out.add((key, (seen.time, seen.event_id)))

    def _firings(self, correlation: Correlation, slot: int, inner: Correlation) -> Iterator[_Part]:
        places = places_in(inner, correlation)
        found = self._of(inner)
        for row in found.episodes.select(["id", "events", "times"]).to_pylist():
            self._below[row["id"]] = self._expanded(_moments(row))
        for row in found.firings.to_pylist():
            values = json.loads(row["group"]) if inner.group_by else []
            group = _text([values[place] for place in places])
            yield _Part(slot, group, row["time"], row["event"], None, None)

    def _of_event(self, correlation: Correlation, slot: int, seen: Seen) -> Iterator[_Part]:
        fields = [correlation.field_of(name, seen.rule) for name in correlation.group_by]
        for group in combinations([seen.values.get(name, ()) for name in fields]):
            for value, figure in _values(correlation, seen):
                yield _Part(slot, _text(group), seen.time, seen.event_id, value, figure)


def _suppressed(found: Iterable[tuple[Episode, Sequence[Moment]]], span: timedelta) -> list[Episode]:
    """Episodes about the same that begin within a span as one. found: in order of their beginnings."""
    groups: dict[Group, list[tuple[Episode, Sequence[Moment]]]] = defaultdict(list)
    for one in found:
        groups[tuple([fold(one[0].group[name]) for name in one[0].rule.about])].append(one)
    made = [_joined(run) for group in groups.values() for run in runs(group, lambda one: one[0].first, span)]
    return sorted(made, key=lambda one: (one.first, one.events[:1]))


def _joined(run: Sequence[tuple[Episode, Sequence[Moment]]]) -> Episode:
    first = run[0][0]
    moments = sorted({moment for _, mine in run for moment in mine})
    events = list(dict.fromkeys([event for _, event in moments]))
    about = {name: first.group[name] for name in first.rule.about}
    last = max([one.last for one, _ in run])
    return Episode(first.rule, about, first.first, last, len(events), events[:EVIDENCE], moments[0][0])


def places_in(inner: Correlation, outer: Correlation) -> list[int]:
    """Where in a group of the inner correlation the values are that the outer one groups by."""
    return [inner.group_by.index(outer.field_of(name, inner.key)) for name in outer.group_by]


def _moments(row: Mapping[str, Any]) -> list[Moment]:
    return list(zip(row["times"], row["events"], strict=True))


def combinations(values: Iterable[Sequence[str]]) -> dict[Group, Group]:
    """Folded -> written, of every combination, at most 1,000; none where a value is missing."""
    return {tuple(map(fold, chosen)): chosen for chosen in islice(product(*values), MOST_GROUPS)}


def _text(group: Sequence[str]) -> str:
    return json.dumps(list(group)) if group else ""


def _values(correlation: Correlation, seen: Seen) -> Iterator[tuple[str | None, float | None]]:
    """What is counted of an event: combinations of texts, or numbers; once nothing, where nothing is asked for."""
    texts = [seen.values.get(correlation.field_of(name, seen.rule), ()) for name in correlation.fields]
    if correlation.kind is Kind.VALUE_COUNT:
        yield from ((_text(combination), None) for combination in combinations(texts))
    elif correlation.kind in NUMERIC:
        figures = [number(text) for text in texts[0]]
        yield from ((None, float(one)) for one in figures if one is not None and _is_finite(one))
    else:
        yield None, None


def _is_finite(figure: float) -> bool:
    try:
        return isfinite(figure)
    except OverflowError:  # an integer beyond all doubles
        return False
