"""Signals to alerts: signals of one rule and group whose windows touch are one alert.

The alerts of a rule and group are a function of their signals alone, so a pass makes them anew from all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from siem.detect import wording
from siem.detect.circumstances import Circumstances
from siem.detect.correlated import Episode
from siem.detect.correlating import EVIDENCE, LONGEST
from siem.detect.new_terms import Firsts
from siem.detect.suppressing import runs
from siem.schema import fold
from siem.sigma import LEVELS, Correlation, Rule, Suppress
from siem.store.contract import Alert, Signal
from siem.store.handling import MERGED, inherited

WINDOW = timedelta(hours=1)
"""Signals closer than this belong to one episode."""

DEFAULT_LEVEL = "medium"
"""Of alerts whose rule has none."""

ACCOUNT = "cloud.account.id"
ABOUT = ("siem.principal.id", "user.name", "source.address", "source.ip")
"""Whom an alert is about: the first of these that the event has, and its account."""

SHOWN = (
    *(ACCOUNT, "cloud.region", *ABOUT, "siem.principal.person"),
    *("event.provider", "event.action", "error.code", "destination.ip", "destination.port", "url.path"),
)
"""Fields whose values every alert shows."""

MOST_VALUES = 10
"""Different values of a field that an alert shows."""

Values = Mapping[str, Sequence[str]]
"""Field -> what events have in it."""


def group_of(rule: Rule, values: Values) -> dict[str, str]:
    """What the alert of this event is about: the fields of `custom: {group: [...]}` or `suppress: {by: [...]}`, else
    principal or address."""
    named = named_group(rule)
    if named is None:
        named = [ACCOUNT, *[name for name in ABOUT if values.get(name)][:1]]
    return {name: values[name][0] for name in named if values.get(name)}


def named_group(rule: Rule) -> Sequence[str] | None:
    """What the rule itself says that its alerts are about."""
    if rule.suppress is not None and rule.suppress.by is not None:
        return rule.suppress.by
    return rule.group if rule.new_terms is None else rule.new_terms.names


def shown(rule: Rule | Correlation, known: Collection[str]) -> frozenset[str]:
    """The fields of events that an alert's group, title, text and values are made of.

    known: those that the events may have; of what every alert shows the others are not looked for, which would take
    the reading of whole records.
    """
    own = named_group(rule) if isinstance(rule, Rule) else None
    return wording.fields(rule).union([name for name in SHOWN if name in known], own or ())


def episodes(signals: Iterable[Signal], suppress: Suppress | None = None) -> Iterator[list[Signal]]:
    """Runs of signals with gaps of at most `WINDOW`, none longer than `LONGEST`; else as the rule suppresses."""
    ordered = sorted(signals, key=lambda signal: (signal.timestamp, signal.event_id))
    if suppress is not None:
        yield from runs(ordered, _time, suppress.span)
        return
    run: list[Signal] = []
    for signal in ordered:
        over = run and (signal.timestamp - run[-1].timestamp > WINDOW or signal.timestamp - run[0].timestamp > LONGEST)
        if over:
            yield run
            run = []
        run.append(signal)
    if run:
        yield run


def _time(signal: Signal) -> datetime:
    return signal.timestamp


def rule_alerts(rule: Rule, signals: Iterable[Signal], among: Circumstances) -> list[Alert]:
    """The alerts that the signals of some groups of a rule come to."""
    groups: dict[tuple[tuple[str, str], ...], list[Signal]] = {}
    for signal in signals:
        groups.setdefault(folded(signal.group), []).append(signal)
    made = []
    for run in [run for group in groups.values() for run in episodes(group, rule.suppress)]:
        events = tuple([signal.event_id for signal in run[:EVIDENCE]])
        span = (run[0].timestamp, run[-1].timestamp)
        made.append(_alert(rule, run[0].group, span, len(run), events, run, among))
    return made


def new_term_alerts(rule: Rule, learning: timedelta, signals: Iterable[Signal], among: Circumstances) -> list[Alert]:
    """The alerts of a rule of new terms: one for each new value, whose id does not depend on where it came first.

    Signals of the rule as it was before, when it looked at other fields, are apart.
    """
    firsts = Firsts[Signal]()
    for signal in signals:
        within = (folded(signal.within or {}), tuple(sorted(signal.group)))
        firsts.add(within, folded(signal.group), signal.timestamp, signal.event_id, signal)
    made = []
    for one in firsts.new(learning):
        span = (one.timestamp, one.timestamp)
        alert = _alert(rule, one.group, span, 1, (one.event_id,), [one], among)
        made.append(replace(alert, id=term_id(rule.key, one.group), within=one.within))
    return made


def silence_alerts(rule: Rule, span: timedelta, signals: Iterable[Signal], among: Circumstances) -> list[Alert]:
    """The alerts of a rule of silence: one for each, from what was sent last to when that was too long ago."""
    made = []
    for one in signals:
        ends = (one.timestamp, one.timestamp + span)
        alert = _alert(rule, one.group, ends, 0, (), [replace(one, timestamp=ends[1])], among)
        told = alert.text or f"Nothing has come since {one.timestamp:%FT%TZ}."
        made.append(replace(alert, text=told, history=False))
    return made


def correlation_alerts(found: Iterable[Episode], signals: Iterable[Signal], among: Circumstances) -> list[Alert]:
    """The alerts that a correlation's episodes are. signals: of all its events."""
    by_event: dict[tuple[object, str], list[Signal]] = {}
    for signal in signals:  # an event can be in several groups, and which of these are settled together is chance
        by_event.setdefault((folded(signal.group), signal.event_id), []).append(signal)
    made = []
    for one in found:
        group = folded(one.group)
        listed = [signal for event in one.events for signal in by_event.get((group, event), ())]
        run = [signal for signal in listed if one.begins <= signal.timestamp <= one.last]  # an id may come again later
        span = (one.first, one.last)
        made.append(_alert(one.rule, one.group, span, one.count, tuple(one.events), run, among))
    return made


