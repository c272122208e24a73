"""Parquet as events are written to it, and read by row group and by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.disk import flush

ROW_GROUP, ROW_GROUP_BYTES = 65_536, 8 << 20
"""What is read at least where one document is wanted, in rows and in memory. Flow lines come to 46,000 rows: 0.7 of the
time to write and 0.8 of the size of 16,384, as each row group has its dictionaries again; one document of a file costs
44 ms for 19, a hundred cost less."""

VARYING = frozenset(("event.id", "http.request.id"))
"""Text in which hardly a value repeats: a dictionary would cost time and give nothing."""

SAMPLE, REPEATS = 4096, 4
"""Rows by which it is judged whether numbers repeat, and how often one has to come on average."""


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write and flush to the disk. Columns without a value are left out.

    A column without nulls is said to have none, so that no row has to say so: 0.87 of the time to write flow lines.
    """
    table = table.select([name for name in table.column_names if table[name].null_count < len(table)])
    table = table.cast(pa.schema([field.with_nullable(table[field.name].null_count > 0) for field in table.schema]))
    pq.write_table(table, path, row_group_size=_group_rows(table), **_way(table))
    flush(path)


class Growing:
    """A file that is written a row group at a time, flushed to the disk in the end.

    schema: of all rows. like: some of them, by which it is judged how all are written.
    """

    def __init__(self, path: Path, schema: pa.Schema, like: pa.Table) -> None:
        self.path, self.rows = path, 0
        self._writer = pq.ParquetWriter(path, schema, **_way(like))

    def write(self, table: pa.Table) -> None:
        """Row groups of these rows."""
        self._writer.write_table(table, row_group_size=_group_rows(table))
        self.rows += len(table)

    @property
    def bytes(self) -> int:
        """On the disk, up to now."""
        return self.path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind is None:
            flush(self.path)


def _group_rows(table: pa.Table) -> int:
    return max(1, min(ROW_GROUP, ROW_GROUP_BYTES * len(table) // max(1, int(table.nbytes))))


def _way(table: pa.Table) -> dict[str, Any]:
    """How columns are written.

    Numbers that do not repeat are written as differences: they are read in half the time, and hardly compress further.
    """
    repeating = [name for name in table.column_names if _repeats(name, table[name])]
    numbers = [field.name for field in table.schema if pa.types.is_int64(field.type) and field.name not in repeating]
    return {
        "compression": {name: "none" if name in numbers else "zstd" for name in table.column_names},
        "compression_level": {name: 1 for name in table.column_names if name not in numbers},
        "use_dictionary": repeating,
        "column_encoding": dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        "write_statistics": ["@timestamp"],  # of all columns: 1.2 × the time, and values of others are all over a file
        "store_schema": False,  # dictionaries are a matter of the file, not of who reads it
    }


def _repeats(name: str, column: pa.ChunkedArray) -> bool:
    """Numbers and short text that come again are worth a dictionary; identities and JSON (100 bytes each) are not."""
    if pa.types.is_dictionary(column.type):
        return True
    if pa.types.is_int64(column.type) or pa.types.is_timestamp(column.type):
        sample = column.slice(0, SAMPLE)
        return bool(pc.count_distinct(sample).as_py() * REPEATS <= len(sample))
    return name not in VARYING and bool(pa.types.is_string(column.type)) and column.nbytes < 100 * len(column)


def read_groups(file: pq.ParquetFile, groups: Sequence[int], columns: Collection[str] | None) -> pa.Table:
    """Row groups; of the columns those that the file has."""
    return file.reader.read_row_groups(list(groups), column_indices=_numbers(file, columns), use_threads=False)


def _numbers(file: pq.ParquetFile, columns: Collection[str] | None) -> list[int]:
    """Columns by their numbers: by its name `aws.cloudtrail` would mean all of `aws.cloudtrail.…` as well."""
    names = file.metadata.schema.names
    return [number for number, name in enumerate(names) if columns is None or name in columns]


def rows_at(path: Path, positions: Sequence[int] | np.ndarray, columns: Collection[str] | None = None) -> pa.Table:
    """Rows of a file by their position, in the given order: those of the columns (None: all) that the file has.

    Reads the row groups that hold them alone, few at a time.
    """
    at = np.asarray(positions, dtype=np.int64)
    with pq.ParquetFile(path) as file:
        if columns is not None and not set(columns).intersection(file.metadata.schema.names):
            return pa.table({})
        sizes = np.array([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)])
        ends = np.cumsum(sizes)
        group_of = np.searchsorted(ends, at, side="right")
        order = np.argsort(at, kind="stable")
        taken = []
        for groups in _few(file, np.flatnonzero(np.bincount(group_of)).tolist(), columns):
            read = read_groups(file, groups, columns)
            rows = order[np.searchsorted(group_of[order], groups[0]) :][: int(np.isin(group_of, groups).sum())]
            shifts = np.zeros(len(sizes), np.int64)  # from a position in the file to one in what was read
            shifts[groups] = np.cumsum(sizes[groups]) - ends[groups]
            taken.append(read.take(at[rows] + shifts[group_of[rows]]))
    back = np.empty(len(at), np.int64)
    back[order] = np.arange(len(at))
    return pa.concat_tables(taken).take(back)


def _few(file: pq.ParquetFile, groups: Sequence[int], columns: Collection[str] | None) -> Iterator[list[int]]:
    """Row groups that are read at a time: one where it is large, many where a few short columns are asked for."""
    numbers = _numbers(file, columns)
    some: list[int] = []
    held = 0
    for group in groups:
        metadata = file.metadata.row_group(group)
        size = sum([metadata.column(number).total_uncompressed_size for number in numbers])
        if some and held + size > ROW_GROUP_BYTES:
            yield some
            some, held = [], 0
        some.append(group)
        held += size
    yield some
