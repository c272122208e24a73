"""Questions to the ledger, once it has followed the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

from siem.store.contract import DatasetStats, Known, LedgerRow, Pending
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import first, refresh, scan
from siem.store.opensearch.commit import rows
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import Row
from siem.store.opensearch.names import Names, States
from siem.store.times import from_micros, micros

COUNTS = ("records", "events", "rejects", "skipped", "duplicates")


def rows_of(connection: Connection, names: Names, log: Log, objects: Iterable[str] | None) -> Iterator[Row]:
    log.follow()
    if objects is not None:
        yield from sorted(log.rows(list(objects)).values(), key=lambda row: row.position)
        return
    for hit in scan(connection, names.state(States.LEDGER), sort=[{"position": "asc"}]):
        row = rows.of(hit, hit["_id"])
        if row is not None:
            yield row


def ledger_rows(connection: Connection, names: Names, log: Log, objects: Iterable[str] | None) -> dict[str, LedgerRow]:
    """By object, in order of commits. Claims are not shown, but what they replace is."""
    found = rows_of(connection, names, log, objects)
    return {row.object: row.row for row in found if row.row is not None}


def committed(connection: Connection, names: Names, log: Log, after: int) -> Iterator[tuple[int, LedgerRow]]:
    """See `Store.committed`."""
    log.follow()
    query = {"range": {"position": {"gt": after}}}
    for hit in scan(connection, names.state(States.LEDGER), query, [{"position": "asc"}]):
        row = rows.of(hit, hit["_id"])
        if row is not None and row.row is not None:
            yield row.position, row.row


def known(connection: Connection, names: Names, log: Log, bucket: str, prefix: str) -> Iterator[Known]:
    """See `Store.known`. The index has texts as they are shown, and its order is that of their bytes."""
    log.follow()
    asked = [{"term": {"bucket": rows.shown(bucket)}}, {"exists": {"field": "sha256"}}]
    if prefix:
        asked.append({"prefix": {"key": {"value": rows.shown(prefix)}}})
    found = scan(connection, names.state(States.LEDGER), {"bool": {"filter": asked}}, [{"key": "asc"}])
    for row in in_order(rows.read(hit["_source"]) for hit in found):
        if row.bucket == bucket and row.key.startswith(prefix):
            committed = micros(row.committed) if row.committed else 0
            yield Known(row.key, row.state, row.sha256, row.bytes, committed)


def in_order(found: Iterable[LedgerRow]) -> Iterator[LedgerRow]:
    r"""Rows in the order of their keys' bytes. An octet that is no text is shown as `\xff`, which comes before it: such
    rows, and no others, wait for their turn."""
    waiting: list[tuple[bytes, int, LedgerRow]] = []
    for number, row in enumerate(found):
        key = rows.octets(row.key)
        while waiting and waiting[0][0] <= key:
            yield heappop(waiting)[2]
        if rows.shown(row.key) == row.key:
            yield row
        else:
            heappush(waiting, (key, number, row))
    while waiting:
        yield heappop(waiting)[2]


def pending(
    connection: Connection, names: Names, log: Log, dataset: str, after: int, most: int | None
) -> list[Pending]:
    log.follow()
    index = names.state(States.LEDGER)
    query = {"bool": {"filter": [{"term": {"dataset": dataset}}, {"range": {"turn": {"gt": after}}}]}}
    if most is not None and most <= 10_000:
        refresh(connection, index)
        found: Iterable[dict[str, Any]] = first(connection, index, query, [{"turn": "asc"}], most)
    else:
        found = scan(connection, index, query, [{"turn": "asc"}])
    return [_pending(hit["_id"], hit["_source"]) for hit in found][:most]


def _pending(object_: str, row: Mapping[str, Any]) -> Pending:
    return Pending(object_, row["turn"], row["events"] - row["duplicates"], from_micros(row["micros"]["committed"]))


def hidden(connection: Connection, names: Names, log: Log, before: int) -> list[str]:
    """Objects whose events a reader must not see who began when the log ended with entry `before`: those that were not
    committed then, or are not yet."""
    log.follow()
    later = {"range": {"position": {"gte": (before + 1) * rows.ENTRY}}}
    query = {"bool": {"should": [{"terms": {"state": rows.CLAIMS}}, later], "minimum_should_match": 1}}
    return [hit["_id"] for hit in scan(connection, names.state(States.LEDGER), query)]


def stats(connection: Connection, names: Names, log: Log) -> list[DatasetStats]:
    """Sums per dataset; objects without one first."""
    log.follow()
    index = names.state(States.LEDGER)
    refresh(connection, index)
    sums = {name: {"sum": {"field": name}} for name in COUNTS}
    ends = {"first": {"min": {"field": "micros.first"}}, "last": {"max": {"field": "micros.last"}}}
    aggs = sums | ends
    body = {
        "size": 0,
        "query": {"exists": {"field": "sha256"}},
        "aggs": {
            "without": {"missing": {"field": "dataset"}, "aggs": aggs},
            "datasets": {"terms": {"field": "dataset", "size": 10_000, "order": {"_key": "asc"}}, "aggs": aggs},
        },
    }
    answer = connection.ask("POST", f"/{index}/_search", body, also=(404,), allow_partial_search_results="false")
    if answer.status == 404:
        return []
    found = answer.body["aggregations"]
    buckets = [(None, found["without"]), *[(bucket["key"], bucket) for bucket in found["datasets"]["buckets"]]]
    return [_sums(connection, names, dataset, bucket) for dataset, bucket in buckets if bucket["doc_count"]]


def _sums(connection: Connection, names: Names, dataset: str | None, bucket: dict[str, Any]) -> DatasetStats:
    counts = {name: int(float(bucket[name]["value"])) for name in COUNTS}
    ends = [bucket[name]["value"] for name in ("first", "last")]
    return DatasetStats(
        dataset,
        bucket["doc_count"],
        **counts | {"events": counts["events"] - counts["duplicates"]},
        bytes=stored_bytes(connection, names, dataset) if dataset else 0,
        first=_time(ends[0]),
        last=_time(ends[1]),
    )


def stored_bytes(connection: Connection, names: Names, dataset: str) -> int:
    """What the indices of a dataset take on disk, replicas left out."""
    path = f"/{names.events(dataset)}/_stats/store"
    answer = connection.ask("GET", path, ignore_unavailable="true", allow_no_indices="true")
    return int(answer["_all"]["primaries"].get("store", {}).get("size_in_bytes", 0))


def _time(value: Any) -> datetime | None:
    return None if value is None else from_micros(int(float(value)))
