"""One detection pass over the store: objects that no pass has marked, rules over them, signals, alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from siem.detect.alerts import alerts, group_of
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.sigma import Rule, compiled, query
from siem.store.contract import Alert, Hit, Signal, Store

TOGETHER = 200
"""Objects that are judged and marked at a time."""


@dataclass
class Passed:
    """What a pass did. errors: rules that could not be run, and why; they disturb no other rule."""

    objects: int = 0
    signals: int = 0
    alerts: set[str] = field(default_factory=set)  # ids that are new or grew
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Which events: of these objects (None: all), since <= time < until."""

    objects: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


def detect(
    store: Store, rules: Sequence[Rule], sources: Sources, progress: Callable[[Passed], None] = lambda done: None
) -> Passed:
    """Judge every object that is not marked, and mark it. A crash anywhere is harmless: a new pass does it again.

    Raises:
        Unavailable: the store is away; what was marked stays so.
    """
    done = Passed()
    pending = store.pending()
    for start in range(0, len(pending), TOGETHER):
        objects = pending[start : start + TOGETHER]
        _judged(store, rules, sources, Span(objects), objects, done)
        done.objects += len(objects)
        progress(done)
    return done


def again(
    store: Store, rules: Sequence[Rule], sources: Sources, since: datetime | None, until: datetime | None
) -> Passed:
    """Judge stored events of a span again, whatever was marked."""
    done = Passed()
    _judged(store, rules, sources, Span(None, since, until), [], done)
    return done


def hits(store: Store, rule: Rule, sources: Sources, span: Span) -> Iterator[Hit]:
    """The stored events that a rule matches, with their documents, dataset by dataset, in order of time."""
    for dataset in sources.fields:
        if not sources.rules_for(dataset, [rule]):
            continue
        asked, judge = query(rule.tree, sources.fields[dataset]), compiled(rule.tree, sources.fields[dataset])
        for hit in store.search(asked, span.objects, span.since, span.until, documents=True):
            if hit.document is not None and (asked.exact or judge(hit.document)):
                yield hit


def _judged(
    store: Store, rules: Sequence[Rule], sources: Sources, span: Span, objects: Sequence[str], done: Passed
) -> None:
    signals: list[Signal] = []
    for rule in rules:
        try:
            signals += [_signal(rule, hit) for hit in hits(store, rule, sources, span)]
        except ContentError as error:
            done.errors[rule.key] = str(error)
    standing = store.alerts()
    made = _alerts(store, {rule.key: rule for rule in rules}, signals)
    kept = {alert.id for alert in made}
    touched = {(signal.rule_id, _key(signal.group.items())) for signal in signals}
    gone = [a.id for a in standing if (a.rule_id, _key(a.group.items())) in touched and a.id not in kept]
    store.mark(objects, signals, made, gone)
    before = {alert.id: alert.count for alert in standing}
    done.signals += len(signals)
    done.alerts |= {alert.id for alert in made if before.get(alert.id) != alert.count}


def _signal(rule: Rule, hit: Hit) -> Signal:
    group = group_of(rule, hit.document or {})
    return Signal(rule.key, hit.event_id, hit.timestamp, hit.object, hit.dataset, rule.fingerprint, group)


def _alerts(store: Store, rules: dict[str, Rule], signals: Sequence[Signal]) -> list[Alert]:
    """The alerts of every rule and group that has new signals, from all their signals."""
    made: list[Alert] = []
    for (rule, _), run in groupby(sorted(signals, key=_place), key=_place):
        new = list(run)
        known = {signal.event_id: signal for signal in [*store.signals(rule, new[0].group), *new]}
        made += alerts(rules[rule], list(known.values()))
    return made


def _place(signal: Signal) -> tuple[str, tuple[tuple[str, str], ...]]:
    return signal.rule_id, _key(signal.group.items())


def _key(group: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(group))
