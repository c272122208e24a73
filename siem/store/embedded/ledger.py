"""The ledger's SQLite file: its tables, its version, and how it is opened."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from siem.errors import ConfigError

APPLICATION = 0x48494E4F
"""`PRAGMA application_id`: tells our file from any other SQLite file."""

VERSION = 7
"""`PRAGMA user_version`: raise it with every change of the tables."""

TABLES = """
CREATE TABLE objects (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of commits
    sequence INTEGER NOT NULL,                   -- the commit
    object TEXT NOT NULL UNIQUE,
    bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT,
    sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    state TEXT NOT NULL, dataset TEXT, unique_ids INTEGER NOT NULL,
    records INTEGER NOT NULL, events INTEGER NOT NULL, rejects INTEGER NOT NULL,
    skipped INTEGER NOT NULL, duplicates INTEGER NOT NULL,
    first INTEGER, last INTEGER, reason TEXT, committed INTEGER NOT NULL, parser_version TEXT NOT NULL,
    turn INTEGER NOT NULL UNIQUE,                -- order of detection: of commits, and of what was added or replaced
    dropped INTEGER NOT NULL DEFAULT 0,          -- events that retention dropped
    reparsed INTEGER NOT NULL DEFAULT 0,         -- the commit that replaced its events last
    again INTEGER NOT NULL DEFAULT 0,            -- it is judged again: what rules find replaces what they had found
    CHECK (records = events + rejects + skipped), CHECK (duplicates <= events)
);
CREATE INDEX objects_by_commit ON objects (sequence);
CREATE INDEX objects_by_key ON objects (bucket, key);
CREATE INDEX objects_by_bytes ON objects (sha256, dataset);
CREATE INDEX objects_to_judge ON objects (dataset, turn) WHERE events > duplicates OR again;
CREATE INDEX objects_reparsed ON objects (dataset, reparsed) WHERE reparsed > 0;
CREATE INDEX objects_again ON objects (dataset, turn) WHERE again;
CREATE INDEX objects_with_rejects ON objects (position) WHERE rejects > 0;
CREATE TABLE files (
    name TEXT PRIMARY KEY,                       -- below the store's folder
    sequence INTEGER NOT NULL, dataset TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, unpacked INTEGER NOT NULL,
    columns TEXT NOT NULL                        -- JSON list
) WITHOUT ROWID;
CREATE INDEX files_by_time ON files (dataset, last);
CREATE TABLE file_objects (
    object TEXT NOT NULL, file TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (object, file)
) WITHOUT ROWID;
CREATE INDEX objects_by_file ON file_objects (file);
CREATE TABLE rejects (
    object TEXT NOT NULL, ordinal INTEGER NOT NULL, dataset TEXT NOT NULL, parser_version TEXT NOT NULL,
    reason TEXT NOT NULL, raw BLOB NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL
);
CREATE INDEX rejects_by_object ON rejects (object, ordinal);
CREATE TABLE signals (
    rule_id TEXT NOT NULL, event_id TEXT NOT NULL, timestamp INTEGER NOT NULL, object TEXT NOT NULL,
    dataset TEXT NOT NULL, fingerprint TEXT NOT NULL,
    grouping TEXT NOT NULL, about TEXT NOT NULL, -- the group: folded, and as it was written
    part TEXT NOT NULL,                          -- see `siem.store.groups.part`
    matched TEXT NOT NULL, "values" TEXT NOT NULL, history INTEGER NOT NULL,
    within TEXT,                                 -- where only the first of a group counts; then grouping is of this
    PRIMARY KEY (rule_id, event_id, timestamp, part)
) WITHOUT ROWID;
CREATE INDEX signals_by_group ON signals (rule_id, grouping, timestamp);
CREATE INDEX signals_that_are_first ON signals (rule_id, part) WHERE within IS NOT NULL;
CREATE TABLE alerts (
    id TEXT PRIMARY KEY, rule_id TEXT NOT NULL, grouping TEXT NOT NULL, state TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, body BLOB NOT NULL -- JSON, see `siem.store.written`
) WITHOUT ROWID;
CREATE INDEX alerts_by_group ON alerts (rule_id, grouping);
CREATE TABLE actions (id TEXT PRIMARY KEY, alert TEXT NOT NULL, micros INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX actions_by_alert ON actions (alert);
CREATE TRIGGER actions_are_not_changed BEFORE UPDATE ON actions BEGIN SELECT raise(ABORT, 'the log only grows'); END;
CREATE TRIGGER actions_are_not_removed BEFORE DELETE ON actions BEGIN SELECT raise(ABORT, 'the log only grows'); END;
CREATE TABLE senders (
    dataset TEXT NOT NULL, place TEXT NOT NULL, account TEXT, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (dataset, place)
) WITHOUT ROWID;
CREATE TABLE marks (
    rule_id TEXT NOT NULL, dataset TEXT NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (rule_id, dataset)
) WITHOUT ROWID;
CREATE TABLE dropped (
    dataset TEXT PRIMARY KEY, before INTEGER NOT NULL  -- retention has dropped what lies before that time
) WITHOUT ROWID;
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE passes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, started INTEGER NOT NULL, seconds REAL NOT NULL,
    objects INTEGER NOT NULL, events INTEGER NOT NULL, rules INTEGER NOT NULL,
    signals INTEGER NOT NULL, alerts INTEGER NOT NULL,
    errors TEXT NOT NULL,                        -- JSON: rule -> why
    holder TEXT NOT NULL
);
CREATE TABLE news (
    number INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT NOT NULL UNIQUE  -- changed since notices were made of it
);
CREATE TABLE outbox (
    key TEXT PRIMARY KEY, channel TEXT NOT NULL, kind TEXT NOT NULL,
    body BLOB NOT NULL,                          -- JSON
    created INTEGER NOT NULL, due INTEGER, attempts INTEGER NOT NULL, error TEXT NOT NULL,
    sent INTEGER, ref TEXT NOT NULL, revision INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX outbox_to_send ON outbox (channel, due) WHERE sent IS NULL;
CREATE INDEX outbox_by_time ON outbox (channel, created);
CREATE TABLE owed (rule_id TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (rule_id, object)) WITHOUT ROWID;
"""


class Ledger:
    """The file `ledger.sqlite`. Every connection waits `patience` seconds for a lock."""

    def __init__(self, path: Path, patience: float) -> None:
        self.path, self._patience = path, patience

    def prepare(self, events: Path) -> None:
        """Create the tables in a new file; refuse a file that is not ours, and a new file beside stored events.

        Raises:
            ConfigError: another program's file, or another version's; or `events` has files and their ledger is gone.
        """
        try:
            with closing(self.connect()) as connection:
                if not self._is_ours(connection):
                    self._refuse_orphans(connection, events)
                    self._use_wal(connection)
                    with immediate(connection):
                        if not self._is_ours(connection):
                            self._create(connection)
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise ConfigError(f"store: {self.path} is not a ledger of this program; name another folder") from error
            raise

    def connect(self) -> sqlite3.Connection:
        """A connection without a transaction; text that is not UTF-8 (keys may be anything) survives."""
        connection = sqlite3.connect(self.path, self._patience, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        return connection

    def identity(self) -> tuple[int, int]:
        """Which file it is: another one may come to stand in its place."""
        found = self.path.stat()
        return found.st_dev, found.st_ino

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """False: the file is new and empty."""
        application, version, tables = connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if application == 0 and version == 0 and tables == 0:
            return False
        if application != APPLICATION:
            raise ConfigError(f"store: {self.path} belongs to another program; name another folder")
        if version != VERSION:
            raise ConfigError(
                f"store: {self.path} has version {version} of the tables, this program reads {VERSION};"
                " use the program that wrote it or another folder"
            )
        return True

    def _refuse_orphans(self, connection: sqlite3.Connection, events: Path) -> None:
        """Events without a ledger would count as left behind and be swept. (Asks again: another process may just have
        begun this store; its ledger was there before its events.)"""
        if any(events.glob("*/*/*.parquet")) and not self._is_ours(connection):
            raise ConfigError(
                f"store: {events} has files, but {self.path} is missing or empty; restore it from a backup,"
                " or name another folder"
            )

    def _create(self, connection: sqlite3.Connection) -> None:
        for statement in TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait where two processes switch a new file at once."""
        until = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the write lock from its beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def as_bytes(text: str | None) -> bytes | None:
    """Text for `CAST(? AS TEXT)`: keys of files may hold bytes that are not UTF-8."""
    return None if text is None else text.encode("utf-8", "surrogateescape")
