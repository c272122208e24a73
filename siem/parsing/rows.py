"""A batch of JSON records in rows: one event Struct each, the record's own bytes spliced in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
from msgspec.structs import astuple

from siem.parsing.payloads import cut_out
from siem.schema import BY_NAME, Kind, arrow_type

ENCODED = 128
"""Events that are encoded at a time: two thirds of the time of all at once, whose buffer grows and is copied."""

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class RowBatch:
    """Events (Structs of `event_type`), and the records that they were made from as dictionaries, in the same order.

    payloads: keys of open payloads, each of which gets a column of its own; their values are views of `event.record`.
    """

    dataset: str
    events: Sequence[Any]
    records: Sequence[Any]
    payloads: Sequence[str]

    def __len__(self) -> int:
        return len(self.events)

    def ndjson(self) -> bytes:
        starts = range(0, len(self.events), ENCODED)
        return b"".join([_encoder.encode_lines(self.events[start : start + ENCODED]) for start in starts])

    def arrow(self) -> pa.Table:
        columns: dict[str, pa.Array] = {}
        names = [column.encode_name for column in msgspec.structs.fields(self.events[0])]
        for name, values in zip(names, zip(*map(astuple, self.events), strict=True), strict=True):
            field = BY_NAME.get(name)  # none for the record itself
            if field is not None and values.count(None) < len(values):
                column = pa.array(values, pa.string() if field.kind is Kind.DATE else arrow_type(field.name))
                columns[field.name] = column.cast(arrow_type(field.name)) if field.kind is Kind.DATE else column
        parts = {key: [record.get(key) for record in self.records] for key in self.payloads}
        payloads, rest = cut_out([event.record for event in self.events], parts)
        columns |= {f"{self.dataset}.{key}": column for key, column in payloads.items()}
        columns[self.dataset] = rest
        return pa.table(columns)


Fill = Callable[[Any, Any], None]
"""`fill(record, event)`: the parser's own part, pure: sets the event's attributes from the decoded record."""
