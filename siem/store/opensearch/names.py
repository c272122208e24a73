"""Names of indices. Events: one per dataset and period of event time. State: one per kind. A prefix keeps stores apart.

events-aws.cloudtrail-2026.11      events of a month (or `2026.11.01`: of a day)
events-aws.cloudtrail-other        events whose time cannot be right, or is older than what is kept
siem-ledger                        state
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MICROS = 1_000_000
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


class States(StrEnum):
    """Indices of state."""

    LOG = "log"
    LEDGER = "ledger"
    REJECTS = "rejects"
    SIGNALS = "signals"
    ALERTS = "alerts"
    STATE = "state"


@dataclass(frozen=True)
class Names:
    """Of one store. kept: how far back indices of a period reach; events before that are few and share an index."""

    prefix: str = ""
    periods: Mapping[str, Period] = field(default_factory=dict)
    kept: timedelta = timedelta(days=800)

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
        if not now - self.kept <= time <= now + AHEAD:
            return f"{self.prefix}events-{dataset}-{OTHER}"
        return f"{self.prefix}events-{dataset}-{time.astimezone(UTC).strftime(self.period(dataset).form)}"
