"""What the indices hold of each object, counted by the cluster, against what the ledger says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import chain, islice
from typing import Any

from siem.store.contract import Held
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import scan
from siem.store.opensearch.commit import rows
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import Row
from siem.store.opensearch.names import Names, States
from siem.store.opensearch.search.counting import counted
from siem.store.opensearch.search.pages import MOST, Pages, body
from siem.store.opensearch.search.view import View, opened, refreshed
from siem.store.opensearch.search.windows import Scope

PAGE = 5_000
"""Objects that are counted at a time."""

AGAIN = 1_000
"""Objects that are asked for again at a time."""

Pair = tuple[str, int]


def held(connection: Connection, names: Names, log: Log) -> Iterator[Held]:
    """See `Store.held`. The ledger is read as it stood before the events: what it has of them was visible then. What
    differs all the same may have been written or dropped meanwhile, and is asked for again, object by object."""
    log.follow()
    hits = scan(connection, names.state(States.LEDGER), sort=[{"object": "asc"}])
    first = list(islice(hits, 1))  # from here on the ledger stays as it is
    ledger = [row for hit in first if (row := rows.of(hit, hit["_id"]))]
    comparing = Comparing(log.pointer().dropped)
    with ExitStack() as stack:
        there = refreshed(connection, names.every_event())
        visible = objects_in(stack.enter_context(opened(connection, names.every_event()))) if there else iter(())
        yield from comparing.same(chain(ledger, rows_of(hits)), visible)
    for at in range(0, len(comparing.differing), AGAIN):
        yield from again(connection, names, log, comparing.differing[at : at + AGAIN])


def rows_of(hits: Iterable[dict[str, Any]]) -> Iterator[Row]:
    return (row for hit in hits if (row := rows.of(hit, hit["_id"])) is not None)


class Comparing:
    """Two streams in the order of objects. differing: those of which they do not say the same."""

    def __init__(self, dropped: Mapping[str, datetime]) -> None:
        self._dropped = dropped
        self.differing: list[str] = []

    def same(self, ledger: Iterator[Row], visible: Iterator[Pair]) -> Iterator[Held]:
        one = next(visible, None)
        for row in ledger:
            while one is not None and one[0] < row.object:
                self.differing.append(one[0])
                one = next(visible, None)
            count = 0
            if one is not None and one[0] == row.object:
                count, one = one[1], next(visible, None)
            if row.is_claimed or expected_of(row, self._dropped) != count:
                self.differing.append(row.object)
            elif count:
                yield Held(row.object, count, count)
        self.differing += [object_ for object_, _ in ([one] if one else [])]
        self.differing += [object_ for object_, _ in visible]


def expected_of(row: Row, dropped: Mapping[str, datetime]) -> int:
    """Events that the ledger says are there."""
    if row.row is None:
        return 0
    left = row.left(dropped.get(row.row.dataset or ""))
    return row.row.events - row.row.duplicates - sum(row.periods.values()) + left


def objects_in(view: View) -> Iterator[Pair]:
    """Objects, in order, and how many events each has."""
    source = [{"object": {"terms": {"field": "siem.object"}}}]
    composite: dict[str, Any] = {"size": PAGE, "sources": source}
    while True:
        asked = {"size": 0, "track_total_hits": False, "aggs": {"objects": {"composite": composite}}}
        found = view.search(asked)["aggregations"]["objects"]
        for bucket in found["buckets"]:
            yield bucket["key"]["object"], bucket["doc_count"]
        if "after_key" not in found:
            return
        composite["after"] = found["after_key"]


def again(connection: Connection, names: Names, log: Log, objects: Sequence[str]) -> Iterator[Held]:
    """As it stands now; what somebody is writing is left out. Of an object that is parsed again more may be seen than
    the ledger says, until that is done, and never less."""
    log.follow()
    before = log.rows(objects)
    visible = counted(connection, names, objects)
    log.follow()
    after, dropped = log.rows(objects), log.pointer().dropped
    for id_ in objects:
        row = after.get(id_)
        if row is None:
            yield Held(id_, None, visible[id_])
        elif id_ in before and not row.is_claimed and row.version == before[id_].version:
            expected = max(expected_of(row, dropped), visible[id_] if row.token else 0)
            if expected or visible[id_]:
                yield Held(id_, expected, visible[id_])


def event_ids(connection: Connection, names: Names, object_: str) -> Iterator[str]:
    """See `Store.event_ids`."""
    if not refreshed(connection, names.every_event()):
        return
    query = {"bool": {"filter": [{"term": {"siem.object": object_}}]}}
    with opened(connection, names.every_event()) as view:
        for one in Pages(view, body(query, MOST)).found(Scope(None, frozenset(), None, None, None), lambda hit: None):
            yield one.key[1]
