"""Batches made from documents, for tests of everything that comes after parsing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from siem.parsing.batch import Decoded, Documents, ends_of
from siem.schema import BY_NAME, ORDER, Kind, arrow_type

Document = Mapping[str, Any]


@dataclass(frozen=True)
class DocumentBatch:
    """A `Batch` of documents as `ndjson()` gives them, decoded.

    A document whose key is the dataset's name holds a JSON record there, with open `payloads`; every other key is a
    schema field or a native column.
    """

    dataset: str
    given: Sequence[Document]
    payloads: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.given)

    def ndjson(self) -> bytes:
        return b"".join(orjson.dumps(_ordered(document)) + b"\n" for document in self.given)

    def lines(self) -> Iterable[bytes]:
        return self.ndjson().splitlines()

    def ends(self) -> tuple[str, str]:
        return ends_of([document["@timestamp"] for document in self.given])

    def documents(self) -> Documents:
        return Decoded(self.ndjson().splitlines())

    def arrow(self) -> pa.Table:
        return self._table

    @cached_property
    def _table(self) -> pa.Table:
        names = dict.fromkeys(name for document in self.given for name in _ordered(document))
        columns = {name: self._column(name) for name in names if name != self.dataset}
        if self.dataset in names:
            for key in self.payloads:
                values = [document[self.dataset].get(key) for document in self.given]
                if any(value is not None for value in values):
                    texts = [None if value is None else _json(value) for value in values]
                    columns[f"{self.dataset}.{key}"] = pa.array(texts, pa.string())
            rests = [_json(_without(document[self.dataset], self.payloads)) for document in self.given]
            columns[self.dataset] = pa.array(rests, pa.string())
        return pa.table(columns)

    def _column(self, name: str) -> pa.Array:
        values = [document.get(name) for document in self.given]
        if name in BY_NAME and BY_NAME[name].kind is Kind.DATE:
            values = [None if value is None else datetime.fromisoformat(value) for value in values]
        return pa.array(values, arrow_type(name))


def _ordered(document: Document) -> dict[str, Any]:
    there = {name: value for name, value in document.items() if value is not None}
    return dict(sorted(there.items(), key=lambda item: ORDER.get(item[0], len(ORDER))))


def _without(record: Document, payloads: Sequence[str]) -> Document:
    return {key: None if key in payloads else value for key, value in record.items()}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
