"""What detection and people leave in a store: signals, alerts, and how far rules have judged. Part of the contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from siem.store.handling import OPEN, Action, Disposition


@dataclass(frozen=True)
class Signal:
    """A rule matched an event. Key: rule, and the event's id and time (as stores tell events apart).

    group: what its alert is about (field -> value); values that differ in case alone are the same group.
    matched: of a correlation: which event rule matched. Then rule and group are of the key too, and of a silence, which
    has no event (""): its time is that of what was sent last.
    values: what the event has in the fields that its alert is to show, or that its correlation asks for.
    history: the event was old already when it was stored.
    within: of a rule to which only the first event of a group counts (time, then id): of what its groups are settled
    together. A store keeps no other signal of the group, and then rule, `within` and group are of the key too.
    """

    rule_id: str
    event_id: str
    timestamp: datetime
    object: str
    dataset: str
    fingerprint: str
    group: Mapping[str, str] = field(default_factory=dict)
    matched: str = ""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    history: bool = False
    within: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Alert:
    """Signals of one rule and group whose windows touch. `id`: hash of rule, group and, without `within`, first event.

    title, text, level: as its rule had them when it last changed. text: "" where the rule says no more than its title.
    values: field -> the first ten different values that its events have.
    after_hours: one of its events was outside of working hours. history: all of them were old when they were stored.
    tier, channel: who is to hear of it.
    state, disposition, author, note, changed: where it stands, and who brought it there, why and when (`handling`).
    merged_into: the alert that took over from this one (state MERGED), because late data changed what came first.
    within: as its signals have it.
    """

    id: str
    rule_id: str
    title: str
    level: str
    tags: Sequence[str]
    group: Mapping[str, str]
    first: datetime
    last: datetime
    count: int
    events: Sequence[str]  # at most 1,000 event ids, in order of time
    text: str = ""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    after_hours: bool = False
    history: bool = False
    tier: str = "alert"
    channel: str | None = None
    state: str = OPEN
    disposition: Disposition | None = None
    author: str | None = None
    note: str = ""
    changed: datetime | None = None
    merged_into: str | None = None
    within: Mapping[str, str] | None = None


Settle = Callable[[str, Sequence[Signal], Sequence[Alert]], Sequence[Alert] | None]
"""From a rule's id, all signals of some of its groups (or of what these are within) and the alerts that stand there,
merged ones too, to the alerts that shall stand there. None: the rule is not known here, and its alerts stay."""


@dataclass(frozen=True)
class Pending:
    """An object whose events are to be judged. turn: its place in the order of commits; a replay gives it a new one.

    events: how many were stored of it. committed: when.
    """

    object: str
    turn: int
    events: int = 0
    committed: datetime | None = None


@dataclass(frozen=True)
class Again:
    """A rule judged stored events again: of these datasets, since <= time < until, of objects up to a turn."""

    rule_id: str
    datasets: Sequence[str]
    since: datetime | None
    until: datetime | None
    turn: int


@dataclass(frozen=True)
class Judged:
    """What a part of a detection pass came to.

    again: what the signals replace; None: they are added.
    marks: (rule, dataset) -> the turn up to which the rule has judged the dataset's objects.
    passed: the same of rules that are switched off: they look at nothing, and what they had found stays.
    owed: (rule, object) where the rule erred; paid: where it had erred, and has now judged.
    """

    signals: Sequence[Signal] = ()
    again: Again | None = None
    marks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    passed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    owed: Sequence[tuple[str, str]] = ()
    paid: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Progress:
    """How far detection has come.

    last: dataset -> the turn of its last object with events; those without any have none.
    marks: dataset -> rule -> the turn up to which the rule has judged the dataset's objects.
    owing: some rule may owe something.
    """

    last: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    owing: bool = False

    @property
    def turn(self) -> int:
        """Of the last object with events; 0 without any."""
        return max(self.last.values(), default=0)


class Judging(Protocol):
    """See `siem.store.contract.Store`, which is one. Every call may raise `Unavailable`."""

    def pending(self, dataset: str, after: int = 0, most: int | None = None) -> list[Pending]:
        """The first objects of a dataset that have events and a turn after this one, in the order of turns; and those
        that are to be judged again as they had some (`reparsing`).

        What becomes visible later has a later turn: an object that is committed, and one that a replay adds events to.
        """
        ...

    def progress(self) -> Progress:
        """What there is to judge, and what was judged: cheap, whatever is stored."""
        ...

    def owed(self, dataset: str) -> dict[str, list[str]]:
        """Rules that erred, and the dataset's objects that they have yet to judge, in the order of turns."""
        ...

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        """End of a part of a detection pass, in one commit: store the signals (again is nothing new, but a newer
        fingerprint and group count; those with `within` only where they are earlier), settle the alerts of every rule
        and group whose signals changed, note what is owed and how far the rules came (a mark never goes back).
        Returns the ids of alerts that are new or of another count.

        Nobody else changes signals or alerts while `settle` is asked; it must not use the store.
        """
        ...

    def signals(self, rule_id: str, group: Mapping[str, str]) -> list[Signal]:
        """All signals of a rule and group, or that are within it, in order of time."""
        ...

    def every_signal(self) -> Iterator[Signal]:
        """All signals, those that are settled together one after the other, in order of time."""
        ...

    def alerts(self, merged: bool = False) -> list[Alert]:
        """All alerts, newest first; those that were merged into others only if so asked."""
        ...

    def alert(self, id_: str) -> Alert | None:
        """One alert, merged ones too."""
        ...

    def act(self, actions: Sequence[Action]) -> list[Alert]:
        """Log actions and carry them out, in one commit; the alerts that they leave, in order. One on an alert that was
        merged is on its survivor; one on an alert that does not exist is left out. Safe to repeat."""
        ...

    def actions(self, alerts: Collection[str] | None = None) -> list[Action]:
        """What was done with these alerts, or (None) with all, in the order in which it was done."""
        ...
