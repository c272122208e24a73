"""Rules of one dataset that are run over a store together: each event is looked at once, whichever rules want it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from siem.errors import ContentError
from siem.schema import DatasetFields, Dialect, Question
from siem.sigma import Condition, Reader, Rule, View, clause, condition, query
from siem.sigma.tree import Node
from siem.store.contract import Hit, Store

TOGETHER = 500
"""Rules of one search."""

EMITTERS: Mapping[Dialect, Callable[[Node, DatasetFields], Question]] = {
    Dialect.DUCKDB: query,
    Dialect.OPENSEARCH: clause,
}

Erred = Callable[[Rule, ContentError], None]
"""Told of a rule that could not be run: what it found in this search does not count."""


@dataclass(frozen=True)
class Span:
    """Which events: of these objects (None: all), since <= time < until."""

    objects: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Found:
    """An event and the rules that match it, in the order in which they were given."""

    hit: Hit
    rules: Sequence[Rule]


class Packs:
    """The rules of a dataset, made ready once for stores of a dialect."""

    def __init__(self, fields: DatasetFields, dialect: Dialect) -> None:
        self._fields, self._reader, self._emit = fields, Reader(fields), EMITTERS[dialect]
        self._ready: dict[str, tuple[Question, Condition]] = {}

    def found(
        self, store: Store, rules: Sequence[Rule], span: Span, columns: Collection[str], erred: Erred
    ) -> Iterator[Found]:
        """The stored events that the rules match, with these columns of their documents, in order of time: of every
        500 rules."""
        for start in range(0, len(rules), TOGETHER):
            yield from self._found(store, rules[start : start + TOGETHER], span, columns, erred)

    def _found(
        self, store: Store, rules: Sequence[Rule], span: Span, columns: Collection[str], erred: Erred
    ) -> Iterator[Found]:
        ready = [self._of(rule) for rule in rules]
        found = store.search(
            *([asked for asked, _ in ready], span.objects, span.since, span.until),
            columns=columns,
            erred=lambda place, error: erred(rules[place], error),
        )
        for hit in found:
            view = View(self._reader, hit.document or {})
            matching = [rules[place] for place in hit.matched if place not in hit.unsure or ready[place][1](view)]
            if matching:
                yield Found(hit, matching)

    def _of(self, rule: Rule) -> tuple[Question, Condition]:
        if rule.key not in self._ready:
            self._ready[rule.key] = (self._emit(rule.tree, self._fields), condition(rule.tree))
        return self._ready[rule.key]


def by_span(spans: Iterable[tuple[Rule, Sequence[str]]]) -> dict[tuple[str, ...], list[Rule]]:
    """The rules that are to look at the very same objects, by these."""
    found: dict[tuple[str, ...], list[Rule]] = {}
    for rule, objects in spans:
        if objects:
            found.setdefault(tuple(objects), []).append(rule)
    return found
