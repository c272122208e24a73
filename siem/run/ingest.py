"""From places to the store: the worker's path without the queue. Safe to repeat, and to go on after it was stopped.

Small objects are written together: one commit for up to `batching.objects` objects or `batching.events` events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path

from siem.config import Settings
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.run.taking import Commit, Taking, collector_off
from siem.schema import SourceObject
from siem.store.contract import Store


@dataclass
class Ingested:
    """What a run did.

    known: objects that were in the ledger already and were left alone. changed: objects whose key was in the ledger
    with other bytes; they are new ones. empty: places without any object.
    """

    known: int = 0
    changed: list[SourceObject] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)  # by dataset, without duplicates
    rejects: int = 0
    duplicates: int = 0

    @property
    def objects(self) -> int:
        return self.states.total()

    def knew(self, source: SourceObject) -> None:
        self.known += 1

    def differs(self, source: SourceObject) -> None:
        self.changed.append(source)

    def add(self, commit: Commit) -> None:
        """The rows of a commit; those that somebody else committed meanwhile are known ones."""
        for row in commit.rows:
            if not commit.made(row):
                self.known += 1
                continue
            self.states[row.state.value] += 1
            self.rejects += row.rejects
            self.duplicates += row.duplicates
            if row.dataset is not None:
                self.events[row.dataset] += row.events - row.duplicates


def ingest(
    places: Iterable[str],
    store: Store,
    registry: Registry,
    settings: Settings,
    now: Callable[[], datetime],
    progress: Callable[[Ingested], None] = lambda done: None,
) -> Ingested:
    """Take every object of the places that the ledger does not know yet.

    Raises:
        UsageError: a place does not exist.
        Unavailable: store or bucket are away; what was committed stays, and a new run goes on from there.
    """
    done = Ingested()
    taking = Taking(store, registry, settings, now)
    own = Path(settings.store).expanduser().resolve()  # the store's own files are no logs
    with collector_off():
        for place in places:
            listed = objects(place, settings.limits, without=own)
            if (one := next(listed, None)) is None:
                done.empty.append(place)
                continue
            for commit in taking.commits(chain([one], listed), done):
                done.add(commit)
                progress(done)
    return done
