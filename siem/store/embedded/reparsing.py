"""Objects that were read again: what they hold now takes the place of what is stored of them, in one transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from siem.disk import touch
from siem.store.contract import LedgerRow
from siem.store.embedded import duplicates, objects
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import Workplace
from siem.store.embedded.objects import EventFile
from siem.store.embedded.retention import dropped
from siem.store.embedded.rewriting import rewritten
from siem.store.embedded.settling import Aim, Overtaken, Settling
from siem.store.embedded.tables import micros_of
from siem.store.embedded.writing import EmbeddedWriting, aims
from siem.store.entries import WITH_EVENTS, Entry


class Replacing(Settling):
    """As `Settling`; the files that hold events of the objects `without` are written anew without those.

    dropped: of each object, events of dropped periods, which are not stored again.
    """

    def __init__(
        self,
        root: Path,
        workplace: Workplace,
        engine: Engine,
        ledger: sqlite3.Connection,
        aims: Mapping[str, Aim],
        without: Sequence[str],
    ) -> None:
        super().__init__(root, workplace, engine, ledger, aims, without)
        self._old = objects.holding(ledger, without)
        self._anew: dict[str, list[EventFile]] = {}
        self.dropped: Counter[str] = Counter()

    def flush(self) -> None:
        shared = objects.shared(self._ledger, self._old, self._without)
        for name in self._old:
            made = []
            if dataset := shared.get(name):
                made = rewritten(self._root, self._workplace, [name], dataset, self._without)
                self._written += [self._root / file.name for file in made]
            self._anew[name] = made
        super().flush()

    def check(self) -> None:
        if set(objects.holding(self._ledger, self._without)) != set(self._old):
            raise Overtaken
        super().check()

    def name(self) -> None:
        super().name()
        touch([self._root / name for name in self._old])
        for name, made in self._anew.items():
            for file in made:
                (self._root / file.name).stat()
            objects.replace_files(self._ledger, [name], made)

    def _wanted(self, dataset: str, keys: pa.Table) -> np.ndarray:
        """As ever, but for what retention has dropped: of that the objects still have what came late."""
        wanted = super()._wanted(dataset, keys)
        late = wanted & (micros_of(keys) < dropped(self._ledger, dataset))
        if late.any():
            positions = np.flatnonzero(late)
            late[positions[self._engine.held(keys.filter(pa.array(late)), self._paths(self._old))]] = False
        self.dropped.update(duplicates.per_object(keys, late))
        return wanted & ~late


class EmbeddedReparsing(EmbeddedWriting):
    """See `siem.store.contract.Store.reparsing`."""

    def __init__(self, *given: Any, judge: bool) -> None:
        super().__init__(*given)
        self._judge = judge
        self._before: Mapping[str, LedgerRow] = {}
        self._dropped: Counter[str] = Counter()

    def _standing(self, finished: Mapping[str, Entry]) -> Mapping[str, LedgerRow | None]:
        self._before = objects.rows(self._ledger, finished)
        found = {id_: self._before.get(id_) for id_ in finished}
        return {id_: row for id_, row in found.items() if row is None or not _gives_way(row, finished[id_])}

    def _settling(self, mine: Mapping[str, Entry]) -> Settling:
        settling = Replacing(self._root, self._workplace, self._engine, self._ledger, aims(mine), list(mine))
        self._dropped = settling.dropped
        return settling

    def _row(self, entry: Entry, duplicates: int) -> LedgerRow:
        before = self._before[entry.delivery.source.id]
        row = super()._row(entry, duplicates)
        return replace(row, committed=before.committed, dataset=row.dataset or before.dataset)

    def _put(self, row: LedgerRow, unique_ids: bool, number: int) -> None:
        objects.replace(self._ledger, row, unique_ids, number, self._dropped[row.object], self._judge)


def _gives_way(row: LedgerRow, entry: Entry) -> bool:
    return row.state in WITH_EVENTS and entry.state in WITH_EVENTS and row.sha256 == entry.delivery.sha256
