"""What a store keeps for schedulers: who of several works, and what the passes did. Part of the contract of stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

MOST_PASSES = 10_000
"""Passes that are kept: a week of one that does something each minute. A number, as clocks jump."""


@dataclass(frozen=True)
class Lease:
    """Who does what one alone shall do. holder: "" where it was given back. version: another one after every `take`."""

    name: str
    holder: str
    version: int


@dataclass(frozen=True)
class Pass:
    """What a detection pass did that had something to do.

    seconds: how long it took. events: of the objects. rules: that were in use. signals: matches.
    alerts: new or grown. errors: rule -> why it erred. holder: the process.
    """

    started: datetime
    seconds: float
    objects: int
    events: int
    rules: int
    signals: int
    alerts: int
    errors: Mapping[str, str] = field(default_factory=dict)
    holder: str = ""


class Scheduling(Protocol):
    """See `siem.store.contract.Store`, which is one. Every call may raise `Unavailable`."""

    def lease(self, name: str) -> Lease | None:
        """The lease as it stands; None: nobody ever took it. Cheap."""
        ...

    def take(self, name: str, holder: str, seen: Lease | None) -> Lease | None:
        """Take, renew or (holder "") give back a lease that stands as it was seen; None, and no change, where it does
        not any more. Whether the other one lives is for the caller to find out."""
        ...

    def record(self, done: Pass) -> None:
        """Keep what a pass did; of more than `MOST_PASSES` the oldest go."""
        ...

    def passes(self, most: int) -> list[Pass]:
        """The last passes that were recorded, newest first."""
        ...
