"""Objects into the store, whoever brings them: which are new, what each comes to, and many in one commit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Protocol

from siem.config import Settings
from siem.errors import Denied, Forbidden, Gone, Withheld
from siem.intake.objects import Opener
from siem.parsing import Registry
from siem.run.reading import UNCLAIMED, read
from siem.schema import SourceObject
from siem.store.contract import Delivery, LedgerRow, State, Store, Writing
from siem.store.entries import LASTING

Work = tuple[SourceObject, Opener]

ASKED = 1_000
"""Objects that the ledger is asked for at a time."""

NOT_HAD = (State.DENIED, State.GONE, State.FAILED, State.REFUSED)
"""Of objects that are tried again whenever somebody brings them."""

WITHOUT_BYTES = {Gone: State.GONE, Denied: State.DENIED, Forbidden: State.REFUSED, Withheld: State.FAILED}
"""What an object comes to whose bytes cannot be had."""

VERSION_DIGITS = 16


class Report(Protocol):
    """Is told of objects that are not simply new."""

    def knew(self, source: SourceObject) -> None:
        """The ledger has it, with these bytes: it is left alone."""
        ...

    def differs(self, source: SourceObject) -> None:
        """The ledger has other bytes under this key: it is taken in as a version of its own."""
        ...


@dataclass(frozen=True)
class Commit:
    """Objects that were committed together, `when` it was begun. rows: as they stand in the ledger now; without those
    of objects that have yet to become versions of their own."""

    when: datetime
    rows: list[LedgerRow]

    def made(self, row: LedgerRow) -> bool:
        """The row is of this commit: nobody else committed the object meanwhile, or it could not be had again."""
        return row.committed == self.when or row.state in NOT_HAD


@dataclass
class Gathered:
    """Objects of a commit in the making. later: those that have to wait for the next, as their id is in this one."""

    taken: list[tuple[Work, Delivery]] = field(default_factory=list)
    later: list[Work] = field(default_factory=list)
    events: int = 0


def nothing() -> None:
    """Nobody asks for signs of life."""


@dataclass(frozen=True)
class Taking:
    """How objects are taken into a store. now: the time, aware. sign: is called again and again on the way; what it
    raises ends the work, and what is not committed is as if it had never begun."""

    store: Store
    registry: Registry
    settings: Settings
    now: Callable[[], datetime]
    sign: Callable[[], None] = nothing

    def commits(self, work: Iterable[Work], report: Report) -> Iterator[Commit]:
        """Take in what is new of `work`, in order, commit by commit.

        Raises:
            Unavailable: store or objects are away; what was committed stays.
        """
        new = self._new(iter(work), report)
        while (first := next(new, None)) is not None:
            when = self.now()
            with self.store.writing(when) as writing:
                gathered = self._gathered(chain([first], new), writing, when)
                rows = writing.commit()
            late = overtaken(gathered.taken, rows)
            ids = {source.id for source, _ in late}
            yield Commit(when, [row for row in rows if row.object not in ids])
            gc.collect(0)
            if left := [*late, *gathered.later]:
                new = chain(self._new(iter(left), report), new)

    def _new(self, work: Iterator[Work], report: Report) -> Iterator[Work]:
        """Objects that have to be read, in order."""
        while batch := list(islice(work, ASKED)):
            rows = self.store.ledger([source.id for source, _ in batch])
            for source, opener in batch:
                row = rows.get(source.id)
                if row is None or self._is_open(row):
                    yield source, opener
                elif (changed := _changed(source, opener, row)) and self._is_new(changed):
                    report.differs(changed)
                    yield changed, opener
                else:
                    report.knew(source)

    def _is_new(self, source: SourceObject) -> bool:
        row = self.store.ledger([source.id]).get(source.id)
        return row is None or self._is_open(row)

    def _is_open(self, row: LedgerRow) -> bool:
        """The object could not be had or read; or nobody claimed it then and somebody does now."""
        if row.state is State.UNRECOGNISED:
            return row.dataset is None and row.reason == UNCLAIMED and bool(self.registry.claiming(row.key))
        return row.state in NOT_HAD

    def _gathered(self, work: Iterator[Work], writing: Writing, when: datetime) -> Gathered:
        """Objects into one commit, until it is large enough."""
        gathered, ids = Gathered(), set[str]()
        for source, opener in work:
            if source.id in ids:
                gathered.later.append((source, opener))
            else:
                ids.add(source.id)
                delivery, events = self._taken(source, opener, writing, when)
                gathered.taken.append(((source, opener), delivery))
                gathered.events += events
            if self._is_enough(gathered):
                break
        return gathered

    def _is_enough(self, gathered: Gathered) -> bool:
        most = self.settings.batching
        return gathered.events >= most.events or len(gathered.taken) + len(gathered.later) >= most.objects

    def _taken(self, source: SourceObject, opener: Opener, writing: Writing, when: datetime) -> tuple[Delivery, int]:
        """One object into the commit; what was delivered, and its events."""
        try:
            with opener() as content:
                reading = read(source, content, self.registry, self.settings.limits, when)
                delivery = reading.delivery
                for parsed in reading:
                    assert reading.parser is not None  # noqa: S101  (only a parser gives blocks)
                    writing.add(delivery, parsed, reading.parser.version, reading.parser.unique_ids)
                    self.sign()
                writing.finish(delivery, reading.state, reading.reason, reading.dataset)
                return delivery, reading.tally.events
        except tuple(WITHOUT_BYTES) as error:
            writing.finish(delivery := Delivery(source, "", 0), WITHOUT_BYTES[type(error)], str(error))
            return delivery, 0


def overtaken(taken: Iterable[tuple[Work, Delivery]], rows: Iterable[LedgerRow]) -> list[Work]:
    """Objects that somebody else committed meanwhile with other bytes than ours: ours have yet to be taken in."""
    standing = {row.object: row.sha256 for row in rows if row.state in LASTING}
    return [
        work
        for work, delivery in taken
        if delivery.sha256 and standing.get(delivery.source.id, delivery.sha256) != delivery.sha256
    ]


def _changed(source: SourceObject, opener: Opener, row: LedgerRow) -> SourceObject | None:
    """The object as a version of its own, named by its bytes, where they are not those that the ledger knows."""
    if row.committed is not None and opener.unchanged(row.bytes, row.committed):
        return None
    try:
        with opener() as content:
            sha256 = content.sha256
    except tuple(WITHOUT_BYTES):
        return None
    return replace(source, version=f"sha256:{sha256[:VERSION_DIGITS]}") if sha256 != row.sha256 else None


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
