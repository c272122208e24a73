"""Signals to alerts: signals of one rule and group whose windows touch are one alert.

The alerts of a rule and group are a function of their signals alone, so a pass makes them anew from all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from siem.detect.correlated import Episode
from siem.detect.correlating import EVIDENCE, LONGEST
from siem.schema import fold
from siem.sigma import Rule
from siem.store.contract import MERGED, OPEN, Alert, Signal

WINDOW = timedelta(hours=1)
"""Signals closer than this belong to one episode."""

DEFAULT_LEVEL = "medium"
"""Of alerts whose rule has none."""

ACCOUNT = "cloud.account.id"
ABOUT = ("siem.principal.id", "user.name", "source.address", "source.ip")
"""Whom an alert is about: the first of these that the event has, and its account."""


def group_of(rule: Rule, document: Mapping[str, object]) -> dict[str, str]:
    """What the alert of this event is about: the fields of `custom: {group: [...]}`, else principal or address."""
    named = named_group(rule)
    if named is None:
        named = [ACCOUNT, *[name for name in ABOUT if document.get(name) is not None][:1]]
    return {name: str(document[name]) for name in named if document.get(name) is not None}


def named_group(rule: Rule) -> list[str] | None:
    """What the rule itself says that its alerts are about."""
    named = rule.custom.get("group")
    return [str(name) for name in named] if isinstance(named, list) else None


def group_columns(rule: Rule) -> frozenset[str]:
    """What `group_of` may look at."""
    named = named_group(rule)
    return frozenset((ACCOUNT, *ABOUT) if named is None else named)


def episodes(signals: Iterable[Signal]) -> Iterator[list[Signal]]:
    """Runs of signals with gaps of at most `WINDOW`, none longer than `LONGEST`."""
    run: list[Signal] = []
    for signal in sorted(signals, key=lambda signal: (signal.timestamp, signal.event_id)):
        over = run and (signal.timestamp - run[-1].timestamp > WINDOW or signal.timestamp - run[0].timestamp > LONGEST)
        if over:
            yield run
            run = []
        run.append(signal)
    if run:
        yield run


def rule_alerts(rule: Rule, signals: Iterable[Signal]) -> list[Alert]:
    """The alerts that the signals of some groups of a rule come to."""
    groups: dict[tuple[tuple[str, str], ...], list[Signal]] = {}
    for signal in signals:
        groups.setdefault(folded(signal.group), []).append(signal)
    return [_alert(rule, run) for group in groups.values() for run in episodes(group)]


def correlation_alerts(found: Iterable[Episode]) -> list[Alert]:
    """The alerts that a correlation's episodes are."""
    return [
        Alert(
            id=alert_id(one.rule.key, one.group, one.first, one.events[0]),
            rule_id=one.rule.key,
            title=one.rule.title,
            level=one.rule.level or DEFAULT_LEVEL,
            tags=one.rule.tags,
            group=one.group,
            first=one.first,
            last=one.last,
            count=one.count,
            events=tuple(one.events),
        )
        for one in found
    ]


def succeeded(made: Sequence[Alert], standing: Sequence[Alert]) -> list[Alert]:
    """The alerts of some groups of a rule, made anew, and what became of those that stood there.

    An alert that stood passes on to the one of its id, else to the earliest of the new ones of its group that it
    overlaps: its state, and, where the id is another, a link. Where several pass on to one, it is open if one of them
    is. What overlaps none is gone.
    """
    heirs: dict[str, str] = {}
    states: dict[str, list[str]] = {alert.id: [] for alert in made}
    by_group: dict[tuple[tuple[str, str], ...], list[Alert]] = {}
    for alert in made:
        by_group.setdefault(folded(alert.group), []).append(alert)
    for old in sorted(standing, key=lambda alert: alert.first):
        if old.state != MERGED and (heir := _heir(old, by_group.get(folded(old.group), []))):
            heirs[old.id] = heir
            states[heir].append(old.state)
    merged = [
        replace(old, state=MERGED, merged_into=heirs[survivor])
        for old in standing
        for survivor in [old.merged_into or old.id]
        if old.id not in states and survivor in heirs
    ]
    return [*[replace(alert, state=_state(states[alert.id])) for alert in made], *merged]


def folded(group: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What tells groups apart."""
    return tuple(sorted([(name, fold(value)) for name, value in group.items()]))


def _heir(old: Alert, made: Sequence[Alert]) -> str | None:
    if any(new.id == old.id for new in made):
        return old.id
    return next((new.id for new in made if new.first <= old.last and new.last >= old.first), None)


def _state(states: Sequence[str]) -> str:
    return OPEN if OPEN in states or not states else states[0]


def _alert(rule: Rule, run: Sequence[Signal]) -> Alert:
    first = run[0]
    return Alert(
        id=alert_id(rule.key, first.group, first.timestamp, first.event_id),
        rule_id=rule.key,
        title=rule.title,
        level=rule.level or DEFAULT_LEVEL,
        tags=rule.tags,
        group=first.group,
        first=first.timestamp,
        last=run[-1].timestamp,
        count=len(run),
        events=tuple(signal.event_id for signal in run[:EVIDENCE]),
    )


def alert_id(rule: str, group: Mapping[str, str], time: datetime, event: str) -> str:
    """Hash of what makes an alert that one: rule, group, and the first event's time and id."""
    text = json.dumps([rule, folded(group), time.astimezone(UTC).isoformat(), event])
    return hashlib.sha256(text.encode()).hexdigest()[:24]
