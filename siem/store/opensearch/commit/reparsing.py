"""Objects that were parsed again: their events take the place of what the store has of them, one by one.

A reader sees each event as it was or as it is. New ones are written first; what is left of an object then is removed
once the log has said how many events there are now, so that never fewer can be seen than the ledger says. That it is
done (the parser's version, a new turn) is the last entry: what was interrupted before it is done again.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice

import orjson

from siem.schema import CLAIM
from siem.store.contract import LedgerRow
from siem.store.entries import WITH_EVENTS, Entry
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import got, scan
from siem.store.opensearch.commit import rows
from siem.store.opensearch.commit.claims import Claimed, Contended, claimed, released
from siem.store.opensearch.commit.conflicts import Conflicts, Item
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import Row
from siem.store.opensearch.commit.writing import OpenSearchWriting, Place
from siem.store.opensearch.events.bulk import Outcome
from siem.store.opensearch.names import Names, States
from siem.store.opensearch.search.counting import counted

ONE_BY_ONE = [{"_index": "asc"}, {"event.id": "asc"}, {"@timestamp": "asc"}]
"""No two events of a store are alike in these; `_shard_doc` alone is not enough (docs/decisions/0014)."""

TOGETHER = 1_000
"""Documents that are removed at a time."""


def stays(row: Row | None, entry: Entry) -> bool:
    """The object is left out: it holds no events, has other bytes, or could not be read this time."""
    if row is None or row.is_claimed or row.row is None:
        return True
    same = row.row.sha256 == entry.delivery.sha256
    return not (same and row.row.state in WITH_EVENTS and entry.state in WITH_EVENTS)


class OpenSearchReparsing(OpenSearchWriting):
    """See `siem.store.contract.Store.reparsing`."""

    def __init__(self, place: Place, log: Log, now: datetime, judge: bool) -> None:
        super().__init__(place, log, now)
        self._judge = judge
        self._claim = secrets.token_hex(8)
        self._dropped: Counter[tuple[str, str, str]] = Counter()  # by object, index and period

    def _attempt(self, finished: Mapping[str, Entry]) -> list[LedgerRow]:
        work = claimed(self._log, self._writer, finished, stays)
        self._place.step("claimed")
        after = dict(work.standing)
        if work.mine:
            by_turn = sorted(work.mine.values(), key=lambda row: row.position)
            try:
                after |= self._replaced(work, {row.object: finished[row.object] for row in by_turn})
            except Contended:
                released(self._log, self._writer.token, work.mine.keys())
                raise
        self._place.step("committed")
        return [row.row for id_ in finished if id_ in after and (row := after[id_]).row is not None]

    def _replaced(self, work: Claimed, mine: Mapping[str, Entry]) -> Mapping[str, Row]:
        """The rows as they are in the end.

        Raises:
            Contended: a claim was taken over, or rejects of an object were replayed meanwhile.
        """
        made = [as_before(row, work.mine[row.object]) for row in self._written(work, mine)]
        self._place.step("written")
        dropped = self._log.pointer().dropped
        left = self._left(work, made, dropped)
        if left:
            self._entered([half_done(row, work.mine[row.object], dropped) for row in made], whole=False)
            self._place.step("counted")
        self._remove(mine, chain(self._events_of(left), self._rejects_of(mine)))
        self._place.step("swept")
        after = self._entered(made, whole=True)
        self._place.step("entered")
        return after

    def _sent(self, holding: Collection[str], settling: Conflicts) -> Iterator[tuple[Item, Outcome]]:
        """Every event is settled: most are there. All of them are written, also what is the same: whoever sleeps with
        an older version of one in hand shall not write or remove it."""
        self._dropped.clear()
        for plan in self._spool.plans(holding):
            names = self._place.names.without(self._log.pointer().dropped)
            lines = self._spool.read(plan).split(b"\n")
            items = [Item.of(lines, at).under(self._writer.token) for at in range(len(lines) // 2)]
            settling.settle(self._not_dropped(items, names))
            self._writer.beat()
            self._place.step("sent")
        settling.settle_late()
        yield from ()

    def _not_dropped(self, items: Sequence[Item], names: Names) -> list[Item]:
        """Without events of dropped periods, unless they came late and are there."""
        periods = {at: period for at, item in enumerate(items) if (period := self._dropped_period(item, names))}
        asked = [{"_index": items[at].index, "_id": items[at].id, "_source": False} for at in periods]
        there = got(self._place.connection, asked) if asked else []
        gone = {at for at, doc in zip(periods, there, strict=True) if doc is None}
        self._dropped.update([(items[at].object, items[at].index, periods[at]) for at in gone])
        return [item for at, item in enumerate(items) if at not in gone]

    def _dropped_period(self, item: Item, names: Names) -> str:
        """The period of an event that retention has dropped; "" of any other."""
        dataset = self._entries[item.object].dataset or ""
        if dataset not in names.dropped:
            return ""
        time = datetime.fromisoformat(orjson.loads(item.body)["@timestamp"])
        return time.strftime(names.period(dataset).form) if names.is_dropped(dataset, time) else ""

    def _periods(self, id_: str, entry: Entry, left_out: Mapping[tuple[str, str], int]) -> dict[str, int]:
        """Events that were dropped count as of their period, as before."""
        dropped = [(index, period, count) for (of, index, period), count in self._dropped.items() if of == id_]
        fewer, periods = Counter(left_out), Counter[str]()
        for index, period, count in dropped:
            fewer[id_, index] += count
            periods[period] += count
        return dict(periods + Counter(super()._periods(id_, entry, fewer)))

    def _left(self, work: Claimed, made: Sequence[Row], dropped: Mapping[str, datetime]) -> dict[str, list[str]]:
        """By dataset the objects of which more can be seen than was written now."""
        left: dict[str, list[str]] = {}
        written = {(row.row.dataset, row.object): row for row in made if row.row}
        for dataset in {row.row.dataset for row in [*work.mine.values(), *made] if row.row} - {None}:
            visible = counted(self._place.connection, self._place.names, list(work.mine), dataset)
            now = {id_: row.left(dropped.get(of or "")) for (of, id_), row in written.items() if of == dataset}
            if more := [id_ for id_, count in visible.items() if count > now.get(id_, 0)]:
                left[dataset or ""] = more
        return left

    def _events_of(self, left: Mapping[str, Sequence[str]]) -> Iterator[Operation]:
        """Removals of what these objects hold and was not written under this claim."""
        for dataset, objects in left.items():
            index, query = self._place.names.events(dataset), {"terms": {"siem.object": objects}}
            for hit in scan(self._place.connection, index, query, ONE_BY_ONE, source=[CLAIM]):
                if hit["_source"].get(CLAIM) != self._writer.token:
                    yield Operation(hit["_index"], hit["_id"], None, (hit["_seq_no"], hit["_primary_term"]))

    def _rejects_of(self, objects: Collection[str]) -> Iterator[Operation]:
        """Removals of rejects that the objects had before."""
        index, query = self._place.names.state(States.REJECTS), {"terms": {"object": list(objects)}}
        for hit in scan(self._place.connection, index, query, source=["claim"]):
            if hit["_source"]["claim"] != self._claim:
                yield Operation(index, hit["_id"], None, (hit["_seq_no"], hit["_primary_term"]))

    def _remove(self, mine: Collection[str], removals: Iterator[Operation]) -> None:
        """What was seen and is the same still.

        Raises:
            Contended: a claim does not stand any more: what was seen may be of whoever took it over.
        """
        while some := list(islice(removals, TOGETHER)):
            self._writer.beat()
            if any(row.token != self._writer.token for row in self._log.rows(list(mine)).values()):
                raise Contended
            conflicts(self._place.connection, some)
            self._place.step("removed")

    def _entered(self, made: Sequence[Row], whole: bool) -> dict[str, Row]:
        """The rows as an entry of the log leaves them.

        Raises:
            Contended: it was void.
        """
        entry = {
            "kind": "reparse",
            "token": self._writer.token,
            "judge": self._judge,
            "whole": whole,
            "rows": [rows.written(row) for row in made],
        }
        number = self._log.append(entry)
        after = self._log.rows([row.object for row in made])
        if any(row.applied != number for row in after.values()):
            raise Contended
        return after


def as_before(row: Row, before: Row) -> Row:
    """With what stays of an object that is parsed again."""
    assert row.row is not None and before.row is not None  # noqa: S101, PT018  (it holds events)
    dataset = row.row.dataset or before.row.dataset
    return replace(row, row=replace(row.row, committed=before.row.committed, dataset=dataset))


def half_done(row: Row, before: Row, dropped: Mapping[str, datetime]) -> Row:
    """As it is while something is left of before. Its version is that of before, and its span has both: so it is parsed
    again where this is interrupted. It has the periods of both, so that it does not expire, and as stored counts what
    can be seen in the end."""
    assert row.row is not None and before.row is not None  # noqa: S101, PT018
    now = rows.moved(row.row, {}, before.row.first, before.row.last)
    seen = row.left(dropped.get(now.dataset or ""))
    now = replace(now, duplicates=now.events - seen, parser_version=before.row.parser_version)
    return replace(row, row=now, periods=dict(Counter(row.periods) | Counter(before.periods)))
