"""A commit in the making: blocks of objects are gathered, written aside where they are many, and named at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, LedgerRow, State
from siem.store.embedded import objects, rejects
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import Workplace, by_day
from siem.store.embedded.ledger import immediate
from siem.store.embedded.settling import Aim, Overtaken, Piece, Settling
from siem.store.embedded.tables import ends, tidy, together
from siem.store.embedded.trouble import told
from siem.store.entries import WITH_EVENTS, Entry, stands

GATHERED_BYTES, GATHERED_ROWS = 24 << 20, 250_000
"""Events that are held in memory. Writing them takes two to three times as much for a moment."""

PATIENT_ATTEMPTS = 2
"""Attempts beside other writers; the next one holds the ledger's lock all the way, so that it cannot be overtaken."""


class EmbeddedWriting:
    """See `siem.store.contract.Writing`. `step` is told of every point at which a process could die."""

    def __init__(
        self, root: Path, ledger: sqlite3.Connection, engine: Engine, now: datetime, step: Callable[[str], None]
    ) -> None:
        self._root, self._ledger, self._engine, self._now, self._step = root, ledger, engine, now, step
        self._workplace = Workplace(root, step)
        self._entries: dict[str, Entry] = {}
        self._gathered: dict[str, list[pa.Table]] = {}
        self._bytes = self._rows = 0
        self._pieces: list[Piece] = []
        self._naming = False
        rejects.set_aside(ledger)

    def add(self, delivery: Delivery, parsed: Parsed, parser_version: str, unique_ids: bool) -> None:
        id_ = delivery.source.id
        entry = self._entries.setdefault(id_, Entry(delivery))
        if entry.state is not None:
            return  # whole already: the same object came twice
        entry.dataset, entry.parser_version, entry.unique_ids = parsed.dataset, parser_version, unique_ids
        with told(self._root):
            events = tidy(parsed.batch.arrow(), id_) if parsed.batch is not None and parsed.events else None
            entry.add(parsed, *ends(events))
            rejects.add(self._ledger, "aside", id_, parsed.dataset, parser_version, parsed.rejects)
            if events is not None:
                self._gather(parsed.dataset, events)
        self._step("added")

    def finish(self, delivery: Delivery, state: State, reason: str | None = None, dataset: str | None = None) -> None:
        entry = self._entries.setdefault(delivery.source.id, Entry(delivery))
        if entry.state is None:
            entry.state, entry.reason, entry.dataset = state, reason, entry.dataset or dataset

    def commit(self) -> list[LedgerRow]:
        with told(self._root):
            self._pieces += [Piece(dataset, table) for dataset, table in self._taken()]
            for attempt in range(PATIENT_ATTEMPTS + 1):
                try:
                    return self._attempt(alone=attempt == PATIENT_ATTEMPTS)
                except Overtaken:
                    continue
        raise AssertionError("overtaken while nobody else could write")

    def close(self) -> None:
        """Leave no trace of what was not committed. Where the commit itself failed its outcome is not known: the files
        stay, and are swept if the ledger does not name them."""
        with told(self._root):
            self._workplace.clear(placed=not self._naming)
            self._ledger.close()

    def _gather(self, dataset: str, events: pa.Table) -> None:
        """Hold events, or write aside what is held where it is too much."""
        self._gathered.setdefault(dataset, []).append(events)
        self._bytes += events.nbytes
        self._rows += len(events)
        if self._bytes < GATHERED_BYTES and self._rows < GATHERED_ROWS:
            return
        self._workplace.touch()
        for name, table in self._taken():
            for day, part in by_day(table):
                self._pieces.append(Piece(name, path=self._workplace.write(part), day=day))

    def _taken(self) -> list[tuple[str, pa.Table]]:
        """What is held, one table per dataset, and hold nothing any more."""
        held, self._gathered, self._bytes, self._rows = self._gathered, {}, 0, 0
        return [(name, together(tables)) for name, tables in held.items()]

    def _attempt(self, alone: bool) -> list[LedgerRow]:
        """One try at the commit.

        Raises:
            Overtaken: try again.
        """
        finished = {id_: entry for id_, entry in self._entries.items() if entry.state is not None}
        with ExitStack() as transaction:
            if alone:
                transaction.enter_context(immediate(self._ledger))
            standing = self._standing(finished)
            mine = {id_: entry for id_, entry in finished.items() if id_ not in standing}
            settling = self._settling(mine)
            for piece in self._pieces:
                settling.settle(piece)
            settling.flush()
            self._step("flushed")
            try:
                if not alone:
                    transaction.enter_context(immediate(self._ledger))
                if self._standing(finished).keys() != standing.keys():
                    raise Overtaken
                settling.check()
            except Overtaken:
                settling.undo()
                raise
            self._step("begun")
            rows = {id_: self._row(entry, settling.duplicates[id_]) for id_, entry in mine.items()}
            self._name(settling, mine, rows)
        self._step("committed")
        return [row for id_ in finished if (row := standing.get(id_) or rows.get(id_))]

    def _standing(self, finished: Mapping[str, Entry]) -> Mapping[str, LedgerRow | None]:
        """Objects that are left out, with the rows that stand in the ledger."""
        found = objects.rows(self._ledger, finished).items()
        return {id_: row for id_, row in found if stands(row, finished[id_])}

    def _settling(self, mine: Mapping[str, Entry]) -> Settling:
        return Settling(self._root, self._workplace, self._engine, self._ledger, aims(mine))

    def _row(self, entry: Entry, duplicates: int) -> LedgerRow:
        return entry.row(duplicates, self._now)

    def _put(self, row: LedgerRow, unique_ids: bool, number: int) -> None:
        objects.put(self._ledger, row, unique_ids, number, self._now)
        objects.put_sender(self._ledger, row, self._now)

    def _name(self, settling: Settling, mine: Mapping[str, Entry], rows: Mapping[str, LedgerRow]) -> None:
        """Inside the transaction: everything at once."""
        number = settling.number
        settling.name()
        for id_, row in rows.items():
            self._put(row, mine[id_].unique_ids, number)
        rejects.keep(self._ledger, [id_ for id_, row in rows.items() if row.rejects])
        self._naming = True
        self._step("named")


def aims(entries: Mapping[str, Entry]) -> dict[str, Aim]:
    return {
        id_: Aim(entry.delivery.sha256, entry.dataset, entry.unique_ids)
        for id_, entry in entries.items()
        if entry.state in WITH_EVENTS and entry.dataset is not None
    }
