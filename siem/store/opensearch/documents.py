"""From a batch to the lines of a bulk request: each event's action, and its document with what the store adds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from siem.parsing.batch import Batch
from siem.schema import SEQ, DatasetFields, additions, decoded
from siem.store.opensearch.names import Names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class BulkLines:
    """Writes the events of one dataset for one commit.

    unique_ids: events have ids of their own only together with their time: see `identity`.
    now: when the commit began; it says which indices are within reach (`Names.of`).
    """

    def __init__(self, fields: DatasetFields, names: Names, unique_ids: bool, now: datetime) -> None:
        self._fields, self._names, self._unique_ids, self._now = fields, names, unique_ids, now

    def segment(self, batch: Batch, first: int) -> bytes:
        """Action and document of each event in turn, a line each, in the order of `batch.ndjson()`.

        A document is the event's line with `siem.seq` (first, first + 1, …) and what `schema.additions` says behind it.
        """
        lines = batch.ndjson().split(b"}\n")[:-1]
        pieces: list[bytes] = []
        for seq, line in enumerate(lines, first):
            document = decoded(line + b"}")
            added = orjson.dumps({SEQ: seq, **additions(document, self._fields)})
            pieces += [self._action(document["event.id"], document["@timestamp"]), line, b",", added[1:], b"\n"]
        return b"".join(pieces)

    def _action(self, event_id: str, text: str) -> bytes:
        time = datetime.fromisoformat(text)
        index = self._names.of(self._fields.dataset, time, self._now)
        name = identity(event_id, time) if self._unique_ids else event_id
        return orjson.dumps({"create": {"_index": index, "_id": name}}) + b"\n"


def identity(event_id: str, time: datetime) -> str:
    """`_id` of an event whose source gave it an id: at another time it is another event."""
    return f"{event_id}@{(time - EPOCH) // MICROSECOND}"
