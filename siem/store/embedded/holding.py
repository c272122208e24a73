"""What the files hold of each object, counted anew from the files themselves, against what the ledger says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.store.contract import Held
from siem.store.embedded.files import objects_in

COUNTED = """
SELECT object, events - duplicates - dropped AS expected, ifnull(rows, 0)
FROM objects LEFT JOIN counted USING (object) WHERE expected <> 0 OR rows > 0
UNION ALL
SELECT object, NULL, rows FROM counted WHERE NOT EXISTS (SELECT 1 FROM objects WHERE objects.object = counted.object)
"""


def held(root: Path, ledger: sqlite3.Connection) -> Iterator[Held]:
    """See `Store.held`. The files that were named when it begins are all read, within the hour that they are kept."""
    ledger.execute("PRAGMA temp_store = FILE")
    ledger.execute("CREATE TEMP TABLE counted (object TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID")
    ledger.execute("BEGIN")
    names = [name for (name,) in ledger.execute("SELECT name FROM files ORDER BY sequence, name")]
    for name in names:
        ledger.executemany(
            "INSERT INTO counted VALUES (?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            rows_of(root / name),
        )
    for found in ledger.execute(COUNTED):
        yield Held(*found)


def rows_of(path: Path) -> list[tuple[str, int]]:
    """Objects, and how many events of each can be read; of a file that is gone or broken none."""
    try:
        with pq.ParquetFile(path, read_dictionary=["siem.object"]) as file:
            return list(objects_in(file.read(["siem.object"])["siem.object"]).items())
    except (OSError, pa.ArrowException, KeyError):
        return []


def event_ids(root: Path, ledger: sqlite3.Connection, object_: str) -> Iterator[str]:
    """See `Store.event_ids`."""
    for (name,) in ledger.execute(
        "SELECT name FROM files JOIN file_objects ON file = name WHERE object = ?", (object_,)
    ):
        with suppress(OSError, pa.ArrowException), pq.ParquetFile(root / name) as file:
            events = file.read(["event.id", "siem.object"])
            yield from events["event.id"].filter(pc.equal(events["siem.object"], object_)).to_pylist()
