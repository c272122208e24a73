"""A commit in the making: blocks of objects are gathered, written aside where they are many, and named at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing.batch import Parsed
from siem.schema import CODED, arrow_type, suits
from siem.store.contract import Delivery, LedgerRow, State
from siem.store.embedded import objects, rejects
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import Workplace, by_day
from siem.store.embedded.ledger import immediate
from siem.store.embedded.settling import Aim, Overtaken, Piece, Settling
from siem.store.embedded.trouble import told
from siem.store.entries import WITH_EVENTS, Entry, stands

GATHERED_BYTES, GATHERED_ROWS = 24 << 20, 250_000
"""Events that are held in memory. Writing them takes two to three times as much for a moment."""

REPEATS = 4
"""How often a text has to come on average to be worth a dictionary."""

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
            settling = Settling(self._root, self._workplace, self._engine, self._ledger, _aims(mine))
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
            rows = {id_: entry.row(settling.duplicates[id_], self._now) for id_, entry in mine.items()}
            self._name(settling, mine, rows)
        self._step("committed")
        return [standing.get(id_) or rows[id_] for id_ in finished]

    def _standing(self, finished: dict[str, Entry]) -> dict[str, LedgerRow]:
        """Rows of the ledger that stand, and leave ours out."""
        found = objects.rows(self._ledger, finished).items()
        return {id_: row for id_, row in found if stands(row, finished[id_])}

    def _name(self, settling: Settling, mine: dict[str, Entry], rows: dict[str, LedgerRow]) -> None:
        """Inside the transaction: everything at once."""
        number = settling.number
        for file in settling.files:
            (self._root / file.name).stat()  # a sweep that took us for dead would have removed it
        objects.put_files(self._ledger, settling.files, number)
        for id_, row in rows.items():
            objects.put(self._ledger, row, mine[id_].unique_ids, number, self._now)
            objects.put_sender(self._ledger, row, self._now)
        rejects.keep(self._ledger, [id_ for id_, row in rows.items() if row.rejects])
        self._naming = True
        self._step("named")


def _aims(entries: dict[str, Entry]) -> dict[str, Aim]:
    return {
        id_: Aim(entry.delivery.sha256, entry.dataset, entry.unique_ids)
        for id_, entry in entries.items()
        if entry.state in WITH_EVENTS and entry.dataset is not None
    }


def tidy(events: pa.Table, object_: str) -> pa.Table:
    """The table with the schema's types, whatever a parser made of them, and the object as the ledger knows it."""
    for at, name in enumerate(events.column_names):
        if not suits(name, events.schema.field(at).type):
            events = events.set_column(at, name, events[name].cast(arrow_type(name)))
    owner = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), len(events)), pa.array([object_]))
    if "siem.object" not in events.column_names:
        return events.append_column("siem.object", owner)
    return events.set_column(events.column_names.index("siem.object"), "siem.object", owner)


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all columns. Text is coded in all tables or in none, as its values repeat: a row group is written
    with all of a dictionary, however few of its rows need it."""
    kinds = {field.name: arrow_type(field.name) for table in tables for field in table.schema}
    for name in {field.name for table in tables for field in table.schema if field.type == CODED}:
        columns = [table[name] for table in tables if name in table.column_names]
        if REPEATS * sum(map(distinct, columns)) <= sum(map(len, columns)):
            kinds[name] = CODED
    return pa.concat_tables([_of(table, kinds) for table in tables], promote_options="default").unify_dictionaries()


def ends(events: pa.Table | None) -> tuple[datetime | None, datetime | None]:
    """Earliest and latest time."""
    if events is None:
        return None, None
    found = pc.min_max(events["@timestamp"]).as_py()
    return found["min"], found["max"]


def distinct(column: pa.ChunkedArray) -> int:
    """At most so many values."""
    return sum([len(chunk.dictionary) if column.type == CODED else len(chunk) for chunk in column.chunks])


def _of(table: pa.Table, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """The table with columns of these types."""
    for at, field in enumerate(table.schema):
        if field.type != (kind := kinds[field.name]):
            column = table[field.name]
            table = table.set_column(at, field.name, column.dictionary_encode() if kind == CODED else column.cast(kind))
    return table
