"""The alerts that stand against those that the signals come to: alerts are a function of signals, so one that was
deleted or changed behind our back shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from siem.detect.judgement import Judgement
from siem.store.contract import Alert, Signal, Store
from siem.store.groups import settled_by
from siem.store.handling import LEAVES, MERGED, OPEN

TOGETHER = 500
"""Groups of a rule that are looked at a time, as when alerts are settled."""


@dataclass(frozen=True)
class Difference:
    """An alert that the signals come to. standing: what is there in its place; None: nothing."""

    alert: Alert
    standing: Alert | None
    objects: Sequence[str]  # that its events are of


@dataclass
class Standing:
    """What was looked at. left_out: rules whose signals were made by another version of the rule, or by none that is
    in use: what they come to cannot be told."""

    alerts: int = 0
    left_out: frozenset[str] = frozenset()


def differences(store: Store, judgement: Judgement, done: Standing) -> Iterator[Difference]:
    """What is not as it should be; what a detection pass changes meanwhile is looked at again.

    Raises:
        Unavailable: the store is away.
    """
    there = _alerts(store)
    done.alerts = len(there)
    doubtful: list[Signal] = []
    for groups in _groups(store.every_signal()):
        whole = [group for group in groups if judgement.made(group[0].rule_id, group)]
        if len(whole) < len(groups):
            done.left_out |= {groups[0][0].rule_id}
        doubtful += [group[0] for group in whole if any(True for _ in _differing(judgement, group, there))]
    before = [_beside(store, one) for one in doubtful]
    now = _alerts(store) if doubtful else there
    for one, signals in zip(doubtful, before, strict=True):
        if signals and signals == _beside(store, one):
            yield from _differing(judgement, signals, now)


def unexplained(store: Store) -> list[Alert]:
    """Alerts that are acknowledged or closed though nobody did that, with them or with one that they took over from."""
    there = store.alerts(merged=True)  # before the log: an action is in it before the alert shows it
    did = {(action.alert, LEAVES.get(action.verb)) for action in store.actions()}
    heirs: dict[str, list[str]] = {}
    for alert in there:
        heirs.setdefault(alert.merged_into or alert.id, []).append(alert.id)
    handled = [alert for alert in there if alert.state not in (OPEN, MERGED)]
    return [one for one in handled if not any((id_, one.state) in did for id_ in [one.id, *heirs.get(one.id, ())])]


def _beside(store: Store, one: Signal) -> list[Signal]:
    """The signals that are settled together with this one."""
    return store.signals(one.rule_id, one.group if one.within is None else one.within)


def _alerts(store: Store) -> dict[str, Alert]:
    return {alert.id: alert for alert in store.alerts(merged=True)}


def _groups(signals: Iterable[Signal]) -> Iterator[list[list[Signal]]]:
    """Some groups of a rule at a time."""
    for _, of_rule in groupby(signals, key=lambda signal: signal.rule_id):
        groups = (list(run) for _, run in groupby(of_rule, key=settled_by))
        while some := list(islice(groups, TOGETHER)):
            yield some


def _differing(judgement: Judgement, signals: Sequence[Signal], there: Mapping[str, Alert]) -> Iterator[Difference]:
    """Of one rule and group."""
    for made in judgement.settled(signals[0].rule_id, signals, []):
        standing = there.get(made.id)
        if standing is None or standing.state == MERGED or _facts(standing) != _facts(made):
            objects = {signal.event_id: signal.object for signal in signals}
            yield Difference(made, standing, [objects[event] for event in made.events if event in objects])


def _facts(alert: Alert) -> tuple[object, ...]:
    """What people cannot change, and rules neither."""
    return alert.rule_id, alert.first, alert.last, alert.count, tuple(alert.events)
