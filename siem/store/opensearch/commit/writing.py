"""A commit in the making: blocks of objects go to spool; the commit claims, writes, and enters itself in the log."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from siem.errors import Refused
from siem.parsing.batch import Batch, Parsed, Reject
from siem.schema import DatasetFields
from siem.store.contract import Delivery, LedgerRow, State
from siem.store.entries import WITH_EVENTS, Entry
from siem.store.opensearch.cluster import indices
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.commit import rejects, rows
from siem.store.opensearch.commit.claims import Claimed, Contended, Seen, Writer, claimed, released, swept
from siem.store.opensearch.commit.conflicts import Conflicts, Item
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import Row
from siem.store.opensearch.events.bulk import CONFLICT, Bulk, Outcome
from siem.store.opensearch.events.documents import BulkLines
from siem.store.opensearch.events.spool import Spool
from siem.store.opensearch.names import Names

REFUSED_AS = "the store refused it"


@dataclass(frozen=True)
class Place:
    """Where a commit is written. fields: by dataset; lease, seen: see `Writer`; step: told of every point at which a
    process could die."""

    connection: Connection
    names: Names
    fields: Mapping[str, DatasetFields]
    lease: float
    step: Callable[[str], None]
    seen: Seen = field(default_factory=dict)

    def writer(self) -> Writer:
        """A new one."""
        return Writer(self.connection, self.names, self.lease, self.seen)


class OpenSearchWriting:
    """See `siem.store.contract.Writing`."""

    def __init__(self, place: Place, log: Log, now: datetime) -> None:
        self._place, self._log, self._now = place, log, now
        self._writer = place.writer()
        self._bulk = Bulk(place.connection)
        self._entries: dict[str, Entry] = {}
        self._lines: dict[tuple[str, bool], BulkLines] = {}
        self._indices: dict[str, Counter[str]] = {}
        self._spool, self._rejects = Spool(), Spool()
        self._names = place.names
        self._claim = ""  # what rejects say of it

    def add(self, delivery: Delivery, parsed: Parsed, parser_version: str, unique_ids: bool) -> None:
        id_ = delivery.source.id
        entry = self._entries.setdefault(id_, Entry(delivery))
        if entry.state is not None:
            return  # whole already: the same object came twice
        entry.dataset, entry.parser_version, entry.unique_ids = parsed.dataset, parser_version, unique_ids
        if parsed.batch is not None and parsed.events:
            written = self._of(parsed.dataset, unique_ids)
            for lines in written.segments(parsed.batch, entry.events):
                self._spool.put(id_, lines)
            self._indices.setdefault(id_, Counter()).update(written.counts(parsed.batch))
        entry.add(parsed, *ends(parsed.batch))
        names = self._place.names
        for reject in parsed.rejects:
            kept = rejects.kept(names, id_, parsed.dataset, parser_version, reject, self._claim)
            self._rejects.put(id_, kept.lines())

    def finish(self, delivery: Delivery, state: State, reason: str | None = None, dataset: str | None = None) -> None:
        entry = self._entries.setdefault(delivery.source.id, Entry(delivery))
        if entry.state is None:
            entry.state, entry.reason, entry.dataset = state, reason, entry.dataset or dataset

    def commit(self) -> list[LedgerRow]:
        finished = {id_: entry for id_, entry in self._entries.items() if entry.state is not None}
        self._make_indices()
        while finished:
            try:
                return self._attempt(finished)
            except Contended:
                self._writer.renew()
                time.sleep(random.uniform(0, 1))  # noqa: S311  (so that two who wait for each other part)
        return []

    def close(self) -> None:
        """Leave no trace of what was not committed; what was begun, the next writer of the objects removes."""
        self._spool.close()
        self._rejects.close()
        self._writer.end()

    def _make_indices(self) -> None:
        wanted: dict[str, set[str]] = {}
        for (dataset, _), lines in self._lines.items():
            wanted.setdefault(dataset, set()).update(lines.indices)
        indices.make(self._place.connection, self._place.names, self._place.fields, wanted)

    def _of(self, dataset: str, unique_ids: bool) -> BulkLines:
        key = dataset, unique_ids
        if key not in self._lines:
            fields = self._place.fields.get(dataset) or DatasetFields(dataset)
            if not self._lines:
                self._names = self._place.names.without(self._log.pointer().dropped)
            self._lines[key] = BulkLines(fields, self._names, unique_ids, self._now)
        return self._lines[key]

    def _attempt(self, finished: Mapping[str, Entry]) -> list[LedgerRow]:
        """One try.

        Raises:
            Contended: nothing was committed; try again.
        """
        work = claimed(self._log, self._writer, finished)
        self._place.step("claimed")
        try:
            made = self._written(work, {id_: entry for id_, entry in finished.items() if id_ in work.mine})
        except Contended:
            released(self._log, self._writer.token, work.mine.keys())
            raise
        if made:
            entry = {"kind": "commit", "token": self._writer.token, "rows": [rows.written(row) for row in made]}
            number = self._log.append(entry)
            self._place.step("entered")
            after = self._log.rows(list(work.mine))
            if any(row.position // rows.ENTRY != number for row in after.values()):
                raise Contended  # a claim was taken over: the entry is void
        self._place.step("committed")
        whole = {**work.standing, **{row.object: row for row in made}}
        return [row for id_ in finished if (row := whole[id_].row) is not None]

    def _written(self, work: Claimed, mine: Mapping[str, Entry]) -> list[Row]:
        """Write what the claimed objects hold; the rows that they shall have."""
        if leftovers := [id_ for id_, row in work.mine.items() if row.leftovers]:
            swept(self._place.connection, self._place.names, self._writer, leftovers)
            self._place.step("swept")
        settling = Conflicts(self._place.connection, self._log, self._writer, mine.keys())
        holding = dict.fromkeys([id_ for id_, entry in mine.items() if entry.state in WITH_EVENTS])
        refused: list[tuple[Item, Outcome | Refused]] = [*self._sent(holding, settling)]
        refused += settling.refused
        self._keep_rejects(holding, [self._kept(mine, *each) for each in refused])
        left_out = settling.left_out + Counter([(item.object, item.index) for item, _ in refused])
        fewer = Counter([item.object for item, _ in refused])
        return [
            Row(
                id_,
                "",
                _without(entry, fewer[id_]).row(settling.duplicates[id_], self._now),
                unique_ids=entry.unique_ids,
                periods=self._periods(id_, entry, left_out) if id_ in holding else {},
            )
            for id_, entry in mine.items()
        ]

    def _sent(self, holding: Collection[str], settling: Conflicts) -> Iterator[tuple[Item, Outcome]]:
        """Write the events of these objects; those that OpenSearch will not take."""
        plans = self._spool.plans(holding)
        for number, outcomes in self._bulk.send(map(self._spool.read, plans)):
            self._writer.beat()
            self._place.step("sent")
            if outcomes:
                lines = self._spool.read(plans[number]).split(b"\n")
                items = [(Item.of(lines, outcome.place), outcome) for outcome in outcomes]
                settling.settle([item for item, outcome in items if outcome.status == CONFLICT])
                yield from [(item, outcome) for item, outcome in items if outcome.status != CONFLICT]

    def _periods(self, id_: str, entry: Entry, left_out: Mapping[tuple[str, str], int]) -> dict[str, int]:
        """How many events of an object are stored in which period."""
        indices, dataset = self._indices.get(id_, Counter()), entry.dataset or ""
        stored = {index: count - left_out.get((id_, index), 0) for index, count in indices.items()}
        return {self._place.names.period_of(dataset, index): count for index, count in stored.items() if count}

    def _keep_rejects(self, holding: Collection[str], more: Iterable[Operation]) -> None:
        """Write what was set aside for objects, and what the store itself refused."""
        for _, outcomes in self._bulk.send(map(self._rejects.read, self._rejects.plans(holding))):
            if outcomes:
                raise Refused(f"store {self._place.connection.name}: a reject: {outcomes[0].reason}")
        conflicts(self._place.connection, more)
        self._place.step("rejects")

    def _kept(self, mine: Mapping[str, Entry], item: Item, why: Outcome | Refused) -> Operation:
        """An event that OpenSearch will not take, as a reject: its document, and why."""
        reason = f"{REFUSED_AS}: {why.kind}: {why.reason}"
        reject = Reject.of(-1 - item.seq, reason, item.body)  # ordinals of records are not negative
        return rejects.kept(self._place.names, item.object, mine[item.object].dataset or "", "", reject, self._claim)


def _without(entry: Entry, refused: int) -> Entry:
    """The entry, where the store refused some of its events."""
    if not refused:
        return entry
    changed = Entry(**vars(entry))
    changed.events -= refused
    changed.rejects += refused
    return changed


def ends(batch: Batch | None) -> tuple[datetime | None, datetime | None]:
    """Earliest and latest time."""
    if batch is None or not len(batch):
        return None, None
    first, last = map(datetime.fromisoformat, batch.ends())
    return first, last
