"""The Parquet files of events: written aside, put into place, and swept where the ledger never named them."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.store.embedded.objects import EventFile
from siem.store.times import DAY, EPOCH

EVENTS, ASIDE = "events", "tmp"
ROW_GROUP, ROW_GROUP_BYTES = 65_536, 8 << 20
"""What is read at least where one document is wanted, in rows and in memory. Flow lines come to 46,000 rows: 0.7 of the
time to write and 0.8 of the size of 16,384, as each row group has its dictionaries again; one document of a file costs
44 ms for 19, a hundred cost less."""

MOST_DAYS = 64
"""Partitions that one block of events may open; events of further days share one, so no bad file makes thousands."""

OTHER_DAYS = "other"
ABANDONED, ABANDONED_SPILL = 3600.0, 86_400.0
"""Seconds after which a file without a name is nobody's, and a folder in which a query kept what memory did not."""

VARYING = frozenset(("event.id", "http.request.id"))
"""Text in which hardly a value repeats: a dictionary would cost time and give nothing."""

SAMPLE, REPEATS = 4096, 4
"""Rows by which it is judged whether numbers repeat, and how often one has to come on average."""


def micros_of(table: pa.Table) -> np.ndarray:
    """Event times in microseconds since 1970."""
    times: np.ndarray = table["@timestamp"].cast(pa.int64()).to_numpy()
    return times


def by_day(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The events in order of time (equal times as they came), cut by UTC day."""
    if not len(table):
        return
    times = micros_of(table)
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        times, table = times[order], table.take(order)
    days, starts, counts = np.unique(times // DAY, return_index=True, return_counts=True)
    own = set(np.argsort(-counts, kind="stable")[:MOST_DAYS].tolist())
    rest = []
    for at, (day, start, count) in enumerate(zip(days.tolist(), starts.tolist(), counts.tolist(), strict=True)):
        if at in own:
            yield (EPOCH + timedelta(days=day)).date().isoformat(), table.slice(start, count)
        else:
            rest.append(table.slice(start, count))
    if rest:
        yield OTHER_DAYS, pa.concat_tables(rest)


class Workplace:
    """The files of one commit in the making. What it wrote and the ledger did not name, `clear` removes."""

    def __init__(self, root: Path, step: Callable[[str], None]) -> None:
        self._root, self._step = root, step
        self._aside: set[Path] = set()
        self._placed: set[Path] = set()

    def write(self, table: pa.Table) -> Path:
        """Write a file aside, durably."""
        path = self._root / ASIDE / f"{uuid.uuid4().hex}.parquet"
        self._aside.add(path)
        write_parquet(table, path)
        self._step("written aside")
        return path

    def place(self, path: Path, dataset: str, day: str) -> Path:
        """Move a file to where readers would look, if the ledger named it; its age begins anew."""
        if path in self._placed:
            return path
        folder = self._root / EVENTS / f"dataset={quote(dataset, safe='')}" / f"day={day}"
        make(folder)
        place = folder / path.name
        os.utime(path)
        self._placed.add(place)
        path.rename(place)
        self._aside.discard(path)
        self._step("placed")
        return place

    def remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            self._placed.discard(path)

    def touch(self) -> None:
        """Say that the files written aside are still wanted."""
        for path in self._aside:
            os.utime(path)

    def clear(self, placed: bool) -> None:
        """Remove what was written aside, and what was placed if so told."""
        for path in self._aside | (self._placed if placed else set()):
            path.unlink(missing_ok=True)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write and flush to the disk. Columns without a value are left out.

    Numbers that do not repeat are written as differences: they are read in half the time, and hardly compress further.
    A column without nulls is said to have none, so that no row has to say so: 0.87 of the time to write flow lines.
    """
    table = table.select([name for name in table.column_names if table[name].null_count < len(table)])
    table = table.cast(pa.schema([field.with_nullable(table[field.name].null_count > 0) for field in table.schema]))
    repeating = [name for name in table.column_names if _repeats(name, table[name])]
    numbers = [field.name for field in table.schema if pa.types.is_int64(field.type) and field.name not in repeating]
    pq.write_table(
        table,
        path,
        row_group_size=max(1, min(ROW_GROUP, ROW_GROUP_BYTES * len(table) // max(1, table.nbytes))),
        compression={name: "none" if name in numbers else "zstd" for name in table.column_names},
        compression_level={name: 1 for name in table.column_names if name not in numbers},
        use_dictionary=repeating,
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        write_statistics=["@timestamp"],  # of all columns: 1.2 × the time, and values of others are all over a file
        store_schema=False,  # dictionaries are a matter of the file, not of who reads it
    )
    flush(path)


def _repeats(name: str, column: pa.ChunkedArray) -> bool:
    """Numbers and short text that come again are worth a dictionary; identities and JSON (100 bytes each) are not."""
    if pa.types.is_dictionary(column.type):
        return True
    if pa.types.is_int64(column.type) or pa.types.is_timestamp(column.type):
        sample = column.slice(0, SAMPLE)
        return bool(pc.count_distinct(sample).as_py() * REPEATS <= len(sample))
    return name not in VARYING and bool(pa.types.is_string(column.type)) and column.nbytes < 100 * len(column)


def describe(root: Path, path: Path, dataset: str) -> EventFile:
    """What the ledger has to know of a file in its place; read from the file itself."""
    with pq.ParquetFile(path) as file:
        keys = file.read(["@timestamp", "siem.object"])
        columns = tuple(file.schema_arrow.names)
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    times = micros_of(keys)
    return EventFile(
        str(path.relative_to(root)),
        dataset,
        int(times.min()),
        int(times.max()),
        len(times),
        path.stat().st_size,
        sum(group.total_byte_size for group in groups),
        columns,
        objects_in(keys["siem.object"]),
    )


def objects_in(column: pa.ChunkedArray) -> dict[str, int]:
    """Objects, and how many rows each has."""
    return {count["values"]: count["counts"] for count in pc.value_counts(column).to_pylist()}


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


def make(folder: Path) -> None:
    """Make a folder so that it is there after a power cut."""
    if folder.is_dir():
        return
    make(folder.parent)
    folder.mkdir(exist_ok=True)
    flush(folder.parent)


def flush(path: Path) -> None:
    """Write what the system holds of a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def abandoned(root: Path, named: set[str]) -> list[Path]:
    """Files that nobody named and nobody touched for an hour (by the clock that the file system goes by), and folders
    of queries that did not end."""
    now = time.time()
    events = [path for path in (root / EVENTS).glob("*/*/*.parquet") if str(path.relative_to(root)) not in named]
    files = [path for path in [*events, *(root / ASIDE).glob("*.parquet")] if _touched(path) < now - ABANDONED]
    return files + [path for path in (root / ASIDE).glob("spill-*") if _touched(path) < now - ABANDONED_SPILL]


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is still there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its owner was faster
        return float("inf")