def _alert(
    rule: Rule | Correlation,
    group: Mapping[str, str],
    span: tuple[datetime, datetime],
    count: int,
    events: tuple[str, ...],
    run: Sequence[Signal],
    among: Circumstances,
) -> Alert:
    """An alert, with what its signals say: words, values, level and marks."""
    values = _values(run)
    known = {**values, **{name: (value,) for name, value in group.items()}}
    late = any(among.after_hours(signal.timestamp) for signal in run)
    environments = {among.environment(account) for account in values.get(ACCOUNT, ())}
    return Alert(
        id=alert_id(rule.key, group, span[0], events[0] if events else ""),
        rule_id=rule.key,
        title=wording.title(rule, known),
        level=level(rule, environments, late),
        tags=rule.tags,
        group=group,
        first=span[0],
        last=span[1],
        count=count,
        events=events,
        text=wording.text(rule, known),
        values={name: texts[:MOST_VALUES] for name, texts in values.items()},
        after_hours=late,
        history=bool(run) and all(signal.history for signal in run),
        tier=rule.tier,
        channel=rule.channel,
    )


def level(rule: Rule | Correlation, environments: Iterable[str | None], late: bool) -> str:
    """The highest that a rule gives to one of these environments, and to the hour."""
    own = rule.level or DEFAULT_LEVEL
    found = [rule.levels.get(environment or "", own) for environment in environments] or [own]
    if late and rule.after_hours is not None:
        found.append(rule.after_hours)
    return max(found, key=LEVELS.index)


def _values(run: Sequence[Signal]) -> dict[str, tuple[str, ...]]:
    """The different values of each field, in order of time, in the order of `SHOWN`."""
    found: dict[str, dict[str, None]] = {name: {} for name in SHOWN}
    for signal in run:
        for name, texts in signal.values.items():
            found.setdefault(name, {}).update(dict.fromkeys(texts))
    return {name: tuple(texts) for name, texts in found.items() if texts}


def succeeded(made: Sequence[Alert], standing: Sequence[Alert]) -> list[Alert]:
    """The alerts of some groups of a rule, made anew, and what became of those that stood there.

    An alert that stood passes on to the one of its id, else to the earliest of the new ones of its group that it
    overlaps: what was done with it, and, where the id is another, a link. What overlaps none is gone.
    """
    heirs: dict[str, str] = {}
    earlier: dict[str, list[Alert]] = {alert.id: [] for alert in made}
    by_group: dict[tuple[tuple[str, str], ...], list[Alert]] = {}
    for alert in made:
        by_group.setdefault(folded(alert.group), []).append(alert)
    for old in sorted(standing, key=lambda alert: alert.first):
        if old.state != MERGED and (heir := _heir(old, by_group.get(folded(old.group), []))):
            heirs[old.id] = heir
            earlier[heir].append(old)
    merged = [
        replace(old, state=MERGED, merged_into=heirs[survivor])
        for old in standing
        for survivor in [old.merged_into or old.id]
        if old.id not in earlier and survivor in heirs
    ]
    return [*[inherited(alert, earlier[alert.id]) for alert in made], *merged]


def folded(group: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What tells groups apart."""
    return tuple(sorted([(name, fold(value)) for name, value in group.items()]))


def _heir(old: Alert, made: Sequence[Alert]) -> str | None:
    if any(new.id == old.id for new in made):
        return old.id
    return next((new.id for new in made if new.first <= old.last and new.last >= old.first), None)


def alert_id(rule: str, group: Mapping[str, str], time: datetime, event: str) -> str:
    """Hash of what makes an alert that one: rule, group, and the first event's time and id."""
    text = json.dumps([rule, folded(group), time.astimezone(UTC).isoformat(), event])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def term_id(rule: str, group: Mapping[str, str]) -> str:
    """Hash of what makes an alert of a new term that one: rule and group."""
    return hashlib.sha256(json.dumps([rule, folded(group)]).encode()).hexdigest()[:24]
