"""Signals to alerts: signals of one rule and group whose windows touch are one alert.

The alerts of a rule and group are a function of their signals alone, so a pass makes them anew from all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from siem.sigma import Rule
from siem.store.contract import MERGED, OPEN, Alert, Signal

WINDOW = timedelta(hours=1)
"""Signals closer than this belong to one episode."""

LONGEST = timedelta(hours=24)
"""An episode is cut here, so that one that never ends is told of each day."""

EVIDENCE = 1_000
"""Event ids that an alert lists."""

ABOUT = ("siem.principal.id", "user.name", "source.address", "source.ip")
"""Whom an alert is about: the first of these that the event has, and its account."""


def group_of(rule: Rule, document: Mapping[str, object]) -> dict[str, str]:
    """What the alert of this event is about: the fields of `custom: {group: [...]}`, else principal or address."""
    named = rule.custom.get("group")
    if isinstance(named, list):
        fields = [str(name) for name in named]
    else:
        fields = ["cloud.account.id", *[name for name in ABOUT if document.get(name) is not None][:1]]
    return {name: str(document[name]) for name in fields if document.get(name) is not None}


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


def settled(rule: Rule, signals: Sequence[Signal], standing: Sequence[Alert]) -> list[Alert]:
    """The alerts of a rule and one group from all their signals, and what became of those that stood there.

    An alert that stood passes on to the earliest of the new ones that it overlaps: its state, and, where the id is
    another, a link. Where several pass on to one, it is open if one of them is. One that overlaps none is gone.
    """
    made = [_alert(rule, run) for run in episodes(signals)]
    heirs: dict[str, str] = {}
    states: dict[str, list[str]] = {alert.id: [] for alert in made}
    for old in sorted(standing, key=lambda alert: alert.first):
        if old.state != MERGED and (heir := _heir(old, made)):
            heirs[old.id] = heir
            states[heir].append(old.state)
    merged = [
        replace(old, state=MERGED, merged_into=heirs[survivor])
        for old in standing
        for survivor in [old.merged_into or old.id]
        if old.id not in states and survivor in heirs
    ]
    return [*[replace(alert, state=_state(states[alert.id])) for alert in made], *merged]


def _heir(old: Alert, made: Iterable[Alert]) -> str | None:
    return next((new.id for new in made if new.first <= old.last and new.last >= old.first), None)


def _state(states: Sequence[str]) -> str:
    return OPEN if OPEN in states or not states else states[0]


def _alert(rule: Rule, run: Sequence[Signal]) -> Alert:
    first = run[0]
    return Alert(
        id=alert_id(rule.key, first.group, first.timestamp, first.event_id),
        rule_id=rule.key,
        title=rule.title,
        level=rule.level or "medium",
        tags=rule.tags,
        group=first.group,
        first=first.timestamp,
        last=run[-1].timestamp,
        count=len(run),
        events=tuple(signal.event_id for signal in run[:EVIDENCE]),
    )


def alert_id(rule: str, group: Mapping[str, str], time: datetime, event: str) -> str:
    """Hash of what makes an alert that one: rule, group, and the first event's time and id."""
    text = json.dumps([rule, sorted(group.items()), time.astimezone(UTC).isoformat(), event])
    return hashlib.sha256(text.encode()).hexdigest()[:24]
