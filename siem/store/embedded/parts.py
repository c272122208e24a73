"""Files in parts of bounded size: a few columns of many rows, from one file or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from siem.schema import arrow_type
from siem.store.embedded.coding import Coded
from siem.store.embedded.parquet import read_groups, rows_at

ROWS, BYTES = 65_536, 48 << 20
"""Rows and bytes of a part. Every statement over a part costs a few ms, whatever the rows."""


@dataclass(frozen=True)
class Piece:
    """Rows of one file that lie together, the first of them being number `start`, of as many as the file has."""

    file: int
    start: int
    of: int
    table: pa.Table


@dataclass(frozen=True)
class Extent:
    """Rows first <= row < end of a file that are in a part, from `offset` on. whole: the file has no more."""

    path: Path
    file: int
    first: int
    end: int
    offset: int
    whole: bool


class Part:
    """Columns of short values, each at hand by its distinct values."""

    def __init__(self, paths: Sequence[Path], pieces: Sequence[Piece]) -> None:
        self._table = pa.concat_tables([piece.table for piece in pieces])
        sizes = [len(piece.table) for piece in pieces]
        self.files = np.repeat([piece.file for piece in pieces], sizes)
        self.places = np.concatenate([np.arange(piece.start, piece.start + len(piece.table)) for piece in pieces])
        self.coded = cache(lambda name: Coded.of(self._table[name]))

        self.extents = list(_extents(paths, pieces))

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, extents: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Rows of the part, by the number of an extent and the position in its file."""
        shifts = np.array([extent.offset - extent.first for extent in self.extents])
        moved: np.ndarray = positions + shifts[extents]
        return moved

    def values(self, name: str) -> int:
        """About how many values a column has."""
        column = self._table[name]
        coded = pa.types.is_dictionary(column.type)
        return max([len(chunk.dictionary) if coded else len(chunk) for chunk in column.chunks], default=0)

    def times(self) -> np.ndarray:
        """Microseconds since 1970."""
        micros: np.ndarray = self._table["@timestamp"].cast(pa.int64()).to_numpy()
        return micros

    def texts(self, columns: Sequence[str], rows: np.ndarray) -> pa.Table:
        """Columns of long text, read where the rows (in order) are."""
        read = []
        for extent in self.extents:
            first, end = np.searchsorted(rows, (extent.offset, extent.offset + extent.end - extent.first))
            if first < end:
                places = rows[first:end] - extent.offset + extent.first
                held = rows_at(extent.path, places, columns)
                missing = pa.nulls(end - first, pa.string())
                read.append(pa.table({name: held[name] if name in held.column_names else missing for name in columns}))
        return pa.concat_tables(read)

    def table(self, columns: Iterable[str], rows: np.ndarray) -> pa.Table:
        return pa.table({name: self.coded(name).taken(rows) for name in sorted(columns)})


def _extents(paths: Sequence[Path], pieces: Sequence[Piece]) -> Iterator[Extent]:
    offset = 0
    for file, group in groupby(pieces, key=attrgetter("file")):
        mine = list(group)
        first, end = mine[0].start, mine[-1].start + len(mine[-1].table)
        yield Extent(paths[file], file, first, end, offset, first == 0 and end == mine[-1].of)
        offset += end - first


def parts(paths: Sequence[Path], columns: frozenset[str]) -> Iterator[Part]:
    """All rows of the files, in their order. Columns that a file has not are null."""
    held: list[Piece] = []
    rows = size = 0
    for piece in _pieces(paths, columns):
        if held and (rows + len(piece.table) > ROWS or size + piece.table.nbytes > BYTES):
            yield Part(paths, held)
            held, rows, size = [], 0, 0
        held.append(piece)
        rows, size = rows + len(piece.table), size + piece.table.nbytes
    if held:
        yield Part(paths, held)


def _pieces(paths: Sequence[Path], columns: frozenset[str]) -> Iterator[Piece]:
    for number, path in enumerate(paths):
        metadata = pq.read_metadata(path)
        names = columns.intersection(metadata.schema.names)
        texts = [name for name in sorted(names) if arrow_type(name) == pa.string()]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=texts) as file:
            for start, groups in _together(metadata):
                table = _completed(read_groups(file, groups, names), columns)
                yield Piece(number, start, metadata.num_rows, table)


def _together(metadata: pq.FileMetaData) -> Iterator[tuple[int, list[int]]]:
    """Row groups that are read at a time, and the number of their first row."""
    start = end = 0
    groups: list[int] = []
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if groups and end - start + rows > ROWS // 4:
            yield start, groups
            start, groups = end, []
        groups.append(group)
        end += rows
    if groups:
        yield start, groups


def _completed(table: pa.Table, columns: frozenset[str]) -> pa.Table:
    """All of the columns, text in dictionaries."""
    made = {}
    for name in sorted(columns):
        column = (
            table[name] if name in table.column_names else pa.chunked_array([pa.nulls(len(table), arrow_type(name))])
        )
        text = pa.types.is_string(column.type)
        made[name] = column.dictionary_encode() if text else column
    return pa.table(made)
