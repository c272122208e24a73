"""From places to the store: the worker's path without the queue. Safe to repeat, and to go on after it was stopped.

Small objects are written together: one commit for up to `batching.objects` objects or `batching.events` events.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

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


NOT_HAD = (State.DENIED, State.GONE, State.FAILED)
"""Of objects that every run tries again."""

VERSION_DIGITS = 16


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

    def add(self, rows: Iterable[LedgerRow], committed: datetime) -> None:
        """The rows of a commit; those that somebody else committed meanwhile are known ones."""
        for row in rows:
            if row.committed != committed and row.state not in NOT_HAD:
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
    own = Path(settings.store).expanduser().resolve()  # the store's own files are no logs
    with collector_off():
        for place in places:
            listed = objects(place, settings.limits, without=own)
            if (one := next(listed, None)) is None:
                done.empty.append(place)
                continue
            work = _new(chain([one], listed), store, registry, done)
            while first := next(work, None):
                when = now()
                with store.writing(when) as writing:
                    _gather(first, work, writing, registry, settings, when)
                    done.add(writing.commit(), when)
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
            elif (changed := _changed(source, opener, row)) and _is_new(changed, store, registry):
                done.changed.append(changed)
                yield changed, opener
            else:
                done.known += 1


def _changed(source: SourceObject, opener: Opener, row: LedgerRow) -> SourceObject | None:
    """The object as a version of its own, named by its bytes, where they are not those that the ledger knows."""
    if row.committed is not None and opener.unchanged(row.bytes, row.committed):
        return None
    try:
        with opener() as content:
            sha256 = content.sha256
    except (Gone, Denied):
        return None
    return replace(source, version=f"sha256:{sha256[:VERSION_DIGITS]}") if sha256 != row.sha256 else None


def _is_new(source: SourceObject, store: Store, registry: Registry) -> bool:
    row = store.ledger([source.id]).get(source.id)
    return row is None or _to_be_read_again(row, registry)


def _to_be_read_again(row: LedgerRow, registry: Registry) -> bool:
    """The object could not be had or read; or nobody claimed it then and somebody does now."""
    if row.state is State.UNRECOGNISED:
        return row.dataset is None and row.reason == UNCLAIMED and bool(registry.claiming(row.key))
    return row.state in NOT_HAD


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
