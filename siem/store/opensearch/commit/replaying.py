"""Rejects that were parsed again: an entry of the log moves the object's counts and gives it the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from siem.errors import Refused
from siem.parsing.batch import Parsed
from siem.schema import DatasetFields
from siem.store.contract import StoredReject
from siem.store.opensearch.cluster import indices
from siem.store.opensearch.cluster.scanning import documents
from siem.store.opensearch.commit import rejects, rows
from siem.store.opensearch.commit.claims import Contended, Writer
from siem.store.opensearch.commit.conflicts import Conflicts, Item
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import WRITING, Row
from siem.store.opensearch.commit.writing import Place, ends
from siem.store.opensearch.events.bulk import CONFLICT, Bulk
from siem.store.opensearch.events.documents import BulkLines
from siem.store.opensearch.names import States

FIRST = 1 << 40
"""`siem.seq` of replayed events lies beyond those of the object's other events; a reject has room for a million."""


@dataclass(frozen=True)
class Replay:
    """What the rejects `stored` of one object came to."""

    object: str
    stored: Sequence[StoredReject]
    parsed: Parsed
    parser_version: str


def replay(place: Place, log: Log, what: Replay, now: datetime) -> int:
    """Events stored; 0, and nothing changed, where the rejects are not all there any more."""
    while True:
        writer = place.writer()
        try:
            log.follow()
            row = log.rows([what.object]).get(what.object)
            if row is None or not row.holds or not _are_there(place, what):
                return 0
            written = _written(place, log, writer, what, row.unique_ids, now)
            place.step("written")
            number = log.append(_entry(place, what, row, written))
            place.step("entered")
            if log.rows([what.object])[what.object].applied == number:
                return len(written.lines)
        except Contended:
            continue
        finally:
            writer.end()
        # another replay of the object was faster: its counts come first


@dataclass(frozen=True)
class Written:
    """Events of a replay that are stored under a claim of their own. lines: index, id and document of each."""

    claim: str
    lines: Sequence[tuple[str, str, str]] = ()


def _written(place: Place, log: Log, writer: Writer, what: Replay, unique_ids: bool, now: datetime) -> Written:
    """Write the events so that nobody sees them yet: as those of a claimed object, which the entry gives their own."""
    claim = f"{what.object}.{writer.token}"
    if what.parsed.batch is None or not what.parsed.events:
        return Written(claim)
    writer.beat()
    log.put([Row(claim, WRITING, token=writer.token)])
    fields = place.fields.get(what.parsed.dataset) or DatasetFields(what.parsed.dataset)
    first = FIRST + (min(stored.reject.ordinal for stored in what.stored) << 20)
    names = place.names.without(log.pointer().dropped)
    writing = BulkLines(fields, names, unique_ids, now)
    lines = writing.segment(what.parsed.batch, first).split(b"\n")
    indices.make(place.connection, names, place.fields, {what.parsed.dataset: writing.indices})
    own, claimed = (b'"siem.object":"%b"' % name.encode() for name in (what.object, claim))
    hidden = [line.replace(own, claimed, 1) if at % 2 else line for at, line in enumerate(lines)]
    duplicates = _duplicates(place, Conflicts(place.connection, log, writer, [claim]), hidden)
    stored = [Item.of(lines, at) for at in range(len(lines) // 2)]
    stored = [item for item in stored if (claim, item.seq) not in duplicates]
    return Written(claim, [(item.index, item.id, item.body.decode()) for item in stored])


def _duplicates(place: Place, settling: Conflicts, lines: Sequence[bytes]) -> set[tuple[str, int]]:
    """Object and `siem.seq` of each."""
    found: set[tuple[str, int]] = set()
    for _, outcomes in Bulk(place.connection).send([b"\n".join(lines)]):
        for outcome in outcomes:
            if outcome.status != CONFLICT:
                raise Refused(f"store {place.connection.name}: a replayed event: {outcome.reason}")
        found |= settling.settle([Item.of(lines, outcome.place) for outcome in outcomes]).keys()
    return found


def _entry(place: Place, what: Replay, row: Row, written: Written) -> Mapping[str, Any]:
    """What the log says: the row with moved counts, the events, and which rejects are no more, or stay."""
    assert row.row is not None  # noqa: S101  (it holds events)
    parsed, stored = what.parsed, len(written.lines)
    counts = {
        "records": parsed.records - len(what.stored),
        "events": parsed.events,
        "rejects": len(parsed.rejects) - len(what.stored),
        "skipped": parsed.skipped,
        "duplicates": parsed.events - stored,
    }
    periods = Counter(row.periods)
    periods.update([place.names.period_of(parsed.dataset, index) for index, _, _ in written.lines])
    moved = replace(row, row=rows.moved(row.row, counts, *ends(parsed.batch)), periods=dict(periods))
    kept = [
        rejects.kept(place.names, what.object, parsed.dataset, what.parser_version, reject) for reject in parsed.rejects
    ]
    gone = {rejects.place(what.object, one.reject.ordinal) for one in what.stored}
    return {
        "kind": "replay",
        "rows": [rows.written(moved)],
        "replays": row.replays,
        "turn": stored > 0,
        "claim": written.claim,
        "events": written.lines,
        "kept": {operation.id: operation.document for operation in kept},
        "gone": sorted(gone - {operation.id for operation in kept}),
    }


def _are_there(place: Place, what: Replay) -> bool:
    """As they were read: not those of the object parsed again."""
    ids = [rejects.place(what.object, stored.reject.ordinal) for stored in what.stored]
    found = documents(place.connection, place.names.state(States.REJECTS), ids)
    return all(
        doc is not None and _is_same(doc["_source"], stored) for doc, stored in zip(found, what.stored, strict=True)
    )


def _is_same(source: Mapping[str, Any], stored: StoredReject) -> bool:
    return source["parser_version"] == stored.parser_version and rejects.read(source) == stored.reject
