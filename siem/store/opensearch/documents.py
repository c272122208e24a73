"""From a batch to the lines of a bulk request: each event's action, and its document with what the store adds.

A document is the event's line of `Batch.ndjson()`, with `siem.seq` and what `schema.additions` says before its closing
brace. That function is the specification; here the same is written in a third of the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, repeat
from typing import Any

import orjson

from siem.parsing.batch import Batch
from siem.parsing.columns import ColumnBatch
from siem.schema import LEAVES, SEQ, DatasetFields, additions, decoded
from siem.schema.leaves import LONGEST, MOST, TEXT_FIELDS
from siem.store.opensearch.column_documents import in_columns
from siem.store.opensearch.names import Names
from siem.store.opensearch.places import Places
from siem.store.opensearch.record_leaves import RecordLeaves

TOGETHER = 1 << 20
"""Bytes of events whose lines are joined."""

SMALL, LARGE = 5_000, 16 << 10
"""Bytes of an event. A small one has no long text, and not too many leaves: of n bytes they are n * n / 8 at most.
Those of a large one are counted before they are written: they could be a thousand times as long."""

OPENING, NAMED = b'{"create":{"_index":"', b'","_id":'
SEQUEL = f',"{SEQ}":'.encode()
LISTED = f',"{LEAVES}":'.encode()


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
        held = self._leaves.held(documents) if self._leaves else repeat((), len(documents))
        for row, (head, line, texts) in enumerate(zip(heads, batch.lines(), held, strict=True)):
            pieces += (head, line[:-1], SEQUEL, b"%d" % (first + row), self._added(line, documents[row], texts))
            size += len(line)
            if size > TOGETHER:
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield b"".join(pieces)

    def _action(self, event_id: str, time: str) -> bytes:
        index, suffix = self._places[time]
        return b"".join((OPENING, index, NAMED, orjson.dumps(event_id + suffix), b"}}\n"))

    def _added(self, line: bytes, document: Mapping[str, Any], held: Sequence[Any]) -> bytes:
        """The end of a document, from what stands behind `siem.seq`. held: see `RecordLeaves.held`."""
        if self._leaves is None:
            return ended(additions(document, self._fields))
        if len(line) > LARGE:
            return ended(additions(decoded(line), self._fields))
        items = self._leaves.items(document, held)
        if len(line) > SMALL and has_long(document, items):
            return ended(additions(decoded(line), self._fields))
        return b"".join((LISTED, orjson.dumps(items), b"}\n")) if items else b"}\n"


def ended(added: Mapping[str, Sequence[str]]) -> bytes:
    """Members of a document behind others, its end and the line's."""
    return b"".join([b"," + orjson.dumps(added)[1:] if added else b"}", b"\n"])


def has_long(document: Mapping[str, Any], items: Sequence[str]) -> bool:
    """There may be a text that the index leaves out, or too many."""
    texts = [document[name] for name in TEXT_FIELDS & document.keys()]
    return sum(map(len, items)) > MOST or any(len(text) > LONGEST // 2 for text in chain(items, texts))
