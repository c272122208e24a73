"""Signals of objects that were parsed again to be judged again: what a rule finds now takes their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from siem.store.contract import Judged, Signal
from siem.store.opensearch import signals as kept
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import scan
from siem.store.opensearch.commit.log import Log, Pointer
from siem.store.opensearch.names import Names, States
from siem.store.times import micros

Marks = Mapping[str, Mapping[str, int]]
"""By dataset and rule."""


def replaced(
    connection: Connection, names: Names, log: Log, judged: Judged, marks: Marks
) -> Iterator[tuple[str, Signal]]:
    """What rules had found in objects that they have judged again now: their marks pass the objects' turns, or they pay
    what they owed. marks: as they stood before; a first one passes nothing.
    """
    pointer = log.pointer()
    owed, paid = set(judged.owed), set(judged.paid)
    for dataset in sorted({dataset for _, dataset in judged.marks}):
        spans = {
            rule: (before, turn)
            for (rule, of), turn in judged.marks.items()
            if of == dataset and (before := marks.get(dataset, {}).get(rule, turn)) < turn
        }
        turns = _turns(connection, names, dataset, spans, pointer) if spans else {}
        for id_, signal in _signals(connection, names, [{"terms": {"rule_id": list(spans)}}], turns, pointer):
            before, after = spans[signal.rule_id]
            if before < turns[signal.object] <= after and judge(signal) not in owed:
                yield id_, signal
    rows = log.rows(sorted({object_ for _, object_ in paid}))
    again = [id_ for id_, row in rows.items() if row.again]
    for id_, signal in _signals(connection, names, [], again, pointer):
        if judge(signal) in paid:
            yield id_, signal


def judge(signal: Signal) -> tuple[str, str]:
    """The event rule that found it, and in which object: as what rules owe is told."""
    return signal.matched or signal.rule_id, signal.object


def _turns(
    connection: Connection, names: Names, dataset: str, spans: Mapping[str, tuple[int, int]], pointer: Pointer
) -> dict[str, int]:
    """Of objects that are to be judged again, as far as a mark may pass them."""
    first, last = min(before for before, _ in spans.values()), max(after for _, after in spans.values())
    if first >= pointer.again.get(dataset, 0):
        return {}
    span = {"range": {"turn": {"gt": first, "lte": last}}}
    query = {"bool": {"filter": [{"term": {"dataset": dataset}}, {"term": {"again": True}}, span]}}
    found = scan(connection, names.state(States.LEDGER), query, source=["turn"])
    return {hit["_id"]: hit["_source"]["turn"] for hit in found}


def _signals(
    connection: Connection, names: Names, filters: list[Any], objects: Collection[str], pointer: Pointer
) -> Iterator[tuple[str, Signal]]:
    """Of these objects, but for those of events that retention dropped."""
    query = {"bool": {"filter": [*filters, {"terms": {"object": list(objects)}}]}}
    for id_, signal in kept.signals(connection, names, query) if objects else ():
        dropped = pointer.dropped.get(signal.dataset)
        if dropped is None or micros(signal.timestamp) >= micros(dropped):
            yield id_, signal
