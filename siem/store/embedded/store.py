"""The embedded store: a folder with a ledger in SQLite and events in Parquet files, read by DuckDB."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from siem.disk import make, remove
from siem.errors import ContentError, Unavailable
from siem.parsing.batch import Parsed
from siem.schema import Dialect, Query, Question
from siem.store.contract import (
    Alert,
    Compacted,
    DatasetStats,
    Dropped,
    Heard,
    Held,
    Hit,
    Judged,
    Known,
    LedgerRow,
    Pending,
    Progress,
    Settle,
    Signal,
    StoredReject,
    raised,
)
from siem.store.embedded import holding, judgements, outbox, rejects, scheduling
from siem.store.embedded.compaction import compact
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import ABANDONED, ASIDE, EVENTS, abandoned
from siem.store.embedded.ledger import Ledger, immediate
from siem.store.embedded.objects import committed, heard, known, last_turns, names, pending, readable, rows, stats
from siem.store.embedded.reparsing import EmbeddedReparsing
from siem.store.embedded.replaying import Replay, replay
from siem.store.embedded.retention import old, retain
from siem.store.embedded.searching import Asked, Searching
from siem.store.embedded.trouble import told
from siem.store.embedded.writing import EmbeddedWriting
from siem.store.groups import grouping
from siem.store.handling import Action
from siem.store.outbox import News, Notice, Outcome
from siem.store.scheduling import Lease, Pass


def _no_step(name: str) -> None:
    """Nobody listens."""


class EmbeddedStore:
    """See `siem.store.contract.Store`. Several processes and threads may use one folder, on a local file system.

    memory, threads: what DuckDB may use. patience: seconds to wait for another writer.
    step: told of every point at which a process could die; for tests.

    Raises:
        Unavailable: the folder cannot be used.
        ConfigError: what lies there is not ours, or of another version.
    """

    def __init__(
        self,
        folder: Path,
        memory: str = "128MB",
        threads: int = 2,
        patience: float = 30.0,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self.folder = folder.absolute()
        self._memory, self._threads, self._step = memory, threads, step
        self._lock = threading.RLock()
        self._swept: float | None = None
        with told(self.folder):
            for room in (EVENTS, ASIDE):
                make(self.folder / room)
            self._ledger = Ledger(self.folder / "ledger.sqlite", patience)
            self._ledger.prepare(self.folder / EVENTS)
            self._connection = self._ledger.connect()
            self._identity = self._ledger.identity()

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self.folder, self._memory, self._threads)

    @property
    def dialect(self) -> Dialect:
        return Dialect.DUCKDB

    def ledger(self, objects: Iterable[str] | None = None) -> dict[str, LedgerRow]:
        with self._reading() as connection:
            return rows(connection, objects)

    def known(self, bucket: str, prefix: str = "") -> Iterator[Known]:
        with told(self.folder), closing(self._ledger.connect()) as connection:
            yield from known(connection, bucket, prefix)

    def committed(self, after: int = 0) -> Iterator[tuple[int, LedgerRow]]:
        with told(self.folder), closing(self._ledger.connect()) as connection:
            yield from committed(connection, after)

    def held(self) -> Iterator[Held]:
        with told(self.folder), closing(self._ledger.connect()) as connection:
            yield from holding.held(self.folder, connection)

    def event_ids(self, object_: str) -> Iterator[str]:
        with told(self.folder), closing(self._ledger.connect()) as connection:
            yield from holding.event_ids(self.folder, connection, object_)

    def writing(self, now: datetime) -> AbstractContextManager[EmbeddedWriting]:
        return self._written(EmbeddedWriting, now)

    @contextmanager
    def _written(self, kind: Callable[..., EmbeddedWriting], now: datetime) -> Iterator[EmbeddedWriting]:
        self._sweep()
        with told(self.folder):
            writing = kind(self.folder, self._ledger.connect(), self._engine, now, self._step)
        try:
            yield writing
        finally:
            writing.close()

    def reparsing(self, now: datetime, judge: bool = False) -> AbstractContextManager[EmbeddedWriting]:
        return self._written(partial(EmbeddedReparsing, judge=judge), now)

    def rejects(self) -> Iterator[StoredReject]:
        with told(self.folder):
            connection = self._ledger.connect()
            try:
                yield from rejects.stored(connection)
            finally:
                connection.close()

    def replay(
        self, stored: Sequence[StoredReject], parsed: Parsed, now: datetime, parser_version: str | None = None
    ) -> int:
        if not stored:
            return 0
        what = Replay(stored[0].object, stored, parsed, parser_version or stored[0].parser_version)
        with told(self.folder):
            connection = self._ledger.connect()
            try:
                return replay(self.folder, connection, self._engine, self._step, what)
            finally:
                connection.close()

    def pending(self, dataset: str, after: int = 0, most: int | None = None) -> list[Pending]:
        with self._reading() as connection:
            return pending(connection, dataset, after, most)

    def progress(self) -> Progress:
        with self._reading() as connection:
            marks, owing = judgements.marks(connection), judgements.is_owing(connection)
            return Progress(last_turns(connection), marks, owing)

    def owed(self, dataset: str) -> dict[str, list[str]]:
        with self._reading() as connection:
            return judgements.owed(connection, dataset)

    def search(
        self,
        queries: Sequence[Question],
        objects: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        documents: bool = False,
        columns: Collection[str] = (),
        erred: Callable[[int, ContentError], None] = raised,
    ) -> Iterator[Hit]:
        if not queries:
            return
        asked = Asked([one for one in queries if isinstance(one, Query)], objects, since, until, documents, columns)
        assert len(asked.queries) == len(queries), "a store is asked in its own dialect"  # noqa: S101
        with self._reading() as connection:
            where = readable(connection, asked.dataset, objects, since, until)
        if where.files:
            with told(self.folder):
                yield from Searching(self.folder, self._engine, asked, where).hits(erred)

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        with self._reading() as connection, immediate(connection):
            return judgements.mark(connection, judged, settle)

    def signals(self, rule_id: str, group: Mapping[str, str]) -> list[Signal]:
        with self._reading() as connection:
            return judgements.signals(connection, rule_id, [grouping(group)])

    def every_signal(self) -> Iterator[Signal]:
        with told(self.folder), closing(self._ledger.connect()) as connection:
            yield from judgements.every_signal(connection)

    def alerts(self, merged: bool = False) -> list[Alert]:
        with self._reading() as connection:
            return judgements.alerts(connection, merged)

    def alert(self, id_: str) -> Alert | None:
        with self._reading() as connection:
            return judgements.alert(connection, id_)

    def act(self, actions: Sequence[Action]) -> list[Alert]:
        with self._reading() as connection, immediate(connection):
            return judgements.act(connection, actions)

    def actions(self, alerts: Collection[str] | None = None) -> list[Action]:
        with self._reading() as connection:
            return judgements.actions(connection, alerts)

    def stats(self) -> list[DatasetStats]:
        with self._reading() as connection:
            return list(stats(connection))

    def heard(self) -> list[Heard]:
        with self._reading() as connection:
            return heard(connection)

    def retain(self, limits: Mapping[str, datetime], dry_run: bool = False) -> list[Dropped]:
        with self._reading() as connection:
            if dry_run:
                return old(connection, limits)
        self._sweep()
        with self._reading() as connection:
            return retain(self.folder, connection, limits, self._step)

    def compact(self, now: datetime, dry_run: bool = False) -> list[Compacted]:
        if not dry_run:
            self._sweep()
        with told(self.folder), closing(self._ledger.connect()) as connection:  # for minutes: others go on
            return list(compact(self.folder, connection, now, dry_run, self._step))

    def lease(self, name: str) -> Lease | None:
        with self._reading() as connection:
            return scheduling.lease(connection, name)

    def take(self, name: str, holder: str, seen: Lease | None) -> Lease | None:
        with self._reading() as connection:
            return scheduling.take(connection, name, holder, seen)

    def record(self, done: Pass) -> None:
        with self._reading() as connection, immediate(connection):
            scheduling.record(connection, done)

    def passes(self, most: int) -> list[Pass]:
        with self._reading() as connection:
            return scheduling.passes(connection, most)

    def news(self, most: int) -> list[News]:
        with self._reading() as connection:
            return outbox.news(connection, most)

    def post(self, notices: Sequence[Notice], news: Sequence[News]) -> bool:
        with self._reading() as connection, immediate(connection):
            return outbox.post(connection, notices, news)

    def notices(self, keys: Collection[str]) -> dict[str, Notice]:
        with self._reading() as connection:
            return outbox.read(connection, keys)

    def latest(self, channel: str, kind: str) -> Notice | None:
        with self._reading() as connection:
            return outbox.latest(connection, channel, kind)

    def recent(self, channel: str, since: datetime) -> int:
        with self._reading() as connection:
            return outbox.recent(connection, channel, since)

    def due(self, channel: str, now: datetime, most: int) -> list[Notice]:
        with self._reading() as connection:
            return outbox.due(connection, channel, now, most)

    def tried(self, outcome: Outcome) -> None:
        with self._reading() as connection, immediate(connection):
            outbox.tried(connection, outcome)

    def outbox(self, most: int, unsent: bool = False) -> list[Notice]:
        with self._reading() as connection:
            return outbox.outbox(connection, most, unsent)

    def close(self) -> None:
        self._connection.close()
        if "_engine" in self.__dict__:
            self._engine.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """
        Raises:
            Unavailable: the store is away, or another one is in its place: SQLite would not notice, and go on.
        """
        with self._lock, told(self.folder):
            if self._ledger.identity() != self._identity:
                raise Unavailable(f"store {self.folder}: another ledger.sqlite is in its place; open the store again")
            yield self._connection

    def _sweep(self) -> None:
        """Once an hour, remove files that nobody named: processes that were killed left them."""
        with self._lock:
            if self._swept is not None and time.monotonic() - self._swept < ABANDONED:
                return
            self._swept = time.monotonic()
            with told(self.folder):
                if not abandoned(self.folder, names(self._connection)):
                    return
                with immediate(self._connection):  # nobody can name a file meanwhile
                    for path in abandoned(self.folder, names(self._connection)):
                        remove(path)
