"""A batch of JSON records in rows: one event Struct each, the record's own bytes spliced in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from siem.parsing.event import attribute
from siem.schema import FIELDS, Kind, arrow_type

ENCODED = 128
"""Events that are encoded at a time: two thirds of the time of all at once, whose buffer grows and is copied."""

_encoder = msgspec.json.Encoder()
_top = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class RowBatch:
    """Events (Structs of `event_type`), and the records that they were made from as dictionaries, in the same order.

    payloads: keys of open payloads, each of which gets a column of its own.
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
        for field in FIELDS:
            values = list(map(attrgetter(attribute(field.name)), self.events))
            if values.count(None) < len(values):
                column = pa.array(values, pa.string() if field.kind is Kind.DATE else arrow_type(field.name))
                columns[field.name] = column.cast(arrow_type(field.name)) if field.kind is Kind.DATE else column
        rests = [bytes(event.record) for event in self.events]
        for key in self.payloads:
            values = [_present(record.get(key)) for record in self.records]
            if values.count(None) < len(values):
                columns[f"{self.dataset}.{key}"] = pa.array(values, pa.string())
                rests = [
                    _without(key, rest, value) if value else rest for rest, value in zip(rests, values, strict=True)
                ]
        columns[self.dataset] = pa.array(rests, pa.string())
        return pa.table(columns)


def _present(part: bytes | msgspec.Raw | None) -> bytes | None:
    """A payload's JSON; None where there is none, or null."""
    if part is None:
        return None
    text = b"".join((part,))  # half the time of bytes(part)
    return None if text == b"null" else text


def _without(key: str, record: bytes, payload: bytes) -> bytes:
    """The record with the value of the top-level `key` replaced by null; `payload` is that value's text."""
    named = b'"%b":' % key.encode()
    start = record.find(named) + len(named)
    if record.startswith(payload, start) and record.find(named, start) < 0:
        return b"".join((record[:start], b"null", record[start + len(payload) :]))
    parts = {name: b"null" if name == key else bytes(raw) for name, raw in _top.decode(record).items()}
    return b"{%b}" % b",".join([b"%b:%b" % (_encoder.encode(name), raw) for name, raw in parts.items()])


Fill = Callable[[Any, Any], None]
"""`fill(record, event)`: the parser's own part, pure: sets the event's attributes from the decoded record."""
