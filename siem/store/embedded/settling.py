"""From events on their way to final files: one attempt, against the ledger as it stood when the attempt began."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from siem.disk import flush
from siem.store.embedded import duplicates, objects
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import Workplace, by_day, describe
from siem.store.embedded.objects import EventFile
from siem.store.embedded.tables import micros_of


class Overtaken(Exception):
    """Somebody else committed, since the attempt began, what changes this commit."""


@dataclass(frozen=True)
class Aim:
    """An object whose events are to be stored."""

    sha256: str
    dataset: str
    unique_ids: bool


@dataclass
class Piece:
    """Events of one dataset on their way: a table in memory, or a file (of one day, in order of time)."""

    dataset: str
    table: pa.Table | None = None
    path: Path | None = None
    day: str = ""

    def read(self, columns: list[str] | None = None) -> pa.Table:
        if self.table is not None:
            return self.table.select(columns) if columns else self.table
        with pq.ParquetFile(self.path) as file:
            return file.read(columns, use_threads=False)


class Settling:
    """One attempt. `files` and `duplicates` (per object) are what it came to.

    without: objects whose stored events are to go: no event is a duplicate of those.
    """

    def __init__(
        self,
        root: Path,
        workplace: Workplace,
        engine: Engine,
        ledger: sqlite3.Connection,
        aims: Mapping[str, Aim],
        without: Sequence[str] = (),
    ) -> None:
        self._root, self._workplace, self._engine, self._ledger, self._aims = root, workplace, engine, ledger, aims
        self._without = without
        self._since = objects.sequence(ledger)
        self._suspects: dict[str, tuple[list[str], list[str]]] = {}
        self._written: list[Path] = []
        self.files: list[EventFile] = []
        self.duplicates: Counter[str] = Counter()

    @property
    def number(self) -> int:
        """Of the commit; true only inside the transaction that names the files."""
        return objects.sequence(self._ledger) + 1

    def settle(self, piece: Piece) -> None:
        """Put a piece's events into place, without those that are duplicates or of no object that is aimed at."""
        keys = piece.read(duplicates.KEYS)
        wanted = self._wanted(piece.dataset, keys)
        repeats = self._repeats(piece.dataset, keys, wanted)
        self.duplicates.update(duplicates.per_object(keys, repeats))
        stay = wanted & ~repeats
        if piece.path is not None and stay.all():
            piece.path = self._workplace.place(piece.path, piece.dataset, piece.day)
            self.files.append(describe(self._root, piece.path, piece.dataset))
        elif stay.any():
            table = piece.read()
            for day, part in by_day(table if stay.all() else table.filter(pa.array(stay))):
                place = self._workplace.place(self._workplace.write(part), piece.dataset, day)
                self._written.append(place)
                self.files.append(describe(self._root, place, piece.dataset))

    def flush(self) -> None:
        """Make the places durable; the files are so already."""
        for folder in {(self._root / file.name).parent for file in self.files}:
            flush(folder)

    def name(self) -> None:
        """Inside the transaction: from its end on readers find the files."""
        for file in self.files:
            (self._root / file.name).stat()  # a sweep that took us for dead would have removed it
        objects.put_files(self._ledger, self.files, self.number)

    def undo(self) -> None:
        """Remove the files that this attempt wrote; pieces that are files stay, wherever they are now."""
        self._workplace.remove(self._written)

    def check(self) -> None:
        """Inside the transaction: what was committed since the attempt began changes nothing.

        Raises:
            Overtaken: it does.
        """
        if objects.sequence(self._ledger) == self._since:
            return
        for dataset in {aim.dataset for aim in self._aims.values()}:
            if self.duplicates and objects.were_replaced(self._ledger, dataset, self._since):
                raise Overtaken  # one of them may be no duplicate any more
            if self._is_unique(dataset):
                mine = [file for file in self.files if file.dataset == dataset]
                newer = {name for file in mine for name in self._overlapping(file, self._since)}
                if self._engine.meet(self._paths(file.name for file in mine), self._paths(newer), self._without):
                    raise Overtaken
            elif self._identical(dataset, self._since):
                raise Overtaken

    def _wanted(self, dataset: str, keys: pa.Table) -> np.ndarray:
        """True where the event is of an object that is aimed at."""
        return duplicates.owned(keys, [id_ for id_, aim in self._aims.items() if aim.dataset == dataset])

    def _repeats(self, dataset: str, keys: pa.Table, wanted: np.ndarray) -> np.ndarray:
        """True where a wanted event is stored already, or came earlier in this commit."""
        by_time = self._is_unique(dataset)
        asked, found = wanted, np.zeros(len(keys), bool)
        if not by_time:
            suspects, known = self._suspected(dataset)
            asked = wanted & duplicates.owned(keys, suspects) if suspects else found
        if not asked.any():
            return found
        positions = np.flatnonzero(asked)
        keys = keys.filter(pa.array(asked))
        times = micros_of(keys)
        span = EventFile("", dataset, int(times.min()), int(times.max()), 0, 0, 0, (), {})
        earlier = [f.name for f in self.files if f.dataset == dataset and (not by_time or _meet(f, span))]
        stored = self._overlapping(span) if by_time else known
        found[positions[duplicates.again(keys, by_time)]] = True
        found[positions[self._engine.repeated(keys, self._paths(earlier), by_time)]] = True
        found[positions[self._engine.repeated(keys, self._paths(stored), by_time, self._without)]] = True
        return found

    def _is_unique(self, dataset: str) -> bool:
        return any(aim.unique_ids for aim in self._aims.values() if aim.dataset == dataset)

    def _suspected(self, dataset: str) -> tuple[list[str], list[str]]:
        """Objects of this commit whose bytes came before, in it or earlier; and the files of those earlier ones."""
        if dataset not in self._suspects:
            earlier = self._identical(dataset)
            mine = {id_: aim.sha256 for id_, aim in self._aims.items() if aim.dataset == dataset}
            times = Counter(mine.values()) + Counter(set(earlier.values()))
            suspects = [id_ for id_, sha256 in mine.items() if times[sha256] > 1]
            self._suspects[dataset] = suspects, objects.holding(self._ledger, earlier) if earlier else []
        return self._suspects[dataset]

    def _identical(self, dataset: str, after: int = 0) -> dict[str, str]:
        hashes = {aim.sha256 for aim in self._aims.values() if aim.dataset == dataset}
        found = objects.identical(self._ledger, dataset, hashes, after)
        return {id_: sha256 for id_, sha256 in found.items() if id_ not in self._aims}

    def _overlapping(self, span: EventFile, after: int = 0) -> list[str]:
        return objects.overlapping(self._ledger, span.dataset, span.first, span.last, after)

    def _paths(self, names: Iterable[str]) -> list[Path]:
        return [self._root / name for name in names]


def _meet(one: EventFile, other: EventFile) -> bool:
    return one.first <= other.last and one.last >= other.first
