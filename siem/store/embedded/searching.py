"""What a pack of queries finds in files: hits in order of time, with as much of their documents as somebody needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from siem.errors import ContentError
from siem.schema import Query
from siem.store.contract import Hit
from siem.store.embedded.documents import Document, documents, joined
from siem.store.embedded.engine import Engine
from siem.store.embedded.objects import Readable
from siem.store.embedded.packs import Pack, Pairs
from siem.store.embedded.parquet import rows_at
from siem.store.embedded.parts import Part, parts
from siem.store.sought import Sought
from siem.store.times import from_micros, micros

MOST_HITS, HELD_BYTES = 8192, 32 << 20
"""Hits, and bytes of their documents, that are in hand at a time. More hits: a file is read less often."""

ALWAYS = frozenset(("@timestamp", "siem.object"))
"""Read of every row. Ids take more than all else, and are read of hits."""

NOTHING = pa.table({})

FOUND = pa.schema(
    [
        ("time", pa.int64()),
        ("id", pa.string()),
        ("object", pa.string()),
        ("file", pa.int32()),
        ("row", pa.int64()),
        ("matched", pa.list_(pa.int32())),
    ]
)


class Asked(Sought[Query]):
    """What is looked for in files."""

    def within(self, part: Part) -> np.ndarray | None:
        """Rows of these objects and times; None: all."""
        masks = []
        if self.objects is not None:
            coded, wanted = part.coded("siem.object"), frozenset(self.objects)
            masks.append(np.array([*[value in wanted for value in coded.values.to_pylist()], False])[coded.codes])
        if self.since is not None:
            masks.append(part.times() >= micros(self.since))
        if self.until is not None:
            masks.append(part.times() < micros(self.until))
        return np.logical_and.reduce(masks) if masks else None


class Searching:
    """One search of files below a folder."""

    def __init__(self, folder: Path, engine: Engine, asked: Asked, where: Readable) -> None:
        self._engine, self._asked, self._columns = engine, asked, where.columns
        self._paths = [folder / name for name in where.files]
        self._most = max(MOST_HITS // 512, min(MOST_HITS, HELD_BYTES // max(1, where.row_bytes)))

    def hits(self, erred: Callable[[int, ContentError], None]) -> Iterator[Hit]:
        asked = self._asked
        pack = Pack(asked.queries, self._engine, self._most)
        with self._engine.sorting(FOUND) as found:
            for part in parts(self._paths, pack.columns | ALWAYS):
                pairs = pack.pairs(part, asked.within(part))
                if len(pairs.rows):
                    found.add(self._found(part, pairs))
            for place in sorted(pack.failed):
                erred(place, pack.failed[place])
            for page in found.ordered('"time", "id"', self._most):
                yield from self._of(pa.table(page), pack.failed.keys())

    def _found(self, part: Part, pairs: Pairs) -> pa.Table:
        """Shaped as FOUND: a row per event, whichever number of queries found it."""
        order = np.lexsort((pairs.queries, pairs.rows))
        rows, starts = np.unique(pairs.rows[order], return_index=True)
        ends = np.append(starts, len(order))
        files, places = part.files[rows], part.places[rows]
        read = [
            rows_at(self._paths[file], places[files == file], ("event.id",))["event.id"]
            for file in np.flatnonzero(np.bincount(files)).tolist()
        ]
        return pa.table(
            [
                pa.array(part.times()[rows]),
                pa.chunked_array([chunk for column in read for chunk in column.chunks]),
                part.coded("siem.object").taken(rows),
                pa.array(files, pa.int32()),
                pa.array(places),
                pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(pairs.queries[order], pa.int32())),
            ],
            schema=FOUND,
        )

    def _of(self, page: pa.Table, failed: Collection[int]) -> Iterator[Hit]:
        keys = zip(*[page[name].to_pylist() for name in ("time", "id", "object")], strict=True)
        matched = [tuple([place for place in each if place not in failed]) for each in page["matched"].to_pylist()]
        unsure = [tuple([place for place in each if not self._asked.queries[place].exact]) for each in matched]
        held = self._documents(page["file"].to_numpy(), page["row"].to_numpy(), unsure)
        for (time, id_, object_), places, doubts, document in zip(keys, matched, unsure, held, strict=True):
            if places:
                yield Hit(id_, from_micros(time), self._asked.dataset, object_, document, places, doubts)

    def _documents(
        self, files: np.ndarray, rows: np.ndarray, unsure: Sequence[tuple[int, ...]]
    ) -> list[Document | None]:
        """Of each place in a file what is needed; each column is read once, and only where it is needed."""
        inexact = [frozenset(places) for places in unsure]
        if not self._asked.documents and not self._asked.columns and not any(inexact):
            return [None] * len(unsure)
        needs = {places: self._needed(places) for places in set(inexact)}
        whole = np.array([needs[places] is None for places in inexact])
        short, long = self._split([need for need in needs.values() if need is not None])
        reading: list[tuple[np.ndarray, set[str] | None]] = [(~whole, short), (whole, None)]
        reading += [(np.array([name in (needs[places] or ()) for places in inexact]), {name}) for name in long]
        held: list[Any] = [{} for _ in unsure]
        for file in np.flatnonzero(np.bincount(files)).tolist():
            for mask, columns in reading:
                at = np.flatnonzero((files == file) & mask)
                table = rows_at(self._paths[file], rows[at], columns) if len(at) else NOTHING
                if table.num_columns:
                    made = documents(table, self._asked.dataset, self._asked.dataset in self._columns)
                    joined([held[place] for place in at.tolist()], made, self._asked.dataset)
        return held

    def _needed(self, inexact: frozenset[int]) -> frozenset[str] | None:
        """Columns of the document of a hit that these queries find; None: all."""
        if self._asked.documents:
            return None
        columns = frozenset(self._asked.columns)
        for place in inexact:
            reads = self._asked.queries[place].reads
            if reads is None:
                return None
            columns |= reads
        return columns

    def _split(self, needs: Sequence[frozenset[str]]) -> tuple[set[str], list[str]]:
        """Columns of short values, which every document gets; JSON texts."""
        dataset = self._asked.dataset
        nested = dataset in self._columns
        wanted = set().union(*needs)
        long = {name for name in wanted if nested and (name == dataset or name.startswith(f"{dataset}."))}
        return wanted - long, sorted(long)
