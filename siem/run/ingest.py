"""From places to the store: the worker's path without the queue. Safe to repeat, and to go on after it was stopped.

Small objects are written together: one commit for up to `batching.objects` objects or `batching.events` events.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from siem.config import Settings
from siem.errors import Denied, Gone
from siem.intake.objects import Opener, objects
from siem.parsing import Registry
from siem.run.reading import UNCLAIMED, read
from siem.schema import SourceObject
from siem.store.contract import Delivery, LedgerRow, State, Store, Writing

Work = tuple[SourceObject, Opener]

ASKED = 1_000
"""Objects that the ledger is asked for at a time."""


@dataclass
class Ingested:
    """What a run did. `known`: objects that were in the ledger already and were left alone."""

    known: int = 0
    states: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)  # by dataset, without duplicates
    rejects: int = 0
    duplicates: int = 0

    @property
    def objects(self) -> int:
        return self.states.total()

    def add(self, rows: Iterable[LedgerRow]) -> None:
        for row in rows:
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
    with collector_off():
        for place in places:
            work = _new(objects(place, settings.limits), store, registry, done)
            while first := next(work, None):
                with store.writing(now()) as writing:
                    _gather(first, work, writing, registry, settings, now())
                    done.add(writing.commit())
                progress(done)
                gc.collect(0)
    return done


@contextmanager
def collector_off() -> Iterator[None]:
    """Without the cycle collector: parsing makes millions of objects and no cycles."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _new(work: Iterator[Work], store: Store, registry: Registry, done: Ingested) -> Iterator[Work]:
    """Objects that have to be read, in order."""
    while batch := list(islice(work, ASKED)):
        rows = store.ledger([source.id for source, _ in batch])
        for source, opener in batch:
            row = rows.get(source.id)
            if row is None or _to_be_read_again(row, registry):
                yield source, opener
            else:
                done.known += 1


def _to_be_read_again(row: LedgerRow, registry: Registry) -> bool:
    """The object could not be had or read; or nobody claimed it then and somebody does now."""
    if row.state is State.UNRECOGNISED:
        return row.dataset is None and row.reason == UNCLAIMED and bool(registry.claiming(row.key))
    return row.state in (State.DENIED, State.GONE, State.FAILED)


def _gather(
    first: Work, work: Iterator[Work], writing: Writing, registry: Registry, settings: Settings, now: datetime
) -> None:
    """Objects into one commit, until it is large enough."""
    events = count = 0
    item: Work | None = first
    while item is not None:
        events += _take(*item, writing, registry, settings, now)
        count += 1
        enough = events >= settings.batching.events or count >= settings.batching.objects
        item = None if enough else next(work, None)


def _take(
    source: SourceObject, opener: Opener, writing: Writing, registry: Registry, settings: Settings, now: datetime
) -> int:
    """One object into the commit; returns its events."""
    try:
        with opener() as content:
            reading = read(source, content, registry, settings.limits, now)
            delivery = reading.delivery
            for parsed in reading:
                assert reading.parser is not None  # noqa: S101  (only a parser gives blocks)
                writing.add(delivery, parsed, reading.parser.version, reading.parser.unique_ids)
            writing.finish(delivery, reading.state, reading.reason, reading.dataset)
            return reading.tally.events
    except (Gone, Denied) as error:
        state = State.GONE if isinstance(error, Gone) else State.DENIED
        writing.finish(Delivery(source, "", 0), state, str(error))
        return 0
