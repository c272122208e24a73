"""The Parquet files of events: written aside, put into place, and swept where the ledger never named them."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.disk import make
from siem.store.embedded.objects import EventFile
from siem.store.embedded.parquet import Growing, write_parquet
from siem.store.embedded.tables import in_order, micros_of
from siem.store.times import DAY, EPOCH

EVENTS, ASIDE = "events", "tmp"
MOST_DAYS = 64
"""Partitions that one block of events may open; events of further days share one, so no bad file makes thousands."""

OTHER_DAYS = "other"
ABANDONED, ABANDONED_SPILL = 3600.0, 86_400.0
"""Seconds after which a file without a name is nobody's, and a folder in which a query kept what memory did not."""


def by_day(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The events in order of time (equal times as they came), cut by UTC day."""
    if not len(table):
        return
    table = in_order(table)
    times = micros_of(table)
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
        path = self._room()
        write_parquet(table, path)
        self._step("written aside")
        return path

    @contextmanager
    def growing(self, schema: pa.Schema, like: pa.Table) -> Iterator[Growing]:
        """A file aside that is written bit by bit; durable where the block ends well."""
        with Growing(self._room(), schema, like) as file:
            self._step("begun aside")
            yield file
        self._step("written aside")

    def _room(self) -> Path:
        path = self._root / ASIDE / f"{uuid.uuid4().hex}.parquet"
        self._aside.add(path)
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


def day_of(name: str) -> str:
    """Of a file `events/dataset=…/day=2026-11-01/….parquet`; `other` of one that has few events of many days."""
    return PurePath(name).parts[-2].removeprefix("day=")


def describe(root: Path, path: Path, dataset: str) -> EventFile:
    """What the ledger has to know of a file in its place; read from the file itself."""
    with pq.ParquetFile(path, read_dictionary=["siem.object"]) as file:
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


def abandoned(root: Path, named: set[str]) -> list[Path]:
    """Files that nobody named and nobody touched for an hour (by the clock that the file system goes by), and folders
    of queries that did not end."""
    now = time.time()
    events = [path for path in (root / EVENTS).glob("*/*/*.parquet") if str(path.relative_to(root)) not in named]
    files = [path for path in [*events, *(root / ASIDE).glob("*.parquet")] if _touched(path) < now - ABANDONED]
    return files + [path for path in (root / ASIDE).glob("spill-*") if _touched(path) < now - ABANDONED_SPILL]


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its owner was faster
        return float("inf")
