"""Rows of a file back to documents: the same that `Batch.ndjson()` gave when they were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from siem.parsing.batch import text_of
from siem.schema import ORDER, decoded
from siem.store.times import from_micros

Document = dict[str, Any]


def documents(table: pa.Table, dataset: str, nested: bool) -> list[Document]:
    """One document per row of a table shaped as `Batch.arrow()`, or of some of its columns: schema fields in their
    order, then native ones.

    nested: the native columns are parts of a JSON record.
    """
    rows: list[Document] = [{} for _ in range(len(table))]
    for name in sorted(ORDER.keys() & set(table.column_names), key=ORDER.__getitem__):
        _fill(rows, name, table[name])
    native = [name for name in table.column_names if name not in ORDER]
    if not nested:
        for name in native:
            _fill(rows, name, table[name])
    elif native:
        for row, record in zip(rows, _records(table, dataset, native), strict=True):
            row[dataset] = record
    return rows


def joined(documents: Sequence[Document], more: Sequence[Document], dataset: str) -> None:
    """Add to documents what is held of them elsewhere."""
    for document, other in zip(documents, more, strict=True):
        record, added = document.get(dataset), other.get(dataset)
        document.update(other)
        if isinstance(record, dict) and isinstance(added, dict):
            document[dataset] = record | {key: value for key, value in added.items() if value is not None}


def _fill(rows: Sequence[Document], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, _values(column), strict=True):
        if value is not None:
            row[name] = value


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return [None if at is None else text_of(from_micros(at)) for at in column.cast(pa.int64()).to_pylist()]


def _records(table: pa.Table, dataset: str, native: Sequence[str]) -> Iterator[Any]:
    """The JSON records, each open payload back in its place; without what no column is at hand of."""
    keys = [name.removeprefix(f"{dataset}.") for name in native if name != dataset]
    payloads = [table[f"{dataset}.{key}"].to_pylist() for key in keys]
    rests = table[dataset].to_pylist() if dataset in native else ["{}"] * len(table)
    for at, rest in enumerate(rests):
        record = decoded(rest)
        for key, texts in zip(keys, payloads, strict=True):
            if texts[at] is not None:
                record[key] = decoded(texts[at])
        yield record
