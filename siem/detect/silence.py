"""Who has sent and is silent now: what rules of silence find in the ledger, whatever the times of events.

Somebody counts as a sender once he has sent for as long as he may be silent: what was taken in once, by hand, is missed
by nobody. A silence is told apart by the commit before it. So there is one alert of it, however many passes see it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from siem.detect.sources import Sources
from siem.sigma import Rule, Silence, Whose, datasets_of
from siem.store.contract import Heard, Signal

DATASET, ACCOUNT, SOURCE = "event.dataset", "cloud.account.id", "siem.source"


def silences(rules: Iterable[Rule], sources: Sources, heard: Sequence[Heard], now: datetime) -> Iterator[Signal]:
    """A signal of each silence, without an event, at the time of the commit before it. heard: of all that have sent."""
    for rule in rules:
        if rule.silence is not None:
            yield from _of(rule, rule.silence, datasets_of(rule, sources.logsources), heard, now)


def _of(
    rule: Rule, silence: Silence, datasets: Collection[str], heard: Iterable[Heard], now: datetime
) -> Iterator[Signal]:
    ends: dict[tuple[tuple[str, str], ...], tuple[datetime, datetime]] = {}
    for one in heard:
        group = about(silence.of, one)
        if one.dataset in datasets and group is not None:
            first, last = ends.get(group, (one.first, one.last))
            ends[group] = min(first, one.first), max(last, one.last)
    for group, (first, last) in ends.items():
        if last - first >= silence.span and now - last > silence.span:
            said = dict(group)
            values = {name: (text,) for name, text in group}
            yield Signal(rule.key, "", last, "", said[DATASET], rule.fingerprint, said, rule.key, values)


def about(of: Whose, one: Heard) -> tuple[tuple[str, str], ...] | None:
    """Who a sender is to a rule: fields and their values. None: nobody."""
    dataset = (DATASET, one.dataset)
    match of:
        case Whose.DATASET:
            return (dataset,)
        case Whose.ACCOUNT:
            return None if one.account is None else (dataset, (ACCOUNT, one.account))
        case Whose.SOURCE:
            return (dataset, (SOURCE, one.place), *([(ACCOUNT, one.account)] if one.account else []))
