"""Objects and events made up for tests of stores, and short ways to write and read them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from siem import schema
from siem.parsing.batch import Batch, Parsed, Reject, text_of
from siem.schema import Clause, Dialect, Query, Question, SourceObject
from siem.store.contract import Alert, Delivery, Hit, LedgerRow, Signal, State, Store
from siem.testing.batches import Document, DocumentBatch

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
START = datetime(2026, 11, 1, 10, tzinfo=UTC)
FLOW, TRAIL = "aws.vpcflow", "aws.cloudtrail"
NOTHING: Mapping[str, Any] = {}


def delivery(key: str, content: str | None = None) -> Delivery:
    """An object; of the same content (default: its key), the same bytes."""
    octets = (content or key).encode("utf-8", "surrogateescape")
    return Delivery(SourceObject("logs", key), hashlib.sha256(octets).hexdigest(), len(octets))


def trail(of: Delivery, *ids: str, start: datetime = START, more: Document = NOTHING) -> DocumentBatch:
    """CloudTrail events of these ids, a second apart."""
    return DocumentBatch(
        TRAIL,
        [
            {
                "@timestamp": text_of(start + timedelta(seconds=at)),
                "event.id": id_,
                "event.dataset": TRAIL,
                "siem.object": of.source.id,
                **more,
                TRAIL: {"eventID": id_, "requestParameters": {"name": id_}, "responseElements": None, "n": [1, 2.5]},
            }
            for at, id_ in enumerate(ids)
        ],
        ("requestParameters", "responseElements"),
    )


def flows(of: Delivery, count: int, start: datetime = START, first: int = 0, more: Document = NOTHING) -> DocumentBatch:
    """Flow events, a second apart, with ids of their position."""
    return DocumentBatch(
        FLOW,
        [
            {
                "@timestamp": text_of(start + timedelta(seconds=at)),
                "event.id": f"{of.sha256[:24]}-{at}",
                "event.dataset": FLOW,
                "source.port": at,
                "siem.object": of.source.id,
                "aws.vpcflow.log-status": "OK",
                **more,
            }
            for at in range(first, first + count)
        ],
    )


def reject(ordinal: int) -> Reject:
    return Reject.of(ordinal, "no good", b"\xff record %d" % ordinal)


def put(
    store: Store,
    *objects: tuple[Delivery, Parsed | list[Parsed]],
    state: State = State.COMMITTED,
    now: datetime = NOW,
) -> list[LedgerRow]:
    """Commit whole objects together."""
    with store.writing(now) as writing:
        for of, blocks in objects:
            for block in blocks if isinstance(blocks, list) else [blocks]:
                writing.add(of, block, "1", unique_ids=block.dataset == TRAIL)
            writing.finish(of, state)
        return writing.commit()


def waiting(store: Store, dataset: str = TRAIL, rule: str = "r") -> list[str]:
    """Objects that a rule has not judged."""
    return [of.object for of in store.pending(dataset, store.progress().marks.get(dataset, {}).get(rule, 0))]


def as_it_stands(rule: str, signals: Sequence[Signal], standing: Sequence[Alert]) -> Sequence[Alert]:
    """Settles no alert."""
    return standing


def every(store: Store, dataset: str = TRAIL) -> Question:
    """Finds every event."""
    if store.dialect is Dialect.DUCKDB:
        return Query(dataset, "TRUE")
    return Clause(dataset, {"match_all": {}})


def nothing(store: Store, dataset: str = TRAIL) -> Question:
    """Finds no event."""
    if store.dialect is Dialect.DUCKDB:
        return Query(dataset, "FALSE")
    return Clause(dataset, {"match_none": {}})


def broken(store: Store, dataset: str = TRAIL) -> Question:
    """Cannot be run."""
    if store.dialect is Dialect.DUCKDB:
        return Query(dataset, "this is (no condition")
    return Clause(dataset, {"regexp": {"event.action": {"value": "(no expression"}}})


def found(store: Store, dataset: str, **limits: Any) -> list[Hit]:
    return list(store.search([every(store, dataset)], **limits))


def ids(store: Store, dataset: str = TRAIL, **limits: Any) -> list[str]:
    return [hit.event_id for hit in found(store, dataset, **limits)]


def decoded(batch: Batch) -> list[dict[str, Any]]:
    return [schema.decoded(line) for line in batch.ndjson().splitlines()]
