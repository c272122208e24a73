"""Names of indices. Events: one per dataset and period of event time. State: one per kind. A prefix keeps stores apart.

events-aws.cloudtrail-2026.11      events of a month (or `2026.11.01`: of a day)
events-aws.cloudtrail-other        events whose time cannot be right, is very long ago, or of a period that was dropped
siem-ledger                        state
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

AHEAD = timedelta(days=1)
"""How far in the future an event's time may lie: clocks differ, and zones are mistaken."""

OTHER = "other"


class Period(StrEnum):
    """What one index of a dataset spans."""

    DAY = "day"
    MONTH = "month"

    @property
    def form(self) -> str:
        return "%Y.%m.%d" if self is Period.DAY else "%Y.%m"

    def start(self, time: datetime) -> datetime:
        """When the period of a time begins."""
        midnight = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Period.DAY else midnight.replace(day=1)


class States(StrEnum):
    """Indices of state."""

    LOG = "log"
    LEDGER = "ledger"
    REJECTS = "rejects"
    SIGNALS = "signals"
    ALERTS = "alerts"
    ACTIONS = "actions"
    NEWS = "news"
    OUTBOX = "outbox"
    STATE = "state"


def begun(period: str) -> datetime | None:
    """When a period begins, by its name (`2026.11.01` or `2026.11`); None of what is none."""
    for form in Period:
        with suppress(ValueError):
            start = datetime.strptime(period, form.form).replace(tzinfo=UTC)
            return start if start.strftime(form.form) == period else None
    return None


@dataclass(frozen=True)
class Names:
    """Of one store. kept: how far back indices of a period reach; events before that are few and share an index.

    dropped: by dataset, the end of what retention has dropped. It decides, not the setting: an event that is stored
    already must be looked for where it is.
    """

    prefix: str = ""
    periods: Mapping[str, Period] = field(default_factory=dict)
    kept: timedelta = timedelta(days=800)
    dropped: Mapping[str, datetime] = field(default_factory=dict)

    def state(self, kind: States) -> str:
        return f"{self.prefix}siem-{kind}"

    def events(self, dataset: str) -> str:
        """Every index of a dataset, as a pattern."""
        return f"{self.prefix}events-{dataset}-*"

    def every_event(self) -> str:
        return f"{self.prefix}events-*"

    def period(self, dataset: str) -> Period:
        return self.periods.get(dataset, Period.MONTH)

    def of(self, dataset: str, time: datetime, now: datetime) -> str:
        """Where an event of that time is written."""
        return f"{self._events(dataset)}{self._name(dataset, time, now)}"

    def _name(self, dataset: str, time: datetime, now: datetime) -> str:
        if not now - self.kept <= time <= now + AHEAD or self.is_dropped(dataset, time):
            return OTHER
        return time.astimezone(UTC).strftime(self.period(dataset).form)

    def period_of(self, dataset: str, index: str) -> str:
        """What the name of a dataset's index ends with: a period, or `other`."""
        return index.removeprefix(self._events(dataset))

    def is_dropped(self, dataset: str, time: datetime) -> bool:
        return dataset in self.dropped and time < self.dropped[dataset]

    def without(self, dropped: Mapping[str, datetime]) -> Names:
        """The names once that was dropped."""
        return replace(self, dropped=dropped)

    def _events(self, dataset: str) -> str:
        return f"{self.prefix}events-{dataset}-"
