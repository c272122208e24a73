"""`siem verify`: a bucket of a million keys against a ledger of a million rows, against reading both lists of keys."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.claim import Claim
from siem.config import Limits
from siem.prove.listing import Listing
from siem.prove.place import Bucket, Entry
from siem.schema import SourceObject
from siem.store.embedded import EmbeddedStore

NAME = "bucket against ledger, 1,000,000 objects"
OBJECTS, A_DAY = 1_000_000, 3_000
NOW, WRITTEN = datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
TAKEN = 1_793_000_000_000_000
"""Microseconds: after they were written."""

ROW = (
    "INSERT INTO objects (turn, sequence, unique_ids, object, bucket, key, sha256, bytes, state, dataset, records,"
    " events, rejects, skipped, duplicates, committed, parser_version)"
    " VALUES (?, ?, 0, ?, 'logs', ?, ?, 1000, 'committed', 'aws.vpcflow', 9, 9, 0, 0, 0, ?, '1')"
)


@contextmanager
def folder() -> Iterator[Path]:
    """A store with so many rows, and beside it both lists of keys."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        with (
            closing(EmbeddedStore(made / "store")),
            closing(sqlite3.connect(made / "store" / "ledger.sqlite")) as ledger,
        ):
            ledger.executemany(ROW, rows())
            ledger.commit()
        with closing(sqlite3.connect(made / "keys.sqlite")) as lists:
            for table in ("listed", "known"):
                lists.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY) WITHOUT ROWID")
                lists.executemany(f"INSERT INTO {table} VALUES (?)", ((key,) for key in keys()))
            lists.commit()
        yield made


def keys() -> Iterator[str]:
    for number in range(OBJECTS):
        day = number // A_DAY
        name = f"111122223333_vpcflowlogs_eu-west-1_fl-0123456789abcdef0_{number:016d}.log.gz"
        date = f"{2025 + day // 336}/{1 + day // 28 % 12:02d}/{1 + day % 28:02d}"
        yield f"AWSLogs/111122223333/vpcflowlogs/eu-west-1/{date}/{name}"


def rows() -> Iterator[tuple[object, ...]]:
    for number, key in enumerate(keys(), 1):
        yield (
            number,
            number // 1_000,
            SourceObject("logs", key).id,
            key,
            hashlib.sha256(key.encode()).hexdigest(),
            TAKEN,
        )


def claims(made: Path) -> list[Claim]:
    return [Claim(NAME, "objects", partial(product, made), partial(floor, made), 5, at_most=True)]


def product(made: Path) -> int:
    with closing(EmbeddedStore(made / "store")) as store:
        proof = Listing(Bucket("logs", "", Limits()), NOW).prove(listed(made), store.known("logs"))
    assert not proof.findings
    return proof.counts["in_ledger"]


def listed(made: Path) -> Iterator[Entry]:
    with closing(sqlite3.connect(made / "keys.sqlite")) as lists:
        for (key,) in lists.execute("SELECT key FROM listed ORDER BY key"):
            yield Entry(key, 1000, WRITTEN)


def floor(made: Path) -> int:
    """Both lists, in order."""
    with closing(sqlite3.connect(made / "keys.sqlite")) as lists:
        for table in ("listed", "known"):
            count = sum(1 for _ in lists.execute(f"SELECT key FROM {table} ORDER BY key"))
    return count
