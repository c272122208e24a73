"""The ledger's rows of objects and of the files that hold their events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from siem.intake.senders import sender
from siem.store.contract import DatasetStats, Heard, Known, LedgerRow, Pending, State
from siem.store.embedded.ledger import as_bytes
from siem.store.entries import LASTING
from siem.store.times import from_micros, from_micros_or_none, micros, micros_or_none

COLUMNS = (
    "object, bucket, key, version, sha256, bytes, state, dataset, records, events, rejects, skipped, duplicates,"
    " first, last, reason, committed, parser_version"
)
THESE = "(SELECT value FROM json_each(?))"
TO_JUDGE = "(events > duplicates OR again)"
NEXT_TURN = "(SELECT coalesce(max(turn), 0) + 1 FROM objects)"


@dataclass(frozen=True)
class Readable:
    """Files that a search looks into, the columns that any of them has, and the bytes of a row where rows are long."""

    files: list[str]
    columns: frozenset[str]
    row_bytes: int


@dataclass(frozen=True)
class EventFile:
    """A Parquet file. name: below the store's folder; first, last: microseconds; objects: whose events it holds, and
    how many.

    bytes: of the file; unpacked: of its values.
    """

    name: str
    dataset: str
    first: int
    last: int
    rows: int
    bytes: int
    unpacked: int
    columns: tuple[str, ...]
    objects: Mapping[str, int]


def sequence(connection: sqlite3.Connection) -> int:
    """Number of the last commit; 0: none."""
    found: int = connection.execute("SELECT coalesce(max(sequence), 0) FROM objects").fetchone()[0]
    return found


def rows(connection: sqlite3.Connection, objects: Iterable[str] | None) -> dict[str, LedgerRow]:
    """Rows by object, in order of commits."""
    where, values = ("", ()) if objects is None else (f"WHERE object IN {THESE}", (json.dumps(list(objects)),))
    found = connection.execute(f"SELECT {COLUMNS} FROM objects {where} ORDER BY position", values)
    return {row[0]: _row(row) for row in found}


def _row(row: Sequence[Any]) -> LedgerRow:
    values: dict[str, Any] = dict(zip(COLUMNS.split(", "), row, strict=True))
    times = {name: from_micros_or_none(values[name]) for name in ("first", "last", "committed")}
    return LedgerRow(**values | times | {"state": State(values["state"])})


def committed(connection: sqlite3.Connection, after: int) -> Iterator[tuple[int, LedgerRow]]:
    """See `Store.committed`."""
    found = connection.execute(
        f"SELECT position, {COLUMNS} FROM objects WHERE position > ? ORDER BY position", (after,)
    )
    return ((position, _row(row)) for position, *row in found)


def known(connection: sqlite3.Connection, bucket: str, prefix: str) -> Iterator[Known]:
    """See `Store.known`. Of the texts only keys may be no UTF-8; SQLite orders text by its bytes."""
    connection.text_factory = str  # a third of the time
    start = as_bytes(prefix) or b""
    for key, state, sha256, size, committed in connection.execute(
        "SELECT CAST(key AS BLOB), state, sha256, bytes, committed FROM objects"
        " WHERE bucket = CAST(? AS TEXT) AND key >= CAST(? AS TEXT) ORDER BY key",
        (as_bytes(bucket), start),
    ):
        if not key.startswith(start):
            return
        yield Known(key.decode("utf-8", "surrogateescape"), state, sha256, size, committed)


def put(connection: sqlite3.Connection, row: LedgerRow, unique_ids: bool, number: int, now: datetime) -> None:
    """Write the row of commit `number`; it replaces one that gives way."""
    connection.execute("DELETE FROM rejects WHERE object = ?", (row.object,))
    connection.execute("DELETE FROM objects WHERE object = ?", (row.object,))
    connection.execute(
        "INSERT INTO objects (turn, sequence, unique_ids, object, bucket, key, version, sha256, bytes, state, dataset,"
        " records, events, rejects, skipped, duplicates, first, last, reason, committed, parser_version) VALUES"
        f" ({NEXT_TURN}, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " CAST(? AS TEXT), ?, ?)",
        (
            *(number, unique_ids, row.object, as_bytes(row.bucket), as_bytes(row.key), as_bytes(row.version)),
            *(row.sha256, row.bytes, row.state, row.dataset),
            *(row.records, row.events, row.rejects, row.skipped, row.duplicates),
            *(
                micros_or_none(row.first),
                micros_or_none(row.last),
                as_bytes(row.reason),
                micros(now),
                row.parser_version,
            ),
        ),
    )


def put_sender(connection: sqlite3.Connection, row: LedgerRow, now: datetime) -> None:
    """Note that somebody has sent an object that has content."""
    if row.dataset is None or row.state not in LASTING:
        return
    who = sender(row.bucket, row.key)
    connection.execute(
        "INSERT INTO senders VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET first = min(first, excluded.first), last = max(last, excluded.last)",
        (row.dataset, who.place, who.account, micros(now), micros(now)),
    )


def heard(connection: sqlite3.Connection) -> list[Heard]:
    found = connection.execute("SELECT dataset, place, account, first, last FROM senders ORDER BY dataset, place")
    return [
        Heard(dataset, place, account, from_micros(first), from_micros(last))
        for dataset, place, account, first, last in found
    ]


def replace(
    connection: sqlite3.Connection, row: LedgerRow, unique_ids: bool, number: int, dropped: int, judge: bool
) -> None:
    """Commit `number` replaces what an object came to; dropped: its events that are not stored, being of dropped
    periods. It gets a new turn if so asked; and where it had no events to be judged, and has some now."""
    connection.execute("DELETE FROM rejects WHERE object = ?", (row.object,))
    connection.execute(
        "UPDATE objects SET sequence = ?, reparsed = ?, unique_ids = ?, state = ?, dataset = ?, records = ?,"
        " events = ?, rejects = ?, skipped = ?, duplicates = ?, first = ?, last = ?, reason = CAST(? AS TEXT),"
        " parser_version = ?, dropped = ?, again = again OR ?,"
        f" turn = iif(? OR (NOT {TO_JUDGE} AND ? > 0), {NEXT_TURN}, turn) WHERE object = ?",
        (
            *(number, number, unique_ids, row.state, row.dataset, row.records, row.events),
            *(row.rejects, row.skipped, row.duplicates, micros_or_none(row.first), micros_or_none(row.last)),
            *(as_bytes(row.reason), row.parser_version, dropped, judge, judge, row.events - row.duplicates, row.object),
        ),
    )


def were_replaced(connection: sqlite3.Connection, dataset: str, after: int) -> bool:
    """Events of the dataset were replaced after commit `after`."""
    found = connection.execute(
        "SELECT 1 FROM objects WHERE dataset = ? AND reparsed > ? AND reparsed > 0 LIMIT 1", (dataset, after)
    )
    return found.fetchone() is not None


def put_files(connection: sqlite3.Connection, files: Iterable[EventFile], number: int) -> None:
    """Name files: from the end of the transaction on they exist."""
    for file in files:
        connection.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(file.name, number, file.dataset, file.first, file.last, file.rows, file.bytes, file.unpacked),
                json.dumps(file.columns),
            ),
        )
        connection.executemany(
            "INSERT INTO file_objects (file, object, rows) VALUES (?, ?, ?)",
            [(file.name, object_, count) for object_, count in file.objects.items()],
        )


def forget_files(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """From the end of the transaction on no reader finds these files."""
    these = json.dumps(list(names))
    connection.execute(f"DELETE FROM file_objects WHERE file IN {THESE}", (these,))
    connection.execute(f"DELETE FROM files WHERE name IN {THESE}", (these,))


def replace_files(connection: sqlite3.Connection, old: Sequence[str], new: Iterable[EventFile]) -> None:
    """Name files in the place of others. They count as old as the newest of them: who looked for what was committed
    since some commit has seen the same events, or looks into them."""
    newest = f"SELECT max(sequence) FROM files WHERE name IN {THESE}"
    number = connection.execute(newest, (json.dumps(old),)).fetchone()[0]
    forget_files(connection, old)
    put_files(connection, new, number)


def are_named(connection: sqlite3.Connection, names: Sequence[str]) -> bool:
    """All of these files exist for readers."""
    count = f"SELECT count(*) FROM files WHERE name IN {THESE}"
    return bool(connection.execute(count, (json.dumps(names),)).fetchone()[0] == len(names))


def overlapping(connection: sqlite3.Connection, dataset: str, first: int, last: int, after: int = 0) -> list[str]:
    """Files of a dataset with events of first..last, named after commit `after`."""
    return _names(
        connection.execute(
            "SELECT name FROM files WHERE dataset = ? AND last >= ? AND first <= ? AND sequence > ?",
            (dataset, first, last, after),
        )
    )


def identical(connection: sqlite3.Connection, dataset: str, sha256: Iterable[str], after: int = 0) -> dict[str, str]:
    """Objects (-> sha256) of the dataset with events and one of these hashes, committed after commit `after`."""
    return dict(
        connection.execute(
            f"SELECT object, sha256 FROM objects WHERE sha256 IN {THESE} AND dataset = ? AND events > 0"
            " AND sequence > ?",
            (json.dumps(list(sha256)), dataset, after),
        ).fetchall()
    )


def holding(connection: sqlite3.Connection, objects: Iterable[str]) -> list[str]:
    """Files that hold events of one of these objects."""
    return _names(
        connection.execute(
            f"SELECT DISTINCT file FROM file_objects WHERE object IN {THESE}", (json.dumps(list(objects)),)
        )
    )


def shared(connection: sqlite3.Connection, names: Sequence[str], objects: Sequence[str]) -> dict[str, str]:
    """Those of the files, with their datasets, that hold events of other objects than these too."""
    return dict(
        connection.execute(
            f"SELECT name, dataset FROM files WHERE name IN {THESE}"
            f" AND EXISTS (SELECT 1 FROM file_objects WHERE file = name AND object NOT IN {THESE})",
            (json.dumps(names), json.dumps(objects)),
        ).fetchall()
    )


def readable(
    connection: sqlite3.Connection,
    dataset: str,
    objects: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> Readable:
    """What a search of these objects and times has to look into."""
    where, values = ["dataset = ?"], [dataset]
    if since is not None:
        where.append(f"last >= {micros(since)}")
    if until is not None:
        where.append(f"first < {micros(until)}")
    if objects is not None:
        where.append(f"name IN (SELECT file FROM file_objects WHERE object IN {THESE})")
        values.append(json.dumps(list(objects)))
    found = connection.execute(
        f"SELECT name, columns, unpacked / rows FROM files WHERE {' AND '.join(where)} ORDER BY first, name", values
    ).fetchall()
    shapes = {columns for _, columns, _ in found}
    columns = frozenset[str]().union(*map(json.loads, shapes))
    return Readable([name for name, _, _ in found], columns, max((size for *_, size in found), default=0))


def names(connection: sqlite3.Connection) -> set[str]:
    """Every file that exists for readers."""
    return set(_names(connection.execute("SELECT name FROM files")))


def pending(connection: sqlite3.Connection, dataset: str, after: int, most: int | None) -> list[Pending]:
    found = connection.execute(
        "SELECT object, turn, events - duplicates, committed FROM objects"
        f" WHERE dataset = ? AND turn > ? AND {TO_JUDGE} AND state <> '{State.EXPIRED}' ORDER BY turn LIMIT ?",
        (dataset, after, -1 if most is None else most),
    )
    return [Pending(object_, turn, events, from_micros(committed)) for object_, turn, events, committed in found]


def last_turns(connection: sqlite3.Connection) -> dict[str, int]:
    """By dataset, the turn of the last object that is to be judged."""
    last = f"SELECT dataset, max(turn) FROM objects WHERE {TO_JUDGE} GROUP BY dataset"
    return dict(connection.execute(last).fetchall())


def stats(connection: sqlite3.Connection) -> Iterator[DatasetStats]:
    """Sums per dataset."""
    found = connection.execute(
        "SELECT dataset, count(*) AS objects, sum(records) AS records, sum(events) - sum(duplicates) AS events,"
        " sum(rejects) AS rejects, sum(skipped) AS skipped, sum(duplicates) AS duplicates,"
        " (SELECT ifnull(sum(f.bytes), 0) FROM files f WHERE f.dataset = objects.dataset) AS bytes,"
        " min(first) AS first, max(last) AS last FROM objects GROUP BY dataset ORDER BY dataset"
    )
    for row in found.fetchall():
        values: dict[str, Any] = dict(zip([column[0] for column in found.description], row, strict=True))
        ends = {name: from_micros_or_none(values[name]) for name in ("first", "last")}
        yield DatasetStats(**values | ends)


def _names(found: sqlite3.Cursor) -> list[str]:
    return [name for (name,) in found]
