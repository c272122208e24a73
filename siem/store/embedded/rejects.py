"""Rejects in the ledger, each whole with its reason."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from siem.parsing.batch import Reject
from siem.store.contract import StoredReject
from siem.store.embedded.ledger import as_bytes
from siem.store.embedded.objects import THESE

COLUMNS = "object, ordinal, dataset, parser_version, reason, raw, size, sha256"


def set_aside(connection: sqlite3.Connection) -> None:
    """Room for the rejects of a commit in the making: a table of this connection alone, which SQLite keeps on disk."""
    connection.execute(f"CREATE TEMP TABLE aside ({COLUMNS})")


def add(
    connection: sqlite3.Connection,
    table: str,
    object_: str,
    dataset: str,
    parser_version: str,
    rejects: Iterable[Reject],
) -> None:
    """Write rejects of one object into `rejects` or `aside`."""
    connection.executemany(
        f"INSERT INTO {table} ({COLUMNS}) VALUES (?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?)",
        [(object_, r.ordinal, dataset, parser_version, as_bytes(r.reason), r.raw, r.size, r.sha256) for r in rejects],
    )


def keep(connection: sqlite3.Connection, objects: Iterable[str]) -> None:
    """Move what was set aside for these objects into the ledger."""
    connection.execute(
        f"INSERT INTO rejects ({COLUMNS}) SELECT {COLUMNS} FROM aside WHERE object IN {THESE} ORDER BY rowid",
        (json.dumps(list(objects)),),
    )


def remove(connection: sqlite3.Connection, object_: str, ordinals: Sequence[int], versions: Iterable[str]) -> int:
    """Forget rejects of an object that these versions of a parser made; how many there were."""
    return connection.execute(
        f"DELETE FROM rejects WHERE object = ? AND ordinal IN {THESE} AND parser_version IN {THESE}",
        (object_, json.dumps(list(ordinals)), json.dumps(list(versions))),
    ).rowcount


def stored(connection: sqlite3.Connection) -> Iterator[StoredReject]:
    """All of them, oldest object first, one at a time."""
    for object_, bucket, key, dataset, version, ordinal, reason, raw, size, sha256 in connection.execute(
        "SELECT o.object, o.bucket, o.key, r.dataset, r.parser_version, r.ordinal, r.reason, r.raw, r.size, r.sha256"
        " FROM objects o CROSS JOIN rejects r ON r.object = o.object WHERE o.rejects > 0 ORDER BY o.position, r.ordinal"
    ):
        yield StoredReject(object_, bucket, key, dataset, version, Reject(ordinal, reason, raw, size, sha256))
