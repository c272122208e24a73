"""How rules do in a store: how people closed their alerts, whether their source was ever seen, what they still owe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from siem.store.contract import Store
from siem.store.handling import CLOSED, OPEN, Disposition

SPAN = timedelta(days=90)
"""Alerts whose last event is older tell nothing of a rule as it is today."""

LEAST = 5
"""Alerts that were closed, before it is said what most of them were."""


@dataclass(frozen=True)
class Health:
    """Of the rules of a store, in the last 90 days.

    outcomes: rule -> disposition of its closed alerts, or `open` for all others -> how many.
    seen: datasets that had events. owed: rule -> objects that it erred on and has yet to judge.
    """

    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    owed: Mapping[str, int] = field(default_factory=dict)

    def of(self, rule: str) -> Mapping[str, int]:
        return self.outcomes.get(rule, {})

    def told(self, rule: str, datasets: Collection[str]) -> Iterator[str]:
        """What is amiss with a rule. datasets: those that it looks at."""
        outcomes = self.of(rule)
        closed = sum(outcomes.values()) - outcomes.get(OPEN, 0)
        false = outcomes.get(Disposition.FALSE, 0)
        if closed >= LEAST and false * 2 > closed:
            yield f"mostly false: {false} of {closed} closed alerts"
        if self.seen.isdisjoint(datasets):
            yield f"never seen: {', '.join(datasets) or 'nothing answers its log source'}"
        if rule in self.owed:
            yield f"erred: {self.owed[rule]:,} objects are not judged yet"


def health(store: Store, now: datetime) -> Health:
    """Reads the alerts once, and sums.

    Raises:
        Unavailable: the store is away.
    """
    outcomes: dict[str, Counter[str]] = {}
    for alert in store.alerts():
        if alert.last >= now - SPAN:
            said = alert.disposition if alert.state == CLOSED and alert.disposition else OPEN
            outcomes.setdefault(alert.rule_id, Counter())[str(said)] += 1
    seen = frozenset([row.dataset for row in store.stats() if row.dataset is not None and row.events])
    owed: Counter[str] = Counter()
    if store.progress().owing:
        for dataset in seen:
            owed.update({rule: len(objects) for rule, objects in store.owed(dataset).items()})
    return Health(outcomes, seen, owed)
