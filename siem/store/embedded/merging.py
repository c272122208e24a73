"""Rows of many files in one order of time: put aside in runs, which then meet. Memory holds a part of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from siem.allocator import trim
from siem.store.embedded.tables import in_order, micros_of

RUN_BYTES, BATCH_BYTES = 32 << 20, 256 << 10
"""Of what is put in order at a time, and of what is at hand of each run when all meet: 10 million flow lines are 80."""


def merged(tables: Iterable[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """All rows of tables of one schema in order of time. folder: for files without a name, which no crash leaves."""
    with ExitStack() as held:
        runs = [held.enter_context(Run(in_order(part), folder)) for part in gathered(tables, RUN_BYTES)]
        while runs := [run for run in runs if len(run.times)]:
            until = min(run.times[-1] for run in runs)
            yield in_order(pa.concat_tables([run.taken(until) for run in runs if run.times[0] <= until]))


def gathered(tables: Iterable[pa.Table], most: int) -> Iterator[pa.Table]:
    """The same rows in larger tables: of so many bytes, or somewhat more."""
    some: list[pa.Table] = []
    size = 0
    for table in tables:
        some.append(table)
        size += table.nbytes
        if size >= most:
            yield pa.concat_tables(some)
            some, size = [], 0
    if some:
        yield pa.concat_tables(some)


class Run:
    """Rows in order of time, put aside. times: of those that come next and are at hand; none in the end."""

    def __init__(self, table: pa.Table, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by `__exit__`)
        rows = max(1, BATCH_BYTES * len(table) // max(1, table.nbytes))
        with pa.ipc.new_stream(self._file, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
            out.write_table(table, max_chunksize=rows)
        self._file.seek(0)
        self._batches = pa.ipc.open_stream(self._file)
        self._held, self.times = self._next()
        trim()

    def taken(self, until: int) -> pa.Table:
        """Those of the rows at hand that are not later."""
        cut = int(np.searchsorted(self.times, until, side="right"))
        taken, self._held, self.times = self._held.slice(0, cut), self._held.slice(cut), self.times[cut:]
        if not len(self.times):
            self._held, self.times = self._next()
        return taken

    def _next(self) -> tuple[pa.Table, np.ndarray]:
        batch = next(filter(len, self._batches), None)
        held = self._batches.schema.empty_table() if batch is None else pa.Table.from_batches([batch])
        return held, micros_of(held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
