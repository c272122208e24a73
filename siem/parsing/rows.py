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

_encoder = msgspec.json.Encoder()
_top = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class RowBatch:
    """Events (Structs of `event_type`), and the decoded records that they were made from, in the same order.

    payloads: attribute of the decoded record -> key of an open payload, which gets a column of its own.
    """

    dataset: str
    events: Sequence[Any]
    records: Sequence[Any]
    payloads: Sequence[str]

    def __len__(self) -> int:
        return len(self.events)

    def ndjson(self) -> bytes:
        return _encoder.encode_lines(self.events)

    def arrow(self) -> pa.Table:
        columns: dict[str, pa.Array] = {}
        for field in FIELDS:
            values = list(map(attrgetter(attribute(field.name)), self.events))
            if any(value is not None for value in values):
                column = pa.array(values, pa.string() if field.kind is Kind.DATE else arrow_type(field.name))
                columns[field.name] = column.cast(arrow_type(field.name))
        for key in self.payloads:
            values = [_text(raw) for raw in map(attrgetter(key), self.records)]
            if any(value is not None for value in values):
                columns[f"{self.dataset}.{key}"] = pa.array(values, pa.string())
        columns[self.dataset] = pa.array(list(map(self._rest, self.events, self.records)), pa.string())
        return pa.table(columns)

    def _rest(self, event: Any, record: Any) -> bytes:
        """The record with each open payload replaced by null."""
        text = bytes(event.record)
        for key in self.payloads:
            payload = _text(getattr(record, key))
            if payload is None:
                continue
            named = b'"' + key.encode() + b'":'
            if text.count(named) != 1 or named + payload not in text:
                return without(bytes(event.record), self.payloads)
            text = text.replace(named + payload, named + b"null")
        return text


def _text(payload: bytes | None) -> bytes | None:
    """The payload's JSON; None where there is none, or null."""
    return None if payload == b"null" else payload


def without(record: bytes, payloads: Sequence[str]) -> bytes:
    """The record with the values of these top-level keys replaced by null, key by key."""
    parts = _top.decode(record)
    return (
        b"{"
        + b",".join(
            [
                msgspec.json.encode(key) + b":" + (b"null" if key in payloads else bytes(raw))
                for key, raw in parts.items()
            ]
        )
        + b"}"
    )


Fill = Callable[[Any, Any], None]
"""`fill(record, event)`: the parser's own part, pure: sets the event's attributes from the decoded record."""
