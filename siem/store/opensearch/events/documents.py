"""From a batch to the lines of a bulk request: each event's action, and its document with what the store adds.

A document is the event's line of `Batch.ndjson()`, with `siem.seq` and what `schema.additions` says before its closing
brace. That function is the specification; here the same is written in two fifths of the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime

import orjson

from siem.parsing.batch import Batch
from siem.parsing.columns import ColumnBatch
from siem.schema import SEQ, DatasetFields, additions
from siem.store.opensearch.events.column_documents import in_columns
from siem.store.opensearch.events.places import Places
from siem.store.opensearch.events.record_leaves import RecordLeaves, ended
from siem.store.opensearch.names import Names

TOGETHER = 1 << 20
"""Bytes of events whose lines are joined."""

OPENING, NAMED = b'{"create":{"_index":"', b'","_id":'
SEQUEL = f',"{SEQ}":'.encode()


class BulkLines:
    """Writes the events of one dataset for one commit.

    unique_ids: as parsers declare it: the source gave its events ids. now: when the commit began; it says which indices
    are within reach (`Names.of`).
    """

    def __init__(self, fields: DatasetFields, names: Names, unique_ids: bool, now: datetime) -> None:
        self._fields = fields
        self._places = Places(fields.dataset, names, unique_ids, now)
        self._leaves = RecordLeaves(fields) if fields.nested else None

    @property
    def indices(self) -> Collection[str]:
        """Where the events go, as far as they were written; perhaps one more."""
        return self._places.indices

    def counts(self, batch: Batch) -> Counter[str]:
        """How many of the events are written to which index."""
        return self._places.counts(batch)

    def segments(self, batch: Batch, first: int) -> Iterator[bytes]:
        """Action and document of each event in turn, a line each, in the order of `batch.ndjson()`; in pieces of a few
        MB at most, each of whole events.

        `_id` is the event's id, or `<event.id>@<microseconds since 1970>` where it is the source's own. `siem.seq` is
        first, first + 1, …
        """
        columns = batch if isinstance(batch, ColumnBatch) and not self._fields.nested else None
        found = in_columns(columns, self._places, first) if columns else None
        return self._in_rows(batch, first) if found is None else found

    def segment(self, batch: Batch, first: int) -> bytes:
        """`segments` in one: of much, at a third more of the time."""
        return b"".join(self.segments(batch, first))

    def _in_rows(self, batch: Batch, first: int) -> Iterator[bytes]:
        documents, pieces, size = batch.documents(), list[bytes](), 0
        heads = map(self._action, documents.column("event.id"), documents.column("@timestamp"))
        held = documents.rows(self._leaves.names if self._leaves else [])
        for row, (head, line, texts) in enumerate(zip(heads, batch.lines(), held, strict=True)):
            if self._leaves is not None:
                end = self._leaves.ending(line, texts)
            else:
                end = ended(additions(documents[row], self._fields))
            pieces += (head, line[:-1], SEQUEL, b"%d" % (first + row), end)
            size += len(line)
            if size > TOGETHER:
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield b"".join(pieces)

    def _action(self, event_id: str, time: str) -> bytes:
        index, suffix = self._places[time]
        return b"".join((OPENING, index, NAMED, orjson.dumps(event_id + suffix), b"}}\n"))
